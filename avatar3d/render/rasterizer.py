"""One way to draw Gaussians, whatever the machine: `rasterize`."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from avatar3d.camera import Camera
from avatar3d.gaussians import Gaussians
from avatar3d.render.cpu import Pictures, Workspace, backward_arrays, check_size, render_arrays

PARAMETERS = ("position", "rotation", "log_scale", "opacity_logit", "sh")


@dataclass(frozen=True)
class Rendered:
    """A picture of Gaussians; float32, pixel (0, 0) top left."""

    rgb: Tensor
    """[H, W, 3] sum_i w_i colour_i + (1 - alpha) background."""
    alpha: Tensor
    """[H, W] sum_i w_i, 0..1."""
    depth: Tensor
    """[H, W] expected depth sum_i w_i z_i / max(sum_i w_i, 1e-10), metres along the optical axis; 0 where nothing was drawn."""


def rasterize(gaussians: Gaussians, camera: Camera, background: Tensor, *, backend: str = "auto", threads: int | None = None) -> Rendered:
    """Draw `gaussians` as `camera` sees them; differentiable in every tensor of `gaussians` and in `background`.

    Per pixel, nearest Gaussian first: alpha_i = min(opacity_i exp(-d' Q_i d / 2), 0.999) with d the pixel's centre minus the projected centre and Q_i
    the inverse of the projected covariance plus 0.3 square pixels (EWA splatting); taken as 0 below 1/255. w_i = alpha_i T_i,
    T_(i+1) = T_i (1 - alpha_i), T_1 = 1; a pixel is finished once T < 1e-4. Gaussians nearer than 1 cm to the camera's plane are not drawn, nor, on
    the CPU, ones that are not finite. Equal depths are drawn in the order of the arrays.

    Args:
        gaussians: N >= 0 Gaussians, float32.
        camera: its width and height are the picture's; any size from 1 x 1.
        background: [3] or [H, W, 3].
        backend: "auto" takes gsplat for tensors on a CUDA device and the numba kernels otherwise; "cpu", "cuda" or "reference" insist (the
            last one is plain torch, any precision, slow).
        threads: of the CPU kernels; None means torch.get_num_threads(). Results do not depend on it, to the bit.

    Raises:
        UserError: gsplat is needed and missing, or the picture is too large.
        ValueError: unknown backend, or background of another shape.
    """
    check_size(camera.width, camera.height)
    if backend == "auto":
        backend = "cuda" if gaussians.position.is_cuda else "cpu"
    if tuple(background.shape) not in {(3,), (camera.height, camera.width, 3)}:
        raise ValueError(f"background has shape {tuple(background.shape)}, expected (3,) or {(camera.height, camera.width, 3)}")
    if backend == "reference":
        from avatar3d.render.reference import render_reference

        return Rendered(*render_reference(gaussians, camera, background))
    if backend == "cuda":
        from avatar3d.render.cuda import render_cuda

        return Rendered(*render_cuda(gaussians, camera, background))
    if backend != "cpu":
        raise ValueError(f"unknown backend {backend!r}: choose auto, cpu, cuda or reference")
    parameters = [getattr(gaussians, name) for name in PARAMETERS]
    return Rendered(*_Rasterize.apply(*parameters, background, camera, threads or torch.get_num_threads()))


_idle: deque[Workspace] = deque(maxlen=4)
"""Workspaces that no frame holds; a deque, because its appends and pops need no lock, which the collector could interrupt."""


class _Lease:
    """A workspace, held from a frame's forward pass until its graph is dropped."""

    def __init__(self) -> None:
        try:
            self.workspace = _idle.pop()
        except IndexError:
            self.workspace = Workspace()

    def __del__(self) -> None:
        self.workspace.frame = None
        _idle.append(self.workspace)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to(torch.float32).contiguous().numpy()


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        *parameters, background, camera, threads = inputs
        shape = (camera.height, camera.width)
        pictures = (torch.empty(*shape, 3), torch.empty(shape), torch.empty(shape))
        lease = _Lease()
        position, rotation, log_scale, opacity_logit, sh, base = (_array(tensor) for tensor in (*parameters, background))
        render_arrays(
            position,
            rotation,
            log_scale,
            opacity_logit,
            sh,
            camera,
            base,
            threads=threads,
            workspace=lease.workspace,
            out=Pictures(*(picture.numpy() for picture in pictures)),
        )
        if any(ctx.needs_input_grad):
            # Saving the tensors lets autograd refuse a backward pass after they were changed in place.
            ctx.save_for_backward(*parameters, background, *pictures)
            ctx.lease, ctx.threads = lease, threads
        ctx.set_materialize_grads(False)
        return pictures

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        *_, background, rgb, alpha, _depth = ctx.saved_tensors
        grad_rgb = torch.zeros_like(rgb) if grads[0] is None else grads[0]
        gradients: list[Tensor | None] = [None] * 5
        if any(ctx.needs_input_grad[:5]):
            others = (None if grad is None else _array(grad) for grad in grads[1:])
            arrays = backward_arrays(ctx.lease.workspace, _array(grad_rgb), *others, threads=ctx.threads)
            gradients = [torch.from_numpy(array) if needed else None for array, needed in zip(arrays, ctx.needs_input_grad, strict=False)]
        grad_background = None
        if ctx.needs_input_grad[5]:
            grad_background = grad_rgb * (1 - alpha)[..., None]
            if background.dim() == 1:
                grad_background = grad_background.sum((0, 1))
        return *gradients, grad_background, None, None
