"""Stretches of frames that go together."""

import numpy as np


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last + 1 of every run of true in a [T] bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def ranges(frames: np.ndarray) -> list[list[int]]:
    """[first, last] of every run of consecutive numbers in rising ones [N], as files list frames."""
    if not len(frames):
        return []
    breaks = np.flatnonzero(np.diff(frames) > 1)
    firsts, lasts = np.r_[frames[0], frames[breaks + 1]], np.r_[frames[breaks], frames[-1]]
    return [[int(first), int(last)] for first, last in zip(firsts, lasts, strict=True)]
