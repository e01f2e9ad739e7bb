"""A capture that has been tampered with, and things to tamper with it."""

import numpy as np

JOINTS = np.array(
    [
        (0, 0), (0.35, 0.28), (0.62, 0.5), (0.8, 0.72), (0.95, 0.9), (0.3, 0.95), (0.36, 1.3), (0.38, 1.52), (0.4, 1.72), (0.06, 1.0),
        (0.06, 1.42), (0.06, 1.68), (0.06, 1.9), (-0.16, 0.95), (-0.2, 1.33), (-0.22, 1.58), (-0.24, 1.78), (-0.36, 0.85), (-0.45, 1.12), (-0.5, 1.3),
        (-0.54, 1.46),
    ]
)  # fmt: skip
"""Wrist, then each finger from the palm to the tip, thumb first; the palm is one unit long."""


class Spoiled:
    """A capture whose pictures, mattes or facts are not its own."""

    def __init__(self, capture, image=lambda picture, index: picture, matte=lambda matte, index: matte, **facts):
        self._capture, self._image, self._matte = capture, image, matte
        self.__dict__.update(facts)

    def __len__(self):
        return len(self._capture)

    def __getattr__(self, name):
        return getattr(self._capture, name)

    def image(self, index):
        return self._image(self._capture.image(index), index)

    def matte(self, index):
        return self._matte(self._capture.matte(index), index)


def with_hand(rgb: np.ndarray, wrist: tuple[float, float], scale: float, angle: float, skin=(205, 150, 125)) -> tuple[np.ndarray, np.ndarray]:
    """The picture with a hand of shaded cylinders before it, and where the hand is [H, W] bool.

    Args:
        rgb: [H, W, 3] uint8.
        wrist: (x, y) pixels.
        scale: length of the palm, pixels.
        angle: radians, 0 has the fingers up, positive leans to the right.
        skin: colour.
    """
    c, s = np.cos(angle), np.sin(angle)
    joints = (JOINTS * [1, -1]) @ np.array([[c, s], [-s, c]]) * scale + np.array(wrist)
    y, x = np.mgrid[: rgb.shape[0], : rgb.shape[1]].astype(np.float32) + 0.5
    height = np.zeros(rgb.shape[:2], np.float32)

    def bone(a, b, radius):
        d = b - a
        t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / (d @ d), 0, 1)
        np.maximum(height, np.sqrt(np.maximum(radius**2 - (x - a[0] - t * d[0]) ** 2 - (y - a[1] - t * d[1]) ** 2, 0)), out=height)

    for finger in range(5):
        chain = [0, *range(1 + 4 * finger, 5 + 4 * finger)]
        for k in range(4):
            bone(joints[chain[k]], joints[chain[k + 1]], scale * (0.22 if k == 0 else 0.125 - 0.012 * k))
    bone(joints[0], joints[0] + 1.2 * (joints[0] - joints[9]), scale * 0.27)
    down, right = np.gradient(height)
    light = np.clip(0.35 + 0.6 * (1 - 0.3 * right - 0.5 * down) / np.sqrt(1 + right**2 + down**2), 0.2, 1.2)
    hand = np.clip(np.array(skin) * light[..., None], 0, 255)
    return np.where(height[..., None] > 0, hand, rgb).astype(np.uint8), height > 0
