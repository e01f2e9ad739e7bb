"""Smooth random functions of space."""

import numpy as np

_WAVES = 48


def noise(points: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """[N] values of zero mean and unit variance that vary over about `size`, in the unit of `points` [N, D] (random Fourier features)."""
    waves = rng.normal(0, 1 / size, (_WAVES, points.shape[1]))
    phase = rng.uniform(0, 2 * np.pi, _WAVES)
    return np.cos(points @ waves.T + phase).sum(axis=1) * np.sqrt(2 / _WAVES)


def smoothstep(value: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between; `low` may exceed `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """[N, 3] from a to b as `weight` [N] goes from 0 to 1."""
    return a + (b - a) * weight[:, None]
