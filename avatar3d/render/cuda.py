"""The same pictures on a CUDA device, by gsplat.

Written against gsplat's documented `rasterization` (1.4 and later), whose conventions are ours: OpenCV cameras, pixel centres at half integers, 0.3
square pixels of dilation, a near plane at 0.01 m, opacities below 1/255 ignored, alpha at most 0.999, colour 0.5 + harmonics clamped below at 0,
expected depth. It differs in one detail: gsplat finishes a pixel before the Gaussian that would bring its transmittance to 1e-4, ours after it (a
difference of 1e-4 in colour at most). The project's own tests run it only where a CUDA device and gsplat are present.
"""

import numpy as np
import torch
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians


def render_cuda(gaussians: Gaussians, camera: Camera, background: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """rgb [H, W, 3], alpha [H, W] and expected depth [H, W] on the device of `gaussians`; semantics as in `rasterize`.

    Raises:
        UserError: gsplat is not installed, or the Gaussians are not on a CUDA device.
    """
    try:
        from gsplat import rasterization  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError("gsplat: is not installed, drawing on a CUDA device needs it; pip install 'avatar3d[cuda]' or use the CPU") from error
    device = gaussians.position.device
    if device.type != "cuda":
        raise UserError(f"Gaussians: are on {device}, the cuda backend draws on a CUDA device; move them there or use backend 'cpu'")
    intrinsics = [[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]]
    pictures, alphas, _ = rasterization(
        means=gaussians.position,
        quats=gaussians.rotation,
        scales=torch.exp(gaussians.log_scale),
        opacities=torch.sigmoid(gaussians.opacity_logit),
        colors=gaussians.sh,
        viewmats=torch.as_tensor(np.asarray(camera.T_cam_world), dtype=torch.float32, device=device)[None],
        Ks=torch.tensor([intrinsics], device=device),
        width=camera.width,
        height=camera.height,
        sh_degree=round(gaussians.sh.shape[1] ** 0.5) - 1,
        render_mode="RGB+ED",
    )
    # Our own blending: gsplat takes one colour per picture, a background here may be a picture.
    rgb = pictures[0, ..., :3] + (1 - alphas[0]) * background.to(device)
    return rgb, alphas[0, ..., 0], pictures[0, ..., 3]
