"""Light and exposure for looking: the avatar's colours as another light or camera would show them. Nothing of it is kept in the avatar."""

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import sparse
from scipy.spatial import KDTree

from avatar3d.avatar import Avatar
from avatar3d.gaussians import SH_C0, Gaussians
from avatar3d.motion import Motion, rest_motion
from avatar3d.render.mesh import vertex_normals

GAMMA = 2.2
"""Of the display: a factor on light is its 1/GAMMA-th power on sRGB values, near enough for looking."""
_INSIDE = ("upper_teeth", "lower_teeth", "tongue", "mouth_interior", "eye_sockets", "left_eye", "right_eye")
"""Regions that are not skin that one sees."""
_AROUND, _SMOOTH = 12, 0.006
"""Vertices whose normals a Gaussian takes, and metres within which they count."""


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
    """The Gaussians of a posed frame in another light: each is as bright as the skin around it.

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


@functools.lru_cache(maxsize=2)
def _ground(avatar: Avatar) -> sparse.csr_array:
    """[N, V] shares that the vertices of the outer skin have in what each Gaussian lies on.

    Not the triangle that a Gaussian rides on: a fit lets some show as skin which ride on the inside of a cheek or on the far side of a fold, and
    beside a lamp they would be blotches.
    """
    rest = rest_motion(avatar.head, 1, shape=avatar.shape.numpy())
    regions, count = avatar.head.regions, avatar.head.num_vertices
    skin = np.setdiff1d(np.arange(count), np.concatenate([np.zeros(0, np.int64), *(regions[name] for name in _INSIDE if name in regions)]))
    points = avatar.pose(rest, 0.0).position.numpy()
    distance, index = KDTree(avatar.vertices(rest)[skin]).query(points, k=min(_AROUND, len(skin)))
    distance, index = np.reshape(distance, (len(points), -1)), np.reshape(index, (len(points), -1))
    share = np.exp((distance[:, :1] ** 2 - distance**2) / (2 * _SMOOTH**2))
    share = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)
    start = np.arange(len(points) + 1) * share.shape[1]
    return sparse.csr_array((share.ravel(), skin[index].ravel(), start), shape=(len(points), count))


def _normals(avatar: Avatar, frame: Motion) -> np.ndarray:
    """[N, 3] unit normals of the skin around the Gaussians."""
    # The rig carries on after the head: what it has more are carriers, which have no skin.
    vertices = avatar.vertices(frame)[: avatar.head.num_vertices]
    return _unit(_ground(avatar) @ vertex_normals(vertices, avatar.head.faces.numpy()).astype(np.float32))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _lamp(look: Look) -> np.ndarray:
    """[3] unit vector to the lamp."""
    side, up = math.radians(look.azimuth), math.radians(look.elevation)
    return np.array([math.sin(side) * math.cos(up), math.sin(up), math.cos(side) * math.cos(up)], np.float32)
