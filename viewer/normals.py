"""Surface normals of an avatar as colours, for relighting and for depth-aware effects."""

from dataclasses import replace

import numpy as np
import torch

from avatar3d import posing
from avatar3d.avatar import Avatar
from avatar3d.gaussians import Gaussians, rgb_to_sh
from avatar3d.motion import Motion
from viewer.views import Layer


def with_normals(gaussians: Gaussians, avatar: Avatar, motion: Motion, time: float, eye: np.ndarray) -> Gaussians:
    """An avatar's Gaussians as posed at a time, with the colour 0.5 + normal / 2 in the world's axes.

    A Gaussian on the head has the normal of its triangle, one on a carrier (the bust) its own shortest axis; either is turned towards `eye` [3],
    metres, because what is seen from behind is seen as it lies.
    """
    vertices = avatar.vertices(motion.at(time))
    normal = posing.triangle_frames(vertices, avatar.faces, avatar.rest_area).rotation[avatar.face, :, 2]
    bust = avatar.face >= len(avatar.head.faces)
    if bust.any():
        axes = _axes(gaussians.rotation.numpy()[bust])
        normal[bust] = np.take_along_axis(axes, gaussians.log_scale.numpy()[bust].argmin(axis=1)[:, None, None], axis=2)[..., 0]
    away = (normal * (gaussians.position.numpy() - eye.astype(np.float32))).sum(axis=1) > 0
    normal = np.where(away[:, None], -normal, normal)
    return replace(gaussians, sh=rgb_to_sh(torch.from_numpy(np.ascontiguousarray(0.5 + 0.5 * normal, np.float32))).contiguous())


def camera_normals(layer: Layer, turn: np.ndarray) -> Layer:
    """A layer of world normals as one of unit normals in the camera's axes as OpenGL has them: red right, green up, blue towards the camera.

    Args:
        layer: what was drawn of `with_normals`.
        turn: [3, 3] from the world to the camera (x right, y down, z forward).
    """
    alpha = layer.alpha[..., None]
    world = 2 * layer.rgb - alpha
    seen = world @ (np.diag([1.0, -1.0, -1.0]) @ turn).T.astype(np.float32)
    seen /= np.maximum(np.linalg.norm(seen, axis=-1, keepdims=True), 1e-10)
    return Layer((0.5 + 0.5 * seen) * alpha, layer.alpha, layer.depth)


def _axes(quaternion: np.ndarray) -> np.ndarray:
    """[N, 3, 3] whose columns are the axes of rotations wxyz."""
    w, x, y, z = (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
