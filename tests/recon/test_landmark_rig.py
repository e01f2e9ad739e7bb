"""The condensed head against the full one, and its derivatives against automatic ones."""

import pytest
import torch
from torch import Tensor

from avatar3d.head.model import head_vertices, landmark_positions
from avatar3d.head.store import load_head
from recon.landmark_rig import (
    EYES,
    JAW,
    NUM_POSE,
    ROTATION,
    LandmarkRig,
    View,
    evaluate,
    jacobian,
    landmark_rig,
    offset_jacobian,
    rigid_motion,
    rotation_jacobian,
    shape_jacobian,
)
from recon.lip_embedding import lips_on_edges

HEAD = load_head()


@pytest.fixture(scope="module")
def scene() -> tuple[LandmarkRig, View, Tensor, Tensor, Tensor]:
    """A rig, a view, an identity, landmark offsets and two frames' parameters."""
    generator = torch.Generator().manual_seed(3)
    rig = landmark_rig(HEAD, 8)
    view = View(torch.diag(torch.tensor([1.0, -1, -1])), torch.tensor([0.01, 0.02, 0.9]), torch.tensor([900.0, 900]), torch.tensor([256.0, 256]))
    params = torch.randn(2, rig.num_params, generator=generator) * 0.1
    return rig, view, torch.randn(8, generator=generator), torch.randn(rig.num_landmarks, 3, generator=generator) * 1e-3, params


def _posed(rig: LandmarkRig, shape: Tensor, params: Tensor) -> Tensor:
    """All vertices [F, V, 3] of the full head for tracked parameters, torso rigid with the head."""
    R, t = rigid_motion(rig, params)
    root = HEAD.joints(shape)[0]
    return head_vertices(
        HEAD,
        shape,
        params[:, NUM_POSE : NUM_POSE + rig.num_expr],
        jaw_pose=params[:, JAW],
        neck_pose=torch.zeros(len(params), 3),
        eyes_pose=params[:, EYES],
        rotation=params[:, ROTATION],
        translation=t - root + root @ R.transpose(1, 2),
    )


def test_positions_are_those_of_the_full_head(scene):
    rig, view, shape, offsets, params = scene
    points = landmark_positions(_posed(rig, shape, params), lips_on_edges(HEAD)) @ view.R.T + view.t
    expected = points[..., :2] / points[..., 2:] * view.focal + view.centre
    places = evaluate(rig, shape, torch.zeros_like(offsets), params, view).places
    assert torch.allclose(places[..., :2], expected, atol=1e-3)
    pivot = ((rig.pivot + params[:, 3:6]) @ view.R.T + view.t)[:, None, 2]
    assert torch.allclose(places[..., 2], (points[..., 2] / pivot - 1) * view.focal[0], atol=1e-3)


def test_frame_derivatives_are_exact(scene):
    rig, view, shape, offsets, params = scene
    exact = torch.func.jacfwd(lambda x: evaluate(rig, shape, offsets, x[None], view).places[0])(params[0])
    analytic = jacobian(rig, evaluate(rig, shape, offsets, params, view), view)[0]
    assert (exact - analytic)[:, :2].abs().max() < 1e-3 and exact.abs().max() > 100
    # Depth is relative to the pivot, whose own distance only scales it: that is left out.
    assert (exact - analytic)[:, 2, [*range(3), *range(6, 60)]].abs().max() < 1e-3


def test_offset_derivatives_are_exact(scene):
    rig, view, shape, offsets, params = scene
    exact = torch.func.jacfwd(lambda x: evaluate(rig, shape, offsets + x, params, view).places)(torch.zeros(3))
    analytic = offset_jacobian(rig, evaluate(rig, shape, offsets, params, view), view)
    assert (exact - analytic).abs().max() < 1e-2


def test_identity_derivatives_miss_only_the_joints_motion(scene):
    rig, view, shape, offsets, params = scene
    exact = torch.func.jacfwd(lambda x: evaluate(rig, x, offsets, params, view).places)(shape)
    analytic = shape_jacobian(rig, evaluate(rig, shape, offsets, params, view), view)
    assert (exact - analytic).abs().max() < 0.1 * exact.abs().max()


@pytest.mark.parametrize("length", [0.0, 1e-3, 0.011, 0.7, 3.0])
def test_rotation_derivatives_are_exact_from_zero_to_large_turns(length):
    rotvec = torch.tensor([0.36, -0.48, 0.8], dtype=torch.float64) * length
    R, dR = rotation_jacobian(rotvec[None].float())
    generators = torch.zeros(3, 3, 3, dtype=torch.float64)
    for k, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
        generators[k, j, i], generators[k, i, j] = 1.0, -1.0

    def exponential(v: Tensor) -> Tensor:
        return torch.linalg.matrix_exp(torch.einsum("k,kij->ij", v, generators))

    assert torch.allclose(R[0].double(), exponential(rotvec), atol=1e-6)
    assert torch.allclose(dR[0].double(), torch.autograd.functional.jacobian(exponential, rotvec), atol=1e-5)


def test_rigid_motion_turns_about_the_pivot(scene):
    rig, _, _, _, params = scene
    R, t = rigid_motion(rig, params)
    assert torch.allclose(R @ rig.pivot + t, rig.pivot + params[:, 3:6], atol=1e-6)
