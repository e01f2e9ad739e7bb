"""How far the sound lags behind the lips."""

from fractions import Fraction

import numpy as np

from recon.landmarks import CHIN, FOREHEAD, LOWER_LIP, UPPER_LIP

_RATE = 100
"""Hz of both signals."""
_REACH = 0.4
"""Largest lag looked for, seconds."""
_SMOOTH = 0.06
"""Seconds: neither syllables nor lips move faster."""
_PER_SECOND = 6
"""Independent pieces in a second of either signal: syllables, about."""
_SIGNIFICANT = 3.2
"""The best correlation must exceed chance by this many standard deviations: it is the best of many lags."""


def mouth_opening(landmarks: np.ndarray) -> np.ndarray:
    """[T] distance of the inner lips as a part of the face's height, from landmarks [T, 478, 3]."""
    gap = np.linalg.norm(landmarks[:, UPPER_LIP] - landmarks[:, LOWER_LIP], axis=1)
    return gap / np.maximum(np.linalg.norm(landmarks[:, FOREHEAD] - landmarks[:, CHIN], axis=1), 1e-6)


def estimate_lag(landmarks: np.ndarray, valid: np.ndarray, fps: Fraction, sound: np.ndarray, rate: int) -> tuple[float, float] | None:
    """Lag between lips and sound: the shift at which mouth opening and loudness go together best.

    Args:
        landmarks: [T, 478, 3].
        valid: [T] bool: frames whose landmarks count.
        fps: of the landmarks.
        sound: [samples] mono, starting with frame 0.
        rate: Hz of the sound.

    Returns:
        (seconds, correlation): positive when the sound comes after the lips; None where they show no clear relation
        (silence, no speech, too short).
    """
    if valid.sum() < 2 * float(fps) or len(sound) < 2 * rate:
        return None
    times = np.arange(int(len(valid) / fps * _RATE)) / _RATE
    frames = np.arange(len(valid)) / float(fps)
    opening = np.interp(times, frames[valid], mouth_opening(landmarks)[valid])
    hop = rate / _RATE
    edges = np.minimum((np.arange(len(times) + 1) * hop).astype(int), len(sound))
    energy = np.concatenate([[0.0], np.cumsum(sound.astype(np.float64) ** 2)])
    loudness = np.log(np.diff(energy[edges]) / hop + 1e-6)
    opening, loudness = _shaped(opening), _shaped(loudness)
    if opening is None or loudness is None:
        return None
    reach = int(_REACH * _RATE)
    shifts = np.arange(-reach, reach + 1)
    scores = np.array([_correlation(opening, loudness, shift) for shift in shifts])
    best = int(np.argmax(scores))
    chance = 1 / np.sqrt(_PER_SECOND * len(times) / _RATE)
    if scores[best] < _SIGNIFICANT * chance:
        return None
    return float(shifts[best] / _RATE), float(scores[best])


def _shaped(signal: np.ndarray) -> np.ndarray | None:
    """Smoothed, slow drift removed, unit variance; None where nothing moves."""
    width = int(_SMOOTH * _RATE)
    window = np.hanning(2 * width + 1)
    smooth = np.convolve(signal, window / window.sum(), "same")
    slow = np.ones(_RATE) / _RATE
    smooth = smooth - np.convolve(np.pad(smooth, _RATE, "edge"), slow, "same")[_RATE:-_RATE]
    spread = smooth.std()
    return None if spread < 1e-9 else (smooth - smooth.mean()) / spread


def _correlation(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    """Pearson's r of a(t) and b(t + shift)."""
    a, b = (a[: len(a) - shift], b[shift:]) if shift >= 0 else (a[-shift:], b[:shift])
    return float(np.corrcoef(a, b)[0, 1])
