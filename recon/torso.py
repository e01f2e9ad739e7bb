"""The shoulders on their own: dense alignment of the bust to a reference frame, and the rigid motion that it stands for.

Skin and cloth below the chin offer few corners to follow, but their shading and outline as a whole fix shift, roll and
scale well. Inverse compositional Gauss-Newton (Baker and Matthews 2004) with robust weights, on the blurred, matted
picture and on the matte itself, so that a dark suit before a dark wall still has an outline.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.camera import Camera
from recon.landmarks import CHIN, FOREHEAD, OVAL

LEVELS = (64, 128, 256)
"""Sides of the pictures that are aligned, coarse to fine."""
STEPS = (12, 8, 4)
MATTE_CONTRAST = 15.0
"""Grey levels between inside and outside in the matte's channel."""
ROBUST = 30.0
"""Grey levels; Cauchy's scale."""
PRIOR_STD = (80.0, 80.0, 0.15, 0.1)
"""Of shift in pixels at 512, roll in radians, logarithm of scale."""
NOISE_PIXELS = 400.0
"""The errors of neighbouring pixels go together: all of them count as this many."""
MAX_POINTS = 4000
"""Pixels per level that are compared: those with the most contrast, since flat cloth says nothing."""
MIN_BUST = 0.01
"""Share of the picture that the bust must fill to be followed."""
MAX_RESIDUAL = 16.0
"""Mean (clipped) grey-level difference above which a frame counts as lost."""


@dataclass(frozen=True, eq=False)
class BustAlignment:
    """Where the bust of the reference frame is seen in every frame."""

    similarity: np.ndarray
    """[T, 2, 3] maps pixels of the reference frame to pixels of each frame."""
    residual: np.ndarray
    """[T] mean difference in grey levels after alignment; NaN where nothing could be aligned."""
    valid: np.ndarray
    """[T] bool: false where the similarity is borrowed from the neighbours."""
    reference: int


@dataclass(frozen=True, eq=False)
class _Level:
    """The reference picture at one size, ready for inverse compositional steps."""

    points: np.ndarray
    """[n, 2] the bust's pixels of most contrast (x, y)."""
    values: np.ndarray
    """[2, n] their blurred grey and matte."""
    steepest: np.ndarray
    """[2, n, 4] derivative of the values by shift, roll and log scale about `centre`."""
    centre: np.ndarray
    """[2] pixels of this size."""


def choose_reference(landmarks: np.ndarray, usable: np.ndarray) -> int:
    """The usable frame whose face is most in its usual place."""
    frames = np.flatnonzero(usable)
    face = landmarks[frames][:, list(OVAL), :2].reshape(len(frames), -1)
    return int(frames[np.abs(face - np.median(face, axis=0)).sum(1).argmin()])


def align_bust(
    frames: Iterable[tuple[np.ndarray, np.ndarray]],
    reference: int,
    reference_frame: tuple[np.ndarray, np.ndarray],
    landmarks: np.ndarray,
    valid: np.ndarray,
    cuts: Sequence[int] = (),
) -> BustAlignment:
    """Follow the bust.

    Args:
        frames: (rgb [H, H, 3] uint8, matte [H, H] uint8) of all T frames in order.
        reference: number of the reference frame (`choose_reference`).
        reference_frame: that frame's picture and matte.
        landmarks: [T, 478, 2 or more] pixels; they say where the head is.
        valid: [T] whether they do.
        cuts: frames at which a new shot begins: alignment starts afresh.
    """
    T, size = len(valid), reference_frame[0].shape[0]
    levels = _reference_levels(*reference_frame, landmarks[reference], size)
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    similarity, residual = np.tile(identity, (T, 1, 1)), np.full(T, np.nan)
    if levels is None:
        return BustAlignment(similarity, residual, np.zeros(T, bool), reference)
    starts, current = set(cuts), None
    for index, (rgb, matte) in enumerate(frames):
        if index in starts:
            current = None
        if not valid[index]:
            continue
        pyramid = _pyramid(rgb, matte, landmarks[index], size)
        guesses = [(0, identity)] if current is None else [(1, current)]
        if current is None and index != reference:
            shift = landmarks[index, CHIN, :2] - landmarks[reference, CHIN, :2]
            guesses.append((0, identity + np.array([[0, 0, shift[0]], [0, 0, shift[1]]])))
        results = [_align(levels, pyramid, guess, first, size) for first, guess in guesses]
        found, error = min(results, key=lambda result: result[1])
        if error > MAX_RESIDUAL and current is not None:
            found, error = min(_align(levels, pyramid, identity, 0, size), (found, error), key=lambda result: result[1])
        similarity[index], residual[index] = found, error
        current = found if error <= MAX_RESIDUAL else None
    good = np.isfinite(residual) & (residual <= MAX_RESIDUAL)
    return BustAlignment(_borrow(similarity, good, cuts), residual, good, reference)


def _prepare(rgb: np.ndarray, matte: np.ndarray, side: int) -> np.ndarray:
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    alpha = cv2.resize(matte, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    picture = np.stack([grey * alpha, alpha * MATTE_CONTRAST])
    for channel in picture:
        cv2.GaussianBlur(channel, (0, 0), 1.2, dst=channel)
    return picture


def _head_mask(points: np.ndarray, side: int, size: int) -> np.ndarray:
    """[side, side] uint8: 1 where neither the head nor the neck right below the chin is."""
    mask = np.ones((side, side), np.uint8)
    face = points[list(OVAL), :2]
    height = np.linalg.norm(points[CHIN, :2] - points[FOREHEAD, :2])
    below = face + np.array([0, 0.12 * height])
    hull = cv2.convexHull(np.concatenate([face, below]).astype(np.float32) * (side / size) - 0.5)
    cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), (0,))
    return mask


def _pyramid(rgb: np.ndarray, matte: np.ndarray, points: np.ndarray, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per level the picture [2, N, N] and where it may be looked at [N, N]."""
    finest = cv2.resize(rgb, (LEVELS[-1],) * 2, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(matte, (LEVELS[-1],) * 2, interpolation=cv2.INTER_AREA)
    return [(_prepare(finest, alpha, side), _head_mask(points, side, size)) for side in LEVELS]


def _reference_levels(rgb: np.ndarray, matte: np.ndarray, points: np.ndarray, size: int) -> list[_Level] | None:
    """The bust of the reference frame, or None when too little of it is in the picture."""
    chin = points[CHIN, 1]
    height = np.linalg.norm(points[CHIN, :2] - points[FOREHEAD, :2])
    levels = []
    for side, (picture, seen) in zip(LEVELS, _pyramid(rgb, matte, points, size), strict=True):
        rows = (np.arange(side) + 0.5) * size / side
        body = cv2.dilate((picture[1] > 0.5 * MATTE_CONTRAST).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        mask = body & seen.astype(bool) & (rows > chin + 0.06 * height)[:, None]
        mask[-1], mask[:, 0], mask[:, -1] = False, False, False
        if mask.mean() < MIN_BUST:
            return None
        gradient = np.stack([[cv2.Sobel(channel, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1))] for channel in picture])
        contrast = (gradient**2).sum((0, 1)) * mask
        kept = min(MAX_POINTS, int(mask.sum()))
        y, x = np.divmod(np.sort(np.argpartition(-contrast.ravel(), kept - 1)[:kept]), side)
        centre = np.array([x.mean(), y.mean()])
        dx, dy = x - centre[0], y - centre[1]
        gx, gy = gradient[:, 0, y, x], gradient[:, 1, y, x]
        steepest = np.stack([gx, gy, gy * dx - gx * dy, gx * dx + gy * dy], axis=-1)
        points = np.stack([x, y], axis=1).astype(np.float32)
        levels.append(_Level(points, picture[:, y, x], steepest.astype(np.float32), centre))
    return levels


def _align(levels: list[_Level], pyramid: list[tuple[np.ndarray, np.ndarray]], start: np.ndarray, first: int, size: int) -> tuple[np.ndarray, float]:
    """Refine a similarity (pixels of the crop) from level `first` on; returns it and its residual."""
    warp, error = start, np.inf
    for level, (picture, seen), side, steps in list(zip(levels, pyramid, LEVELS, STEPS, strict=True))[first:]:
        scale = side / size
        # Pixel i of a picture is centred at i + 0.5: index coordinates are continuous ones less a half.
        local = warp.copy()
        local[:, 2] = warp[:, 2] * scale + 0.5 * (warp[:, :2].sum(1) - 1)
        local, error = _gauss_newton(level, picture, seen, local, steps, scale)
        warp = local.copy()
        warp[:, 2] = (local[:, 2] - 0.5 * (local[:, :2].sum(1) - 1)) / scale
    return warp, error


def _gauss_newton(level: _Level, picture: np.ndarray, seen: np.ndarray, warp: np.ndarray, steps: int, scale: float) -> tuple[np.ndarray, float]:
    precision = np.diag([(1 / (PRIOR_STD[0] * scale)) ** 2, (1 / (PRIOR_STD[1] * scale)) ** 2, PRIOR_STD[2] ** -2, PRIOR_STD[3] ** -2])
    error = np.inf
    for _ in range(steps):
        places = level.points @ warp[:, :2].T.astype(np.float32) + warp[:, 2].astype(np.float32)
        maps = np.ascontiguousarray(places[:, :1]), np.ascontiguousarray(places[:, 1:])
        moved = np.stack([cv2.remap(channel, *maps, cv2.INTER_LINEAR)[:, 0] for channel in picture])
        visible = cv2.remap(seen, *maps, cv2.INTER_NEAREST)[:, 0] > 0
        if visible.sum() < 0.3 * len(visible):
            return warp, np.inf
        difference = moved - level.values
        weight = visible / (1 + (difference / ROBUST) ** 2)
        error = float(np.minimum(np.abs(difference[:, visible]), 2 * ROBUST).mean())
        weighted = level.steepest * weight[..., None]
        norm = NOISE_PIXELS / max(float(weight.sum()), 1.0) / (ROBUST / 4) ** 2
        flat = weighted.reshape(-1, 4).T
        H = flat @ level.steepest.reshape(-1, 4) * norm
        g = flat @ difference.ravel() * norm
        step = np.linalg.solve(H + precision, g + precision @ _parameters(warp, level.centre))
        warp = _compose_inverse(warp, step, level.centre)
        if np.abs(step[:2]).max() < 0.01 and np.abs(step[2:]).max() < 1e-4:
            break
    return warp, error


def _parameters(warp: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Shift of the centre, roll and log scale of a similarity."""
    shift = warp[:, :2] @ centre + warp[:, 2] - centre
    return np.array([*shift, np.arctan2(warp[1, 0], warp[0, 0]), 0.5 * np.log(np.abs(np.linalg.det(warp[:, :2])))])


def _compose_inverse(warp: np.ndarray, step: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """warp after the inverse of the small similarity `step` about `centre`."""
    sine, cosine, scale = np.sin(step[2]), np.cos(step[2]), np.exp(step[3])
    inverse = np.array([[cosine, sine], [-sine, cosine]]) / scale
    offset = centre - inverse @ (centre + step[:2])
    return np.concatenate([warp[:, :2] @ inverse, (warp[:, :2] @ offset + warp[:, 2])[:, None]], axis=1)


def _borrow(similarity: np.ndarray, good: np.ndarray, cuts: Sequence[int]) -> np.ndarray:
    """Lost frames take over the interpolated similarity of their shot's good ones."""
    out, T = similarity.copy(), len(good)
    bounds = [0, *sorted(cut for cut in cuts if 0 < cut < T), T]
    for first, last in itertools.pairwise(bounds):
        known = np.flatnonzero(good[first:last]) + first
        if len(known):
            frames = np.arange(first, last)
            for row in range(2):
                for column in range(3):
                    out[first:last, row, column] = np.interp(frames, known, similarity[known, row, column])
        else:
            out[first:last] = np.array([[1.0, 0, 0], [0, 1, 0]])
    return out


def torso_motion(
    alignment: BustAlignment, camera: Camera, depth: float, head_R: np.ndarray, head_t: np.ndarray, learn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The torso's rigid motion x -> R x + t, [T, 3, 3] and [T, 3], in the world.

    A similarity of the picture is, at the bust's depth, a turn about the viewing axis and a translation. What the
    picture cannot show, the torso's pose in the reference frame, is the mean pose of the head relative to the bust.

    Args:
        alignment: the bust in the picture.
        camera: the camera.
        depth: metres from the camera to the bust in the reference frame.
        head_R: [T, 3, 3] the head's motion.
        head_t: [T, 3].
        learn: [T] bool, frames whose head pose counts for the mean.
    """
    A = alignment.similarity
    scale = np.sqrt(np.abs(np.linalg.det(A[:, :, :2])))
    angle = np.arctan2(A[:, 1, 0] - A[:, 0, 1], A[:, 0, 0] + A[:, 1, 1])
    turn = Rotation.from_rotvec(angle[:, None] * np.array([0.0, 0.0, 1.0])).as_matrix()
    centre = np.array([camera.cx, camera.cy])
    z = depth / scale
    shift = (A[:, :, :2] @ centre + A[:, :, 2] - centre) * (z / camera.fx)[:, None]
    move = np.concatenate([shift, (z - depth)[:, None]], axis=1)
    # Depth is moved along with the bust's own z, so the turn about the axis needs no correction.
    R_cw, t_cw = camera.T_cam_world[:3, :3], camera.T_cam_world[:3, 3]
    M_R = R_cw.T @ turn @ R_cw
    M_t = (turn @ t_cw + move - t_cw) @ R_cw
    relative_R = np.swapaxes(M_R, 1, 2) @ head_R
    relative_t = (np.swapaxes(M_R, 1, 2) @ (head_t - M_t)[..., None])[..., 0]
    rest_R = Rotation.from_matrix(relative_R[learn]).mean().as_matrix()
    rest_t = np.median(relative_t[learn], axis=0)
    return M_R @ rest_R, (M_R @ rest_t) + M_t
