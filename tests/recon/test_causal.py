"""The causal belief against the batch least squares that it stands for."""

import numpy as np
import pytest

from recon.causal import nothing, predict, update

P = 3
CURVATURE = np.array([4.0, 1e3, 0.1])


def _measurements(frames: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(frames)
    root = rng.normal(size=(frames, P, P))
    return rng.normal(size=(frames, P)).cumsum(0), root @ root.transpose(0, 2, 1) + 0.3 * np.eye(P)


def _batch(seen: np.ndarray, information: np.ndarray) -> np.ndarray:
    """[T, P] that minimise the sum of (x - seen)' information (x - seen) and CURVATURE times the squared second differences."""
    T = len(seen)
    A, b = np.zeros((T * P, T * P)), np.einsum("tij,tj->ti", information, seen).ravel()
    for t in range(T):
        A[t * P : (t + 1) * P, t * P : (t + 1) * P] = information[t]
    second = np.zeros((max(T - 2, 0), T))
    for t in range(T - 2):
        second[t, t : t + 3] = 1, -2, 1
    A += np.kron(second.T @ second, np.diag(CURVATURE))
    return np.linalg.solve(A, b).reshape(T, P)


def _filtered(seen: np.ndarray, information: np.ndarray) -> list[np.ndarray]:
    belief, estimates = nothing(P), []
    for place, known in zip(seen, information, strict=True):
        expected, precision = predict(belief, CURVATURE)
        estimate = np.linalg.solve(known + precision, known @ place + precision @ expected)
        belief = update(belief, CURVATURE, estimate, known)
        estimates.append(belief.mean)
    return estimates


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 9])
def test_the_last_two_frames_are_those_of_the_batch(frames):
    seen, information = _measurements(frames)
    expected = _batch(seen, information)
    np.testing.assert_allclose(_filtered(seen, information)[-1], expected[-2:], rtol=1e-7, atol=1e-9)


def test_steady_motion_is_predicted():
    seen = np.arange(12)[:, None] * np.array([1.0, -2.0, 0.5])
    information = np.repeat(np.eye(P)[None], 12, 0)
    estimates = _filtered(seen, information)
    np.testing.assert_allclose(estimates[-1][-1], seen[-1], atol=1e-9)


def test_noise_is_averaged_where_nothing_moves():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(400, P))
    estimates = np.array([e[-1] for e in _filtered(seen, np.repeat(np.eye(P)[None], 400, 0))])
    spread = estimates[50:].std(0)
    assert spread[1] < 0.45 and spread[0] < 0.9 and spread[1] < spread[0] < spread[2] < 1.0
