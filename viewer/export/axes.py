"""Other axes and units for Gaussians: the one place where they change."""

from functools import cache

import numpy as np
import torch

from avatar3d.gaussians import Gaussians
from avatar3d.render.reference import harmonics
from viewer.export.selection import Up

_HALF = float(np.sqrt(0.5))
_QUATERNIONS: dict[Up, tuple[float, float, float, float]] = {"y": (1.0, 0.0, 0.0, 0.0), "z": (_HALF, _HALF, 0.0, 0.0), "-y": (0.0, 1.0, 0.0, 0.0)}
"""wxyz: turns about x by 0, 90 and 180 degrees."""


def axes_quaternion(up: Up) -> np.ndarray:
    """[4] wxyz of the turn that brings our axes to those of `up`, float64."""
    return np.array(_QUATERNIONS[up])


def axes_rotation(up: Up) -> np.ndarray:
    """[3, 3] rotation that brings points of our world (y up) to the axes of `up`, float64: exact zeros and ones."""
    turns = {"y": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "z": [[1, 0, 0], [0, 0, -1], [0, 1, 0]], "-y": [[1, 0, 0], [0, -1, 0], [0, 0, -1]]}
    return np.array(turns[up], np.float64)


@cache
def _harmonics_rotation(up: Up, bands: int) -> torch.Tensor:
    """[bands, bands] M with Y(d R) = Y(d) M for all unit rows d: M sh are the harmonics of the turned function.

    Found by least squares over directions, which is exact: a turned harmonic is a sum of harmonics of its own degree.
    """
    i = np.arange(64) + 0.5
    polar, turn = np.arccos(1 - 2 * i / 64), np.pi * (1 + 5**0.5) * i
    directions = torch.from_numpy(np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], -1))
    before, after = (harmonics(rows)[:, :bands] for rows in (directions, directions @ torch.from_numpy(axes_rotation(up))))
    return torch.linalg.lstsq(before, after).solution.float()


def turned_back(gaussians: Gaussians, up: Up, factor: float = 1.0) -> Gaussians:
    """The inverse of `turned`: Gaussians of a file in our axes and metres."""
    if up != "z":
        # A half turn, or none, is its own inverse.
        return turned(gaussians, up, 1 / factor)
    # Three more quarters bring a quarter back.
    return turned(turned(turned(gaussians, "z"), "z"), "z", 1 / factor)


def turned(gaussians: Gaussians, up: Up, factor: float = 1.0) -> Gaussians:
    """Gaussians of our axes (y up, metres) in those of `up` and `factor` times as large, with unit quaternions.

    Args:
        gaussians: position, rotation, log-scale and harmonics change; opacity does not.
        up: the axes wanted.
        factor: of lengths, for instance 100 for centimetres.
    """
    rotation = _unit(gaussians.rotation)
    position, log_scale, sh = gaussians.position, gaussians.log_scale, gaussians.sh
    if up != "y":
        position = position @ torch.from_numpy(axes_rotation(up)).float().T
        rotation = _product(axes_quaternion(up), rotation)
        if sh.shape[1] > 1:
            sh = torch.einsum("kj,njc->nkc", _harmonics_rotation(up, sh.shape[1]), sh)
    if factor != 1.0:
        position, log_scale = position * factor, log_scale + float(np.log(factor))
    return Gaussians(position.contiguous(), rotation, log_scale.contiguous(), gaussians.opacity_logit, sh.contiguous())


def _unit(rotation: torch.Tensor) -> torch.Tensor:
    """Unit quaternions [N, 4]; the identity where there is no direction."""
    length = rotation.norm(dim=1, keepdim=True)
    identity = torch.tensor([1.0, 0.0, 0.0, 0.0])
    return torch.where(length > 1e-12, rotation / length.clamp(min=1e-12), identity)


def _product(first: np.ndarray, second: torch.Tensor) -> torch.Tensor:
    """Hamilton product of one quaternion and [N, 4]."""
    w, x, y, z = (float(value) for value in first)
    matrix = torch.tensor([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return second @ matrix.T
