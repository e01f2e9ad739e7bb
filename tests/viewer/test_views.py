"""Two eyes: what is on the screen, in front of it and behind it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.camera import look_at, orbit
from avatar3d.gaussians import Gaussians, rgb_to_sh
from viewer.views import Brush, eye_cameras, flat_view, stereo_view

PIVOT = np.array([0.02, -0.01, 0.05])
CAMERA = look_at(np.array([0.02, -0.01, 0.75]), PIVOT, focal=200, size=(96, 64))


def dots(*places) -> Gaussians:
    count = len(places)
    return Gaussians(
        torch.tensor(np.array(places), dtype=torch.float32), torch.tensor([[1.0, 0, 0, 0]] * count), torch.full((count, 3), -6.0),
        torch.full((count,), 6.0), rgb_to_sh(torch.ones(count, 3)),
    )  # fmt: skip


def centroid(alpha: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]] + 0.5
    return np.array([(x * alpha).sum(), (y * alpha).sum()]) / alpha.sum()


def eyes(view, gaussians):
    """Where each eye sees the one dot, pixels."""
    alpha = view.draw(gaussians, 0.0, Brush()).alpha
    halves = np.split(alpha, 2, axis=1 if view.layout == "side-by-side" else 0)
    return [centroid(half) for half in halves]


@pytest.mark.parametrize("layout", ["side-by-side", "over-under"])
def test_the_pivot_lies_on_the_screen(layout):
    view = stereo_view(lambda time: CAMERA, PIVOT, layout)
    assert view.size == ((192, 64) if layout == "side-by-side" else (96, 128))
    left, right = eyes(view, dots(PIVOT))
    assert np.allclose(left, right, atol=0.02) and np.allclose(left, [48, 32], atol=0.02)


@pytest.mark.parametrize("distance", [None, 0.9])
def test_near_things_are_crossed_and_nothing_differs_in_height(distance):
    view = stereo_view(lambda time: CAMERA, PIVOT, distance=distance)
    z = distance or 0.75
    focal = 200 * z / 0.7
    for ahead in (0.1, -0.1):
        left, right = eyes(view, dots(PIVOT + np.array([0.03, 0.04, ahead])))
        assert left[0] - right[0] == pytest.approx(focal * 0.063 * (1 / (z - ahead) - 1 / z), abs=0.03)
        assert left[1] == pytest.approx(right[1], abs=0.02)


def test_a_nearer_camera_steps_back_and_the_head_keeps_its_size():
    near = look_at(PIVOT + np.array([0, 0, 0.4]), PIVOT, focal=200, size=(96, 64))
    view = stereo_view(lambda time: near, PIVOT)
    assert view.camera(0.0).T_cam_world[2, 3] + (near.T_cam_world[:3, :3] @ PIVOT)[2] == pytest.approx(0.75)
    side = dots(PIVOT + np.array([0, 0.04, 0]))
    flat = centroid(flat_view(lambda time: near).draw(side, 0.0, Brush()).alpha)
    left, right = eyes(view, side)
    assert np.allclose((left + right) / 2, flat, atol=0.02)


def test_eyes_are_as_far_apart_as_they_should_be_wherever_the_camera_looks():
    camera = orbit(CAMERA, PIVOT, 0.4, -0.2)
    left, right = eye_cameras(camera, 0.063, 0.7)
    centres = [-eye.T_cam_world[:3, :3].T @ eye.T_cam_world[:3, 3] for eye in (left, right)]
    assert np.linalg.norm(centres[1] - centres[0]) == pytest.approx(0.063)
    # The right eye lies to the right: along the camera's own x.
    assert np.allclose(camera.T_cam_world[:3, :3] @ (centres[1] - centres[0]), [0.063, 0, 0])


def test_a_layer_over_a_background_is_the_picture_over_it():
    from avatar3d.drawing import draw_gaussians

    gaussians = replace(dots(PIVOT, PIVOT + np.array([0.02, 0.01, 0.1])), opacity_logit=torch.tensor([0.3, -0.5]))
    background = np.array([0.2, 0.9, 0.4], np.float32)
    layer = flat_view(lambda time: CAMERA).draw(gaussians, 0.0, Brush())
    assert np.abs(layer.over(background) - draw_gaussians(gaussians, CAMERA, background).rgb).max() < 1e-6
