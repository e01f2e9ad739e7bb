import numpy as np
import torch

from avatar3d import posing
from avatar3d.basis_network import basis_weights, network_inputs
from avatar3d.head.model import head_vertices
from tests.avatar3d import posing_twin
from tests.avatar3d.tiny import tiny_avatar, tiny_motion


def _posed():
    avatar = tiny_avatar()
    motion = tiny_motion(avatar.head, seed=3)
    return avatar, motion, avatar.vertices(motion.at(0.1))


def _same_up_to_sign(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a * np.sign((a * b).sum(-1, keepdims=True)) - b)


def test_fast_vertices_equal_the_differentiable_forward():
    avatar, motion, vertices = _posed()
    frame = motion.at(0.1)
    names = ("jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation", "neck_translation")
    tracks = {name: torch.from_numpy(getattr(frame, name)) for name in names}
    offset = torch.cat([avatar.vertex_offset, torch.zeros(15, 3)])
    slow = head_vertices(avatar.rig, avatar.shape, torch.from_numpy(frame.expr), **tracks, vertex_offset=offset)[0]
    np.testing.assert_allclose(vertices, slow.numpy(), atol=2e-6)


def test_weights_equal_the_differentiable_network():
    avatar, motion, _ = _posed()
    frame = motion.at(0.1)
    slow = basis_weights(network_inputs(frame), avatar.input_mean, avatar.input_std, avatar.layers)[0]
    np.testing.assert_allclose(avatar.weights(frame), slow.numpy(), atol=1e-5)


def test_bind_equals_its_slow_twin():
    avatar, _, vertices = _posed()
    frames = posing.triangle_frames(vertices, avatar.faces, avatar.rest_area)
    local = (avatar.position.numpy(), avatar.rotation.numpy(), avatar.log_scale.numpy())
    position, rotation, log_scale = posing.bind(vertices, avatar.faces, frames, avatar.face, avatar.bary, *local)
    twin = posing_twin.bind(
        *map(torch.from_numpy, (vertices, avatar.faces.astype(np.int64), avatar.rest_area, avatar.face.astype(np.int64), avatar.bary, *local))
    )
    np.testing.assert_allclose(position, twin[0].numpy(), atol=1e-6)
    assert _same_up_to_sign(twin[1].numpy(), rotation).max() < 1e-4
    np.testing.assert_allclose(log_scale, twin[2].numpy(), atol=1e-5)


def test_gradients_equal_those_of_the_slow_twin():
    avatar, _, vertices = _posed()
    frames = posing.triangle_frames(vertices, avatar.faces, avatar.rest_area)
    local = [avatar.position, avatar.rotation, avatar.log_scale]
    rng = np.random.default_rng(1)
    g = [rng.normal(size=tuple(x.shape)).astype(np.float32) for x in local]
    _, rotation, _ = posing.bind(vertices, avatar.faces, frames, avatar.face, avatar.bary, *(x.numpy() for x in local))

    leaves = [torch.from_numpy(vertices).double().requires_grad_(), *(x.double().requires_grad_() for x in local)]
    faces, face = torch.from_numpy(avatar.faces).long(), torch.from_numpy(avatar.face).long()
    twin = posing_twin.bind(leaves[0], faces, torch.from_numpy(avatar.rest_area).double(), face, torch.from_numpy(avatar.bary).double(), *leaves[1:])
    # The quaternion's overall sign is free; the kernel's choice is imposed on the twin.
    sign = torch.sign((twin[1].detach() * torch.from_numpy(rotation)).sum(-1, keepdim=True))
    loss = sum((x * torch.from_numpy(y)).sum() for x, y in zip((twin[0], sign * twin[1], twin[2]), g, strict=True))
    loss.backward()

    g_position, g_rotation = posing.bind_backward(frames, avatar.face, g[0], g[1])
    g_vertices = posing.vertices_backward(
        vertices, avatar.faces, frames, avatar.rest_area, avatar.face, avatar.bary, avatar.position.numpy(), rotation, *g
    )
    np.testing.assert_allclose(g_position, leaves[1].grad.numpy(), atol=1e-4)
    np.testing.assert_allclose(g_rotation, leaves[2].grad.numpy(), atol=1e-4)
    scale = np.abs(leaves[0].grad.numpy()).max()
    np.testing.assert_allclose(g_vertices, leaves[0].grad.numpy(), atol=2e-4 * scale)


def test_collapsed_triangle_stays_finite():
    vertices = np.zeros((3, 3), np.float32)
    faces = np.array([[0, 1, 2]], np.int32)
    frames = posing.triangle_frames(vertices, faces, np.ones(1, np.float32))
    one = np.ones((1, 3), np.float32)
    for array in posing.bind(vertices, faces, frames, np.zeros(1, np.int32), one / 3, one, np.ones((1, 4), np.float32), one):
        assert np.isfinite(array).all()


def test_carriers_ride_rigidly_on_torso_and_head():
    avatar, motion, _ = _posed()
    for time in (0.0, 0.2):
        vertices = avatar.vertices(motion.at(time))
        carriers = vertices[-15:].reshape(5, 3, 3)
        for carrier in (carriers[0], carriers[-1]):
            edges = np.linalg.norm(carrier[1:] - carrier[:1], axis=1)
            np.testing.assert_allclose(edges, 0.01, rtol=1e-3)


def test_pose_is_stateless():
    avatar, motion, _ = _posed()
    first = avatar.pose(motion, 0.13)
    avatar.pose(motion, 0.3)
    again = avatar.pose(motion, 0.13)
    assert torch.equal(first.position, again.position) and torch.equal(first.sh, again.sh)
