"""A stand-in for gsplat: the documented signature and shapes of `rasterization` (1.5), drawn slowly by the reference on any device."""

import numpy as np
import torch
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.gaussians import Gaussians, rgb_to_sh
from avatar3d.render.reference import render_reference


def rasterization(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    radius_clip: float = 0.0,
    eps2d: float = 0.3,
    sh_degree: int | None = None,
    packed: bool = True,
    tile_size: int = 16,
    backgrounds: Tensor | None = None,
    render_mode: str = "RGB",
    sparse_grad: bool = False,
    absgrad: bool = False,
    rasterize_mode: str = "classic",
) -> tuple[Tensor, Tensor, dict]:
    """Pictures [..., C, H, W, X], alphas [..., C, H, W, 1] and nothing more."""
    batch, N, C = means.shape[:-2], means.shape[-2], viewmats.shape[-3]
    assert means.shape == (*batch, N, 3) and quats.shape == (*batch, N, 4) and scales.shape == (*batch, N, 3)
    assert opacities.shape == (*batch, N)
    assert viewmats.shape == (*batch, C, 4, 4) and Ks.shape == (*batch, C, 3, 3)
    assert (near_plane, eps2d, rasterize_mode, radius_clip, backgrounds) == (0.01, 0.3, "classic", 0.0, None)
    assert isinstance(width, int) and isinstance(height, int) and render_mode in {"RGB", "RGB+ED"}
    assert {t.dtype for t in (means, quats, scales, opacities, colors, viewmats, Ks)} == {torch.float32}
    if sh_degree is None:
        assert colors.shape == (*batch, N, 3) and bool((colors >= 0).all())
    else:
        assert batch == () and colors.shape == (N, (sh_degree + 1) ** 2, 3)
    flat = [t.reshape(-1, *t.shape[len(batch) :]) for t in (means, quats, scales, opacities, colors, viewmats, Ks)]
    drawn = [_picture(*(t[index] for t in flat), width, height, sh_degree) for index in range(len(flat[0]))]
    pictures, alphas = (torch.stack(part).reshape(*batch, 1, height, width, -1) for part in zip(*drawn, strict=True))
    return (pictures if render_mode == "RGB+ED" else pictures[..., :3]), alphas, {}


def _picture(means, quats, scales, opacities, colors, viewmats, Ks, width, height, sh_degree) -> tuple[Tensor, Tensor]:
    K, view = Ks[0].tolist(), viewmats[0].double().numpy()
    camera = Camera(K[0][0], K[1][1], K[0][2], K[1][2], width, height, np.asarray(view))
    scene = Gaussians(means, quats, scales.log(), torch.logit(opacities), rgb_to_sh(colors) if sh_degree is None else colors)
    rgb, alpha, depth = render_reference(scene, camera, torch.zeros(3))
    return torch.cat([rgb, depth[..., None]], dim=-1), alpha[..., None]
