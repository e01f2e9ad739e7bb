"""Many frames of the same Gaussians in one go: how training and drawing work on a device."""

from dataclasses import dataclass

import torch
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.gaussians import Gaussians, rgb_to_sh
from avatar3d.render.cpu import check_size
from avatar3d.render.rasterizer import rasterize


@dataclass(frozen=True, eq=False)
class GaussianFrames:
    """B frames of N Gaussians in world space that share their opacities and look the same from everywhere; float32, on one device."""

    position: Tensor
    """[B, N, 3] centres, metres."""
    rotation: Tensor
    """[B, N, 4] quaternions wxyz; consumers normalise them."""
    log_scale: Tensor
    """[B, N, 3] natural logarithm of the standard deviations in metres."""
    opacity_logit: Tensor
    """[N] opacity before the sigmoid."""
    colour: Tensor
    """[B, N, 3] sRGB; below 0 counts as 0."""

    def __len__(self) -> int:
        return self.position.shape[0]

    def frame(self, index: int) -> Gaussians:
        """One frame as Gaussians."""
        return Gaussians(self.position[index], self.rotation[index], self.log_scale[index], self.opacity_logit, rgb_to_sh(self.colour[index]))


def rasterize_frames(
    frames: GaussianFrames, camera: Camera, background: Tensor, *, backend: str = "auto", packed: bool = False
) -> tuple[Tensor, Tensor]:
    """Pictures [B, H, W, 3] and coverage [B, H, W] of every frame, semantics as in `rasterize`; differentiable in the frames and the background.

    Args:
        frames: what is drawn.
        camera: of all frames.
        background: [3], or [B, 3] one for each frame.
        backend: as in `rasterize`; "auto" and "cuda" draw all frames at once on a CUDA device, everything else one after the other.
        packed: on a CUDA device keep only the Gaussians that are seen, which saves memory where few are and costs a little time where all are, as
            in the picture of a head. The pictures are the same.

    Raises:
        UserError: gsplat is needed and missing, or the picture is too large.
    """
    if backend == "cuda" or (backend == "auto" and frames.position.is_cuda):
        from avatar3d.render.cuda import render_cuda_frames

        check_size(camera.width, camera.height)
        return render_cuda_frames(frames, camera, background, packed=packed)
    backgrounds = background.expand(len(frames), 3)
    drawn = [rasterize(frames.frame(index), camera, backgrounds[index], backend=backend) for index in range(len(frames))]
    return torch.stack([one.rgb for one in drawn]), torch.stack([one.alpha for one in drawn])
