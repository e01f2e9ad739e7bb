"""Landmarks seen in the render against those seen in the truth: how far apart, and how calm while the head is still."""

from fractions import Fraction

import numpy as np

from recon.face_regions import INNER_LIPS, LEFT_EYE, LEFT_IRIS, OUTER_LIPS, RIGHT_EYE, RIGHT_IRIS
from recon.landmarks import COUNT

LANDMARK_FIGURES: dict[str, tuple[int, ...]] = {
    "landmark_px": tuple(range(COUNT)),
    "landmark_lips_px": OUTER_LIPS + INNER_LIPS,
    "landmark_eyes_px": LEFT_EYE + RIGHT_EYE,
    "landmark_iris_px": LEFT_IRIS + RIGHT_IRIS,
}
"""Which points each figure averages over."""
STEADY = (33, 133, 263, 362, 168, 6, 197, 195, 5)
"""Corners of the eyes and the ridge of the nose: they move with the skull and hardly with the expression."""
STILL_SPEED = 0.35
"""Pixels (at 512) a frame below which the head counts as still, after smoothing."""
STILL_SECONDS = 0.5
"""Least length of a still stretch."""
_SMOOTH_SECONDS = 0.2


def landmark_distances(points: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """By figure, the mean distance [T] of points [T, 478, 2] from those of the truth; NaN where either saw no face."""
    distance = np.linalg.norm(points.astype(np.float64) - truth, axis=-1)
    return {name: distance[:, list(indices)].mean(axis=1) for name, indices in LANDMARK_FIGURES.items()}


def still_stretches(points: np.ndarray, frames: np.ndarray, fps: Fraction, cuts: tuple[int, ...] = ()) -> list[slice]:
    """Stretches of consecutive frames in which the head hardly moves, as slices of rows.

    Args:
        points: [T, 478, 2] landmarks of the truth, pixels at 512; NaN where there are none.
        frames: [T] frame numbers, ascending.
        fps: of the capture.
        cuts: frames that do not continue the frame before.
    """
    place = points[:, list(STEADY)].astype(np.float64).mean(axis=1)
    window, shortest = _window(fps), max(4, round(STILL_SECONDS * float(fps)))
    stretches = []
    for run in consecutive(frames, cuts):
        known = np.isfinite(place[run]).all(axis=1)
        smooth = _smoothed(np.where(known[:, None], place[run], 0), window)
        speed = np.full(len(known), np.inf)
        speed[1:] = np.linalg.norm(np.diff(smooth, axis=0), axis=1)
        if len(speed) > 1:
            speed[0] = speed[1]
        still = known & (speed < STILL_SPEED)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(int)))
        stretches += [slice(run.start + a, run.start + b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= shortest]
    return stretches


def consecutive(frames: np.ndarray, cuts: tuple[int, ...] = ()) -> list[slice]:
    """Runs of rows whose frames follow one another without a cut."""
    breaks = [row for row in range(1, len(frames)) if frames[row] != frames[row - 1] + 1 or int(frames[row]) in cuts]
    return [slice(a, b) for a, b in zip([0, *breaks], [*breaks, len(frames)], strict=True) if b > a]


def jitter(points: np.ndarray, stretches: list[slice], fps: Fraction) -> float:
    """Root mean square of what is left of the steady landmarks' movement when its running mean is taken out, pixels at 512.

    Args:
        points: [T, 478, 2] landmarks, NaN where there are none.
        stretches: rows in which the head is still (`still_stretches`).
        fps: of the capture.

    Returns:
        NaN where there is nothing to measure.
    """
    shaking = [shake(points, stretch, fps) for stretch in stretches]
    squares = np.concatenate([np.square(s).sum(axis=-1).ravel() for s in shaking]) if shaking else np.zeros(0)
    squares = squares[np.isfinite(squares)]
    return float(np.sqrt(squares.mean())) if len(squares) else float("nan")


def shake(points: np.ndarray, stretch: slice, fps: Fraction) -> np.ndarray:
    """[rows, len(STEADY), 2] movement of the steady landmarks about their running mean, pixels at 512."""
    track = points[stretch][:, list(STEADY)].astype(np.float64)
    return track - _smoothed(track, _window(fps))


def _window(fps: Fraction) -> int:
    return 2 * max(1, round(_SMOOTH_SECONDS * float(fps) / 2)) + 1


def _smoothed(track: np.ndarray, window: int) -> np.ndarray:
    """Running mean along the first axis; near the ends over the frames that there are."""
    T, half = len(track), window // 2
    total = np.concatenate([np.zeros((1, *track.shape[1:])), np.cumsum(track, axis=0)])
    low, high = np.maximum(np.arange(T) - half, 0), np.minimum(np.arange(T) + half + 1, T)
    return (total[high] - total[low]) / (high - low).reshape(-1, *[1] * (track.ndim - 1))
