"""Whose turn it is: from two voices, when a face speaks, listens or idles, and what it hears meanwhile."""

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from driver.conditions import MODES
from driver.features import FPS, SAMPLES, VOICING, features, framed

_HOLD = round(0.6 * FPS)
"""Frames that a turn lasts beyond its last voiced sound: words have gaps."""
_ATTENTION = round(4.0 * FPS)
"""Frames that one goes on listening after the other has stopped."""
_LEVEL_DB = 20.0
"""Below the voice's own level from which on a sound is not it."""
_CHANGE = 0.12
"""Seconds over which a mode comes and goes (standard deviation)."""


def speaking(sound: np.ndarray) -> np.ndarray:
    """Whether a voice is heard [T] in a 16 kHz sound [samples]: voiced sounds near the voice's own level, with the gaps between words."""
    level = 10 * np.log10((framed(sound) ** 2).mean(axis=1) + 1e-10)
    voiced = features(sound)[:, VOICING] > 0.5
    if not voiced.any():
        return voiced
    loud = voiced & (level > np.percentile(level[voiced], 80) - _LEVEL_DB)
    return maximum_filter1d(loud, 2 * _HOLD + 1)


def modes(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What a face does in each frame, as rows [T, MODES] that change over softly: it speaks while its own voice is heard, listens while the
    other's is or just was, and idles else.

    Args:
        own: [T] bool, from `speaking`.
        other: [T] bool.
    """
    T = len(own)
    since = np.arange(T) - np.maximum.accumulate(np.where(other, np.arange(T), -2 * _ATTENTION))
    which = np.where(own, MODES.index("speak"), np.where(since <= _ATTENTION, MODES.index("listen"), MODES.index("idle")))
    return gaussian_filter1d(np.eye(len(MODES), dtype=np.float32)[which], _CHANGE * FPS, axis=0, mode="nearest")


def heard_in_turn(own: np.ndarray, other: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What a face attends to, 16 kHz: its own voice while it speaks, the other's while it listens.

    Args:
        own: [samples].
        other: [samples].
        rows: [T, MODES], from `modes`.
    """
    one, two = _as_long(own, other)
    share = np.repeat(rows, SAMPLES, axis=0)[: len(one)]
    return one * share[:, MODES.index("speak")] + two * share[:, MODES.index("listen")]


def take_turns(own: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What one of two voices' faces attends to, 16 kHz, and its modes [T, MODES]; arguments are the two sounds [samples] at 16 kHz."""
    one, two = _as_long(own, other)
    rows = modes(speaking(one), speaking(two))
    return heard_in_turn(one, two, rows), rows


def _as_long(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two sounds [samples], the shorter one with silence after it."""
    samples = max(len(one), len(two))
    first, second = (np.concatenate([sound, np.zeros(samples - len(sound), np.float32)]) for sound in (one, two))
    return first, second
