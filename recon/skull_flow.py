"""The head's pose made steady by what the pictures show: how the skull's skin moves from frame to frame.

Landmarks say where the head is, but each frame's word is off by half a pixel, and by another half a second later. How
the picture moves between two frames is known ten times as well. So the tracked skull is followed by optical flow (Lucas and
Kanade 1981) from frames a little earlier to each frame; what the flow shows beyond the tracked motion is a correction
between the two poses, with what it is certain of; and of all corrections those are taken that satisfy the flow and leave the
landmarks' word as it is on average: a linear least-squares problem over all frames.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from scipy.linalg import solveh_banded
from scipy.spatial.transform import Rotation

from avatar3d.camera import Camera
from avatar3d.head.model import JAW, ROOT, HeadModel
from avatar3d.motion import Motion
from avatar3d.render.mesh import vertex_normals
from recon.neck import compose, decompose

LAGS = (1, 3, 9, 27)
"""Frames between the two of a flow: near ones say most of fast motion, far ones keep errors from adding up."""
POINTS = 800
"""Of the skull, among which those are chosen that are followed."""
TEXTURE = 4e-4
"""Least eigenvalue of the gradients around a point (Shi and Tomasi 1994): on plain skin it is the shading that would be followed,
and that stays where the light is."""
FACING = 0.35
"""Least cosine between a point's normal and the direction to the camera."""
STILL = 0.0015
"""Metres by which an expression may move a point of the skull at most."""
WINDOW = 15
"""Pixels at 512 that are compared around a point."""
INDEPENDENT = 40.0
"""Neighbouring points err together: all count as so many independent ones."""
LEAST_ERROR = 0.15
"""Pixels at 512, of a point, however well they agree."""
FEWEST = 25
"""Points without which a flow says nothing."""
ROBUST_ROUNDS = 5
POSE_STD = (0.02, 0.02, 0.01, 1.5, 1.5, 0.012)
"""What landmarks are off by for a while: turns about the camera's axes (radians), shift across (pixels at 512), and distance (share)."""
CHUNK = 64
"""Frames that are followed one after the other by one thread."""

Greys = Callable[[int], np.ndarray]
"""Number of a frame to its grey picture [H, H] uint8; may be called in any order and from threads."""


@dataclass(frozen=True, eq=False)
class _Skull:
    """What is followed: points of the skull, and how the head moves in the camera's frame."""

    points: np.ndarray
    """[N, 3] at rest."""
    normals: np.ndarray
    """[N, 3]."""
    R: np.ndarray
    """[T, 3, 3] and `t`: a point x at rest is at R x + t in the camera's frame."""
    t: np.ndarray
    middle: np.ndarray
    """[T, 3] about which corrections turn."""
    camera: Camera

    def seen(self, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places [N, 3] in the camera's frame, pixels [N, 2] and whether they face the camera [N]."""
        places = self.points @ self.R[frame].T + self.t[frame]
        pixels = places[:, :2] / places[:, 2:] * (self.camera.fx, self.camera.fy) + (self.camera.cx, self.camera.cy)
        facing = -((self.normals @ self.R[frame].T) * places).sum(axis=1) / np.sqrt(np.square(places).sum(axis=1))
        return places, pixels, facing > FACING


def steady_head(
    motion: Motion,
    greys: Greys,
    camera: Camera,
    head: HeadModel,
    valid: np.ndarray,
    cuts: Sequence[int] = (),
    threads: int = 2,
    tell: Callable[[int], None] = lambda done: None,
) -> Motion:
    """The same motion with the head's pose corrected by the flow of the pictures; torso and head still move as one.

    Args:
        motion: as tracked from landmarks, the neck straight.
        greys: the pictures.
        camera: that took them.
        head: of the motion.
        valid: [T] whether a frame shows a face.
        cuts: frames at which a new shot begins: nothing flows across them.
        threads: that work at once; the result does not depend on it.
        tell: told how many frames are done.
    """
    T = len(motion)
    joints = head.joints(torch.from_numpy(motion.shape)).double().numpy()
    head_R, head_t, _, _ = decompose(motion.rotation, motion.translation, motion.neck_pose, motion.neck_translation, joints)
    skull = _skull(head, motion, head_R, head_t, camera)
    shot = np.searchsorted(np.sort(np.asarray(cuts, np.int64)), np.arange(T), side="right")
    chunks = [range(first, min(first + CHUNK, T)) for first in range(0, T, CHUNK)]
    links: list[tuple[int, int, np.ndarray, np.ndarray]] = []
    with ThreadPoolExecutor(threads) as pool:
        for chunk, found in zip(chunks, pool.map(lambda chunk: _follow(chunk, skull, greys, valid, shot), chunks), strict=True):
            links += found
            tell(chunk.stop)
    correction = _solve(links, T, _landmark_precision(skull))
    R_cam, t_cam = camera.T_cam_world[:3, :3], camera.T_cam_world[:3, 3]
    turn = Rotation.from_rotvec(correction[:, :3]).as_matrix()
    moved_R = turn @ skull.R
    moved_t = np.einsum("tij,tj->ti", turn, skull.t - skull.middle) + skull.middle + correction[:, 3:]
    found_R, found_t = R_cam.T @ moved_R, (moved_t - t_cam) @ R_cam
    rotation, translation, neck_pose, neck_translation = compose(found_R, found_t, found_R, found_t, joints)
    return replace(motion, rotation=rotation, translation=translation, neck_pose=neck_pose, neck_translation=neck_translation)


def _skull(head: HeadModel, motion: Motion, head_R: np.ndarray, head_t: np.ndarray, camera: Camera) -> _Skull:
    rest = head.shaped(torch.from_numpy(motion.shape)).double().numpy()
    faces, weights = head.faces.numpy(), head.skin_weights.numpy()
    reach = np.linalg.norm(head.expr_basis.numpy(), axis=1).max(axis=1) if head.expr_names else np.zeros(len(rest))
    rigid = (weights[:, ROOT] < 0.02) & (weights[:, JAW] < 0.02) & (reach < STILL)
    for name in (
        "left_eye",
        "right_eye",
        "eye_sockets",
        "mouth_interior",
        "tongue",
        "upper_teeth",
        "lower_teeth",
        "left_eyelid",
        "right_eyelid",
        "neck",
    ):
        rigid[head.regions.get(name, np.zeros(0, np.int64))] = False
    normals = vertex_normals(rest, faces)
    # Those that can be seen from in front; evenly chosen.
    chosen = np.flatnonzero(rigid & (normals[:, 2] > 0.0))
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, min(POINTS, len(chosen))).astype(int))]
    R_cam, t_cam = camera.T_cam_world[:3, :3], camera.T_cam_world[:3, 3]
    R, t = R_cam @ head_R, head_t @ R_cam.T + t_cam
    middle = R @ rest[rigid].mean(axis=0) + t
    return _Skull(rest[chosen], normals[chosen], R, t, middle, camera)


def _follow(frames: range, skull: _Skull, greys: Greys, valid: np.ndarray, shot: np.ndarray) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """(earlier frame, frame, correction between their poses [6], its information [6, 6]) of all flows that end in `frames`."""
    side = 2 * round(WINDOW * skull.camera.width / 1024) + 1
    kept: dict[int, np.ndarray] = {}

    def grey(frame: int) -> np.ndarray:
        if frame not in kept:
            kept[frame] = greys(frame)
        return kept[frame]

    seen = [frame for frame in frames if valid[frame]]
    if not seen:
        return []
    middle = seen[len(seen) // 2]
    textured = _textured(grey(middle), skull, middle, side)
    links = []
    for frame in frames:
        kept.pop(frame - LAGS[-1] - 1, None)
        for lag in LAGS:
            earlier = frame - lag
            if earlier < 0 or shot[earlier] != shot[frame] or not (valid[earlier] and valid[frame]):
                continue
            link = _flow(grey(earlier), grey(frame), skull, textured, earlier, frame, side)
            if link is not None:
                links.append((earlier, frame, *link))
    return links


def _textured(grey: np.ndarray, skull: _Skull, frame: int, side: int) -> np.ndarray:
    """[N] bool: points that have something to hold on to, as `frame` shows them."""
    strength = cv2.cornerMinEigenVal(grey.astype(np.float32) / 255, side, ksize=3)
    _, pixels, facing = skull.seen(frame)
    column, row = np.clip(pixels, 0, skull.camera.width - 1).astype(np.int64).T
    return facing & (strength[row, column] > TEXTURE)


def _flow(
    before: np.ndarray, after: np.ndarray, skull: _Skull, textured: np.ndarray, earlier: int, frame: int, side: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """What the flow shows beyond the tracked motion, as a correction of the later pose [6], and its information [6, 6]."""
    _, start, facing = skull.seen(earlier)
    places, guess, facing_too = skull.seen(frame)
    use = np.flatnonzero(textured & facing & facing_too)
    if len(use) < FEWEST:
        return None
    # OpenCV's pixels have their centres at whole numbers, ours at halves.
    first, expected = (start[use] - 0.5).astype(np.float32), (guess[use] - 0.5).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 12, 0.01)
    options = {"winSize": (side, side), "maxLevel": 0, "criteria": stop, "flags": cv2.OPTFLOW_USE_INITIAL_FLOW, "minEigThreshold": 1e-3}
    # OpenCV differentiates all it is given: the part around the points is enough.
    corner, part = _window(np.concatenate([first, expected]), len(before), side)
    found, status, _ = cv2.calcOpticalFlowPyrLK(before[part], after[part], (first - corner)[:, None], (expected - corner)[:, None].copy(), **options)
    found = found + corner
    good = status[:, 0] > 0
    if good.sum() < FEWEST:
        return None
    residual = (found[:, 0] - expected)[good].astype(np.float64)
    J = _jacobian(places[use][good], skull.middle[frame], skull.camera)
    return _robust(J, residual, skull.camera.width / 512)


def _window(points: np.ndarray, size: int, margin: int) -> tuple[np.ndarray, tuple[slice, slice]]:
    """The first pixel (x, y) of the part of a picture around points [N, 2], and that part."""
    low = np.clip(np.floor(points.min(axis=0)).astype(int) - margin, 0, size - 1)
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + margin + 1, 1, size)
    return low.astype(np.float32), (slice(low[1], high[1]), slice(low[0], high[0]))


def _jacobian(places: np.ndarray, middle: np.ndarray, camera: Camera) -> np.ndarray:
    """[N, 2, 6] derivatives of pixels by a turn about `middle` and a shift, both in the camera's frame, of points [N, 3]."""
    x, y, z = places.T
    by_place = np.zeros((len(places), 2, 3))
    by_place[:, 0, 0], by_place[:, 0, 2] = camera.fx / z, -camera.fx * x / z**2
    by_place[:, 1, 1], by_place[:, 1, 2] = camera.fy / z, -camera.fy * y / z**2
    arm = places - middle
    turn = np.zeros((len(places), 3, 3))
    # A turn w moves a point by w x arm.
    turn[:, 0, 1], turn[:, 0, 2], turn[:, 1, 2] = arm[:, 2], -arm[:, 1], arm[:, 0]
    turn[:, 1, 0], turn[:, 2, 0], turn[:, 2, 1] = -arm[:, 2], arm[:, 1], -arm[:, 0]
    return np.concatenate([by_place @ turn, by_place], axis=2)


def _robust(J: np.ndarray, residual: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """Least squares with Tukey's weights: the correction [6] and its information [6, 6]."""
    scale = np.array([0.01, 0.01, 0.01, 0.001, 0.001, 0.01])
    A, b = (J * scale).reshape(-1, 6), residual.ravel()
    weight, error, found = np.ones(len(J)), pixel, np.zeros(6)
    for _ in range(ROBUST_ROUNDS):
        weighted = A * np.repeat(weight, 2)[:, None]
        found = np.linalg.solve(weighted.T @ A + 1e-2 * np.eye(6), weighted.T @ b)
        miss = np.sqrt(np.square(b - A @ found).reshape(-1, 2).sum(axis=1))
        error = max(1.2 * float(np.median(miss)), LEAST_ERROR * pixel)
        weight = np.square(np.clip(1 - np.square(miss / (4 * error)), 0, 1))
    share = min(INDEPENDENT / max(weight.sum(), 1.0), 1.0) / error**2
    normal = (A * np.repeat(weight, 2)[:, None]).T @ A * share
    return found * scale, normal / np.outer(scale, scale)


def _landmark_precision(skull: _Skull) -> np.ndarray:
    """[T, 6] how surely landmarks alone say each part of a pose."""
    depth = skull.middle[:, 2:]
    across = depth / skull.camera.fx * skull.camera.width / 512
    std = np.concatenate([np.ones((len(depth), 3)), across, across, depth], axis=1) * POSE_STD
    return 1 / std**2


def _solve(links: list[tuple[int, int, np.ndarray, np.ndarray]], T: int, precision: np.ndarray) -> np.ndarray:
    """Corrections c [T, 6] that minimise sum (c_j - c_i - r)' I (c_j - c_i - r) over the links + sum c' precision c."""
    width = 6 * (LAGS[-1] + 1)
    # Banded storage of the lower half: banded[k, column] = matrix[column + k, column].
    banded, right = np.zeros((width, 6 * T)), np.zeros(6 * T)
    banded[0] = precision.ravel()
    for i, j, r, information in links:
        for a, b, sign in ((i, i, 1), (j, j, 1), (j, i, -1)):
            for row in range(6):
                for column in range(6):
                    down = 6 * a + row - 6 * b - column
                    if down >= 0:
                        banded[down, 6 * b + column] += sign * information[row, column]
        pull = information @ r
        right[6 * j : 6 * j + 6] += pull
        right[6 * i : 6 * i + 6] -= pull
    return solveh_banded(banded, right, lower=True, check_finite=False).reshape(T, 6)
