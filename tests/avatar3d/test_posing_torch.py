"""Posing in torch against the numba kernels and the rig's own forward."""

import numpy as np
import pytest
import torch

from avatar3d import posing, posing_torch
from avatar3d.device_avatar import device_avatar
from avatar3d.head.model import head_vertices
from avatar3d.motion import CHANNELS
from tests.avatar3d.tiny import tiny_avatar, tiny_motion

TIMES = np.arange(12) / 25


def _posed(seed: int = 3):
    avatar = tiny_avatar(seed=seed)
    motion = tiny_motion(avatar.head, seed=seed)
    vertices = np.stack([avatar.vertices(motion.at(time)) for time in TIMES])
    return avatar, motion, vertices


def _bound(avatar) -> posing_torch.Binding:
    return posing_torch.binding(avatar.faces, avatar.rest_area, avatar.face, avatar.bary, "cpu")


def test_vertices_are_the_rigs():
    avatar, motion, vertices = _posed()
    rig = posing_torch.torch_rig(avatar.rig, avatar.shape, "cpu", avatar.vertex_offset)
    poses = posing_torch.rig_poses(avatar.rig, avatar.rig.joints(avatar.shape), posing_torch.motion_channels(motion, "cpu"))
    np.testing.assert_allclose(posing_torch.posed_vertices(rig, poses).numpy(), vertices, atol=1e-5)
    some = posing_torch.posed_vertices(rig, poses[torch.tensor([4, 1])])
    np.testing.assert_allclose(some.numpy(), vertices[[4, 1]], atol=1e-5)


def test_lids_close_as_the_rigs():
    avatar, motion, _ = _posed()
    generator = torch.Generator().manual_seed(1)
    lids = 0.01 * torch.randn(2, avatar.rig.num_vertices, 3, generator=generator)
    object.__setattr__(avatar.rig, "eyelid_basis", lids)
    channels = posing_torch.motion_channels(motion, "cpu")
    rig = posing_torch.torch_rig(avatar.rig, avatar.shape, "cpu")
    joints = avatar.rig.joints(avatar.shape)
    for closure in (None, torch.rand(12, 2, generator=generator)):
        given = channels if closure is None else channels | {"eyelids": closure}
        names = [name for name in CHANNELS if name in given]
        slow = head_vertices(avatar.rig, avatar.shape, given["expr"], **{name: given[name] for name in names})
        fast = posing_torch.posed_vertices(rig, posing_torch.rig_poses(avatar.rig, joints, given))
        np.testing.assert_allclose(fast.numpy(), slow.numpy(), atol=1e-6)


def test_triangle_frames_are_the_kernels():
    avatar, _, vertices = _posed()
    frames = posing_torch.triangle_frames(torch.from_numpy(vertices), torch.from_numpy(avatar.faces).long(), torch.from_numpy(avatar.rest_area))
    for index, posed in enumerate(vertices):
        kernel = posing.triangle_frames(posed, avatar.faces, avatar.rest_area)
        np.testing.assert_allclose(frames.rotation[index].numpy(), kernel.rotation, atol=1e-5)
        np.testing.assert_allclose(frames.quaternion[index].numpy(), kernel.quaternion, atol=1e-5)
        np.testing.assert_allclose(frames.stretch[index].numpy(), kernel.stretch, atol=1e-5)


def test_every_turn_has_a_quaternion():
    generator = torch.Generator().manual_seed(0)
    q = torch.nn.functional.normalize(torch.randn(500, 4, generator=generator), dim=-1)
    half_turns = torch.eye(4)
    for quaternion in torch.cat([q, half_turns]):
        w, x, y, z = quaternion.tolist()
        R = torch.tensor(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        found = posing_torch.matrix_to_quaternion(R)
        assert float((found * torch.sign((found * quaternion).sum()) - quaternion).abs().max()) < 1e-5


def test_bind_is_the_kernels():
    avatar, _, vertices = _posed()
    local = (avatar.position, avatar.rotation, avatar.log_scale)
    fast = posing_torch.bind(torch.from_numpy(vertices), _bound(avatar), *local)
    for index, posed in enumerate(vertices):
        frames = posing.triangle_frames(posed, avatar.faces, avatar.rest_area)
        kernel = posing.bind(posed, avatar.faces, frames, avatar.face, avatar.bary, *(x.numpy() for x in local))
        for ours, theirs in zip(fast, kernel, strict=True):
            np.testing.assert_allclose(ours[index].numpy(), theirs, atol=1e-5)


def test_gradients_are_the_kernels():
    avatar, _, vertices = _posed()
    posed = vertices[4]
    frames = posing.triangle_frames(posed, avatar.faces, avatar.rest_area)
    local = [avatar.position, avatar.rotation, avatar.log_scale]
    rng = np.random.default_rng(1)
    g = [rng.normal(size=tuple(x.shape)).astype(np.float32) for x in local]
    _, rotation, _ = posing.bind(posed, avatar.faces, frames, avatar.face, avatar.bary, *(x.numpy() for x in local))
    g_position, g_rotation = posing.bind_backward(frames, avatar.face, g[0], g[1])
    g_vertices = posing.vertices_backward(
        posed, avatar.faces, frames, avatar.rest_area, avatar.face, avatar.bary, avatar.position.numpy(), rotation, *g
    )

    leaves = [torch.from_numpy(posed)[None].requires_grad_(), *(x.clone().requires_grad_() for x in local)]
    fast = posing_torch.bind(leaves[0], _bound(avatar), *leaves[1:])
    sum((x[0] * torch.from_numpy(y)).sum() for x, y in zip(fast, g, strict=True)).backward()
    for leaf, truth in zip(leaves, (g_vertices[None], g_position, g_rotation, g[2]), strict=True):
        np.testing.assert_allclose(leaf.grad.numpy(), truth, atol=2e-4 * np.abs(truth).max())


def test_a_collapsed_triangle_has_finite_frames_and_gradients():
    vertices = torch.zeros(1, 3, 3, requires_grad=True)
    faces = np.array([[0, 1, 2]], np.int32)
    kernel = posing.triangle_frames(np.zeros((3, 3), np.float32), faces, np.ones(1, np.float32))
    frames = posing_torch.triangle_frames(vertices, torch.from_numpy(faces).long(), torch.ones(1))
    np.testing.assert_allclose(frames.rotation[0].detach().numpy(), kernel.rotation)
    np.testing.assert_allclose(frames.stretch[0].detach().numpy(), kernel.stretch)
    (frames.rotation.sum() + frames.quaternion.sum() + frames.stretch.sum()).backward()
    assert vertices.grad.isfinite().all()


@pytest.mark.parametrize("moment", [0.0, 0.13, 5.0])
def test_an_avatar_on_a_device_is_posed_as_on_the_cpu(moment):
    avatar, motion, _ = _posed()
    resident = device_avatar(avatar, "cpu")
    truth = avatar.pose(motion, moment)
    posed = resident.pose(resident.perform(motion.at(moment))).frame(0)
    for name in ("position", "rotation", "log_scale", "opacity_logit", "sh"):
        np.testing.assert_allclose(getattr(posed, name).numpy(), getattr(truth, name).numpy(), atol=2e-5, err_msg=name)


def test_frames_of_a_performance_are_posed_each_for_itself():
    avatar, motion, _ = _posed()
    resident = device_avatar(avatar, "cpu")
    performance = resident.perform(motion)
    assert len(performance) == len(motion)
    together, apart = resident.pose(performance), resident.pose(performance[3:4])
    assert torch.allclose(together.position[3], apart.position[0], atol=1e-6)
    assert torch.allclose(together.colour[3], apart.colour[0], atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_posing_that_was_recorded_is_posing():
    avatar, motion, _ = _posed()
    resident = device_avatar(avatar, "cuda")
    performance = resident.perform(motion)
    for rows in (slice(0, 1), slice(2, 3), slice(1, 4), slice(2, 3)):
        # Compared at once: the next call of as many frames overwrites them.
        recorded, plain = resident._recorded(performance[rows]), resident.pose(performance[rows])
        for name in ("position", "rotation", "log_scale", "colour"):
            assert torch.allclose(getattr(recorded, name), getattr(plain, name), atol=1e-6), name
    assert resident.graphs.keys() == {1, 3}
