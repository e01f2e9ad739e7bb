import time

import numpy as np
from scipy.optimize import lsq_linear

from avatar3d.arkit_weights import arkit_of
from avatar3d.head.bounded import bounded_least_squares
from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion


def test_bounded_solver_agrees_with_scipy():
    random = np.random.default_rng(0)
    A, b = random.normal(size=(40, 12)), random.normal(size=(30, 40))
    lower, upper = np.r_[np.zeros(8), np.full(4, -np.inf)], np.r_[np.full(8, 0.1), np.full(4, np.inf)]
    found = bounded_least_squares(A.T @ A, b @ A, lower, upper)
    expected = np.stack([lsq_linear(A, row, (lower, upper), tol=1e-12).x for row in b])
    assert np.allclose(found, expected, atol=1e-4)
    assert ((found == 0) | (found == 0.1))[:, :8].any(axis=1).all()


def test_a_row_alone_is_the_row_among_others():
    random = np.random.default_rng(1)
    A, b = random.normal(size=(40, 12)), random.normal(size=(30, 40))
    bounds = np.zeros(12), np.full(12, 0.1)
    together = bounded_least_squares(A.T @ A, b @ A, *bounds)
    alone = [bounded_least_squares(A.T @ A, row[None] @ A, *bounds)[0] for row in b]
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_a_frame_with_a_sideways_jaw_is_arkits_in_time_for_the_next():
    motion = rest_motion(load_head(), 1)
    motion.jaw_pose[:] = 0.1, 0.03, 0.01
    assert arkit_of(motion, load_head()).max() > 0.1
    spans = []
    for _ in range(9):
        start = time.perf_counter()
        arkit_of(motion, load_head())
        spans.append(time.perf_counter() - start)
    # Sixty frames a second leave 17 ms.
    assert min(spans) < 0.008
