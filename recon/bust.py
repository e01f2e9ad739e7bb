"""The bust as a rigid picture in space: what a template of it looks like at every size, and aligning it to a frame.

Skin and cloth below the chin offer few corners to follow, but their shading and outline as a whole fix a rigid motion
well, once the depth of every pixel is known: a turn of the shoulders shows in what lies nearer and what farther. Inverse
compositional Gauss-Newton (Baker and Matthews 2004) on the group of rigid motions with robust weights, on the matted
grey picture and on the matte itself, so that a dark suit before a dark wall still has an outline.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numba
import numpy as np
from scipy.ndimage import distance_transform_edt

from avatar3d.camera import Camera
from recon.landmarks import CHIN, FOREHEAD, OVAL

LEVELS = (64, 128, 256, 512)
"""Sides of the pictures that are aligned, coarse to fine."""
STEPS = (12, 8, 4, 4)
BLUR = (1.2, 1.2, 1.2, 0.7)  # pixels of each level
MAX_POINTS = (1000, 2000, 4000, 8000)
"""Pixels per level that are compared: those with the most contrast, since flat cloth says nothing."""
MATTE_CONTRAST = 15.0
"""Grey levels between inside and outside in the matte's channel."""
ROBUST = 30.0
"""Grey levels; Cauchy's scale."""
SMALL_STEP = ((0.05, 1e-3), (0.05, 1e-3), (0.05, 5e-4), (0.01, 1e-4))
"""Pixels and radians; a smaller one is the last of its level."""
PRIOR_STD = (0.15, 0.15, 0.15, 0.1, 0.1, 0.12, 0.1)
"""Of the turn in radians, the shift of the centre in metres, and the logarithm of the exposure."""
NOISE_PIXELS = 400.0
"""The errors of neighbouring pixels go together: all of them count as this many."""
MARGIN = 12
"""Rows of the coarsest size by which the bust may rise."""
MIN_BUST = 0.01
"""Share of the picture that the bust must fill to be followed."""
DEPTH_BLUR = 1 / 40
"""Of the picture's side: cloth is smoother than what it covers."""


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


def bust_depth(points: np.ndarray, depth: np.ndarray, size: int) -> np.ndarray:
    """Depth of every pixel, metres, from the part of the picture where the torso's is known.

    Args:
        points: [H, W] bool, where the mesh of the torso is seen.
        depth: [H, W] its depth there.
        size: side of the picture.
    """
    row, column = np.asarray(distance_transform_edt(~points, return_distances=False, return_indices=True))
    filled = depth[row, column].astype(np.float32)
    return cv2.GaussianBlur(filled, (0, 0), DEPTH_BLUR * size)


def head_mask(landmarks: np.ndarray, side: int, size: int) -> np.ndarray:
    """[side, side] uint8: 0 where the head or the neck right below the chin is, else 1.

    Args:
        landmarks: [478, 2 or more] in pixels of a picture of `size`.
        side: of the mask.
        size: of the picture.
    """
    mask = np.ones((side, side), np.uint8)
    face = landmarks[list(OVAL), :2]
    below = face + np.array([0, 0.12 * _face_height(landmarks)])
    hull = cv2.convexHull(np.concatenate([face, below]).astype(np.float32) * (side / size) - 0.5)
    cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), (0,))
    return mask


def _face_height(landmarks: np.ndarray) -> float:
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


def make_template(
    grey: np.ndarray, matte: np.ndarray, landmarks: np.ndarray, depth: np.ndarray, camera: Camera, known: np.ndarray
) -> Template | None:
    """The bust of a frame, or of an average of frames placed like it, as a template.

    Args:
        grey: [H, H] uint8.
        matte: [H, H] uint8.
        landmarks: [478, 2 or more] of the frame.
        depth: [H, H] metres, `bust_depth`.
        camera: with square pixels and its axis through the middle.
        known: [H, H] uint8, 0 where the picture is not to be used.

    Returns:
        None where too little of a bust is in the picture.
    """
    size = len(grey)
    look = picture(grey, matte, landmarks)
    below = landmarks[CHIN, 1] + 0.06 * _face_height(landmarks)
    chosen = []
    for side, values, seen in zip(LEVELS, look.values, look.seen, strict=True):
        rows = (np.arange(side) + 0.5) * size / side
        body = cv2.dilate((values[..., 1] > 0.5 * MATTE_CONTRAST).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        mask = body & (seen > 0) & (rows > below)[:, None] & (cv2.resize(known, (side, side), interpolation=cv2.INTER_NEAREST) > 0)
        mask[-1], mask[:, 0], mask[:, -1] = False, False, False
        if mask.mean() < MIN_BUST:
            return None
        chosen.append(mask)
    fine_rows, fine_columns = np.nonzero(chosen[-1])
    z = float(cv2.resize(depth, (LEVELS[-1],) * 2, interpolation=cv2.INTER_AREA)[chosen[-1]].mean())
    middle = (np.array([fine_columns.mean(), fine_rows.mean()]) + 0.5) * size / LEVELS[-1]
    centre = np.append((middle - (camera.cx, camera.cy)) / camera.fx * z, z)
    top = max(0, int(np.nonzero(chosen[0])[0].min()) - MARGIN)
    return Template(tuple(_level(v, m, depth, camera, n, centre) for v, m, n in zip(look.values, chosen, MAX_POINTS, strict=True)), centre, top)


def _level(values: np.ndarray, mask: np.ndarray, depth: np.ndarray, camera: Camera, most: int, centre: np.ndarray) -> Level:
    side = len(values)
    scale = side / camera.width
    focal, middle = camera.fx * scale, camera.cx * scale - 0.5
    by_x, by_y = (cv2.merge([cv2.Sobel(values[..., c], cv2.CV_32F, *axis, scale=1 / 8) for c in range(2)]) for axis in ((1, 0), (0, 1)))
    contrast = (by_x**2 + by_y**2).sum(2) * mask
    count = min(most, int(mask.sum()))
    y, x = np.divmod(np.sort(np.argpartition(-contrast.ravel(), count - 1)[:count]), side)
    z = cv2.resize(depth, (side, side), interpolation=cv2.INTER_AREA)[y, x]
    points = np.stack([(x - middle) / focal * z, (y - middle) / focal * z, z], axis=1)
    zero = np.zeros_like(z)
    column_by_point = np.stack([focal / z, zero, -focal * points[:, 0] / z**2], axis=1)
    row_by_point = np.stack([zero, focal / z, -focal * points[:, 1] / z**2], axis=1)
    by_shift = by_x[y, x][..., None] * column_by_point[:, None] + by_y[y, x][..., None] * row_by_point[:, None]
    by_turn = np.cross((points - centre)[:, None], by_shift)
    # Negative, since a step is undone on the template's side while the exposure stays on the frame's.
    by_exposure = np.stack([-values[y, x, 0], zero], axis=1)[..., None]
    steepest = np.concatenate([by_turn, by_shift, by_exposure], axis=2)
    return Level(points.astype(np.float32), values[y, x], steepest.astype(np.float32), focal, middle)


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
            error += min(abs(difference), 2 * robust)
    return count, total, error


def align(template: Template, look: Picture, start: Placement, first: int = 0) -> tuple[Placement, Fit]:
    """Refine a placement of the template in a frame from level `first` on."""
    place, fit = start, NOTHING
    for number in range(first, len(LEVELS)):
        place, fit = _gauss_newton(template, look, number, place)
        if not np.isfinite(fit.residual):
            break
    return place, fit


def _gauss_newton(template: Template, look: Picture, number: int, place: Placement) -> tuple[Placement, Fit]:
    """Steps on one level."""
    level, centre, precision = template.levels[number], template.centre, np.diag(np.array(PRIOR_STD) ** -2)
    n = len(level.points)
    weight, weighted = np.empty((n, 2), np.float32), np.empty((n, 2), np.float32)
    columns = level.steepest.reshape(2 * n, 7)
    pixel, angle = SMALL_STEP[number]
    residual, curvature = np.inf, np.zeros((7, 7))
    for step_number in range(STEPS[number]):
        R, t, gain = place.R.astype(np.float32), place.t.astype(np.float32), np.float32(place.gain)
        count, total, error = _differences(
            look.values[number], look.seen[number], look.top[number], level.points, level.values,
            R, t, gain, level.focal, level.centre, np.float32(ROBUST), weight, weighted,
        )  # fmt: skip
        if count < 0.3 * n:
            return place, NOTHING
        residual = error / (2 * count)
        norm = NOISE_PIXELS / max(total, 1.0) / (ROBUST / 4) ** 2
        if step_number == 0:
            # Weights change little from step to step, and the curvature is what costs.
            curvature = ((columns * weight.reshape(-1, 1)).T @ columns).astype(np.float64) * norm
        gradient = (weighted.ravel() @ columns).astype(np.float64) * norm
        step = np.linalg.solve(curvature + precision, gradient + precision @ np.append(pose_vector(place, centre), np.log(place.gain)))
        place = _without(place, step, centre)
        if np.abs(step[3:6]).max() * level.focal / centre[2] < pixel and np.abs(step[:3]).max() < angle:
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


def average(pictures: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], places: Sequence[Placement], depth: np.ndarray, camera: Camera):
    """Mean of frames as the template's frame would show them.

    Args:
        pictures: (grey, matte, landmarks) of the frames.
        places: where the bust is in each.
        depth: [H, H] of the template.
        camera: that took them.

    Returns:
        grey [H, H] uint8, matte [H, H] uint8, and [H, H] uint8 whether at least half of the frames show a pixel.
    """
    size = len(depth)
    pixels = (np.arange(size, dtype=np.float32) + 0.5 - np.float32(camera.cx)) / np.float32(camera.fx)
    rays = np.dstack([*np.meshgrid(pixels, pixels), np.ones_like(depth)]) * depth[..., None]
    total, opacity, count = (np.zeros((size, size), np.float32) for _ in range(3))
    for (grey, matte, landmarks), place in zip(pictures, places, strict=True):
        moved = rays @ place.R.T.astype(np.float32) + place.t.astype(np.float32)
        column, row = (moved[..., axis] / moved[..., 2] * np.float32(camera.fx) + np.float32(camera.cx - 0.5) for axis in range(2))
        shown = cv2.remap(head_mask(landmarks, size, size), column, row, cv2.INTER_NEAREST).astype(np.float32)
        total += cv2.remap(grey, column, row, cv2.INTER_CUBIC) * (shown / np.float32(place.gain))
        opacity += cv2.remap(matte, column, row, cv2.INTER_LINEAR) * shown
        count += shown
    share = 1 / np.maximum(count, 1)
    mean = np.clip(total * share + 0.5, 0, 255).astype(np.uint8)
    return mean, (opacity * share + 0.5).astype(np.uint8), (2 * count >= len(pictures)).astype(np.uint8)
