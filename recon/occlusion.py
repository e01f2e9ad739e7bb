"""What is in front of the person: hands by their network, other things by the skin that they hide.

occlusions.npz, beside the capture   frames [N] int32, masks [N, 64, 8] uint8 (64 x 64 bits of the crop, packed by rows),
                                     face [N] float32 (share of the face that is hidden)
"""

import io
import itertools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from avatar3d.progress import Progress, silent
from recon.capture import Capture
from recon.face_lattice import FaceLattice, face_shapes, make_lattice
from recon.landmarks import OVAL, HandFinder
from recon.prefetch import prefetch

FILE = "occlusions.npz"
CELLS = 64
"""Cells of a mask along either side of the crop: eight pixels of a 512 crop, less than a finger."""
RATE = 6.0
"""Frames looked at per second; around those with something in front, all are."""
HAND_RATE = 3.0
"""Frames searched for hands per second: no gesture comes and goes within a third of one."""
SURE = 0.045
"""Share of the face above which changed skin is something in front of it. On four clips without anything the largest patch was
0.033 (a head at the end of its turn), with a microphone or a cup held there the smallest 0.06."""
HINT = 0.008
"""Share of the face above which a frame is searched for a hand: skin before skin changes little."""
FLAGGED = 0.01
"""Share of the face that must be hidden for a frame to count as one with something in front of the face."""
HIDDEN_WEIGHT = 0.1
"""Weight of a landmark that cannot be seen: the detector's guess from the rest of the face, better than none."""
_REFERENCES = 600
_NEIGHBOURS, _RANK = 8, 2
"""A cell counts as known when the third best of the eight most similar faces has its colour."""
_BRIDGED = 0.25
"""Seconds."""
_APART = 1.5
"""Seconds between a frame and those that it is compared with: whatever is in front stays there for about as long."""
_TOLERANCE = np.array([16.0, 10.0, 10.0], np.float32)
"""Differences in L, a, b (CIE) that another light on the same skin makes."""
_FLOOR = np.array([8.0, 6.0, 6.0], np.float32)


@dataclass(frozen=True, eq=False)
class Occlusions:
    """N frames of a capture in which something is in front of the person; in all others nothing is."""

    frames: np.ndarray
    """[N] int32, ascending."""
    masks: np.ndarray
    """[N, CELLS, CELLS] bool over the crop."""
    face: np.ndarray
    """[N] float32: share of the face that is hidden."""

    def weight(self, index: int, size: int) -> np.ndarray | None:
        """[size, size] float32 for frame `index` at any resolution: 0 where something is in front, 1 elsewhere; None where nothing is."""
        row = int(np.searchsorted(self.frames, index))
        if row == len(self.frames) or self.frames[row] != index:
            return None
        hidden = cv2.resize(self.masks[row].astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
        return (hidden < 0.5).astype(np.float32)

    def flagged(self, frames: int) -> np.ndarray:
        """[frames] bool: part of the face is hidden."""
        marked = np.zeros(frames, bool)
        marked[self.frames[self.face >= FLAGGED]] = True
        return marked

    def landmark_weights(self, landmarks: np.ndarray, size: int) -> np.ndarray:
        """[T, 478] float32 for landmarks [T, 478, 3] in pixels of a `size` crop: `HIDDEN_WEIGHT` where hidden, 1 elsewhere."""
        weights = np.ones(landmarks.shape[:2], np.float32)
        cells = np.clip(landmarks[self.frames, :, :2] * (CELLS / size), 0, CELLS - 1).astype(np.int64)
        rows = np.arange(len(self.frames))[:, None]
        weights[self.frames] = np.where(self.masks[rows, cells[..., 1], cells[..., 0]], np.float32(HIDDEN_WEIGHT), np.float32(1))
        return weights


class FaceMemory:
    """How the face looks in frames spread over the capture, to tell what does not belong to it.

    A cell of the face is strange when its colour is neither usual (median and its spread over the capture) nor that of the
    frames with the most similar face at other times. What hides the same cells for most of a capture is taken for the face.
    """

    def __init__(self, landmarks: np.ndarray, times: np.ndarray) -> None:
        """Landmarks [N, 478, 3] and times [N] (seconds) of the frames that `learn` will be given, in order."""
        self.lattice: FaceLattice = make_lattice(landmarks)
        self._shapes = face_shapes(landmarks).reshape(len(landmarks), -1).astype(np.float32)
        self._times = times
        self._skins: list[np.ndarray] = []

    def learn(self, rgb: np.ndarray, points: np.ndarray) -> None:
        """Take the next frame [size, size, 3] uint8."""
        self._skins.append(self.lattice.sample(rgb, points))

    def settle(self) -> None:
        """All frames have been learned."""
        chosen = np.unique(np.linspace(0, len(self._skins) - 1, min(_REFERENCES, len(self._skins))).astype(int))
        skins = np.stack([_lab(self._skins[k]) for k in chosen])
        inside = self.lattice.inside
        usual = np.median(skins, axis=0)
        # The exposure may wander and clouds pass: what all of the face has in common does not count.
        gains = np.median((skins - usual)[:, inside, 0], axis=1)
        skins[..., 0] -= gains[:, None, None]
        self._usual = np.median(skins, axis=0)
        self._spread = 3 * 1.4826 * np.median(np.abs(skins - self._usual), axis=0) + _FLOOR
        self._references, self._chosen = skins, chosen

    def strange(self, skin: np.ndarray, points: np.ndarray, time: float) -> np.ndarray:
        """[SIDE, SIDE] bool: the largest patch of cells that do not look like the face; often empty.

        Args:
            skin: [SIDE, SIDE, 3] uint8 as the lattice samples it.
            points: [478, 3].
            time: seconds.
        """
        inside = self.lattice.inside
        skin = _lab(skin)
        skin[..., 0] -= np.median((skin - self._usual)[inside, 0])
        difference = (np.abs(skin - self._usual) / self._spread).max(axis=-1)
        others = np.flatnonzero(np.abs(self._times[self._chosen] - time) > _APART)
        if len(others) > _RANK:
            shape = face_shapes(points[None]).reshape(-1).astype(np.float32)
            apart = np.linalg.norm(self._shapes[self._chosen[others]] - shape, axis=1)
            nearest = others[np.argsort(apart, kind="stable")[:_NEIGHBOURS]]
            against = (np.abs(self._references[nearest] - skin) / _TOLERANCE).max(axis=-1)
            difference = np.minimum(difference, np.partition(against, _RANK, axis=0)[_RANK])
        changed = (cv2.blur(np.where(inside, difference, 0).astype(np.float32), (3, 3)) > 1).view(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(changed)
        if count < 2:
            return np.zeros_like(inside)
        return (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))) & inside

    def skin(self, order: int) -> np.ndarray:
        """What was learned of the frame that came at `order`."""
        return self._skins[order]


def find_occlusions(capture: Capture, progress: Progress = silent) -> Occlusions:
    """Look for hands and things in front of the person.

    Looks at `RATE` frames a second, and at all frames around those in which something is: about 3 ms for each frame of a
    capture with nothing in front.

    Args:
        capture: frames and landmarks.
        progress: told how many frames are done.
    """
    T, fps = len(capture), float(capture.fps)
    step = max(1, round(fps / RATE))
    sparse = np.flatnonzero(capture.valid)
    sparse = sparse[np.unique(np.searchsorted(sparse, np.arange(0, T, step)).clip(0, max(len(sparse) - 1, 0)))] if len(sparse) else sparse
    if len(sparse) < 4:
        return no_occlusions()
    memory = FaceMemory(capture.landmarks[sparse], sparse / fps)
    every = max(1, round(RATE / HAND_RATE))
    found: dict[int, np.ndarray] = {}
    with HandFinder() as finder:
        for order, (index, rgb) in enumerate(_pictures(capture, sparse)):
            memory.learn(rgb, capture.landmarks[index])
            if order % every == 0:
                _add_hands(found, index, finder.find(rgb), capture.size)
            progress(index + 1, T)
        memory.settle()
        hints = []
        for order, index in enumerate(sparse):
            patch = memory.strange(memory.skin(order), capture.landmarks[index], index / fps)
            share = patch.sum() / memory.lattice.inside.sum()
            if share >= SURE:
                _add(found, int(index), _skin_mask(memory.lattice, patch, capture.landmarks[index], capture.size))
            elif share >= HINT and order % every:
                hints.append(int(index))
        for index, rgb in _pictures(capture, np.array(hints, np.int64)):
            _add_hands(found, index, finder.find(rgb), capture.size)
        seen = set(sparse.tolist())
        around = {i for index in found for i in range(max(index - step * every, 0), min(index + step * every + 1, T))}
        # A frame that was only glanced at for skin is looked at for hands when a neighbour has one.
        dense = np.array(sorted(i for i in around if i not in found), np.int64)
        for index, rgb in _pictures(capture, dense):
            points = capture.landmarks[index]
            _add_hands(found, index, finder.find(rgb), capture.size)
            if capture.valid[index] and index not in seen:
                patch = memory.strange(memory.lattice.sample(rgb, points), points, index / fps)
                if patch.sum() >= SURE * memory.lattice.inside.sum():
                    _add(found, index, _skin_mask(memory.lattice, patch, points, capture.size))
    progress(T, T)
    _bridge(found, round(_BRIDGED * fps), capture.cuts)
    return _collected(capture, found)


def no_occlusions() -> Occlusions:
    """Nothing in front in any frame."""
    return Occlusions(np.zeros(0, np.int32), np.zeros((0, CELLS, CELLS), bool), np.zeros(0, np.float32))


def save_occlusions(occlusions: Occlusions, folder: Path | str) -> None:
    """Write `occlusions.npz` into a capture folder.

    Raises:
        UserError: the file cannot be written.
    """
    packed = io.BytesIO()
    np.savez_compressed(packed, frames=occlusions.frames, masks=np.packbits(occlusions.masks, axis=2), face=occlusions.face)
    with atomic_path(Path(folder) / FILE) as path:
        path.write_bytes(packed.getbuffer())


def load_occlusions(folder: Path | str, frames: int | None = None) -> Occlusions:
    """What `save_occlusions` left in a capture folder; nothing in front where there is no such file.

    Args:
        folder: of the capture.
        frames: how many frames the capture has, to refuse a file of another.

    Raises:
        UserError: the file is damaged or does not fit.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return no_occlusions()
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        # 64 rows of 8 bytes, a number and a share for each frame, and numpy's headers.
        if size > 1 << 30:
            raise ValueError("too large")
        with np.load(path, allow_pickle=False) as arrays:
            index, masks, face = (np.asarray(arrays[name]) for name in ("frames", "masks", "face"))
        N = len(index)
        if index.dtype != np.int32 or masks.dtype != np.uint8 or masks.shape != (N, CELLS, CELLS // 8) or face.shape != (N,) or index.shape != (N,):
            raise ValueError("arrays of other shapes")
        if N and (index[0] < 0 or (np.diff(index) <= 0).any() or (frames is not None and index[-1] >= frames)):
            raise ValueError("frames that the capture does not have")
        return Occlusions(index, np.unpackbits(masks, axis=2).astype(bool), np.nan_to_num(face.astype(np.float32)))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise UserError(f"{path}: is damaged ({error}); remove it, or make the capture again with `avatar3d track`") from error


def _pictures(capture: Capture, frames: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    return prefetch((int(index), capture.image(int(index))) for index in frames)


def _lab(skin: np.ndarray) -> np.ndarray:
    """[SIDE, SIDE, 3] float32 CIE L 0..100, a, b of sRGB uint8."""
    return cv2.cvtColor(skin.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2Lab)


def _add(found: dict[int, np.ndarray], index: int, mask: np.ndarray) -> None:
    found[index] = found[index] | mask if index in found else mask


def _add_hands(found: dict[int, np.ndarray], index: int, hands: np.ndarray, size: int) -> None:
    for joints in hands:
        _add(found, index, hand_mask(joints, size))


def hand_mask(joints: np.ndarray, size: int) -> np.ndarray:
    """[CELLS, CELLS] bool: the hand with joints [21, 2] in pixels of a `size` crop, and the forearm behind it.

    Fingers are as thick as a quarter of the palm is wide, the arm as four fifths.
    """
    fine = 4 * CELLS
    points = joints * (fine / size)
    canvas = np.zeros((fine, fine), np.uint8)
    palm = float(max(np.linalg.norm(points[5] - points[17]), 0.5 * np.linalg.norm(points[0] - points[9]), 2.0))
    place = np.round(np.clip(points, -4 * fine, 5 * fine)).astype(np.int32)
    cv2.fillConvexPoly(canvas, cv2.convexHull(place[[0, 1, 2, 5, 9, 13, 17]]), (1,))
    for finger in range(5):
        chain = [0, *range(1 + 4 * finger, 5 + 4 * finger)]
        cv2.polylines(canvas, [place[chain]], False, (1,), max(2, round(0.32 * palm)))
    elbow = np.round(np.clip(points[0] + 1.5 * (points[0] - points[9]), -4 * fine, 5 * fine)).astype(np.int32)
    cv2.line(canvas, place[0].tolist(), elbow.tolist(), (1,), max(2, round(0.8 * palm)))
    share = cv2.resize(canvas.astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return _grown(share > 0.1)


def _skin_mask(lattice: FaceLattice, patch: np.ndarray, points: np.ndarray, size: int) -> np.ndarray:
    """[CELLS, CELLS] bool: where a patch of the lattice lies in the crop."""
    cells = np.floor(lattice.places(points)[patch] * (CELLS / size)).astype(np.int64)
    cells = cells[((cells >= 0) & (cells < CELLS)).all(axis=1)]
    mask = np.zeros((CELLS, CELLS), bool)
    mask[cells[:, 1], cells[:, 0]] = True
    return _grown(mask)


def _bridge(found: dict[int, np.ndarray], longest: int, cuts: np.ndarray) -> None:
    """Fill gaps of up to `longest` frames between frames with something in front: a hand does not vanish for a moment, but is missed for one."""
    frames = sorted(found)
    for before, after in itertools.pairwise(frames):
        if 1 < after - before <= longest + 1 and not ((cuts > before) & (cuts <= after)).any():
            for index in range(before + 1, after):
                found[index] = found[before] | found[after]


def _grown(mask: np.ndarray) -> np.ndarray:
    """One cell wider: half a finger of doubt costs nothing, an unmasked rim would be learned."""
    return cv2.dilate(mask.view(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


def _collected(capture: Capture, found: dict[int, np.ndarray]) -> Occlusions:
    if not found:
        return no_occlusions()
    frames = sorted(found)
    shares = []
    for index in frames:
        share = 0.0
        if capture.valid[index]:
            face = np.zeros((CELLS, CELLS), np.uint8)
            oval = np.clip(capture.landmarks[index, list(OVAL), :2] * (CELLS / capture.size), -CELLS, 2 * CELLS)
            cv2.fillPoly(face, [np.round(oval).astype(np.int32)], (1,))
            share = float((found[index] & (face > 0)).sum() / max(face.sum(), 1))
        shares.append(share)
    return Occlusions(np.array(frames, np.int32), np.stack([found[index] for index in frames]), np.array(shares, np.float32))
