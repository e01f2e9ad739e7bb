"""The analytic backward pass of the rig, held to autograd through `head_vertices`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.head.model import HeadModel, head_vertices
from avatar3d.motion import Motion
from recon.rig_gradient import frame_channels, pose, pose_backward, rig_arrays
from tests.avatar3d.tiny import tiny_head, tiny_motion


def _scene(lids: bool) -> tuple[HeadModel, Motion, torch.Tensor]:
    head = tiny_head()
    generator = torch.Generator().manual_seed(3)
    if lids:
        head = replace(head, eyelid_basis=torch.randn(2, head.num_vertices, 3, generator=generator) * 0.003)
    motion = tiny_motion(head, 3)
    # A joint at rest takes the series of the rotation's formulas instead of the formulas.
    motion.jaw_pose[1] = 0
    if motion.eyelids is not None:
        motion.eyelids[:] = 0.3
    motion.shape[:] = np.array([0.5, -1.0, 0.3, 0.8], np.float32)
    return head, motion, torch.randn(head.num_vertices, 3, generator=generator) * 0.001


def _twin(head: HeadModel, motion: Motion, frame: int, offset: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Posed vertices [V, 3] by `head_vertices` in double precision, and the leaves they hang on."""
    double = {n: getattr(head, n).double() for n in ("template", "shape_basis", "expr_basis", "pose_basis", "skin_weights")}
    double |= {n: getattr(head, n).double() for n in ("joint_template", "joint_shape_basis")}
    head = replace(head, **double, eyelid_basis=None if head.eyelid_basis is None else head.eyelid_basis.double())
    leaves = {name: torch.from_numpy(value[None].copy()).double() for name, value in frame_channels(motion, frame).items()}
    shape, offset = torch.from_numpy(motion.shape).double(), offset.double()
    for leaf in leaves.values():
        leaf.requires_grad_()
    named = {name: leaf for name, leaf in leaves.items() if name != "expr"} | {"vertex_offset": offset}
    return head_vertices(head, shape, leaves["expr"], **named)[0], leaves  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("lids", [False, True])
@pytest.mark.parametrize("frame", [0, 1])
def test_gradients_are_those_of_autograd(lids: bool, frame: int) -> None:
    head, motion, offset = _scene(lids)
    vertices, leaves = _twin(head, motion, frame, offset)
    g = torch.randn(vertices.shape, generator=torch.Generator().manual_seed(5))
    names = list(leaves)
    expected = dict(zip(names, torch.autograd.grad((vertices * g).sum(), [leaves[name] for name in names]), strict=True))

    rig = rig_arrays(head, torch.from_numpy(motion.shape), offset)
    posed = pose(rig, frame_channels(motion, frame))
    found = pose_backward(rig, posed, g.numpy())

    np.testing.assert_allclose(posed.vertices, vertices.detach().numpy(), atol=1e-6)
    assert set(found) == set(names)
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name][0].numpy(), atol=2e-5, rtol=1e-4, err_msg=name)
