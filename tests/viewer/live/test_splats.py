"""What viser's client is sent: positive definite covariances, and the Gaussians that were meant."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from avatar3d.gaussians import Gaussians, rgb_to_sh
from viewer.live.splats import SCALE, splats_of


def gaussians(rotation: np.ndarray, log_scale: np.ndarray, seed: int = 0) -> Gaussians:
    rng = np.random.default_rng(seed)
    count = len(rotation)
    return Gaussians(
        torch.from_numpy(rng.normal(0, 0.1, (count, 3)).astype(np.float32)),
        torch.from_numpy(rotation.astype(np.float32)),
        torch.from_numpy(log_scale.astype(np.float32)),
        torch.from_numpy(rng.normal(0, 2, count).astype(np.float32)),
        rgb_to_sh(torch.from_numpy(rng.uniform(0, 1, (count, 3)).astype(np.float32))),
    )


def wire(covariances: np.ndarray) -> np.ndarray:
    """Eigenvalues [N, 3] of what remains of covariances in float16, as the client reads them."""
    return np.linalg.eigvalsh(covariances.astype(np.float16).astype(np.float64))


@settings(max_examples=200, deadline=None)
@given(
    hnp.arrays(np.float32, (8, 4), elements=st.floats(-1, 1, width=32)),
    hnp.arrays(np.float32, (8, 3), elements=st.floats(-14, 4, width=32)),
)
def test_positive_definite_in_float16(rotation, log_scale):
    rotation[np.linalg.norm(rotation, axis=1) < 1e-2] = (1, 0, 0, 0)
    covariances = splats_of(gaussians(rotation, log_scale)).covariances
    assert np.isfinite(covariances.astype(np.float16)).all()
    assert (wire(covariances) > 0).all()


def test_a_heads_gaussians_in_metres_would_not_be():
    # What the enlargement is for: without it a share of a head's Gaussians is lost.
    rng = np.random.default_rng(1)
    log_scale = np.log(rng.uniform(1e-4, 2e-3, (4000, 3)))
    covariances = splats_of(gaussians(rng.normal(size=(4000, 4)), log_scale)).covariances
    assert (wire(covariances) > 0).all()
    assert (wire(covariances * SCALE**2)[:, 0] <= 0).mean() > 0.01


def test_covariances_are_those_of_rotation_and_scale():
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(2)
    quaternion = rng.normal(size=(50, 4))
    deviation = rng.uniform(1e-3, 4e-3, (50, 3))
    turn = Rotation.from_quat(quaternion[:, [1, 2, 3, 0]]).as_matrix()
    expected = np.einsum("nij,nj,nkj->nik", turn, deviation**2, turn)
    found = splats_of(gaussians(quaternion, np.log(deviation))).covariances * SCALE**2
    np.testing.assert_allclose(found, expected, atol=1e-10, rtol=1e-4)


def test_colour_opacity_and_place():
    g = gaussians(np.tile([1.0, 0, 0, 0], (30, 1)), np.full((30, 3), -6.0))
    splats = splats_of(g)
    colour = 0.5 + 0.28209479 * g.sh[:, 0].numpy()
    np.testing.assert_allclose(splats.rgbs / 255, np.clip(colour, 0, 1), atol=0.503 / 255)
    np.testing.assert_allclose(splats.opacities[:, 0] / 255, torch.sigmoid(g.opacity_logit).numpy(), atol=0.503 / 255)
    np.testing.assert_allclose(splats.centers * SCALE, g.position.numpy(), atol=1e-7)
