"""Mattes made cleaner by the background itself: where the camera stands still, a pixel that looks as the wall behind does is the wall.

The segmentation network sees outlines a few pixels off, now here, now there: below an ear or beside the hair a rim of
background comes along in one frame and not in the next. The head moves, so most of that background is seen plainly in other
frames of the shot; against it, each pixel of the rim is told from the person by colour.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from avatar3d.progress import Progress, silent
from recon.matte import largest_component

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
RIM = 12
"""Pixels of a 512 picture, inwards of the matte's outline, that are looked at again."""
CONTRAST = 40.0
"""Distance in RGB of person and background at which the colour counts as much as the network."""
SURE = 0.95
"""Opacity of what surely is the person."""
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]


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


def cleaned(matte: np.ndarray, rgb: np.ndarray, background: Background) -> np.ndarray:
    """The matte [H, W] uint8 of a picture [H, W, 3] uint8 without what is background in its rim.

    Between a background colour B and the person's colour F nearby, a pixel I is opaque by (I - B).(F - B) / |F - B|^2
    (the compositing equation I = a F + (1 - a) B, solved for a in least squares); trusted as far as F and B differ.
    """
    reach = _odd(2 * RIM, len(matte))
    core = cv2.erode(matte, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    rim = (matte > 0) & (core < SURE * 255)
    if not rim.any():
        return matte
    part = _around(rim, reach)
    alpha = matte[part].astype(np.float32) * np.float32(1 / 255)
    at = np.nonzero(rim[part])
    a, picture, wall = alpha[at], rgb[part][at].astype(np.float32), background.rgb[part][at]
    towards = _nearby(rgb[part], (core[part] >= SURE * 255).view(np.uint8), reach)[at] - wall
    square = np.square(towards).sum(axis=1)
    opaque = ((picture - wall) * towards).sum(axis=1) / np.maximum(square, 1.0)
    # Noise must neither leave a haze of the wall nor bite into the person.
    opaque = np.clip(1.5 * opaque - 0.1, 0, 1)
    trust = background.known[part][at] * square / (square + CONTRAST**2)
    alpha[at] = a + trust * (np.minimum(opaque, a) - a)
    found = matte.copy()
    found[part][at] = np.minimum(a, cv2.GaussianBlur(alpha, (0, 0), 0.7)[at]) * 255 + 0.5
    return largest_component(found)


def clean_mattes(capture: "Capture", bounds: list[tuple[int, int]], *, threads: int = 2, progress: Progress = silent) -> None:
    """Clean the mattes of a capture folder in place, shot by shot, while it is being made: what breaks off leaves a half-clean folder.

    Args:
        capture: whose mattes are rewritten.
        bounds: (first frame, one after the last) of the shots.
        threads: frames that are worked on at once.
        progress: told how many frames are done.
    """
    done = 0
    for first, last in bounds:
        background = learn_background(capture, first, last)

        def clean(index: int, background: Background | None = background) -> None:
            if background is not None:
                matte = cleaned(capture.matte(index), capture.image(index), background)
                (capture.path / "mattes" / f"{index:05d}.png").write_bytes(cv2.imencode(".png", matte, _PNG)[1].tobytes())

        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(clean, range(first, last)):
                progress(done := done + 1, len(capture))


def _nearby(picture: np.ndarray, sure: np.ndarray, reach: int) -> np.ndarray:
    """[H, W, 3] the person's colour near each pixel: the mean of what is surely the person, from near if there is any, else from farther off.

    Args:
        picture: [H, W, 3] uint8.
        sure: [H, W] uint8, 1 where the person surely is.
        reach: pixels that are near; four times as many are farther off.
    """
    height, width = sure.shape
    # Means over so many pixels are smooth: they are taken at a quarter of the size.
    small = (max(1, width // 4), max(1, height // 4))
    weight = cv2.resize(sure.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    masked = cv2.resize(cv2.bitwise_and(picture, picture, mask=sure).astype(np.float32), small, interpolation=cv2.INTER_AREA)
    colour = np.zeros_like(masked)
    for radius in (reach, max(1, reach // 8) * 2 + 1):
        share = cv2.blur(weight, (radius, radius))
        mean = cv2.blur(masked, (radius, radius)) / np.maximum(share, 1e-6)[..., None]
        colour = np.where((share > 1e-3)[..., None], mean, colour)
    return cv2.resize(colour, (width, height), interpolation=cv2.INTER_LINEAR)


def _odd(pixels: int, size: int) -> int:
    return 2 * round(pixels * size / 1024) + 1


def _around(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The window around what is set, with a margin."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(max(rows[0] - margin, 0), rows[-1] + 1 + margin), slice(max(columns[0] - margin, 0), columns[-1] + 1 + margin)
