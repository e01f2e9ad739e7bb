"""The rig on plain arrays: one frame's vertices, and the way back from their gradient to the motion.

Forward and backward of linear blend skinning over five joints with expressions and pose correctives (FLAME: Li et al. 2017, equations 2-5),
the same function as `head_vertices`. The loops over vertices are numba kernels that release the interpreter lock, so that
frames run side by side on threads; sums have a fixed order, so that results do not depend on how many threads there are.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from torch import Tensor

from avatar3d import posing
from avatar3d.head.model import NECK, ROOT, HeadModel
from avatar3d.motion import CHANNELS, Motion


@dataclass(frozen=True, eq=False)
class RigArrays:
    """One person's rig: V vertices, M offsets (E expressions and 36 pose correctives). float32, contiguous."""

    rest: np.ndarray
    """[V, 3] neutral vertices."""
    joints: np.ndarray
    """[5, 3] float64 rest positions."""
    offsets: np.ndarray
    """[M, 3V]."""
    lids: np.ndarray | None
    """[2, 3V] closing the left and right lid."""
    skin_weights: np.ndarray
    """[V, 5]."""
    parents: tuple[int, ...]
    """Of each joint, every parent before its children; -1 for the root."""


@dataclass(frozen=True, eq=False)
class Pose:
    """One posed frame and what its backward pass needs."""

    vertices: np.ndarray
    """[V, 3] posed, metres."""
    points: np.ndarray
    """[V, 3] before skinning."""
    rotvecs: np.ndarray
    """[5, 3] float64, of each joint relative to its parent."""
    local: np.ndarray
    """[5, 3, 3] the same as matrices."""
    world: np.ndarray
    """[5, 3, 3] rotations of the joints in the world."""
    shifts: np.ndarray
    """[5, 3] from each joint's parent to the joint, at rest and with the neck's own translation."""


def rig_arrays(rig: HeadModel, shape: Tensor, vertex_offset: Tensor | None = None) -> RigArrays:
    """The rig of one identity.

    Args:
        rig: the head, with its carriers or without.
        shape: [S'] identity.
        vertex_offset: [V0, 3] displacement of the first V0 neutral vertices, metres.
    """
    rest = rig.shaped(shape)
    if vertex_offset is not None:
        rest = rest.clone()
        rest[: len(vertex_offset)] += vertex_offset
    lids = None if rig.eyelid_basis is None else np.ascontiguousarray(rig.eyelid_basis.flatten(1).numpy())
    return RigArrays(
        np.ascontiguousarray(rest.numpy()), rig.joints(shape).double().numpy(), rig.offset_matrix.numpy(), lids,
        np.ascontiguousarray(rig.skin_weights.numpy()), rig.parents,
    )  # fmt: skip


def frame_channels(motion: Motion, frame: int) -> dict[str, np.ndarray]:
    """The channels that a motion has, of one of its frames."""
    names = ("expr", *CHANNELS)
    return {name: getattr(motion, name)[frame] for name in names if getattr(motion, name) is not None}


def pose(rig: RigArrays, channels: dict[str, np.ndarray]) -> Pose:
    """Posed vertices of one frame: `head_vertices` on arrays.

    Args:
        rig: of the person.
        channels: of the frame, as `frame_channels` names them; `neck_translation` and `eyelids` may be absent.
    """
    eyes = channels["eyes_pose"]
    parts = (channels["rotation"], channels["neck_pose"], channels["jaw_pose"], eyes[:3], eyes[3:])
    rotvecs = np.stack(parts).astype(np.float64)
    local = np.stack([_matrix(rotvec) for rotvec in rotvecs])
    coefficients = np.concatenate([channels["expr"], (local[1:] - np.eye(3)).ravel()]).astype(np.float32)
    points = posing.combine(rig.rest.reshape(-1), coefficients, rig.offsets)
    if rig.lids is not None and "eyelids" in channels:
        points = posing.combine(points, np.ascontiguousarray(channels["eyelids"], np.float32), rig.lids)
    points = points.reshape(-1, 3)
    world, place, shifts = np.empty((5, 3, 3)), np.empty((5, 3)), np.zeros((5, 3))
    for joint, parent in enumerate(rig.parents):
        if parent < 0:
            world[joint], place[joint] = local[joint], rig.joints[joint] + channels["translation"]
            continue
        shifts[joint] = rig.joints[joint] - rig.joints[parent]
        if joint == NECK and "neck_translation" in channels:
            shifts[joint] += channels["neck_translation"]
        world[joint] = world[parent] @ local[joint]
        place[joint] = world[parent] @ shifts[joint] + place[parent]
    moved = place - np.einsum("jab,jb->ja", world, rig.joints)
    transforms = np.concatenate([world, moved[:, :, None]], axis=2).astype(np.float32)
    return Pose(posing.skin(points, rig.skin_weights, transforms), points, rotvecs, local, world, shifts)


def pose_backward(rig: RigArrays, posed: Pose, g_vertices: np.ndarray) -> dict[str, np.ndarray]:
    """Gradients of a scalar by channel, float32, from those of the posed vertices [V, 3] float32.

    A joint's transform takes part in its own vertices and in the places of its children; both come back here.
    """
    g_rest, g_transforms = np.empty_like(posed.points), np.empty((5, 3, 4))
    _skin_backward(posed.points, rig.skin_weights, posed.world.astype(np.float32), g_vertices, g_rest, g_transforms)
    g_coefficients = _products(rig.offsets, g_rest)
    E = len(rig.offsets) - 36
    g_local = np.zeros((5, 3, 3))
    g_local[1:] = g_coefficients[E:].reshape(4, 3, 3)
    g_place = g_transforms[:, :, 3].copy()
    g_world = g_transforms[:, :, :3] - g_place[:, :, None] * rig.joints[:, None, :]
    channels = {"expr": g_coefficients[:E]}
    for joint, parent in reversed(list(enumerate(rig.parents))):
        if parent < 0:
            g_local[joint] += g_world[joint]
            continue
        g_shift = posed.world[parent].T @ g_place[joint]
        g_local[joint] += posed.world[parent].T @ g_world[joint]
        g_world[parent] += np.outer(g_place[joint], posed.shifts[joint]) + g_world[joint] @ posed.local[joint].T
        g_place[parent] += g_place[joint]
        if joint == NECK:
            channels["neck_translation"] = g_shift
    turns = np.stack([_rotvec_gradient(*each) for each in zip(posed.rotvecs, posed.local, g_local, strict=True)])
    channels |= {"rotation": turns[0], "neck_pose": turns[1], "jaw_pose": turns[2], "eyes_pose": turns[3:].ravel(), "translation": g_place[ROOT]}
    if rig.lids is not None:
        channels["eyelids"] = _products(rig.lids, g_rest)
    return {name: value.astype(np.float32) for name, value in channels.items()}


def _cross_matrix(v: np.ndarray) -> np.ndarray:
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


def _factors(rotvec: np.ndarray) -> tuple[float, float, float]:
    """sin(a) / a, (1 - cos(a)) / a^2 and (a - sin(a)) / a^3 of the angle a, by their series near zero."""
    squared = float(rotvec @ rotvec)
    if squared < 1e-6:
        return 1 - squared / 6, 0.5 - squared / 24, 1 / 6 - squared / 120
    angle = squared**0.5
    return np.sin(angle) / angle, (1 - np.cos(angle)) / squared, (angle - np.sin(angle)) / (squared * angle)


def _matrix(rotvec: np.ndarray) -> np.ndarray:
    sine, cosine, _ = _factors(rotvec)
    cross = _cross_matrix(rotvec)
    return np.eye(3) + sine * cross + cosine * (cross @ cross)


def _rotvec_gradient(rotvec: np.ndarray, matrix: np.ndarray, g_matrix: np.ndarray) -> np.ndarray:
    """A step d of the rotation vector turns the matrix by J d, J the left Jacobian of SO(3) (Sola et al. 2018, equation 145)."""
    product = g_matrix @ matrix.T
    torque = np.array([product[2, 1] - product[1, 2], product[0, 2] - product[2, 0], product[1, 0] - product[0, 1]])
    _, cosine, cube = _factors(rotvec)
    cross = _cross_matrix(rotvec)
    return (np.eye(3) + cosine * cross + cube * (cross @ cross)).T @ torque


@njit(cache=True, nogil=True, fastmath=True)
def _skin_backward(points, skin_weights, world, g_vertices, g_points, g_transforms):
    g_transforms[:] = 0.0
    for v in range(points.shape[0]):
        x, y, z = points[v, 0], points[v, 1], points[v, 2]
        a, b, c = g_vertices[v, 0], g_vertices[v, 1], g_vertices[v, 2]
        gx = gy = gz = np.float32(0.0)
        for j in range(5):
            w = skin_weights[v, j]
            if w == 0.0:
                continue
            r, g = world[j], g_transforms[j]
            wa, wb, wc = w * a, w * b, w * c
            gx += r[0, 0] * wa + r[1, 0] * wb + r[2, 0] * wc
            gy += r[0, 1] * wa + r[1, 1] * wb + r[2, 1] * wc
            gz += r[0, 2] * wa + r[1, 2] * wb + r[2, 2] * wc
            g[0, 0] += wa * x
            g[0, 1] += wa * y
            g[0, 2] += wa * z
            g[0, 3] += wa
            g[1, 0] += wb * x
            g[1, 1] += wb * y
            g[1, 2] += wb * z
            g[1, 3] += wb
            g[2, 0] += wc * x
            g[2, 1] += wc * y
            g[2, 2] += wc * z
            g[2, 3] += wc
        g_points[v, 0], g_points[v, 1], g_points[v, 2] = gx, gy, gz


@njit(cache=True, nogil=True, fastmath=True)
def _dot_rows(rows, vector, out):
    for m in range(rows.shape[0]):
        row = rows[m]
        total = np.float32(0.0)
        for i in range(vector.shape[0]):
            total += row[i] * vector[i]
        out[m] = total


def _products(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """rows [M, 3V] @ points [V, 3] on this thread alone."""
    out = np.empty(len(rows), np.float32)
    _dot_rows(rows, points.reshape(-1), out)
    return out
