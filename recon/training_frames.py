"""The frames that a fit learns from: decoded when needed, kept while memory allows, drawn so that rare faces are not rare."""

import threading
from dataclasses import dataclass

import cv2
import numpy as np

from avatar3d.motion import Motion
from recon.capture import Capture
from recon.face_regions import LEFT_EYE, OUTER_LIPS, RIGHT_EYE
from recon.occlusion import Occlusions, load_occlusions

MOUTH_IMPORTANCE, EYE_IMPORTANCE = 5.0, 4.0
"""Weight of a pixel of the mouth or an eye in the L1 term; elsewhere 1."""
CACHE_BYTES = 3 << 28
_RARITY_BINS = 8
_MOST_OFTEN = 4.0
"""A rare frame is drawn at most this many times as often as the average one."""


@dataclass(frozen=True, eq=False)
class TrainingFrame:
    """One frame at one resolution."""

    rgb: np.ndarray
    """[H, W, 3] uint8."""
    matte: np.ndarray
    """[H, W] uint8."""
    importance: np.ndarray
    """[H, W] float32."""
    shown: np.ndarray | None
    """[H, W] float32: 0 where something is in front of the person, 1 elsewhere; None where nothing is."""
    box: tuple[int, int, int, int]
    """(top, left, bottom, right) around the subject."""

    def over(self, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The frame composited over a colour [3] through its matte [H, W, 3] float32, and the matte [H, W] float32."""
        matte = self.matte.astype(np.float32) * np.float32(1 / 255)
        rgb = self.rgb.astype(np.float32) * np.float32(1 / 255)
        return background + matte[..., None] * (rgb - background), matte


class FrameStore:
    """Frames of a capture at full and half resolution; frames beyond the memory budget are decoded again when drawn."""

    def __init__(self, capture: Capture):
        self._capture, self._occlusions = capture, load_occlusions(capture.path, len(capture))
        self._kept: dict[tuple[int, int], TrainingFrame] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, index: int, shrink: int) -> TrainingFrame:
        """Frame `index` at 1 / `shrink` of the capture's resolution."""
        key = (index, shrink)
        frame = self._kept.get(key)
        if frame is None:
            frame = _load(self._capture, self._occlusions, index, shrink)
            size = frame.rgb.nbytes + frame.matte.nbytes + frame.importance.nbytes
            with self._lock:
                if key not in self._kept and self._bytes + size <= CACHE_BYTES:
                    self._kept[key] = frame
                    self._bytes += size
        return frame


def _load(capture: Capture, occlusions: Occlusions, index: int, shrink: int) -> TrainingFrame:
    rgb, matte = capture.image(index), capture.matte(index)
    points = capture.landmarks[index, :, :2] if capture.valid[index] else None
    if shrink > 1:
        size = (capture.size // shrink, capture.size // shrink)
        rgb, matte = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.resize(matte, size, interpolation=cv2.INTER_AREA)
        points = None if points is None else points / shrink
    importance = np.ones(matte.shape, np.float32)
    if points is not None:
        for region, weight in ((LEFT_EYE, EYE_IMPORTANCE), (RIGHT_EYE, EYE_IMPORTANCE), (OUTER_LIPS, MOUTH_IMPORTANCE)):
            hull = cv2.convexHull(points[list(region)].astype(np.float32))
            centre = hull.mean(axis=0, keepdims=True)
            cv2.fillConvexPoly(importance, np.round(centre + 1.35 * (hull - centre)).astype(np.int32), (weight,))
    shown = occlusions.weight(index, matte.shape[0])
    return TrainingFrame(rgb, matte, importance if shown is None else importance * shown, shown, _subject_box(matte))


def _subject_box(matte: np.ndarray, margin: int = 8) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero((matte > 12).any(axis=1)), np.flatnonzero((matte > 12).any(axis=0))
    height, width = matte.shape
    if len(rows) == 0:
        return 0, 0, height, width
    return max(rows[0] - margin, 0), max(columns[0] - margin, 0), min(rows[-1] + 1 + margin, height), min(columns[-1] + 1 + margin, width)


def draw_weights(motion: Motion, frames: np.ndarray) -> np.ndarray:
    """Probabilities [len(frames)] of drawing each frame: rare jaw openings, blinks and head turns more often than common ones.

    Args:
        motion: the tracked motion of the capture.
        frames: indices of the frames that may be drawn.
    """
    lids = motion.eyelids if motion.eyelids is not None else motion.expr[:, :0]
    features = [motion.jaw_pose[:, 0], motion.neck_pose[:, 0], motion.neck_pose[:, 1]]
    features += [lids.mean(axis=1)] if lids.shape[1] else []
    rarity = np.zeros(len(frames))
    for feature in features:
        values = feature[frames]
        bins = np.histogram_bin_edges(values, _RARITY_BINS)
        member = np.clip(np.digitize(values, bins) - 1, 0, _RARITY_BINS - 1)
        counts = np.bincount(member, minlength=_RARITY_BINS)
        rarity += 1 / np.sqrt(counts[member])
    rarity = np.minimum(rarity / rarity.mean(), _MOST_OFTEN)
    return rarity / rarity.sum()
