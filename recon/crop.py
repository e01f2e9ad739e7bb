"""The one square window of a video that a capture looks through."""

import math
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from recon.landmarks import CHIN, FOREHEAD

_HEAD_SHARE = 0.56
"""Height of the head with its hair as a part of the crop's height: leaves room for the bust below."""
_HEAD_PER_FACE = 1.45
"""Height of the head with its hair over the height of the face from the top of the forehead to the chin."""
_ROOM_ABOVE = 0.11
"""Space above the hair as a part of the crop's height."""
_WIDTH_PER_FACE = 1.25
"""Width of the head with its hair over the height of the face."""
_NEARLY_WHOLE = 0.88
"""A crop larger than this part of the picture's shorter side takes all of it."""


@dataclass(frozen=True)
class Crop:
    """A square of the source picture scaled to `size` pixels; may reach beyond the picture, where it is black."""

    x: int
    """Left edge in source pixels."""
    y: int
    """Upper edge in source pixels."""
    side: int
    """Source pixels."""
    size: int
    """Pixels of the scaled crop."""

    @property
    def scale(self) -> float:
        """Crop pixels per source pixel."""
        return self.size / self.side

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Source pixels [..., 2 or 3] to crop pixels; a third coordinate (depth) is only scaled."""
        return ((points - self._offset(points)) * self.scale).astype(points.dtype)

    def to_source(self, points: np.ndarray) -> np.ndarray:
        """Crop pixels [..., 2 or 3] to source pixels; the inverse of `to_crop`."""
        return (points / self.scale + self._offset(points)).astype(points.dtype)

    def cut(self, rgb: np.ndarray) -> np.ndarray:
        """[size, size, C] of a source picture [H, W, C], uint8."""
        height, width = rgb.shape[:2]
        x0, y0, x1, y1 = max(self.x, 0), max(self.y, 0), min(self.x + self.side, width), min(self.y + self.side, height)
        window = rgb[y0:y1, x0:x1]
        if window.shape[:2] != (self.side, self.side):
            above, left = y0 - self.y, x0 - self.x
            below, right = self.side - above - (y1 - y0), self.side - left - (x1 - x0)
            window = cv2.copyMakeBorder(window, above, below, left, right, cv2.BORDER_CONSTANT)
        if self.side == self.size:
            return np.ascontiguousarray(window)
        # Area averaging does not alias when shrinking; Lanczos keeps edges when enlarging.
        method = cv2.INTER_AREA if self.side > self.size else cv2.INTER_LANCZOS4
        return cv2.resize(window, (self.size, self.size), interpolation=method)

    def paste(self, rgb: np.ndarray, crop: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """The source picture with a crop-sized picture laid over it.

        Args:
            rgb: [H, W, 3] uint8 source picture, not changed.
            crop: [size, size, 3] uint8, not multiplied by alpha.
            alpha: [size, size] uint8 or float 0..1 opacity.
        """
        height, width = rgb.shape[:2]
        weight = alpha.astype(np.float32) / (255 if alpha.dtype == np.uint8 else 1)
        method = cv2.INTER_AREA if self.side < self.size else cv2.INTER_LINEAR
        # Premultiplied, so that what lies under transparent pixels does not bleed into the outline.
        layer = np.dstack([crop.astype(np.float32) * weight[..., None], weight])
        if self.side != self.size:
            layer = cv2.resize(layer, (self.side, self.side), interpolation=method)
        x0, y0, x1, y1 = max(self.x, 0), max(self.y, 0), min(self.x + self.side, width), min(self.y + self.side, height)
        layer = layer[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
        result = rgb.copy()
        result[y0:y1, x0:x1] = np.round(np.clip(layer[..., :3] + rgb[y0:y1, x0:x1] * (1 - layer[..., 3:]), 0, 255)).astype(np.uint8)
        return result

    def to_json(self) -> dict:
        """A JSON-ready dictionary."""
        return asdict(self)

    def _offset(self, points: np.ndarray) -> np.ndarray:
        return np.array([self.x, self.y, 0][: points.shape[-1]], np.float64)


def choose_crop(faces: np.ndarray, width: int, height: int, size: int = 512, side: int | None = None) -> Crop:
    """The window that holds the head in every sampled frame, with hair above and bust below.

    Args:
        faces: [N, 478, 3] landmarks of sampled frames, source pixels.
        width: of the source picture.
        height: of the source picture.
        size: wanted pixels of the crop.
        side: source pixels of the window, where they are given.
    """
    face_height = np.linalg.norm(faces[:, FOREHEAD, :2] - faces[:, CHIN, :2], axis=1)
    # The outermost tenths may be misdetections or somebody who leans in once.
    typical, tallest = np.percentile(face_height, (50, 90))
    centre = faces[:, :, :2].mean(axis=1)
    left, right = np.percentile(centre[:, 0], (5, 95)) + np.array([-0.5, 0.5]) * _WIDTH_PER_FACE * tallest
    chin, crown = np.percentile(faces[:, CHIN, 1], 95), np.percentile(faces[:, CHIN, 1] - _HEAD_PER_FACE * face_height, 5)
    head_extent = max(right - left, chin - crown)
    if side is None:
        wanted = max(_HEAD_PER_FACE * typical / _HEAD_SHARE, 1.1 * head_extent)
        shorter = min(width, height)
        if wanted > _NEARLY_WHOLE * shorter:
            # Only a head that fills the picture's narrow side needs a window wider than the picture.
            wanted = max(shorter, min(wanted, 1.05 * head_extent))
        side = _even(wanted)
    x, y = round((left + right - side) / 2), round(crown - _ROOM_ABOVE * side)
    return Crop(_even(_inside(x, side, width)), _even(_inside(y, side, height)), side, size)


def _even(value: float) -> int:
    """Downwards: most video has half as many chroma samples, and a window between two of them is slower to cut out."""
    return 2 * math.floor(value / 2)


def _inside(start: int, side: int, limit: int) -> int:
    """The start moved so that the window lies in 0..limit, or is centred on it where it cannot."""
    return (limit - side) // 2 if side > limit else min(max(start, 0), limit - side)
