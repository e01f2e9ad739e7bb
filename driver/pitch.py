"""The pitch of a voice: fundamental frequency and how periodic the sound is, once a motion frame.

YIN (de Cheveigné, Kawahara: YIN, a fundamental frequency estimator for speech and music, 2002) as librosa computes it. It
stands here because librosa's own is compiled at first use into a cache that two processes starting at once leave broken:
from then on every process that asks for a pitch crashes.
"""

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

WINDOW = 1024
"""Samples that one estimate looks at, 64 ms."""
_LOWEST, _HIGHEST = 65.0, 500.0
_TROUGH = 0.1
"""The shortest lag counts whose normalised difference is a minimum below this."""


def f0_and_periodicity(sound: np.ndarray, rate: int, hop: int) -> tuple[np.ndarray, np.ndarray]:
    """F0 [n] in Hz and periodicity [n] (normalised correlation at that lag, 0..1), of the windows that start every `hop` samples."""
    windows = sliding_window_view(sound, WINDOW)[::hop]
    f0 = rate / _period(windows, int(rate / _HIGHEST), int(np.ceil(rate / _LOWEST)))
    lag = np.clip(np.rint(rate / f0), 1, WINDOW // 2).astype(np.int64)
    early = windows[:, : WINDOW // 2]
    late = np.take_along_axis(windows, lag[:, None] + np.arange(WINDOW // 2)[None], axis=1)
    norm = np.sqrt((early * early).sum(1) * (late * late).sum(1)) + 1e-9
    return f0, np.clip((early * late).sum(1) / norm, 0, 1)


def _period(windows: np.ndarray, shortest: int, longest: int) -> np.ndarray:
    """Period [n] in samples, fractions by a parabola, between two lags; windows [n, WINDOW]."""
    normalised = _normalised_difference(windows, shortest, longest)
    earlier, here, later = normalised[:, :-2], normalised[:, 1:-1], normalised[:, 2:]
    trough = np.zeros(normalised.shape, bool)
    trough[:, 0] = normalised[:, 0] < normalised[:, 1]
    trough[:, 1:-1] = (here < earlier) & (here <= later)
    trough[:, -1] = normalised[:, -1] < normalised[:, -2]
    deep = trough & (normalised < _TROUGH)
    best = np.where(deep.any(1), deep.argmax(1), normalised.argmin(1))
    inner = np.clip(best, 1, normalised.shape[1] - 2)
    before, at, after = (np.take_along_axis(normalised, (inner + step)[:, None], axis=1)[:, 0] for step in (-1, 0, 1))
    bend, slope = before + after - 2 * at, (after - before) / 2
    vertex = (best == inner) & (np.abs(slope) < np.abs(bend))
    return shortest + best - np.where(vertex, slope / np.where(vertex, bend, 1), 0)


def _normalised_difference(windows: np.ndarray, shortest: int, longest: int) -> np.ndarray:
    """Cumulative mean normalised difference [n, longest - shortest + 1] (equation 8 of the paper)."""
    size = scipy.fft.next_fast_len(WINDOW + longest, real=True)
    spectrum = np.asarray(scipy.fft.rfft(windows, size, axis=1))
    correlation = np.asarray(scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, size, axis=1))[:, : longest + 1]
    energy = np.cumsum(windows[:, :longest] ** 2, axis=1)
    difference = 2 * (correlation[:, :1] - correlation[:, 1:]) - energy
    mean = np.cumsum(difference, axis=1) / np.arange(1, longest + 1, dtype=np.float32)
    return difference[:, shortest - 1 :] / (mean[:, shortest - 1 :] + np.finfo(np.float32).tiny)
