"""Mattes on which the frames of a shot agree.

The segmentation network sees outlines a few pixels off, now here, now there: an ear is bitten into in one frame and a rim of
wall comes along in the next. But what looks alike at the same place of the same head is the same thing. So each pixel near
the outline asks other frames: those in which the head is turned alike, at the place where the head has moved to; those
just before and after, at the same place; and, where the camera stands still, the wall behind. Whoever sees the same colour
there has a vote (a bilateral filter, Tomasi and Manduchi 1998, along the head's motion).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numba import njit

from avatar3d.progress import Progress, silent
from recon.filming import write_matte
from recon.head_plane import HeadPlanes, head_planes
from recon.landmarks import CHIN
from recon.matte import filled, largest_component
from recon.wall import learn_wall

if TYPE_CHECKING:
    from recon.capture import Capture

VIEWS = 48
"""Frames of a shot that may be asked, at 512 pixels; fewer of larger pictures, so that their memory stays the same."""
FEWEST_VIEWS = 12
ALIKE, NEAR = 8, 4
"""Of them, how many each frame asks: those in which the head is turned most alike, and those nearest in time."""
REACH = 10
"""Pixels of a 512 picture on either side of the outline that ask."""
COLOUR = 32.0
"""Distance in RGB (8 bit) at which a colour is another one."""
OWN, WALL = 0.5, 4.0
"""Votes of the frame itself, which always sees its own colour, and of the wall behind: nothing moves there."""
LEAST_BELIEF = 0.1
"""How far a matte is believed at least, where it calls the person what looks just as the wall does."""
MAJORITY = (0.25, 0.75)
"""Votes are stretched from this range: an outline is as sharp as in one frame, wherever the frames differ a little."""
_SMOOTHING = 0.8
"""Standard deviation in pixels of the smoothing of pictures before colours are compared: grain is no colour."""


@dataclass(frozen=True, eq=False)
class Views:
    """Frames of a shot that may be asked."""

    frames: np.ndarray
    """[M] their numbers."""
    looks: np.ndarray
    """[M, H, W, 5] uint8: smoothed RGB, matte, and how far the matte is believed."""
    wall: np.ndarray
    """[H, W, 4] uint8: the smoothed colour behind the person, and 255 where it is known, else 0."""


@njit(cache=True, nogil=True, fastmath=True)
def _votes(rows, columns, look, looks, chosen, warps, below, wall, radius, own, wall_votes, out):
    height, width = look.shape[0], look.shape[1]
    half, near = np.float32(0.5), np.float32(1) / (radius * radius)
    last_row, last_column = np.float32(height - 1), np.float32(width - 1)
    for p in range(rows.shape[0]):
        y, x = rows[p], columns[p]
        cy, cx = np.float32(y) + half, np.float32(x) + half
        red, green, blue = np.float32(look[y, x, 0]), np.float32(look[y, x, 1]), np.float32(look[y, x, 2])
        total = own * np.float32(look[y, x, 4])
        agreed = total * np.float32(look[y, x, 3])
        for k in range(chosen.shape[0]):
            if y >= below[k]:
                continue
            m = warps[k]
            u = m[0, 0] * cx + m[0, 1] * cy + m[0, 2] - half
            v = m[1, 0] * cx + m[1, 1] * cy + m[1, 2] - half
            if not (u >= 0 and v >= 0 and u <= last_column and v <= last_row):
                continue
            view = looks[chosen[k]]
            at = view[np.int32(v + half), np.int32(u + half)]
            dr, dg, db = np.float32(at[0]) - red, np.float32(at[1]) - green, np.float32(at[2]) - blue
            vote = np.float32(1) - (dr * dr + dg * dg + db * db) * near
            if vote <= 0:
                continue
            vote *= vote * np.float32(at[4])
            i, j = min(np.int32(v), np.int32(height - 2)), min(np.int32(u), np.int32(width - 2))
            fv, fu = v - np.float32(i), u - np.float32(j)
            a, b = np.float32(view[i, j, 3]), np.float32(view[i, j + 1, 3])
            c, d = np.float32(view[i + 1, j, 3]), np.float32(view[i + 1, j + 1, 3])
            upper, lower = a + fu * (b - a), c + fu * (d - c)
            total += vote
            agreed += vote * (upper + fv * (lower - upper))
        if wall[y, x, 3] > 0:
            dr, dg, db = np.float32(wall[y, x, 0]) - red, np.float32(wall[y, x, 1]) - green, np.float32(wall[y, x, 2]) - blue
            vote = np.float32(1) - (dr * dr + dg * dg + db * db) * near
            if vote > 0:
                total += wall_votes * vote * vote
        out[p] = agreed / total


@njit(cache=True, nogil=True)
def _pack(rgb, matte, look):
    for y in range(matte.shape[0]):
        for x in range(matte.shape[1]):
            for k in range(3):
                look[y, x, k] = rgb[y, x, k]
            look[y, x, 3], look[y, x, 4] = matte[y, x], 255


@njit(cache=True, nogil=True, fastmath=True)
def _believe(look, wall, radius, least):
    # What looks like the wall and is said to be the person is in doubt.
    near = np.float32(1) / (radius * radius)
    for y in range(look.shape[0]):
        for x in range(look.shape[1]):
            belief = np.float32(1)
            if wall[y, x, 3] > 0 and look[y, x, 3] > 0:
                total = np.float32(0)
                for k in range(3):
                    d = np.float32(wall[y, x, k]) - np.float32(look[y, x, k])
                    total += d * d
                alike = max(np.float32(0), np.float32(1) - total * near)
                belief = max(least, np.float32(1) - alike * alike * np.float32(look[y, x, 3]) / np.float32(255))
            look[y, x, 4] = np.uint8(belief * np.float32(255))


@dataclass(frozen=True, eq=False)
class Asked:
    """Whom a frame asks."""

    rows: np.ndarray
    """[K] of the views."""
    warps: np.ndarray
    """[K, 2, 3] float32 from the frame's pixels to theirs."""
    below: np.ndarray
    """[K] row of pixels from which on they are not asked: what moves with the head ends at the chin."""


def agreed(look: np.ndarray, views: Views, asked: Asked) -> np.ndarray:
    """The matte [H, W] uint8 on which a frame and those it asks agree.

    Args:
        look: [H, W, 5] uint8 of the frame, as in `Views`.
        views: whom it may ask.
        asked: whom it does ask.
    """
    matte = look[..., 3].copy()
    reach = 2 * round(REACH * len(matte) / 512) + 1
    square = np.ones((reach, reach), np.uint8)
    rows, columns = np.nonzero((cv2.dilate(matte, square) > 0) & (cv2.erode(matte, square) < 255))
    found = np.empty(len(rows), np.float32)
    strengths = (np.float32(COLOUR), np.float32(OWN), np.float32(255 * WALL))
    _votes(rows, columns, look, views.looks, asked.rows, asked.warps, asked.below, views.wall, *strengths, found)
    shares = matte.astype(np.float32)
    shares[rows, columns] = found
    low, high = (255 * bound for bound in MAJORITY)
    found = cv2.GaussianBlur(shares, (0, 0), _SMOOTHING)[rows, columns]
    matte[rows, columns] = np.clip((found - low) * (255 / (high - low)), 0, 255) + 0.5
    return filled(largest_component(matte))


def clean_mattes(capture: "Capture", bounds: list[tuple[int, int]], *, threads: int = 2, progress: Progress = silent) -> None:
    """Make the mattes of a capture folder agree, in place, shot by shot, while it is being made: what breaks off leaves a half-clean folder.

    Args:
        capture: whose mattes are rewritten.
        bounds: (first frame, one after the last) of the shots.
        threads: frames that are worked on at once; the result does not depend on it.
        progress: told how many frames are done.
    """
    planes, done = head_planes(capture.landmarks, capture.valid), 0
    with ThreadPoolExecutor(threads) as pool:
        for first, last in bounds:
            for _ in _clean_shot(capture, planes, first, last, pool):
                progress(done := done + 1, len(capture))


def _clean_shot(capture: "Capture", planes: HeadPlanes, first: int, last: int, pool: ThreadPoolExecutor) -> Iterator[None]:
    """Clean the frames of one shot; goes on whenever one more of them is done."""
    views, strengths = _views(capture, first, last, pool), (np.float32(COLOUR), np.float32(LEAST_BELIEF))

    def agree(frame: int, look: np.ndarray) -> np.ndarray:
        return agreed(look, views, _asked(frame, views, planes, capture.landmarks[frame, CHIN, 1]))

    def rewrite(frame: int) -> None:
        look = _look(capture, frame)
        _believe(look, views.wall, *strengths)
        write_matte(capture.path, frame, agree(frame, look))

    # Those who are asked agree among themselves first.
    for look in views.looks:
        _believe(look, views.wall, *strengths)
    for look, matte in zip(views.looks, list(pool.map(agree, views.frames.tolist(), views.looks)), strict=True):
        look[..., 3] = matte
        _believe(look, views.wall, *strengths)
    yield from pool.map(rewrite, range(first, last))


def _views(capture: "Capture", first: int, last: int, pool: ThreadPoolExecutor) -> Views:
    most = max(FEWEST_VIEWS, round(VIEWS * min(1.0, (512 / capture.size) ** 2)))
    frames = np.unique(np.linspace(first, last - 1, min(most, last - first)).astype(int))
    looks = np.stack(list(pool.map(lambda frame: _look(capture, int(frame)), frames)))
    return Views(frames, looks, learn_wall(looks))


def _look(capture: "Capture", frame: int) -> np.ndarray:
    """[H, W, 5] uint8 of a frame, see `Views`; it is believed altogether."""
    look = np.empty((capture.size, capture.size, 5), np.uint8)
    _pack(cv2.GaussianBlur(capture.image(frame), (0, 0), _SMOOTHING), capture.matte(frame), look)
    return look


def _asked(frame: int, views: Views, planes: HeadPlanes, chin: float) -> Asked:
    others = np.flatnonzero(views.frames != frame)
    near = others[np.argsort(np.abs(views.frames[others] - frame), kind="stable")[:NEAR]]
    turn = planes.turn(frame, views.frames[others])
    alike = others[np.argsort(-turn, kind="stable")[:ALIKE]][: np.isfinite(turn).sum()]
    warps = [planes.warp(frame, int(views.frames[row])) for row in alike]
    warps += [np.eye(2, 3, dtype=np.float32)] * len(near)
    below = np.repeat([round(float(chin)), len(views.wall)], [len(alike), len(near)])
    return Asked(np.concatenate([alike, near]), np.array(warps, np.float32).reshape(-1, 2, 3), below)
