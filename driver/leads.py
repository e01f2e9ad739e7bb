"""Leads: the ways to single frames that are given, and away from them."""

from itertools import pairwise

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter1d

from avatar3d.runs import runs
from driver.features import FPS
from driver.pins import Pins, sized

SINGLE = 4
"""Frames of a run up to which it counts as a keyframe."""
_LEAD, _LONGEST_LEAD = 7, round(1.2 * FPS)
"""Frames over which the way to a keyframe and back is spread: at least, and where the step is large for its channel at most."""
_ALLOWED = 1.1
"""Times the largest second difference that a channel has elsewhere, which the way to a keyframe may have."""
_WIDEST = 4
"""Frames of the widest smoothing around a keyframe."""


def led_to(frames: np.ndarray, pins: Pins | None) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] with the pinned values in them, and ways that lead to single pinned frames and away from them.

    Whatever stands between a pinned frame and its neighbours (ranges that are kept to, a network that did not heed it) is
    spread over some frames, the more the larger it is beside what its channel does elsewhere: nothing shows for one frame alone.
    """
    if pins is None:
        return frames
    pins = sized(pins, len(frames))
    made = np.where(pins.known, pins.values, frames).astype(np.float32)
    for channel in np.flatnonzero(pins.known.any(axis=0)):
        known = pins.known[:, channel]
        pinned = runs(known)
        track, values = _without(made[:, channel], [run for run in pinned if run[1] - run[0] <= SINGLE]), made[:, channel].copy()
        usual = _usual_bend(track, known)
        for number, (first, last) in enumerate(pinned):
            if last - first <= SINGLE:
                before = first - (pinned[number - 1][1] - 1 if number else -_LONGEST_LEAD)
                after = (pinned[number + 1][0] if number + 1 < len(pinned) else len(frames) + _LONGEST_LEAD) - (last - 1)
                added = _way(track, values[first:last], first, (before - 1, after - 1), usual)
                made[:, channel] += np.where(known, 0, added)
        # Between two that are close there is no room for ways to and fro: one leads to the other.
        for (_, end), (first, _) in pairwise(pinned):
            last = end - 1
            if first - last <= 2 * _LEAD:
                share = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, first - last) / (first - last))
                made[end:first, channel] = (1 - share) * values[last] + share * values[first]
    return made


def _without(track: np.ndarray, runs: list) -> np.ndarray:
    """A channel [T] that goes straight on where the runs (first, last + 1) are: between their neighbours, or at an end as the two beside it do."""
    track = track.astype(np.float64)
    for first, last in runs:
        beside = [frame for frame in (first - 1, last) if 0 <= frame < len(track)]
        beside += [frame for frame in (first - 2, last + 1) if 0 <= frame < len(track) and len(beside) == 1]
        if len(beside) == 2:
            slope = (track[beside[1]] - track[beside[0]]) / (beside[1] - beside[0])
            track[first:last] = track[beside[0]] + slope * (np.arange(first, last) - beside[0])
    return track


def _bends(track: np.ndarray) -> np.ndarray:
    """Size of the second difference [T] of a channel at each frame, zero at the ends."""
    return np.pad(np.abs(np.diff(track, 2)), 1) if len(track) > 2 else np.zeros(len(track))


def _usual_bend(track: np.ndarray, known: np.ndarray) -> float:
    """The largest second difference of a channel [T] that is none of a pinned frame's making, or where all are near to such ones of them all."""
    bends = _bends(track)
    far = np.logical_not(binary_dilation(known, iterations=_LEAD + 2))
    return float(bends[far].max() if far.any() else bends.max(initial=0.0))


def _way(track: np.ndarray, values: np.ndarray, first: int, room: tuple[int, int], usual: float) -> np.ndarray:
    """What leads a channel to pinned values and away from them.

    Args:
        track: [T] the channel without them.
        values: [1..SINGLE] what is pinned.
        first: the frame of the first one.
        room: frames before and after them until the next ones that are given.
        usual: second difference that the channel has elsewhere.

    Returns:
        what is to be added [T]: half a wave of a cosine on either side, so long that it bends the channel no more than is usual there.
    """
    T, last = len(track), first + len(values)
    calm = _calmed(track, first, last, room, usual)
    apart = values - calm[first:last]
    bound = _ALLOWED * max(usual, _bends(calm[max(0, first - _LEAD) : last + _LEAD]).max(initial=0.0))
    least, best = np.inf, np.zeros(T)
    for length in range(_LEAD, _LONGEST_LEAD + 1):
        added = np.zeros(T)
        added[first:last] = apart
        for edge, step, most in ((first, -1, room[0]), (last - 1, 1, room[1])):
            long = max(0, min(length, most))
            away = np.arange(1, long + 1)
            away = away[(edge + step * away >= 0) & (edge + step * away < T)]
            added[edge + step * away] = apart[edge - first] * 0.5 * (1 + np.cos(np.pi * away / (long + 1)))
        near = slice(max(0, first - length - 2), last + length + 2)
        bend = _bends(calm[near] + added[near]).max(initial=0.0)
        if bend < least:
            least, best = bend, added
        if bend <= bound:
            break
    return best + calm - track


def _calmed(track: np.ndarray, first: int, last: int, room: tuple[int, int], usual: float) -> np.ndarray:
    """A channel [T] smoothed around frames first..last - 1 where it bends more than usual: a network that has to meet a value may jerk there."""
    near = slice(max(0, first - 4 * _LEAD), last + 4 * _LEAD)
    frames, before = np.arange(len(track))[near], np.asarray(track[near])
    far = np.maximum((first - frames) / (1 + min(2 * _LEAD, room[0])), (frames - last + 1) / (1 + min(2 * _LEAD, room[1]))).clip(0, 1)
    calm, width = before, 0
    while _bends(calm)[far < 1].max(initial=0.0) > usual and width < _WIDEST:
        width += 1
        calm = before + 0.5 * (1 + np.cos(np.pi * far)) * (gaussian_filter1d(before, width, mode="nearest") - before)
    return np.concatenate([track[: near.start], calm, track[near.stop :]])
