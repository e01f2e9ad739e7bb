"""The plain-torch reference against other people's formulas."""

import nerfacc
import numpy as np
import scipy.special
import torch

from avatar3d.camera import look_at
from avatar3d.gaussians import Gaussians
from avatar3d.render.harmonics import fill_harmonics, fill_harmonics_gradient
from avatar3d.render.reference import composite_weights, harmonics, render_reference
from tests.avatar3d.render.gaussian_scenes import random_scene


def directions(count: int) -> np.ndarray:
    """[count, 3] unit vectors."""
    vectors = np.random.default_rng(0).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_compositing_is_nerfaccs() -> None:
    generator = torch.Generator().manual_seed(0)
    alpha = 0.5 * torch.rand(200, 12, generator=generator, dtype=torch.float64)
    color = torch.rand(200, 12, 3, generator=generator, dtype=torch.float64)
    expected, transmittance = nerfacc.render_weight_from_alpha(alpha)
    assert float(transmittance.min()) > 1e-4
    weight = composite_weights(alpha)
    torch.testing.assert_close(weight, expected)
    torch.testing.assert_close((weight[..., None] * color).sum(-2), nerfacc.accumulate_along_rays(expected, color))


def test_nothing_is_added_to_a_pixel_that_is_finished() -> None:
    weight = composite_weights(torch.tensor([[0.99, 0.999, 0.5, 0.5]], dtype=torch.float64))
    np.testing.assert_allclose(weight, [[0.99, 0.01 * 0.999, 0.0, 0.0]], rtol=1e-9)


def test_a_lone_round_gaussian_has_the_profile_of_the_formula() -> None:
    logit, sigma, size = 1.0, 0.05, 41
    camera = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal=100.0, size=(size, size))
    tensors = (
        torch.zeros(1, 3),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.full((1, 3), np.log(sigma), dtype=torch.float64),
        torch.tensor([logit]),
        torch.zeros(1, 1, 3),
    )
    _, alpha, _ = render_reference(Gaussians(*(tensor.double() for tensor in tensors)), camera, torch.zeros(3))
    offset = np.arange(size) + 0.5 - size / 2
    expected = np.exp(-(offset**2) / (2 * ((100 * sigma) ** 2 + 0.3))) / (1 + np.exp(-logit))
    np.testing.assert_allclose(alpha[size // 2], np.where(expected >= 1 / 255, expected, 0), rtol=1e-12)


def test_harmonics_are_scipys() -> None:
    unit = directions(50)
    polar, azimuth = np.arccos(unit[:, 2]), np.arctan2(unit[:, 1], unit[:, 0])
    columns = []
    for degree in range(4):
        for order in range(-degree, degree + 1):
            value = scipy.special.sph_harm_y(degree, abs(order), polar, azimuth)
            columns.append(value.real if order == 0 else np.sqrt(2) * (value.real if order > 0 else value.imag))
    expected = np.stack(columns, -1)
    np.testing.assert_allclose(harmonics(torch.tensor(unit)), expected, atol=1e-12)
    kernel = np.empty(16)
    for direction, row in zip(unit, expected, strict=True):
        fill_harmonics(16, *direction, kernel)
        np.testing.assert_allclose(kernel, row, atol=1e-12)


def test_slopes_of_the_harmonics_are_finite_differences() -> None:
    step, gradient, above, below = 1e-6, np.zeros((16, 3)), np.empty(16), np.empty(16)
    for direction in directions(10):
        fill_harmonics_gradient(16, *direction, gradient)
        for axis in range(3):
            fill_harmonics(16, *(direction + step * np.eye(3)[axis]), above)
            fill_harmonics(16, *(direction - step * np.eye(3)[axis]), below)
            np.testing.assert_allclose(gradient[:, axis], (above - below) / (2 * step), atol=1e-8)


def test_order_of_the_arrays_does_not_matter() -> None:
    scene = random_scene()
    camera = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal=40.0, size=(20, 20))
    turned = Gaussians(*(getattr(scene, name).flip(0) for name in ("position", "rotation", "log_scale", "opacity_logit", "sh")))
    for a, b in zip(render_reference(scene, camera, torch.ones(3)), render_reference(turned, camera, torch.ones(3)), strict=True):
        torch.testing.assert_close(a, b)
