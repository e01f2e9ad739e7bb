"""Surface normals of an avatar as colours, for relighting and for depth-aware effects."""

from dataclasses import replace

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.gaussians import Gaussians, rgb_to_sh
from avatar3d.motion import Motion
from avatar3d.render.mesh import vertex_normals
from viewer.views import Layer

_UNSEEN, _FIRMER = -20.0, 3.0
"""Opacity logit of what is not drawn, and what is added to that of a surface."""
_BELOW = 0.1
"""Metres below the bust from where its outside is told: what lies on it looks away from there."""


def surface_normals(gaussians: Gaussians, avatar: Avatar, motion: Motion, time: float) -> np.ndarray:
    """[N, 3] outward unit normals, float32, of an avatar's Gaussians as posed at a time, in the world's axes.

    A Gaussian on the head has the normal of the mesh there, smooth over its triangles. One on a carrier (the bust) has its own shortest axis, turned
    outwards.
    """
    vertices, on_head = avatar.vertices(motion.at(time)), avatar.face < len(avatar.head.faces)
    corners = avatar.faces[avatar.face]
    smooth = vertex_normals(vertices, avatar.faces[: len(avatar.head.faces)])
    normal = np.einsum("nc,ncx->nx", avatar.bary, smooth[corners]).astype(np.float32)
    bust = np.flatnonzero(~on_head)
    if len(bust):
        axes, position = _axes(gaussians.rotation.numpy()[bust]), gaussians.position.numpy()[bust]
        own = np.take_along_axis(axes, gaussians.log_scale.numpy()[bust].argmin(axis=1)[:, None, None], axis=2)[..., 0]
        (low_x, low_y, low_z), (high_x, _, high_z) = np.quantile(position, 0.02, axis=0), np.quantile(position, 0.98, axis=0)
        outward = position - np.array([(low_x + high_x) / 2, low_y - _BELOW, (low_z + high_z) / 2], np.float32)
        normal[bust] = np.where((own * outward).sum(axis=1, keepdims=True) < 0, -own, own)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)


def nearest(gaussians: Gaussians, normal: np.ndarray, eye: np.ndarray) -> Gaussians:
    """Gaussians with outward normals [N, 3] as a surface seen from `eye` [3]: nearly opaque, and without those that look away.

    What shimmers through skin and cloth, the teeth or the back of the head, does no harm to colours, which were learned so; to depth and normals it
    would make pits.
    """
    away = (normal * (gaussians.position.numpy() - eye.astype(np.float32))).sum(axis=1) > 0
    return replace(gaussians, opacity_logit=torch.where(torch.from_numpy(away), _UNSEEN, gaussians.opacity_logit + _FIRMER))


def with_normals(gaussians: Gaussians, normal: np.ndarray, eye: np.ndarray) -> Gaussians:
    """Gaussians with the colour 0.5 + normal / 2 in the world's axes; normals that look away from `eye` [3] are mirrored towards it, since what is
    seen from behind is seen as it lies, and so that they go on smoothly over the silhouette."""
    sight = gaussians.position.numpy() - eye.astype(np.float32)
    sight /= np.maximum(np.linalg.norm(sight, axis=1, keepdims=True), 1e-9)
    along = np.maximum((normal * sight).sum(axis=1, keepdims=True), 0)
    return replace(gaussians, sh=rgb_to_sh(torch.from_numpy(np.ascontiguousarray(0.5 + 0.5 * (normal - 2 * along * sight), np.float32))).contiguous())


def camera_normals(layer: Layer, alpha: np.ndarray, turn: np.ndarray) -> Layer:
    """A layer of world normals as one of unit normals in the camera's axes as OpenGL has them: red right, green up, blue towards the camera.

    Args:
        layer: what was drawn of `with_normals`.
        alpha: [H, W] that the picture shall have.
        turn: [3, 3] from the world to the camera (x right, y down, z forward).
    """
    world = 2 * layer.rgb - layer.alpha[..., None]
    seen = world @ (np.diag([1.0, -1.0, -1.0]) @ turn).T.astype(np.float32)
    seen /= np.maximum(np.linalg.norm(seen, axis=-1, keepdims=True), 1e-10)
    return Layer((0.5 + 0.5 * seen) * alpha[..., None], alpha, layer.depth)


def _axes(quaternion: np.ndarray) -> np.ndarray:
    """[N, 3, 3] whose columns are the axes of rotations wxyz."""
    w, x, y, z = (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
