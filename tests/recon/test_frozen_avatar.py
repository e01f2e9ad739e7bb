"""Drawing one frame of a frozen avatar, and the way back to the motion."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.avatar import Avatar
from avatar3d.basis_network import basis_weights, network_inputs
from avatar3d.camera import Camera
from avatar3d.drawing import draw
from avatar3d.gaussians import SH_C0, Gaussians
from avatar3d.head.model import head_vertices
from avatar3d.motion import Motion
from avatar3d.render.cpu import Workspace
from avatar3d.render.reference import render_reference
from recon.frozen_avatar import FrozenAvatar
from recon.rig_gradient import frame_channels
from tests.avatar3d import posing_twin
from tests.recon.memory_capture import small_scene

BLACK = np.zeros(3, np.float32)


@pytest.fixture(scope="module")
def scene() -> tuple[Motion, Camera, Avatar]:
    _, motion, camera, avatar = small_scene(frames=3, size=48)
    return motion, camera, avatar


def test_draws_what_the_avatar_draws(scene: tuple[Motion, Camera, Avatar]) -> None:
    motion, camera, avatar = scene
    drawing = FrozenAvatar(avatar).draw(frame_channels(motion, 1), camera, BLACK, Workspace())
    expected = draw(avatar, motion, float(1 / motion.fps), camera, BLACK)
    np.testing.assert_allclose(drawing.pictures.rgb, expected.rgb, atol=2e-5)


def _twin_gradients(motion: Motion, frame: int, camera: Camera, avatar: Avatar, g_rgb: np.ndarray) -> dict[str, np.ndarray]:
    """The same through plain torch: the rig, the network and its bases, binding, and the reference rasterizer."""
    one = motion.frames(slice(frame, frame + 1))
    leaves = {name: torch.from_numpy(value[None].copy()).requires_grad_() for name, value in frame_channels(motion, frame).items()}
    posed = {name: leaf for name, leaf in leaves.items() if name != "expr"}
    rest = torch.cat([avatar.vertex_offset, torch.zeros(avatar.rig.num_vertices - len(avatar.vertex_offset), 3)])
    vertices = head_vertices(avatar.rig, avatar.shape, leaves["expr"], vertex_offset=rest, **posed)[0]  # pyright: ignore[reportArgumentType]
    order = ("expr", "jaw_pose", "eyes_pose", "neck_pose", "neck_translation")
    inputs = torch.cat([leaves[name] / (0.01 if name == "neck_translation" else 1.0) for name in order], dim=1)
    torch.testing.assert_close(inputs.detach(), network_inputs(one))
    weights = basis_weights(inputs, avatar.input_mean, avatar.input_std, avatar.layers)[0]

    def moved(base: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
        return base + torch.einsum("k,knc->nc", weights, basis)

    faces, area = torch.from_numpy(avatar.faces).long(), torch.from_numpy(avatar.rest_area)
    face, bary = torch.from_numpy(avatar.face).long(), torch.from_numpy(avatar.bary)
    position, rotation, log_scale = posing_twin.bind(
        vertices,
        faces,
        area,
        face,
        bary,
        moved(avatar.position, avatar.position_basis),
        moved(avatar.rotation, avatar.rotation_basis),
        avatar.log_scale,
    )
    sh = (moved(avatar.colour, avatar.colour_basis)[:, None, :] - 0.5) / SH_C0
    rgb, _, _ = render_reference(Gaussians(position, rotation, log_scale, avatar.opacity_logit, sh), camera, torch.zeros(3))
    found = torch.autograd.grad((rgb * torch.from_numpy(g_rgb)).sum(), list(leaves.values()))
    return {name: value[0].numpy() for name, value in zip(leaves, found, strict=True)}


def test_gradients_are_those_of_autograd_from_picture_to_motion(scene: tuple[Motion, Camera, Avatar]) -> None:
    motion, camera, avatar = scene
    # Few and soft, because the reference compares every pixel with every Gaussian.
    avatar = replace(avatar, log_scale=avatar.log_scale + 0.3, opacity_logit=avatar.opacity_logit * 0 + 1.0)
    g_rgb = np.random.default_rng(1).normal(size=(camera.height, camera.width, 3)).astype(np.float32)
    frozen = FrozenAvatar(avatar)
    found = frozen.backward(frozen.draw(frame_channels(motion, 1), camera, BLACK, Workspace()), g_rgb)
    expected = _twin_gradients(motion, 1, camera, avatar, g_rgb)
    assert set(found) == set(expected)
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=2e-3, atol=2e-3 * np.abs(expected[name]).max(), err_msg=name)
