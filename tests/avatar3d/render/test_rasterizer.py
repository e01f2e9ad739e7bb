"""The CPU kernels against the plain-torch reference and against finite differences, through the public function."""

import importlib.util
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.camera import look_at
from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from avatar3d.render import rasterize
from tests.avatar3d.render.gaussian_scenes import (
    PARAMETERS,
    SCENES,
    assert_same_gradients,
    assert_same_picture,
    camera,
    draw_with_gradients,
    leaves,
    loss_of,
    random_scene,
)

BACKGROUND = torch.tensor([0.2, 0.5, 0.9])


@pytest.mark.parametrize("name", SCENES)
def test_pictures_and_gradients_are_the_references(name: str) -> None:
    _assert_as_the_reference(SCENES[name]())


@pytest.mark.parametrize("bands", [1, 4, 9, 16])
def test_every_degree_of_harmonics_is_the_references(bands: int) -> None:
    _assert_as_the_reference(random_scene(bands=bands, seed=bands))


def _assert_as_the_reference(scene: Gaussians) -> None:
    rendered, gradients = draw_with_gradients(scene, camera(), BACKGROUND, "cpu")
    expected, truth = draw_with_gradients(scene, camera(), BACKGROUND, "reference")
    assert_same_picture(rendered, expected)
    assert_same_gradients(gradients, truth)


@pytest.mark.parametrize("index", range(5), ids=PARAMETERS)
def test_gradients_are_finite_differences(index: int) -> None:
    scene, view, step = random_scene(bands=9, seed=2), camera(), 1e-8
    _, gradients = draw_with_gradients(scene, view, BACKGROUND, "cpu")
    generator = torch.Generator().manual_seed(index)
    for _ in range(3):
        tensors = leaves(scene, torch.float64)
        direction = torch.randn(tensors[index].shape, generator=generator).double()
        losses = []
        for sign in (-1, 1):
            moved = [tensor.detach() + (sign * step * direction if i == index else 0) for i, tensor in enumerate(tensors)]
            losses.append(float(loss_of(rasterize(Gaussians(*moved), view, BACKGROUND.double(), backend="reference"))))
        slope = (losses[1] - losses[0]) / (2 * step)
        predicted = float((gradients[index].double() * direction).sum())
        scale = float(gradients[index].double().norm() * direction.norm())
        assert abs(slope - predicted) < 1e-4 * scale


@settings(max_examples=25, deadline=None)
@given(width=st.integers(1, 70), height=st.integers(1, 70), seed=st.integers(0, 5), picture=st.booleans())
def test_any_size_of_picture(width: int, height: int, seed: int, picture: bool) -> None:
    scene, view = random_scene(count=25, bands=1, seed=seed), camera(width, height)
    background = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed)) if picture else BACKGROUND
    rendered, gradients = draw_with_gradients(scene, view, background, "cpu")
    expected, truth = draw_with_gradients(scene, view, background, "reference")
    assert rendered.rgb.shape == (height, width, 3)
    assert_same_picture(rendered, expected)
    assert_same_gradients(gradients, truth, tolerance=2e-3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), log_size=st.floats(-9, 1), logit=st.floats(-8, 15), distance=st.floats(0.02, 5))
def test_any_gaussian_gives_finite_pictures_and_gradients(seed: int, log_size: float, logit: float, distance: float) -> None:
    scene = random_scene(count=20, seed=seed)
    tensors = [scene.position, scene.rotation, scene.log_scale + 3.3 + log_size, scene.opacity_logit * 0 + logit, scene.sh]
    view = look_at(np.array([0.0, 0.0, distance]), np.zeros(3), focal=30.0, size=(23, 18))
    rendered, gradients = draw_with_gradients(Gaussians(*tensors), view, BACKGROUND, "cpu")
    expected, _ = draw_with_gradients(Gaussians(*tensors), view, BACKGROUND, "reference")
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert_same_picture(rendered, expected, tolerance=2e-4)


def test_no_gaussians_leave_the_background() -> None:
    rendered, gradients = draw_with_gradients(random_scene(count=0), camera(), BACKGROUND, "cpu")
    assert torch.equal(rendered.rgb, BACKGROUND.expand_as(rendered.rgb))
    assert not rendered.alpha.any() and not rendered.depth.any()
    assert gradients[0].shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("position", "rotation", "sh") for value in (math.nan, math.inf, -math.inf)),
        *(("log_scale", value) for value in (math.nan, math.inf)),
        *(("opacity_logit", value) for value in (math.nan, -math.inf)),
    ],
)
def test_gaussians_that_are_not_finite_are_not_drawn(name: str, value: float) -> None:
    scene = random_scene()
    broken = {key: getattr(scene, key).float().clone() for key in PARAMETERS}
    broken[name].view(len(scene), -1)[::2, 0] = value
    without = Gaussians(**{key: tensor[1::2] for key, tensor in broken.items()})
    rendered, gradients = draw_with_gradients(Gaussians(**broken), camera(), BACKGROUND, "cpu")
    assert torch.equal(rendered.rgb, rasterize(without, camera(), BACKGROUND).rgb)
    assert all(not gradient[::2].any() for gradient in gradients[:5])


def test_equal_depths_are_drawn_in_the_order_of_the_arrays() -> None:
    one = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    scene = Gaussians(
        torch.zeros(2, 3), one.repeat(2, 1), torch.full((2, 3), -2.0), torch.full((2,), 20.0), torch.tensor([[[9.0] * 3], [[-9.0] * 3]])
    )
    rgb = rasterize(scene, look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal=16.0, size=(9, 9)), torch.zeros(3)).rgb
    assert float(rgb[4, 4, 0]) > 2


def test_where_alpha_is_at_its_cap_opacity_has_no_gradient() -> None:
    wide = Gaussians(torch.zeros(1, 3), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), 3.0), torch.tensor([7.5]), torch.ones(1, 1, 3))
    for logit, capped in ((7.5, True), (6.0, False)):
        scene = Gaussians(wide.position, wide.rotation, wide.log_scale, torch.tensor([logit]), wide.sh)
        rendered, gradients = draw_with_gradients(scene, camera(), BACKGROUND, "cpu")
        assert (float(rendered.alpha.detach().min()) > 0.9989) == capped
        assert bool(gradients[3].any()) != capped
        assert gradients[4].all()


def test_depth_is_the_expected_distance_along_the_axis() -> None:
    scene = random_scene(count=1)
    view = look_at(np.array([0.0, 0.0, 3.0]), np.zeros(3), focal=60.0, size=(32, 32))
    rendered = rasterize(Gaussians(**{name: getattr(scene, name).float() for name in PARAMETERS}), view, BACKGROUND)
    covered = rendered.alpha > 0
    assert covered.any() and not covered.all()
    np.testing.assert_allclose(rendered.depth[covered], 3 - float(scene.position[0, 2]), rtol=3e-5)
    assert not rendered.depth[~covered].any()


def test_results_do_not_depend_on_threads_to_the_bit() -> None:
    scene, view = random_scene(count=3000, bands=9), camera(150, 131)
    first, gradients = draw_with_gradients(scene, view, BACKGROUND, "cpu", threads=1)
    for threads in (1, 2, 3, 5):
        again, other = draw_with_gradients(scene, view, BACKGROUND, "cpu", threads=threads)
        for name in ("rgb", "alpha", "depth"):
            assert torch.equal(getattr(first, name), getattr(again, name))
        assert all(torch.equal(a, b) for a, b in zip(gradients, other, strict=True))


def test_a_loss_on_one_picture_alone() -> None:
    for name in ("rgb", "alpha", "depth"):
        gradients = []
        for backend, dtype in (("cpu", torch.float32), ("reference", torch.float64)):
            tensors = [*leaves(random_scene(), dtype), BACKGROUND.to(dtype).clone().requires_grad_()]
            rendered = rasterize(Gaussians(*tensors[:5]), camera(), tensors[5], backend=backend)
            gradients.append(torch.autograd.grad((getattr(rendered, name) ** 2).sum(), tensors, allow_unused=True, materialize_grads=True))
        assert_same_gradients(*map(list, gradients))


def test_two_frames_may_be_in_flight() -> None:
    scenes = [random_scene(seed=1), random_scene(count=90, seed=2)]
    apart = [draw_with_gradients(scene, camera(), BACKGROUND, "cpu")[1][:5] for scene in scenes]
    tensors = [leaves(scene, torch.float32) for scene in scenes]
    rendered = [rasterize(Gaussians(*leaf), camera(), BACKGROUND) for leaf in tensors]
    together = torch.autograd.grad(loss_of(rendered[0]) + loss_of(rendered[1]), [*tensors[0], *tensors[1]])
    assert all(torch.equal(a, b) for a, b in zip(together, [*apart[0], *apart[1]], strict=True))


def test_a_parameter_changed_before_the_backward_pass_is_noticed() -> None:
    tensors = leaves(random_scene(), torch.float32)
    loss = loss_of(rasterize(Gaussians(*tensors), camera(), BACKGROUND))
    with torch.no_grad():
        tensors[0] += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_tensors_need_not_be_contiguous() -> None:
    scene = random_scene()
    strided = Gaussians(*(getattr(scene, name).float().repeat_interleave(2, 0)[::2] for name in PARAMETERS))
    plain = Gaussians(*(getattr(scene, name).float() for name in PARAMETERS))
    assert torch.equal(rasterize(strided, camera(), BACKGROUND).rgb, rasterize(plain, camera(), BACKGROUND).rgb)


def test_wrong_calls_are_refused() -> None:
    scene = random_scene(count=3)
    with pytest.raises(ValueError, match="unknown backend"):
        rasterize(scene, camera(), BACKGROUND, backend="gpu")
    with pytest.raises(ValueError, match="background has shape"):
        rasterize(scene, camera(), torch.zeros(33, 40))
    with pytest.raises(UserError, match="pixels"):
        rasterize(scene, camera(100_000, 100_000), BACKGROUND)
    with pytest.raises(UserError, match=r"gsplat|cuda"):
        rasterize(scene, camera(), BACKGROUND, backend="cuda")


@pytest.mark.skipif(not torch.cuda.is_available() or importlib.util.find_spec("gsplat") is None, reason="needs a CUDA device and gsplat")
@pytest.mark.parametrize("name", ["plain", "behind the camera", "off screen", "tiny", "opaque"])
def test_gsplat_draws_the_same(name: str) -> None:
    scene, view = SCENES[name](), camera()
    tensors = [tensor.cuda().detach().requires_grad_() for tensor in leaves(scene, torch.float32)]
    rendered = rasterize(Gaussians(*tensors), view, BACKGROUND.cuda())
    assert rendered.rgb.is_cuda
    gradients = torch.autograd.grad((rendered.rgb**2).sum(), tensors)
    expected = leaves(scene, torch.float32)
    truth = torch.autograd.grad((rasterize(Gaussians(*expected), view, BACKGROUND).rgb ** 2).sum(), expected)
    assert float((rendered.rgb.cpu() - rasterize(Gaussians(*expected), view, BACKGROUND).rgb).abs().mean()) < 1e-3
    for gradient, other in zip(gradients, truth, strict=True):
        assert float((gradient.cpu() - other).norm()) < 0.02 * float(other.norm()) + 1e-6
