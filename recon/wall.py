"""What is behind the person, where the camera stands still: the head moves, so most of it is seen plainly in some frames of the shot."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from recon.capture import Capture

VIEWS = 48
"""Frames of a shot from which its background is learned."""
LEAST_VIEWS = 3
"""In how many of them a pixel must be background to count as known."""
STEADY = 10.0
"""Grey levels that a known pixel may change by over the shot; more, and the camera or the scene moves there."""
STEADY_SHARE = 0.8
"""Share of the known pixels that must be steady for the shot to have a background at all."""
APART = 6
"""Pixels of a 512 picture outside the matte from which on a pixel surely is background."""


@dataclass(frozen=True, eq=False)
class Background:
    """What is behind the person in one shot."""

    rgb: np.ndarray
    """[H, W, 3] float32, 0..255."""
    known: np.ndarray
    """[H, W] float32, 1 where it was seen and stays as it is, else 0."""


def learn_background(capture: "Capture", first: int, last: int) -> Background | None:
    """The background of the frames first..last-1, or None where the camera moves or nothing of it is seen."""
    frames = np.unique(np.linspace(first, last - 1, min(VIEWS, last - first)).astype(int))
    reach = _odd(2 * APART, capture.size)
    total = np.zeros((capture.size, capture.size, 3), np.float32)
    square, count = np.zeros_like(total), np.zeros((capture.size, capture.size, 1), np.float32)
    for index in frames:
        outside = (cv2.dilate(capture.matte(int(index)), np.ones((reach, reach), np.uint8)) == 0).astype(np.float32)[..., None]
        picture = capture.image(int(index)).astype(np.float32)
        total += outside * picture
        square += outside * picture * picture
        count += outside
    seen = count[..., 0] >= LEAST_VIEWS
    mean = total / np.maximum(count, 1)
    deviation = np.sqrt(np.maximum(square / np.maximum(count, 1) - mean * mean, 0)).mean(axis=2)
    steady = seen & (deviation < STEADY)
    if seen.sum() == 0 or steady.sum() < STEADY_SHARE * seen.sum():
        return None
    return Background(mean, steady.astype(np.float32))


def _odd(pixels: int, size: int) -> int:
    return 2 * round(pixels * size / 1024) + 1
