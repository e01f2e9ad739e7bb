"""The matte: which part of each pixel is the person."""

import contextlib
from dataclasses import dataclass
from functools import lru_cache
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
_HEAD_ABOVE, _HEAD_SIDE = 0.4, 1.55
"""The square around the head that is looked at on its own: its start above the forehead and its side, in heights of the face."""
_CLOSER = (0.25, 0.85)
"""The answer for the head alone, twice as fine, needs no filter: it is stretched from this range."""
_CORE = 1 / 64
"""How far inside the coarse outline the person begins for certain, as a part of the picture's side: the outline lies outside hair and ears."""
_FEATHER = 0.07
"""Part of that square's side over which its answer gives way to that for the whole picture."""
_HOLE = 1 / 20
"""A hole smaller than a square of this part of the picture's side is none."""
_WORTH_IT = 0.8
"""A head square larger than this part of the picture shows the network nothing finer."""


class Matter(contextlib.AbstractContextManager):
    """Mattes for pictures of one person: segmentation, edges from the picture, largest component."""

    def __enter__(self) -> "Matter":
        self._segmenter = PersonSegmenter().__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._segmenter.__exit__(kind, error, trace)

    def matte(self, rgb: np.ndarray, face: np.ndarray | None = None) -> np.ndarray:
        """[height, width] uint8 opacity of the person in a picture [height, width, 3] uint8.

        Args:
            rgb: the picture.
            face: box (x0, y0, x1, y1) of the face, forehead to chin, where it is known: hair and ears are then looked at
                closer, because the network sees 256 pixels however large the picture is.
        """
        return composed(rgb, self.look(rgb, face))

    def look(self, rgb: np.ndarray, face: np.ndarray | None = None) -> "Look":
        """The first half of `matte`, what the network sees; `composed` is the other, which may run beside it."""
        square = None if face is None else head_square(face, rgb.shape[1], rgb.shape[0])
        whole = self._segmenter.segment(rgb)
        if square is None:
            return Look(whole)
        top, left, side = square
        return Look(whole, square, self._segmenter.segment(np.ascontiguousarray(rgb[top : top + side, left : left + side])))


@dataclass(frozen=True, eq=False)
class Look:
    """What the network sees of a person."""

    whole: np.ndarray
    """[height, width] float32, 0..1, of the whole picture."""
    square: tuple[int, int, int] | None = None
    """`head_square`."""
    head: np.ndarray | None = None
    """[side, side] of that square alone."""


def composed(rgb: np.ndarray, look: Look) -> np.ndarray:
    """The matte [height, width] uint8 of a picture [height, width, 3] uint8."""
    alpha = sharpened(look.whole, rgb)
    if look.square is not None and look.head is not None:
        top, left, side = look.square
        region = alpha[top : top + side, left : left + side]
        # What lies well inside the coarse answer is the person, whatever a closer look says: ears look strange from near.
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_reach(rgb), _reach(rgb)))
        core = cv2.erode((region * 255).astype(np.uint8), kernel) * np.float32(1 / 255)
        closer = np.maximum(_stretched(look.head, *_CLOSER), core)
        region += _feathered(*closer.shape) * (closer - region)
    return solid(alpha)


def head_square(face: np.ndarray, width: int, height: int) -> tuple[int, int, int] | None:
    """(top, left, side) of the square around the head with its hair; None where it is nearly the whole picture.

    Args:
        face: (x0, y0, x1, y1), forehead to chin.
        width: pixels of the picture.
        height: pixels of the picture.
    """
    x0, y0, x1, y1 = (float(value) for value in face)
    tall = y1 - y0
    side = round(min(_HEAD_SIDE * tall, width, height))
    if side > _WORTH_IT * min(width, height) or side < 32:
        return None
    top = round(min(max(y0 - _HEAD_ABOVE * tall, 0), height - side))
    left = round(min(max((x0 + x1 - side) / 2, 0), width - side))
    return top, left, side


def _reach(rgb: np.ndarray) -> int:
    """Odd diameter in pixels of what the coarse answer may be off by."""
    return 2 * round(_CORE * max(rgb.shape[:2])) + 1


@lru_cache(maxsize=8)
def _feathered(height: int, width: int) -> np.ndarray:
    """[height, width] float32: 1 inside, smoothly 0 towards the borders."""
    ramps = []
    for length in (height, width):
        place = np.minimum(np.arange(length) + 0.5, length - 0.5 - np.arange(length)) / (_FEATHER * length)
        ramps.append(np.clip(place, 0, 1))
    weight = np.minimum.outer(*ramps)
    return (weight * weight * (3 - 2 * weight)).astype(np.float32)


def sharpened(mask: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """A coarse mask [height, width] float32, 0..1, made to follow the edges of the picture [height, width, 3] uint8; float32.

    The guided filter (He, Sun, Tang: Guided Image Filtering, 2010; the subsampled variant of 2015) moves the edge of the
    mask onto the edge of the picture.
    """
    radius = max(2, round(_RADIUS * max(rgb.shape[:2])))
    filtered = cv2.ximgproc.guidedFilter(rgb, _stretched(mask, *_CERTAIN), radius, _EPSILON, scale=0.5)
    return _stretched(filtered, *_SOLID)


def solid(alpha: np.ndarray) -> np.ndarray:
    """[height, width] uint8 of an opacity 0..1, without islands: flags and furniture that the network took for a person."""
    return largest_component((alpha * 255 + 0.5).astype(np.uint8))


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


def filled(alpha: np.ndarray) -> np.ndarray:
    """The matte [H, W] uint8 without small holes: grey hair before a grey wall is no window. Larger ones may be seen through an arm's crook."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((alpha < 128).view(np.uint8), connectivity=4)
    height, width = alpha.shape
    left, top, wide, high, area = stats.T
    inside = (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    small = np.flatnonzero(inside & (area < (_HOLE * max(height, width)) ** 2))
    small = small[small > 0]
    if not len(small):
        return alpha
    hole = np.isin(labels, small)
    # The soft rim of a hole goes with it, but not the outline beside it.
    rim = cv2.dilate(hole.view(np.uint8), cv2.getStructuringElement(cv2.MORPH_RECT, (7, 7))) > 0
    return np.where(hole | (rim & (alpha >= 128)), np.uint8(255), alpha)


def _stretched(mask: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((mask - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
