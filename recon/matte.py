"""The matte: which part of each pixel is the person."""

import contextlib
from types import TracebackType

import cv2
import numpy as np

from recon.landmarks import PersonSegmenter

_CERTAIN = (0.2, 0.8)
"""The network's answers are stretched from this range to 0..1: it is rarely surer of hair and ears."""
_RADIUS = 1 / 128
"""Radius of the guided filter as a part of the picture's side: one pixel of the network's own output, and its neighbours."""
_EPSILON = (0.05 * 255) ** 2
"""Colour differences (standard deviation, 8 bit) below about 5 % do not count as edges: curls and stubble are no outline."""
_SOLID = (0.15, 0.9)
"""The filtered mask is stretched from this range: the middle lies above one half, which pulls the outline inwards a little,
because pixels that mix hair with background would otherwise show as a halo."""


class Matter(contextlib.AbstractContextManager):
    """Mattes for pictures of one person: segmentation, edges from the picture, largest component."""

    def __enter__(self) -> "Matter":
        self._segmenter = PersonSegmenter().__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._segmenter.__exit__(kind, error, trace)

    def matte(self, rgb: np.ndarray) -> np.ndarray:
        """[height, width] uint8 opacity of the person in a picture [height, width, 3] uint8."""
        return refine(self._segmenter.segment(rgb), rgb)


def refine(mask: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """A coarse mask made to follow the picture's edges, without islands.

    The guided filter (He, Sun, Tang: Guided Image Filtering, 2010; the subsampled variant of 2015) moves the edge of the
    mask onto the edge of the picture, the largest component drops flags and furniture that the network took for a person.

    Args:
        mask: [height, width] float32, 0..1.
        rgb: [height, width, 3] uint8.

    Returns:
        [height, width] uint8.
    """
    radius = max(2, round(_RADIUS * max(rgb.shape[:2])))
    filtered = cv2.ximgproc.guidedFilter(rgb, _stretched(mask, *_CERTAIN), radius, _EPSILON, scale=0.5)
    return largest_component((_stretched(filtered, *_SOLID) * 255 + 0.5).astype(np.uint8))


def largest_component(alpha: np.ndarray) -> np.ndarray:
    """The matte [height, width] uint8 with everything removed that is not connected to its largest part.

    Parts are told apart where the matte is at least half opaque; the soft fringe of the kept part stays.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha >= 128).view(np.uint8), connectivity=4)
    if count <= 2:
        others = np.zeros_like(alpha)
    else:
        kept = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        others = ((labels != 0) & (labels != kept)).view(np.uint8)
    if count <= 1:
        return np.zeros_like(alpha)
    largest = ((labels != 0).view(np.uint8) - others).astype(np.uint8)
    reach = cv2.getStructuringElement(cv2.MORPH_RECT, (9, 9))
    return np.where(cv2.dilate(largest, reach) > cv2.dilate(others, reach), alpha, alpha * largest)


def _stretched(mask: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((mask - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
