"""Templates of the bust: which of its pixels to look for, at what depth, and the mean of frames that they are made of."""

from collections.abc import Sequence

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from avatar3d.camera import Camera
from recon.bust import LEVELS, MATTE_CONTRAST, Level, Placement, Template, face_height, head_mask, picture
from recon.landmarks import CHIN

MAX_POINTS = (1000, 2000, 4000, 8000)
"""Pixels per level that are compared: those with the most contrast, since flat cloth says nothing."""
MARGIN = 12
"""Rows of the coarsest size by which the bust may rise."""
MIN_BUST = 0.01
"""Share of the picture that the bust must fill to be followed."""
DEPTH_BLUR = 1 / 40
"""Of the picture's side: cloth is smoother than what it covers."""


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
    below = landmarks[CHIN, 1] + 0.06 * face_height(landmarks)
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


def average(
    pictures: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], places: Sequence[Placement], depth: np.ndarray, camera: Camera
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
