"""A set of 3D Gaussians as one structure of arrays."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

SH_C0 = 0.28209479177387814
"""Value of the constant real spherical harmonic, 1 / (2 sqrt(pi))."""


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians in world space; float32, contiguous."""

    position: Tensor
    """[N, 3] centres, metres."""
    rotation: Tensor
    """[N, 4] quaternions wxyz; consumers normalise them."""
    log_scale: Tensor
    """[N, 3] natural logarithm of the standard deviations in metres."""
    opacity_logit: Tensor
    """[N] opacity before the sigmoid."""
    sh: Tensor
    """[N, (degree+1)^2, 3] spherical harmonics; colour = 0.5 + sum Y_k(direction) sh_k, sRGB, clamped below at 0."""

    def __post_init__(self) -> None:
        count = self.position.shape[0]
        shapes = {"position": (3,), "rotation": (4,), "log_scale": (3,), "opacity_logit": ()}
        for name, tail in shapes.items():
            shape = tuple(getattr(self, name).shape)
            if shape != (count, *tail):
                raise ValueError(f"{name} has shape {shape}, expected {(count, *tail)}")
        if self.sh.shape not in {(count, bands, 3) for bands in (1, 4, 9, 16)}:
            raise ValueError(f"sh has shape {tuple(self.sh.shape)}, expected [{count}, 1|4|9|16, 3]")

    def __len__(self) -> int:
        return self.position.shape[0]

    def to(self, device: str | torch.device) -> "Gaussians":
        """The same Gaussians on another device."""
        names = ("position", "rotation", "log_scale", "opacity_logit", "sh")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def rgb_to_sh(rgb: Tensor) -> Tensor:
    """Degree-0 coefficients [N, 1, 3] whose colour is `rgb` [N, 3]."""
    return ((rgb - 0.5) / SH_C0)[:, None, :]
