"""Landmarks seen in the render against those seen in the truth: how far apart, and how calm while the head is still."""

from fractions import Fraction

import numpy as np

from avatar3d.head.model import NUM_LANDMARKS
from recon.face_regions import INNER_LIPS, LEFT_EYE, LEFT_IRIS, OUTER_LIPS, RIGHT_EYE, RIGHT_IRIS

LANDMARK_FIGURES: dict[str, tuple[int, ...]] = {
    "landmark_px": tuple(range(NUM_LANDMARKS)),
    "landmark_lips_px": OUTER_LIPS + INNER_LIPS,
    "landmark_eyes_px": LEFT_EYE + RIGHT_EYE,
    "landmark_iris_px": LEFT_IRIS + RIGHT_IRIS,
}
"""Which points each figure averages over."""
STEADY = (33, 133, 263, 362, 168, 6, 197, 195, 5)
"""Corners of the eyes and the ridge of the nose: they move with the skull and hardly with the expression."""
STILL_SPEED = 1.5
"""Pixels (at 512) a frame above which the head does not count as still, its movement being smoothed."""
STILL_SECONDS, STILL_COUNT = 0.8, 4
"""Length of a still stretch, and how many are looked for."""


def landmark_distances(points: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """By figure, the mean distance [T] of points [T, 478, 2] from those of the truth; NaN where either saw no face."""
    distance = np.linalg.norm(points.astype(np.float64) - truth, axis=-1)
    return {name: distance[:, list(indices)].mean(axis=1) for name, indices in LANDMARK_FIGURES.items()}


def still_stretches(points: np.ndarray, frames: np.ndarray, fps: Fraction, cuts: tuple[int, ...] = ()) -> list[slice]:
    """The calmest stretches of consecutive frames, as slices of rows in ascending order: nobody who talks keeps quite still.

    Args:
        points: [T, 478, 2 or more] landmarks of the truth, pixels at 512; NaN where there are none.
        frames: [T] frame numbers, ascending.
        fps: of the capture.
        cuts: frames that do not continue the frame before.
    """
    length = max(8, round(STILL_SECONDS * float(fps)))
    speed = head_speed(points, frames, cuts)
    found: list[tuple[float, int]] = []
    for run in consecutive(frames, cuts):
        total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(speed[run], nan=np.inf))])
        with np.errstate(invalid="ignore"):
            means = (total[length:] - total[:-length]) / length
        found += [(float(mean), run.start + first) for first, mean in enumerate(means) if mean < STILL_SPEED]
    chosen: list[int] = []
    for _, first in sorted(found):
        if len(chosen) < STILL_COUNT and all(abs(first - other) >= length for other in chosen):
            chosen.append(first)
    return [slice(first, first + length) for first in sorted(chosen)]


def head_speed(points: np.ndarray, frames: np.ndarray, cuts: tuple[int, ...] = ()) -> np.ndarray:
    """[T] how far the steady landmarks move per frame, smoothed, pixels at 512; NaN where there are none or a frame stands alone."""
    place = points[:, list(STEADY), :2].astype(np.float64).mean(axis=1)
    speed = np.full(len(place), np.nan)
    for run in consecutive(frames, cuts):
        if run.stop - run.start > 1:
            step = np.linalg.norm(np.diff(_smoothed(place[run]), axis=0), axis=1)
            speed[run] = np.concatenate([step[:1], step])
    return speed


def consecutive(frames: np.ndarray, cuts: tuple[int, ...] = ()) -> list[slice]:
    """Runs of rows whose frames follow one another without a cut."""
    breaks = [row for row in range(1, len(frames)) if frames[row] != frames[row - 1] + 1 or int(frames[row]) in cuts]
    return [slice(a, b) for a, b in zip([0, *breaks], [*breaks, len(frames)], strict=True) if b > a]


def jitter(points: np.ndarray, stretches: list[slice]) -> float:
    """How much the steady landmarks tremble, pixels at 512: the standard deviation of independent noise that would have their second differences.

    The second difference of independent noise has six times its variance; even movement has none.

    Args:
        points: [T, 478, 2] landmarks, NaN where there are none.
        stretches: rows in which the head is still (`still_stretches`).

    Returns:
        per axis, over all steady landmarks; NaN where there is nothing to measure.
    """
    second = [np.diff(points[stretch][:, list(STEADY)].astype(np.float64), n=2, axis=0).ravel() for stretch in stretches]
    values = np.concatenate(second) if second else np.zeros(0)
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.square(values).mean() / 6)) if len(values) else float("nan")


def _smoothed(track: np.ndarray) -> np.ndarray:
    """Running mean over three along the first axis; near the ends over the frames that there are, NaN where a frame in reach has none."""
    return np.stack([track[max(i - 1, 0) : i + 2].mean(axis=0) for i in range(len(track))])
