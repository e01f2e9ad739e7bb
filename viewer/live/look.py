"""Light and exposure for looking: the avatar's colours as another light or camera would show them. Nothing of it is kept in the avatar."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.gaussians import SH_C0, Gaussians
from avatar3d.motion import Motion

GAMMA = 2.2
"""Of the display: a factor on light is its 1/GAMMA-th power on sRGB values, near enough for looking."""


@dataclass(frozen=True)
class Look:
    """How the avatar is shown; the defaults show it as it was fitted."""

    exposure: float = 0.0
    """Stops."""
    light: float = 0.0
    """0..1: how much brighter what faces the lamp is, and how much darker what turns away."""
    azimuth: float = 40.0
    """Degrees of the lamp to the viewer's right, of the avatar's front."""
    elevation: float = 30.0
    """Degrees of the lamp above it."""
    background: tuple[int, int, int] = (216, 220, 226)
    """sRGB 0..255."""


def lit(gaussians: Gaussians, look: Look, avatar: Avatar, frame: Motion) -> Gaussians:
    """The Gaussians of a posed frame in another light: each is as bright as the skin below it, whose normals go over smoothly from triangle to triangle.

    Args:
        gaussians: `avatar.pose` of the frame.
        look: exposure and lamp.
        avatar: whose they are.
        frame: motion of one frame.
    """
    gain = np.full(len(gaussians), 2.0**look.exposure, np.float32)
    if look.light:
        facing = _normals(avatar, frame) @ _lamp(look)
        gain *= np.maximum(1 + look.light * facing, 0.05)
    if np.all(gain == 1):
        return gaussians
    factor = torch.from_numpy((gain ** (1 / GAMMA)).astype(np.float32))[:, None, None]
    sh = gaussians.sh * factor
    # Colour is 0.5 and the harmonics: the half is scaled along with them.
    sh[:, :1] += (factor - 1) * (0.5 / SH_C0)
    return replace(gaussians, sh=sh)


def _normals(avatar: Avatar, frame: Motion) -> np.ndarray:
    """[N, 3] unit normals where the Gaussians ride: those of the vertices, the mean of their triangles' by area, with the barycentrics."""
    vertices, faces = avatar.vertices(frame), avatar.faces
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    twice = np.cross(b - a, c - a)
    sums = [np.bincount(faces.ravel(), np.repeat(twice[:, axis], 3), len(vertices)) for axis in range(3)]
    smooth = _unit(np.stack(sums, axis=1).astype(np.float32))
    return _unit(np.einsum("nk,nkx->nx", avatar.bary, smooth[faces[avatar.face]]))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _lamp(look: Look) -> np.ndarray:
    """[3] unit vector to the lamp."""
    side, up = math.radians(look.azimuth), math.radians(look.elevation)
    return np.array([math.sin(side) * math.cos(up), math.sin(up), math.cos(side) * math.cos(up)], np.float32)
