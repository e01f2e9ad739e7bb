"""The same pictures on a CUDA device, by gsplat.

Written against gsplat's documented `rasterization` (1.5 and later), whose conventions are ours: OpenCV cameras, pixel centres at half integers, 0.3
square pixels of dilation, a near plane at 0.01 m, opacities below 1/255 ignored, alpha at most 0.999, colour 0.5 + harmonics clamped below at 0,
expected depth, and no compensation of opacity for the dilation ("classic"). It differs in one detail: gsplat finishes a pixel before the Gaussian
that would bring its transmittance to 1e-4, ours after it (a difference of 1e-4 in colour at most).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians

if TYPE_CHECKING:
    from avatar3d.render.frames import GaussianFrames


@lru_cache(maxsize=1)
def require_cuda() -> None:
    """Make sure that this machine can draw on a CUDA device, by drawing there; the first time ever, gsplat compiles its kernels meanwhile.

    Raises:
        UserError: no CUDA device, or gsplat is missing or does not work.
    """
    if not torch.cuda.is_available():
        why = "this PyTorch is built without CUDA" if torch.version.cuda is None else "PyTorch finds no CUDA device"
        raise UserError(f"cuda: {why}; install PyTorch's CUDA build on a machine with an NVIDIA GPU, or use --device cpu")
    _try_out("cuda")


def _try_out(device: str) -> None:
    """Draw one Gaussian on a device.

    Raises:
        UserError: gsplat is missing or does not work.
    """
    _gsplat()
    position, quaternion = torch.tensor([[[0.0, 0.0, 1.0]]], device=device), torch.tensor([[[1.0, 0.0, 0.0, 0.0]]], device=device)
    one = torch.ones_like(position)
    try:
        pictures, _ = _draw(position, quaternion, 0.1 * one, one[..., 0], one, Camera(16.0, 16.0, 8.0, 8.0, 16, 16, np.eye(4)))
        brightest = float(pictures.max())
    except Exception as error:  # Whatever a foreign library or its compiler complains of, the user is told in one line.
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"gsplat: is installed but does not work ({first}); it needs version 1.5 and CUDA's nvcc, or use --device cpu") from error
    if not brightest > 0.5:
        raise UserError("gsplat: draws nothing on this device; install a build for this GPU and PyTorch, or use --device cpu")


def _gsplat() -> Any:
    try:
        from gsplat import rasterization  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError("gsplat: is not installed, drawing on a CUDA device needs it; pip install 'avatar3d[cuda]' or use the CPU") from error
    return rasterization


def _require_device(tensor: Tensor) -> None:
    if tensor.device.type != "cuda":
        raise UserError(f"Gaussians: are on {tensor.device}, the cuda backend draws on a CUDA device; move them there or use backend 'cpu'")


def render_cuda(gaussians: Gaussians, camera: Camera, background: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """rgb [H, W, 3], alpha [H, W] and expected depth [H, W] on the device of `gaussians`; semantics as in `rasterize`.

    Raises:
        UserError: gsplat is not installed, or the Gaussians are not on a CUDA device.
    """
    _gsplat()
    _require_device(gaussians.position)
    g = gaussians
    degree = round(g.sh.shape[1] ** 0.5) - 1
    pictures, alphas = _draw(
        g.position, g.rotation, torch.exp(g.log_scale), torch.sigmoid(g.opacity_logit), g.sh, camera, sh_degree=degree, render_mode="RGB+ED"
    )
    # Our own blending: gsplat takes one colour per picture, a background here may be a picture.
    rgb = pictures[0, ..., :3] + (1 - alphas[0]) * background.to(pictures)
    return rgb, alphas[0, ..., 0], pictures[0, ..., 3]


def render_cuda_frames(frames: "GaussianFrames", camera: Camera, background: Tensor, *, packed: bool = False) -> tuple[Tensor, Tensor]:
    """rgb [B, H, W, 3] and alpha [B, H, W] of all frames at once; arguments as in `rasterize_frames`.

    Raises:
        UserError: gsplat is not installed, or the Gaussians are not on a CUDA device.
    """
    _gsplat()
    _require_device(frames.position)
    # One opacity for all frames: gsplat 1.5 reads the first frame's where it bounds the ellipses of packed frames.
    opacity = torch.sigmoid(frames.opacity_logit).expand(len(frames), -1)
    # Colours rather than harmonics: gsplat 1.6 shares harmonics between frames.
    pictures, alphas = _draw(
        frames.position, frames.rotation, torch.exp(frames.log_scale), opacity, frames.colour.clamp_min(0), camera, packed=packed
    )
    rgb = pictures[:, 0] + (1 - alphas[:, 0]) * background.to(pictures).expand(len(frames), 3)[:, None, None]
    return rgb, alphas[:, 0, ..., 0]


def _draw(
    position: Tensor, rotation: Tensor, scale: Tensor, opacity: Tensor, colour: Tensor, camera: Camera, *,
    sh_degree: int | None = None, packed: bool = False, render_mode: str = "RGB",
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """gsplat's pictures [..., 1, H, W, C] and alphas [..., 1, H, W, 1] of Gaussians [..., N, *] seen by one camera."""
    batch = position.shape[:-2]
    pose = np.ascontiguousarray(camera.T_cam_world, np.float32)
    view, lens = _camera_tensors(pose.tobytes(), camera.fx, camera.fy, camera.cx, camera.cy, position.device)
    pictures, alphas, _ = _gsplat()(
        means=position,
        quats=rotation,
        scales=scale,
        opacities=opacity,
        colors=colour,
        viewmats=view.expand(*batch, 1, 4, 4),
        Ks=lens.expand(*batch, 1, 3, 3),
        width=camera.width,
        height=camera.height,
        near_plane=0.01,
        eps2d=0.3,
        sh_degree=sh_degree,
        packed=packed,
        render_mode=render_mode,
        rasterize_mode="classic",
    )
    return pictures, alphas


@lru_cache(maxsize=64)
def _camera_tensors(pose: bytes, fx: float, fy: float, cx: float, cy: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """View [4, 4] and intrinsics [3, 3] on the device; kept, because copying them there for every picture would make the device wait."""
    # What is made in inference mode may not meet gradients later, and these tensors outlive the call that made them.
    with torch.inference_mode(False):
        view = torch.from_numpy(np.frombuffer(pose, np.float32).reshape(4, 4).copy())
        lens = torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
        return view.to(device), lens.to(device)
