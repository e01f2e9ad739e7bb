"""What a file of Gaussians holds, whoever wrote it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from avatar3d.errors import UserError
from avatar3d.files import read_bounded
from avatar3d.gaussians import Gaussians

MAX_BYTES = 4 << 30
"""No file of a head is as large; one that is gets refused before it is read."""
MAX_COUNT = 50_000_000
"""Most Gaussians that a file may claim to hold."""
_OPAQUE = 30.0
"""Logits beyond are as good as infinite, which some programs write for 0 and 1."""


@dataclass(frozen=True, eq=False)
class Splats:
    """The Gaussians of one file, in its own axes and units."""

    gaussians: Gaussians
    kind: str
    """ply, splat, spz or gsd."""
    layout: dict[str, object] = field(default_factory=dict)
    """What else tells readers apart: names of properties, version, bits."""
    facts: dict[str, str] = field(default_factory=dict)
    """What the file says of itself: synthetic, subject, consent, licence, generator."""
    binding: np.ndarray | None = None
    """[N] int64 triangle of each Gaussian, where the file is bound to a mesh as GaussianAvatars' are."""


def read_whole(path: Path) -> bytes:
    """The bytes of a file of plausible size.

    Raises:
        UserError: not there, not readable, or too large.
    """
    return read_bounded(path, MAX_BYTES, "give a file of Gaussians, cut into pieces where it is large")


def gaussians_of(
    name: str, position: np.ndarray, rotation: np.ndarray, log_scale: np.ndarray, opacity_logit: np.ndarray, sh: np.ndarray
) -> Gaussians:
    """Gaussians from a file's arrays, float32, unit quaternions.

    Args:
        name: of the file, for errors.
        position: [N, 3].
        rotation: [N, 4] wxyz.
        log_scale: [N, 3].
        opacity_logit: [N]; infinities become large numbers.
        sh: [N, bands, 3].

    Raises:
        UserError: none in it, or values that are not numbers.
    """
    count = len(position)
    if count == 0:
        raise UserError(f"{name}: holds no Gaussian; export it again")
    opacity_logit = np.clip(opacity_logit, -_OPAQUE, _OPAQUE)
    arrays = {"position": position, "rotation": rotation, "log_scale": log_scale, "opacity_logit": opacity_logit, "sh": sh}
    tensors = {key: torch.from_numpy(np.array(value, np.float32, order="C")) for key, value in arrays.items()}
    wrong = torch.zeros(count, dtype=torch.bool)
    for value in tensors.values():
        wrong |= ~torch.isfinite(value.reshape(count, -1)).all(dim=1)
    if wrong.any():
        raise UserError(f"{name}: {int(wrong.sum())} of {count} Gaussians have values that are not numbers; export it again")
    tensors["rotation"] = torch.nn.functional.normalize(tensors["rotation"], dim=1)
    return Gaussians(**tensors)
