"""Many frames in one go: one after the other on the CPU, at once through gsplat's signature, at once on a real GPU."""

import importlib.util
import re
import sys
import types

import pytest
import torch

from avatar3d.bench import head_camera, head_scene
from avatar3d.errors import UserError
from avatar3d.gaussians import SH_C0, Gaussians
from avatar3d.render import cuda, rasterize
from avatar3d.render.frames import GaussianFrames, rasterize_frames
from tests.avatar3d.render import fake_gsplat
from tests.avatar3d.render.gaussian_scenes import PARAMETERS, SCENES, camera, leaves, random_scene

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available() or importlib.util.find_spec("gsplat") is None, reason="needs a CUDA device and gsplat")
NAMES = ("position", "rotation", "log_scale", "opacity_logit", "colour")


@pytest.fixture
def gsplat_on_the_cpu(monkeypatch):
    module = types.ModuleType("gsplat")
    module.rasterization = fake_gsplat.rasterization
    monkeypatch.setitem(sys.modules, "gsplat", module)
    monkeypatch.setattr(cuda, "_require_device", lambda tensor: None)


def _frames(count: int = 3, gaussians: int = 40) -> tuple[GaussianFrames, torch.Tensor]:
    scenes = [random_scene(gaussians, bands=1, seed=seed) for seed in range(count)]
    parts = [torch.stack([getattr(scene, name).float() for scene in scenes]) for name in ("position", "rotation", "log_scale")]
    colour = torch.stack([0.5 + SH_C0 * scene.sh[:, 0].float() for scene in scenes])
    background = torch.rand(count, 3, generator=torch.Generator().manual_seed(5))
    return GaussianFrames(*parts, scenes[0].opacity_logit.float(), colour), background


def _draw_with_gradients(frames: GaussianFrames, background: torch.Tensor, view, backend: str, **options):
    inputs = [getattr(frames, name).detach().clone().requires_grad_() for name in NAMES]
    rgb, alpha = rasterize_frames(GaussianFrames(*inputs), view, background, backend=backend, **options)
    generator = torch.Generator().manual_seed(9)
    weights = [torch.randn(picture.shape, generator=generator).to(picture.device) for picture in (rgb, alpha)]
    total = (rgb * weights[0]).sum() + (alpha * weights[1]).sum()
    return rgb.detach(), alpha.detach(), torch.autograd.grad(total, inputs)


def test_every_frame_is_drawn_for_itself_over_its_own_background():
    frames, background = _frames()
    rgb, alpha = rasterize_frames(frames, camera(), background)
    for index in range(len(frames)):
        one = rasterize(frames.frame(index), camera(), background[index])
        assert torch.equal(rgb[index], one.rgb) and torch.equal(alpha[index], one.alpha)


@pytest.mark.parametrize("packed", [False, True])
def test_frames_at_once_have_the_pictures_and_gradients_of_frames_apart(gsplat_on_the_cpu, packed):
    frames, background = _frames()
    rgb, alpha, gradients = _draw_with_gradients(frames, background, camera(), "cuda", packed=packed)
    rgb2, alpha2, truth = _draw_with_gradients(frames, background, camera(), "reference")
    assert rgb.shape == (3, 33, 40, 3) and alpha.shape == (3, 33, 40)
    assert torch.allclose(rgb, rgb2, atol=1e-5) and torch.allclose(alpha, alpha2, atol=1e-5)
    for name, gradient, other in zip(NAMES, gradients, truth, strict=True):
        assert float((gradient - other).norm()) < 1e-3 * float(other.norm()), name


@pytest.mark.parametrize("bands", [1, 9])
def test_one_picture_goes_through_gsplats_signature(gsplat_on_the_cpu, bands):
    scene = Gaussians(*(getattr(random_scene(bands=bands), name).float() for name in PARAMETERS))
    background = torch.rand(33, 40, 3, generator=torch.Generator().manual_seed(1))
    ours, truth = (rasterize(scene, camera(), background, backend=backend) for backend in ("cuda", "reference"))
    for name in ("rgb", "alpha", "depth"):
        assert torch.allclose(getattr(ours, name), getattr(truth, name), atol=1e-4), name


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_without_a_gpu_the_user_is_told_in_one_line():
    with pytest.raises(UserError, match="CUDA") as caught:
        cuda.require_cuda()
    assert "--device cpu" in str(caught.value) and "\n" not in str(caught.value)


def test_a_gsplat_that_draws_is_accepted(gsplat_on_the_cpu):
    cuda._try_out("cpu")


@pytest.mark.parametrize(("dim", "said"), [(None, "does not work ('NoneType' object has no attribute 'X')"), (0.0, "draws nothing")])
def test_a_gsplat_that_cannot_draw_is_told_in_one_line(gsplat_on_the_cpu, monkeypatch, dim, said):
    def broken(**given):
        if dim is None:
            raise AttributeError("'NoneType' object has no attribute 'X'\nand much more")
        pictures, alphas, meta = fake_gsplat.rasterization(**given)
        return dim * pictures, alphas, meta

    monkeypatch.setattr(sys.modules["gsplat"], "rasterization", broken)
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        cuda._try_out("cpu")
    assert "\n" not in str(caught.value)


def test_frames_on_the_cpu_are_refused_by_the_cuda_backend(monkeypatch):
    module = types.ModuleType("gsplat")
    module.rasterization = fake_gsplat.rasterization
    monkeypatch.setitem(sys.modules, "gsplat", module)
    with pytest.raises(UserError, match="are on cpu"):
        rasterize_frames(*_frames()[:1], camera(), torch.zeros(3), backend="cuda")


def _psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean().clamp_min(1e-12)))


@needs_gpu
@pytest.mark.parametrize("name", [name for name in SCENES if name not in {"at the near plane", "far off screen"}])
def test_gsplats_pictures_are_the_cpus(name):
    scene = Gaussians(*(tensor.detach() for tensor in leaves(SCENES[name](), torch.float32)))
    ours = rasterize(scene, camera(), torch.tensor([0.2, 0.5, 0.9]))
    theirs = rasterize(scene.to("cuda"), camera(), torch.tensor([0.2, 0.5, 0.9], device="cuda"))
    assert _psnr(theirs.rgb.cpu(), ours.rgb) > 45 and _psnr(theirs.alpha.cpu(), ours.alpha) > 45


@needs_gpu
@pytest.mark.parametrize("packed", [False, True])
def test_a_head_on_the_gpu_is_the_head_on_the_cpu(packed):
    scene, view = head_scene(15_000), head_camera(256)
    rgb = torch.stack([0.5 + SH_C0 * scene.sh[:, 0], 0.5 + 0.8 * SH_C0 * scene.sh[:, 0]])
    two = torch.stack([scene.position, scene.position * torch.tensor([0.9, 1.0, 1.1])])
    frames = GaussianFrames(two, scene.rotation.expand(2, -1, 4), scene.log_scale.expand(2, -1, 3), scene.opacity_logit, rgb)
    background = torch.tensor([[0.1, 0.2, 0.3], [0.9, 0.5, 0.2]])
    moved = GaussianFrames(*(getattr(frames, name).cuda().contiguous() for name in NAMES))
    rgb, alpha, gradients = _draw_with_gradients(moved, background.cuda(), view, "auto", packed=packed)
    rgb2, alpha2, truth = _draw_with_gradients(frames, background, view, "cpu")
    assert _psnr(rgb.cpu(), rgb2) > 45 and _psnr(alpha.cpu(), alpha2) > 45
    for name, gradient, other in zip(NAMES, gradients, truth, strict=True):
        agreement = torch.nn.functional.cosine_similarity(gradient.cpu().flatten(), other.flatten(), dim=0)
        assert float(agreement) > 0.999, name
        assert float((gradient.cpu() - other).norm()) < 0.03 * float(other.norm()), name


@needs_gpu
def test_this_gpu_can_draw():
    cuda.require_cuda()
