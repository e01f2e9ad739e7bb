"""The bust as a rigid picture in space: what a template of it looks like at every size, and aligning it to a frame.

Skin and cloth below the chin offer few corners to follow, but their shading and outline as a whole fix a rigid motion
well, once the depth of every pixel is known: a turn of the shoulders shows in what lies nearer and what farther. Inverse
compositional Gauss-Newton (Baker and Matthews 2004) on the group of rigid motions with robust weights, on the matted
grey picture and on the matte itself, so that a dark suit before a dark wall still has an outline.
"""

from dataclasses import dataclass

import cv2
import numba
import numpy as np

from recon.landmarks import CHIN, FOREHEAD, OVAL

LEVELS = (64, 128, 256, 512)
"""Sides of the pictures that are aligned, coarse to fine."""
STEPS = (12, 8, 8, 6)
BLUR = (1.2, 1.2, 1.2, 0.7)  # pixels of each level
TURN_FROM = 2
"""Level from which on turns about the upright and the sideways axis are looked for: in small pictures they hardly show."""
MAX_TURN = 0.6
"""Radians; a bust that seems to be turned farther is not one."""
MATTE_CONTRAST = 15.0
"""Grey levels between inside and outside in the matte's channel."""
ROBUST, NOISE, CLIP = 15.0, 7.5, 60.0
"""Grey levels: Cauchy's scale, how far a rightly placed pixel is off, and the most that counts in a residual."""
SMALL_STEP = ((0.05, 1e-3), (0.05, 1e-3), (0.05, 5e-4), (0.01, 1e-4))
"""Pixels and radians; a smaller one is the last of its level."""
PRIOR_STD = (0.15, 0.15, 0.15, 0.1, 0.1, 0.12, 0.1)
"""Of the turn in radians, the shift of the centre in metres, and the logarithm of the exposure."""
NOISE_PIXELS = 400.0
"""The errors of neighbouring pixels go together: all of them count as this many."""


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the bust is: a point X of the template, in the camera's frame, is seen at R X + t."""

    R: np.ndarray
    """[3, 3]."""
    t: np.ndarray
    """[3] metres."""
    gain: float = 1.0
    """Exposure, relative to the template's."""

    def after(self, first: "Placement") -> "Placement":
        """The placement that places by `first` and then by this one."""
        return Placement(self.R @ first.R, self.R @ first.t + self.t, self.gain * first.gain)


AT_REST = Placement(np.eye(3), np.zeros(3))


@dataclass(frozen=True, eq=False)
class Fit:
    """How well a placement explains a frame."""

    residual: float
    """Mean difference in grey levels, clipped; infinite where too little of the bust is seen."""
    information: np.ndarray
    """[6, 6] inverse covariance of the pose (`pose_vector`)."""


NOTHING = Fit(np.inf, np.zeros((6, 6)))


@dataclass(frozen=True, eq=False)
class Level:
    """A template at one size, ready for inverse compositional steps."""

    points: np.ndarray
    """[n, 3] float32 metres, in the camera's frame: the bust's pixels of most contrast."""
    values: np.ndarray
    """[n, 2] float32 their blurred grey and matte."""
    steepest: np.ndarray
    """[n, 2, 7] float32 derivative of the values by turn, shift and exposure."""
    focal: float
    centre: float
    """Of the picture, as an index: the first pixel is 0."""


@dataclass(frozen=True, eq=False)
class Template:
    """The bust to be found in frames."""

    levels: tuple[Level, ...]
    centre: np.ndarray
    """[3] metres: turns are about this point."""
    top: int
    """Row of the coarsest size above which the bust will not be, unless it moves far."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A frame ready to be looked at, per level."""

    values: tuple[np.ndarray, ...]
    """[rows, N, 2] float32 blurred, matted grey and matte."""
    seen: tuple[np.ndarray, ...]
    """[rows, N] uint8: 0 where the head hides the bust."""
    top: tuple[int, ...]
    """Number of the first row."""


def head_mask(landmarks: np.ndarray, side: int, size: int) -> np.ndarray:
    """[side, side] uint8: 0 where the head or the neck right below the chin is, else 1.

    Args:
        landmarks: [478, 2 or more] in pixels of a picture of `size`.
        side: of the mask.
        size: of the picture.
    """
    mask = np.ones((side, side), np.uint8)
    face = landmarks[list(OVAL), :2]
    below = face + np.array([0, 0.12 * face_height(landmarks)])
    hull = cv2.convexHull(np.concatenate([face, below]).astype(np.float32) * (side / size) - 0.5)
    cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), (0,))
    return mask


def face_height(landmarks: np.ndarray) -> float:
    """Pixels from the forehead to the chin."""
    return float(np.linalg.norm(landmarks[CHIN, :2] - landmarks[FOREHEAD, :2]))


def picture(grey: np.ndarray, matte: np.ndarray, landmarks: np.ndarray, top: int = 0) -> Picture:
    """A frame [H, H] uint8 with its matte [H, H] uint8 and landmarks [478, 2 or more] at all sizes.

    Args:
        grey: the picture.
        matte: opacity of the person.
        landmarks: they say where the head is.
        top: first row that matters (`Template.top`), of the coarsest size.
    """
    size, values, tops = len(grey), [], [top * side // LEVELS[0] for side in LEVELS]
    grey, alpha = (_resized(channel, LEVELS[-1])[tops[-1] :] for channel in (grey, matte))
    for side, blur in zip(reversed(LEVELS), reversed(BLUR), strict=True):
        if side != LEVELS[-1]:
            grey, alpha = (cv2.resize(channel, (side, len(channel) // 2), interpolation=cv2.INTER_AREA) for channel in (grey, alpha))
        share = alpha * np.float32(1 / 255)
        values.append(cv2.GaussianBlur(cv2.merge([grey * share, share * np.float32(MATTE_CONTRAST)]), (0, 0), blur))
    seen = (head_mask(landmarks, side, size)[first:] for side, first in zip(LEVELS, tops, strict=True))
    return Picture(tuple(reversed(values)), tuple(seen), tuple(tops))


def _resized(channel: np.ndarray, side: int) -> np.ndarray:
    return channel if len(channel) == side else cv2.resize(channel, (side, side), interpolation=cv2.INTER_AREA)


@numba.njit(cache=True, nogil=True)
def _differences(values, seen, top, points, expected, R, t, gain, focal, centre, robust, weight, weighted):
    """What the picture shows at the placed points less what the template expects there, times robust weights, and these, both [n, 2].

    Returns how many points are seen, the sum of the weights, and that of the clipped differences.
    """
    height, width = seen.shape
    count, total, error = 0, 0.0, 0.0
    for k in range(len(points)):
        weight[k, 0], weight[k, 1], weighted[k, 0], weighted[k, 1] = 0.0, 0.0, 0.0, 0.0
        x = R[0, 0] * points[k, 0] + R[0, 1] * points[k, 1] + R[0, 2] * points[k, 2] + t[0]
        y = R[1, 0] * points[k, 0] + R[1, 1] * points[k, 1] + R[1, 2] * points[k, 2] + t[1]
        z = R[2, 0] * points[k, 0] + R[2, 1] * points[k, 1] + R[2, 2] * points[k, 2] + t[2]
        if z <= 1e-3:
            continue
        column, row = focal * x / z + centre, focal * y / z + centre - top
        if not (column >= 0.0 and row >= 0.0 and column < width - 1 and row < height - 1):
            continue
        i, j = int(row), int(column)
        if seen[i, j] == 0:
            continue
        count += 1
        a, b = np.float32(row - i), np.float32(column - j)
        for c in range(2):
            upper = values[i, j, c] + b * (values[i, j + 1, c] - values[i, j, c])
            lower = values[i + 1, j, c] + b * (values[i + 1, j + 1, c] - values[i + 1, j, c])
            difference = upper + a * (lower - upper) - (gain if c == 0 else np.float32(1.0)) * expected[k, c]
            weight[k, c] = 1 / (1 + (difference / robust) ** 2)
            weighted[k, c] = weight[k, c] * difference
            total += weight[k, c]
            error += min(abs(difference), CLIP)
    return count, total, error


def align(template: Template, look: Picture, start: Placement, first: int = 0) -> tuple[Placement, Fit]:
    """Refine a placement of the template in a frame from level `first` on."""
    place, fit = start, NOTHING
    for number in range(first, len(LEVELS)):
        place, fit = _gauss_newton(template, look, number, place)
        if not np.isfinite(fit.residual) or np.linalg.norm(_turned(place.R)) > MAX_TURN:
            return place, NOTHING
    return place, fit


def _gauss_newton(template: Template, look: Picture, number: int, place: Placement) -> tuple[Placement, Fit]:
    """Steps on one level."""
    level, centre, precision = template.levels[number], template.centre, np.diag(np.array(PRIOR_STD) ** -2)
    n = len(level.points)
    weight, weighted = np.empty((n, 2), np.float32), np.empty((n, 2), np.float32)
    columns = level.steepest.reshape(2 * n, 7)
    pixel, angle = SMALL_STEP[number]
    active = np.arange(0 if number >= TURN_FROM else 2, 7)
    residual, curvature = np.inf, np.zeros((7, 7))
    moved = np.inf
    for _ in range(STEPS[number]):
        R, t, gain = place.R.astype(np.float32), place.t.astype(np.float32), np.float32(place.gain)
        count, total, error = _differences(
            look.values[number], look.seen[number], look.top[number], level.points, level.values,
            R, t, gain, level.focal, level.centre, np.float32(ROBUST), weight, weighted,
        )  # fmt: skip
        if count < 0.3 * n:
            return place, NOTHING
        residual = error / (2 * count)
        norm = NOISE_PIXELS / max(total, 1.0) / NOISE**2
        if moved > 0.5:
            # Weights change little with small steps, and the curvature is what costs.
            curvature = ((columns * weight.reshape(-1, 1)).T @ columns).astype(np.float64) * norm
        gradient = (weighted.ravel() @ columns).astype(np.float64) * norm
        right = gradient + precision @ np.append(pose_vector(place, centre), np.log(place.gain))
        step = np.zeros(7)
        step[active] = np.linalg.solve((curvature + precision)[np.ix_(active, active)], right[active])
        place = _without(place, step, centre)
        moved = float(np.abs(step[3:6]).max() * level.focal / centre[2])
        if moved < pixel and np.abs(step[:3]).max() < angle:
            break
    return place, Fit(residual, curvature[:6, :6])


def _without(place: Placement, step: np.ndarray, centre: np.ndarray) -> Placement:
    """The placement after the inverse of a small step of the template in motion and exposure."""
    turn = _turned(step[:3])
    inverse = Placement(turn.T, centre - turn.T @ (centre + step[3:6]))
    moved = place.after(inverse)
    return Placement(moved.R, moved.t, place.gain * float(np.exp(np.clip(-step[6], -0.2, 0.2))))


def _turned(rotvec: np.ndarray) -> np.ndarray:
    """[3, 3] of a rotation vector [3], or the other way round; OpenCV's, because it takes microseconds."""
    return np.asarray(cv2.Rodrigues(rotvec)[0], np.float64)


def pose_vector(place: Placement, centre: np.ndarray) -> np.ndarray:
    """[6] turn as a rotation vector and shift of the template's centre."""
    return np.concatenate([_turned(place.R)[:, 0], place.R @ centre + place.t - centre])


def placement(pose: np.ndarray, centre: np.ndarray) -> Placement:
    """The inverse of `pose_vector`."""
    R = _turned(pose[:3])
    return Placement(R, centre + pose[3:6] - R @ centre)
