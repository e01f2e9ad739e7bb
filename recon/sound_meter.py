"""What a recording is worth: level, clipping and noise."""

from dataclasses import dataclass

import numpy as np

_FRAME = 0.02
"""Seconds."""
_BELOW = 20.0
"""Decibels under the loudest frames down to which a frame counts as speech: vowels and voiced consonants lie within."""
_SILENCE = -90.0
"""Decibels: sixteen bits hold nothing below."""
_FULL = 0.985
"""A sample beyond is clipped: coding and resampling pull the flat tops of clipped waves down a little."""


@dataclass(frozen=True)
class SoundMeasures:
    """Decibels are against a full-scale square wave."""

    level: float
    """Decibels of the speech."""
    noise: float
    """Decibels between the words: the 10th percentile of all frames."""
    clipped: float
    """Share of the frames of speech that hold clipped samples."""
    spoken: float
    """Share of the time with speech."""


def measure_sound(samples: np.ndarray, rate: int) -> SoundMeasures:
    """Measure mono samples [N], -1..1, at `rate` Hz; silence where there are none."""
    width = max(1, round(_FRAME * rate))
    whole = samples[: len(samples) // width * width].reshape(-1, width)
    if not len(whole):
        return SoundMeasures(_SILENCE, _SILENCE, 0.0, 0.0)
    power = np.maximum((whole.astype(np.float64) ** 2).mean(axis=1), 10 ** (_SILENCE / 10))
    decibels = 10 * np.log10(power)
    loud, quiet = np.percentile(decibels, (95, 10))
    speech = (decibels >= loud - _BELOW) & (decibels > _SILENCE + 1)
    if not speech.any():
        return SoundMeasures(_SILENCE, _SILENCE, 0.0, 0.0)
    clipped = (np.abs(whole[speech]) >= _FULL).any(axis=1)
    return SoundMeasures(float(10 * np.log10(power[speech].mean())), float(quiet), float(clipped.mean()), float(speech.mean()))
