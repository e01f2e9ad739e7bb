"""Scenes for the rasterizer's tests, and the loss they are compared by."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from avatar3d.camera import Camera, look_at
from avatar3d.gaussians import Gaussians
from avatar3d.render import Rendered, rasterize

PARAMETERS = ("position", "rotation", "log_scale", "opacity_logit", "sh")


def random_scene(count: int = 60, bands: int = 4, seed: int = 0) -> Gaussians:
    """Gaussians of 1 to 8 pixels around the origin, in float64, rounded to float32 so that both precisions see the same numbers."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).double()

    return Gaussians(
        position=(0.15 * normal(count, 3)).float().double(),
        rotation=normal(count, 4),
        log_scale=(0.6 * normal(count, 3) - 3.3).float().double(),
        opacity_logit=2 * normal(count),
        sh=(0.4 * normal(count, bands, 3)).float().double(),
    )


def camera(width: int = 40, height: int = 33) -> Camera:
    """A camera a metre away that does not look along an axis."""
    return look_at(np.array([0.2, 0.1, 1.0]), np.zeros(3), focal=60.0, size=(width, height))


def _changed(**changes: Callable[[Tensor], Tensor]) -> Gaussians:
    scene = random_scene()
    return Gaussians(**{name: changes.get(name, torch.clone)(getattr(scene, name)) for name in PARAMETERS})


def _every_third(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def apply(tensor: Tensor) -> Tensor:
        tensor = tensor.clone()
        tensor[::3] = change(tensor[::3])
        return tensor

    return apply


SCENES: dict[str, Callable[[], Gaussians]] = {
    "plain": random_scene,
    "behind the camera": lambda: _changed(position=_every_third(lambda p: p + torch.tensor([0.0, 0.0, 2.0]))),
    "at the near plane": lambda: _changed(
        position=_every_third(lambda p: 0.05 * p + torch.tensor([0.2, 0.1, 0.97])), log_scale=_every_third(lambda s: s - 2)
    ),
    "off screen": lambda: _changed(position=_every_third(lambda p: p + torch.tensor([0.55, 0.0, 0.0]))),
    "far off screen": lambda: _changed(
        position=_every_third(lambda p: p + torch.tensor([40.0, -30.0, 0.0])), log_scale=_every_third(lambda s: s + 4)
    ),
    "huge": lambda: _changed(log_scale=_every_third(lambda s: s + 3)),
    "tiny": lambda: _changed(log_scale=_every_third(lambda s: s - 8)),
    "needles": lambda: _changed(log_scale=_every_third(lambda s: s + torch.tensor([2.0, -4.0, -4.0]))),
    "transparent": lambda: _changed(opacity_logit=lambda o: o - 5),
    "opaque": lambda: _changed(opacity_logit=lambda o: o + 12),
    "coincident": lambda: _changed(position=_every_third(lambda p: p[:1].expand_as(p))),
    "one colour channel below zero": lambda: _changed(sh=lambda sh: sh - torch.tensor([2.0, 0.0, 0.0])),
    "deep stack": lambda: _changed(position=lambda p: 0.2 * p, opacity_logit=lambda o: o.abs() + 2, log_scale=lambda s: 0.2 * s - 1.9),
}


def leaves(scene: Gaussians, dtype: torch.dtype) -> list[Tensor]:
    """The parameters as leaves that collect gradients."""
    return [getattr(scene, name).to(dtype).clone().requires_grad_() for name in PARAMETERS]


def loss_of(rendered: Rendered, seed: int = 7) -> Tensor:
    """A random linear function of colour, alpha and depth, in float64."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros((), dtype=torch.float64)
    for picture in (rendered.rgb, rendered.alpha, rendered.depth):
        total = total + (picture.double() * torch.randn(picture.shape, generator=generator).double()).sum()
    return total


def draw_with_gradients(scene: Gaussians, view: Camera, background: Tensor, backend: str, **options: int) -> tuple[Rendered, list[Tensor]]:
    """The picture, and the gradients of `loss_of` in the parameters and the background."""
    dtype = torch.float64 if backend == "reference" else torch.float32
    tensors = leaves(scene, dtype)
    base = background.to(dtype).clone().requires_grad_()
    rendered = rasterize(Gaussians(*tensors), view, base, backend=backend, **options)
    gradients = torch.autograd.grad(loss_of(rendered), [*tensors, base], materialize_grads=True)
    return rendered, list(gradients)


def assert_same_picture(a: Rendered, b: Rendered, tolerance: float = 3e-5) -> None:
    """Equal up to rounding; a pixel may differ by 1/255 where an ellipse ends, but only one in a thousand (and one at most in a tiny picture)."""
    for name in ("rgb", "alpha", "depth"):
        difference = (getattr(a, name).detach() - getattr(b, name).detach()).abs()
        limit = tolerance * (1 + getattr(b, name).detach().abs())
        stray = int((difference > limit).sum())
        assert stray <= 3 * (1 + difference.numel() // 3000), f"{name}: {stray} values differ, by up to {float(difference.max()):.2e}"
        assert float(difference.max()) < 2e-2, name


def assert_same_gradients(gradients: list[Tensor], expected: list[Tensor], tolerance: float = 2e-4) -> None:
    """Equal in norm, parameter by parameter."""
    for name, gradient, truth in zip((*PARAMETERS, "background"), gradients, expected, strict=True):
        assert gradient.isfinite().all(), name
        error = float((gradient.double() - truth).norm())
        assert error <= tolerance * float(truth.norm()) + 1e-6, f"{name}: off by {error:.2e} of {float(truth.norm()):.2e}"
