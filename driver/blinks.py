"""Blinks of a finished motion: whole, or none."""

import numpy as np
from scipy.ndimage import grey_opening
from scipy.signal import find_peaks

from avatar3d.runs import runs
from driver.channels import LIDS
from driver.features import FPS
from driver.pins import Pins, sized

BLINK_FRAMES = round(0.7 * FPS)
"""Longer than a blink lasts, shorter than eyes stay closed on purpose."""
_STIRS, _COUNTS, _WHOLE = 0.1, 0.5, 0.97
"""Of a lid's way from open to closed: what is no blink at all, from where on one counts (as for `driver.metrics.blinks`), and what it comes to."""


def lid_closure(frames: np.ndarray) -> np.ndarray:
    """How far both lids of frames [T, NUM_CHANNELS] are closed, [T] 0..1: a wink is no blink."""
    return frames[:, LIDS].min(axis=1)


def whole_blinks(frames: np.ndarray, pins: Pins | None = None, own: bool = False) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] whose lids close wholly where they are more than half closed, and stay open where they are less.

    Few steps of the flow leave a blink now and then between closed and open, as the mean of one that comes and one that does not. The number of
    blinks stays; lids that are lowered for longer than a blink lasts, or that are given, stay as they are.

    Args:
        frames: as made.
        pins: what is given.
        own: whether they are of a person's own driver, whose blinks are as deep as the person's: most of theirs are then whole.
    """
    made = frames.copy()
    given = np.zeros(len(made), bool) if pins is None else sized(pins, len(made)).known[:, LIDS].any(axis=1)
    open_lids = np.median(made[:, LIDS], axis=0)
    raised = (made[:, LIDS] - open_lids).min(axis=1)
    lowered = runs(raised > _STIRS)
    way = max((float(raised[first:last].max()) for first, last in lowered), default=0.0) if own else _WHOLE - float(open_lids.max())
    for first, last in lowered:
        if last - first > BLINK_FRAMES or not 0 < first < last < len(made) or given[first - 1 : last + 1].any():
            continue
        rise = raised[first:last]
        # Two blinks in a row are two peaks, and each has its own way to go.
        peaks = find_peaks(np.concatenate([[0.0], rise, [0.0]]), height=0.5 * rise.max())[0] - 1
        wanted = np.maximum(way, rise[peaks]) if rise.max() > _COUNTS * way else _STIRS
        gain = np.interp(np.arange(len(rise)), peaks, wanted / rise[peaks])
        made[first:last, LIDS] = np.minimum(open_lids + gain[:, None] * (made[first:last, LIDS] - open_lids), 1.0)
    return made


def without_blinks(frames: np.ndarray) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] whose lids never close for as short as a blink."""
    made = frames.copy()
    for lid in LIDS:
        made[:, lid] = grey_opening(made[:, lid], size=BLINK_FRAMES)
    return made
