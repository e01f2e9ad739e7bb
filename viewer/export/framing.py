"""How a head is framed: what of it must be seen, and where a picture has to end below because nothing was filmed there."""

import functools
from dataclasses import dataclass, replace

import numpy as np
import torch

from avatar3d.avatar import Avatar
from viewer.cameras import at_rest, front_camera

_SOLID = 0.3
"""Opacity from which a Gaussian counts as something that is seen."""
_COLUMNS = 12
"""In which the torso is looked at below the head."""
_HEM = 0.88
"""Of the way from the optical axis to the end of what was filmed below: where a picture ends."""
_FADE = (0.84, 1.0)
"""Likewise, where the torso begins to fade, and where it is gone."""
_SIDE = (0.9, 1.02)
"""Likewise to the sides, for the torso."""
_RISE = 0.35
"""Of the hem towards the back, so that one who looks from below sees little of the inside."""
_NEAREST = 0.05
"""Metres before the camera that count as such."""
_MOST_POINTS = 4000
"""By which a head's outline is known well enough."""
_NOTHING = 1e-4
"""Least opacity that is written: far below what is drawn."""


@dataclass(frozen=True)
class Framing:
    """Lines in the filmed picture, as tangents: distance from the optical axis (right, down) over depth."""

    left: float
    right: float
    top: float
    """Of the head with its hair."""
    chin: float
    hem: float
    """Below this there is no torso that one may look at: a picture is to end there or above."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """Gaussians [N] at rest in the filmed picture, as tangents."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    """How low each lies: as `y`, and what is behind the chest as if it were no further away, and lower still."""
    position: np.ndarray
    """[N, 3] the same in the world, metres."""
    solid: np.ndarray
    """Which of them are seen at all."""
    torso: np.ndarray
    """Which of them lie below the chin."""
    edges: tuple[float, float]
    """Left and right end of the filmed picture."""
    chin: float
    end: float
    """Where the torso ends below: at the picture's end, or above it where its Gaussians end there."""


def _seen(avatar: Avatar) -> _Seen:
    camera = front_camera(avatar, 512)
    rest = at_rest(avatar)
    R, t = camera.T_cam_world[:3, :3], camera.T_cam_world[:3, 3]

    gaussians = avatar.pose(rest, 0.0)
    right_of, down, depth = (gaussians.position.numpy() @ R.T + t).T
    x, y = right_of / np.maximum(depth, _NEAREST), down / np.maximum(depth, _NEAREST)
    face = avatar.vertices(rest)[avatar.head.regions.get("face", np.arange(avatar.head.num_vertices))] @ R.T + t
    face = face[:, :2] / np.maximum(face[:, 2:], _NEAREST)
    (left, _), (right, chin) = face.min(axis=0), face.max(axis=0)
    solid, torso = 1 / (1 + np.exp(-gaussians.opacity_logit.numpy())) > _SOLID, y > chin
    edges = (-camera.cx / camera.fx, (camera.width - camera.cx) / camera.fx)
    column = np.floor((x - left) / max(right - left, 1e-6) * _COLUMNS)
    below = torso & solid & (column >= 0) & (column < _COLUMNS)
    chest = np.quantile(depth[below], 0.4) if below.any() else 1.0
    ends = [float(np.quantile(y[below & (column == index)], 0.95)) for index in np.unique(column[below])]
    low = np.maximum(y, (down + _RISE * np.maximum(depth - chest, 0)) / max(chest, _NEAREST))
    return _Seen(x, y, low, gaussians.position.numpy(), solid, torso, edges, float(chin), min([(camera.height - camera.cy) / camera.fy, *ends]))


def framing(avatar: Avatar) -> Framing:
    """Where an avatar's head is in its filmed picture, and where that is to end."""
    seen = _seen(avatar)
    head = _of_the_head(seen)
    left, right = np.quantile(seen.x[head], [0.002, 0.998])
    return Framing(float(left), float(right), float(np.quantile(seen.y[head], 0.003)), seen.chin, _HEM * seen.end)


def _of_the_head(seen: _Seen) -> np.ndarray:
    """[N] which Gaussians are seen above the chin."""
    head = seen.solid & ~seen.torso
    return head if head.any() else ~seen.torso


@functools.lru_cache(maxsize=4)
def head_points(avatar: Avatar) -> np.ndarray:
    """[M, 3] places of Gaussians of the head with its hair at rest, metres: what must be in a picture from any side."""
    seen = _seen(avatar)
    points = seen.position[_of_the_head(seen)]
    return points[:: max(len(points) // _MOST_POINTS, 1)]


def with_soft_hem(avatar: Avatar) -> Avatar:
    """The avatar with a torso that fades out where the filmed picture ended: beyond, nobody knows what there is, and it ends in rags."""
    seen = _seen(avatar)
    below = _fall(seen.low / max(seen.end, 1e-6), *_FADE)
    aside = _fall(np.maximum(seen.x / seen.edges[0], seen.x / seen.edges[1]), *_SIDE)
    kept = np.where(seen.torso, below * aside, 1.0)
    opacity = kept / (1 + np.exp(-avatar.opacity_logit.numpy().astype(np.float64)))
    logit = np.log(np.maximum(opacity, _NOTHING) / np.maximum(1 - opacity, _NOTHING)).astype(np.float32)
    return replace(avatar, opacity_logit=torch.where(torch.from_numpy(kept == 1), avatar.opacity_logit, torch.from_numpy(logit)))


def _fall(at: np.ndarray, start: float, end: float) -> np.ndarray:
    """1 before `start`, 0 after `end`, smooth between them."""
    share = ((end - at) / (end - start)).clip(0, 1)
    return share * share * (3 - 2 * share)
