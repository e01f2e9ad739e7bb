"""Whether a sound holds speech at all."""

from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from driver.features import RATE, VOICING, as_mono16k, features

_BLOCK = 20 * RATE
_LEAST_VOICED = 6
"""Voiced frames (of 40 ms) in a block of 20 s that make it speech: about a word."""
_LEAST_SWING = 6.0
"""Decibels between loud and soft parts: a voice rises and falls, a hum does not."""


def check_speech(sound: np.ndarray, rate: int, path: Path | str) -> None:
    """Refuse a sound in which nobody speaks.

    Raises:
        UserError: no voice in it, or no sound at all; names the file.
    """
    mono = as_mono16k(sound, rate, path)
    if not any(_speaks(mono[start : start + _BLOCK]) for start in range(0, len(mono), _BLOCK)):
        raise UserError(f"{path}: no speech is heard in it; give a recording of someone speaking")


def _speaks(block: np.ndarray) -> bool:
    if len(block) < RATE // 10:
        return False
    voicing = features(block)[:, VOICING]
    frame = RATE // 25
    rows = np.resize(block, (max(len(block) // frame, 1), frame))
    level = 10 * np.log10((rows**2).mean(axis=1) + 1e-10)
    # Slow swells are music or wind; the swing is taken between neighbouring fifths of a second.
    smooth = np.convolve(level, np.ones(3) / 3, mode="same")
    swing = np.percentile(np.abs(smooth[5:] - smooth[:-5]), 90) if len(smooth) > 10 else np.ptp(level)
    return bool((voicing > 0.5).sum() >= _LEAST_VOICED and swing >= _LEAST_SWING)
