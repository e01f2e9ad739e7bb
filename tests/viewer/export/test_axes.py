import numpy as np
import pytest
import torch

from avatar3d.camera import look_at
from avatar3d.drawing import draw_gaussians
from tests.viewer.export.scenes import random_gaussians
from viewer.export.axes import axes_quaternion, axes_rotation, turned

BACKGROUND = np.full(3, 0.4, np.float32)


def _picture(gaussians, rotation, factor=1.0):
    camera = look_at(np.array([0.2, 0.1, 0.7]), np.zeros(3), focal=256, size=(96, 96))
    T_cam_world = camera.T_cam_world.copy()
    T_cam_world[:3, :3] = T_cam_world[:3, :3] @ rotation.T / factor
    T_cam_world[:3, :3] *= factor
    T_cam_world[:3, 3] *= factor
    moved = type(camera)(camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height, T_cam_world)
    return draw_gaussians(gaussians, moved, BACKGROUND).rgb.copy()


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize(("up", "factor"), [("y", 100.0), ("z", 1.0), ("-y", 0.5)])
def test_a_camera_that_is_turned_along_sees_the_same(up, factor, degree):
    gaussians = random_gaussians(300, degree)
    expected = _picture(gaussians, np.eye(3))
    seen = _picture(turned(gaussians, up, factor), axes_rotation(up), factor)
    # With harmonics the picture depends on the direction, so that a wrong turn of them would be seen.
    assert np.abs(seen - expected).max() < 2e-3


def test_harmonics_matter_to_that_picture():
    gaussians = random_gaussians(300, 3)
    turned_but_for_harmonics = turned(gaussians, "z")
    spoiled = type(gaussians)(
        turned_but_for_harmonics.position, turned_but_for_harmonics.rotation, gaussians.log_scale, gaussians.opacity_logit, gaussians.sh
    )
    assert np.abs(_picture(spoiled, axes_rotation("z")) - _picture(gaussians, np.eye(3))).max() > 0.02


@pytest.mark.parametrize(("up", "expected"), [("y", [0, 1, 0]), ("z", [0, 0, 1]), ("-y", [0, -1, 0])])
def test_the_crown_of_the_head_points_up(up, expected):
    np.testing.assert_allclose(axes_rotation(up) @ [0, 1, 0], expected)
    assert np.linalg.det(axes_rotation(up)) == pytest.approx(1)
    w, v = axes_quaternion(up)[0], axes_quaternion(up)[1:]
    point = np.array([0.3, -0.2, 0.9])
    np.testing.assert_allclose(point + 2 * np.cross(v, np.cross(v, point) + w * point), axes_rotation(up) @ point, atol=1e-12)


def test_quaternions_become_unit_and_none_is_lost():
    gaussians = random_gaussians(5)
    rotation = gaussians.rotation * 3
    rotation[0] = 0
    seen = turned(type(gaussians)(gaussians.position, rotation, gaussians.log_scale, gaussians.opacity_logit, gaussians.sh), "y")
    assert torch.allclose(seen.rotation.norm(dim=1), torch.ones(5))
    assert torch.allclose(seen.rotation[1:], gaussians.rotation[1:], atol=1e-6)
