"""What is behind the person, where the camera stands still: the head moves, so most of it is seen plainly in some frames of the shot."""

import cv2
import numpy as np
from numba import njit

LEAST_VIEWS = 3
"""In how many of the frames a pixel must be background to count as known."""
STEADY = 10.0
"""Grey levels that a known pixel may change by over the shot; more, and the camera or the scene moves there."""
STEADY_SHARE = 0.8
"""Share of the known pixels that must be steady for the shot to have a background at all."""
APART = 6
"""Pixels of a 512 picture outside the matte from which on a pixel surely is background."""


@njit(cache=True, nogil=True)
def _gather(look, near, total, square, count):
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            if near[y, x] > 0:
                continue
            count[y, x] += 1
            for k in range(3):
                value = np.float32(look[y, x, k])
                total[y, x, k] += value
                square[y, x, k] += value * value


def learn_wall(looks: np.ndarray) -> np.ndarray:
    """[H, W, 4] uint8: the colour behind the person, and 255 where it was seen and stays as it is, else 0.

    All zero where the camera moves or nothing of it is seen.

    Args:
        looks: [M, H, W, 4 or more] uint8 frames of one shot: RGB and matte.
    """
    height, width = looks.shape[1:3]
    reach = np.ones((2 * round(APART * width / 512) + 1,) * 2, np.uint8)
    total, square = np.zeros((2, height, width, 3), np.float32)
    count = np.zeros((height, width), np.float32)
    for look in looks:
        _gather(look, cv2.dilate(np.ascontiguousarray(look[..., 3]), reach), total, square, count)
    often = np.maximum(count, 1)[..., None]
    mean = total / often
    deviation = np.sqrt(np.maximum(square / often - mean * mean, 0)).mean(axis=2)
    seen = count >= LEAST_VIEWS
    steady = seen & (deviation < STEADY)
    wall = np.zeros((height, width, 4), np.uint8)
    if seen.any() and steady.sum() >= STEADY_SHARE * seen.sum():
        wall[..., :3] = mean + 0.5
        wall[..., 3] = 255 * steady
    return wall
