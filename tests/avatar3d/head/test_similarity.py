import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avatar3d.head.similarity import fit_similarity


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(50, 3))


def test_a_similarity_is_recovered(points):
    R = Rotation.from_rotvec([0.4, 1.1, -0.8]).as_matrix()
    found, t, scale = fit_similarity(points, 1.7 * points @ R.T + [0.1, -2, 3])
    assert scale == pytest.approx(1.7)
    np.testing.assert_allclose(found, R, atol=1e-12)
    np.testing.assert_allclose(t, [0.1, -2, 3], atol=1e-12)


def test_without_scale_only_turn_and_shift_are_found(points):
    R = Rotation.from_rotvec([0.4, 1.1, -0.8]).as_matrix()
    found, _, scale = fit_similarity(points, 1.7 * points @ R.T, with_scale=False)
    assert scale == 1.0
    np.testing.assert_allclose(found, R, atol=1e-12)


def test_a_mirrored_set_is_turned_but_never_mirrored(points):
    R, _, _ = fit_similarity(points, points * [-1, 1, 1])
    assert np.linalg.det(R) == pytest.approx(1.0)
