"""Bringing one set of points onto another."""

import numpy as np


def fit_similarity(source: np.ndarray, target: np.ndarray, with_scale: bool = True) -> tuple[np.ndarray, np.ndarray, float]:
    """R [3, 3], t [3], s that minimise |s R source + t - target|^2 over paired points [N, 3] (Umeyama 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    U, S, Vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))])
    R = U @ sign @ Vt
    s = float((S * np.diag(sign)).sum() / max((a**2).sum(), 1e-30)) if with_scale else 1.0
    return R, target.mean(0) - s * R @ source.mean(0), s
