"""A head as a textured mesh with named morphs and a skeleton, and a motion as their tracks: what engines animate without knowing Gaussians.

Where the head may be given away these are its own: expressions and pose correctives as morphs, five joints. Where it may not, the morphs are the
principal components of this one motion, and the one joint is the torso (`vertex_tracks`).

The pose correctives follow the joints' matrices, which neither glTF nor USD can say, and so become morphs whose weights are tracks of their own.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.head.model import JOINT_NAMES, NECK, ROOT, HeadModel, axis_angle_to_matrix
from avatar3d.motion import Motion
from avatar3d.render.mesh import vertex_normals
from viewer.export.vertex_tracks import principal, still_vertices

_STILL = 1e-7
"""Metres: a vertex that a morph moves less than this is left out of it."""
_SEEN, _AT_ONCE = 1200, 500
REASON = (
    "The head model of this avatar may not be given away, so this file holds no rig: only how these vertices move in this one motion, as its "
    "principal components. It can be played, but not be given other expressions."
)


@dataclass(frozen=True, eq=False)
class Morph:
    """A displacement of some vertices."""

    name: str
    vertex: np.ndarray
    """[n] ascending."""
    offset: np.ndarray
    """[n, 3] float32 metres at weight 1."""


@dataclass(frozen=True, eq=False)
class RigMesh:
    """V vertices, each with one texture coordinate, J joints; metres, +y up, +z out of the face."""

    points: np.ndarray
    """[V, 3] float32 at rest."""
    faces: np.ndarray
    """[F, 3] int32."""
    uv: np.ndarray
    """[V, 2] float32, v upwards."""
    source: np.ndarray
    """[V] the vertex of the head that each one is."""
    morphs: tuple[Morph, ...]
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    joints: np.ndarray
    """[J, 3] float32 at rest."""
    skin_weights: np.ndarray
    """[V, J] float32, rows sum to one."""
    reason: str = ""
    """Why it holds no rig, where it holds none."""

    @cached_property
    def normals(self) -> np.ndarray:
        """[V, 3] at rest, of unit length; the two sides of a seam of the texture have one."""
        _, whole, back = np.unique(self.source, return_index=True, return_inverse=True)
        normals = vertex_normals(self.points[whole], back[self.faces])[back]
        # A vertex without a face points anywhere, but somewhere.
        return np.where(np.abs(normals).max(axis=1, keepdims=True) > 0, normals, [0.0, 0.0, 1.0]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class RigTracks:
    """A motion of T frames as the weights of M morphs and the poses of J joints relative to their parents."""

    fps: Fraction
    weights: np.ndarray
    """[T, M] float32."""
    rotation: np.ndarray
    """[T, J, 4] float32 wxyz; neighbours in time lie in one half of the sphere."""
    translation: np.ndarray
    """[T, J, 3] float32 metres."""

    def __len__(self) -> int:
        return len(self.weights)


def rig_mesh(avatar: Avatar, motion: Motion) -> tuple[RigMesh, RigTracks]:
    """The mesh of an avatar's head and what it does in a motion; without the head's rig where that may not be given away.

    Raises:
        UserError: there are numbers in it that are none.
    """
    head = avatar.head
    if not all(np.isfinite(values).all() for values in (avatar.rest, motion.expr, motion.rotation, motion.translation, motion.jaw_pose)):
        raise UserError("the avatar: has vertices, or its motion poses, that are not numbers; run `avatar3d check` on both")
    faces, uv, source = _welded(head)
    joints = np.ascontiguousarray(avatar.rig.joints(avatar.shape).numpy())
    if not head.redistributable:
        return _track_mesh(avatar, motion, faces, uv, source, joints[:1])
    morphs, weights = _morphs(head, motion, source)
    mesh = RigMesh(
        avatar.rest[source], faces, uv, source, morphs, JOINT_NAMES, head.parents, joints, np.ascontiguousarray(head.skin_weights.numpy()[source])
    )
    poses = np.stack([motion.rotation, motion.neck_pose, motion.jaw_pose, motion.eyes_pose[:, :3], motion.eyes_pose[:, 3:]], axis=1)
    translation = np.repeat(relative_joints(mesh)[None], len(motion), axis=0)
    translation[:, ROOT] += motion.translation
    if motion.neck_translation is not None:
        translation[:, NECK] += motion.neck_translation
    return mesh, RigTracks(motion.fps, weights, _quaternions(poses), translation)


def relative_joints(mesh: RigMesh) -> np.ndarray:
    """[J, 3] rest position of each joint seen from its parent."""
    return np.stack([mesh.joints[j] - (mesh.joints[p] if p >= 0 else 0) for j, p in enumerate(mesh.parents)]).astype(np.float32)


def _welded(head: HeadModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces [F, 3] over vertices that have one texture coordinate each [V, 2], and the head's vertex [V] that each is."""
    corners = head.faces.numpy().reshape(-1)
    steps = np.round(head.uv.reshape(-1, 2).astype(np.float64) * 0xFFFF).astype(np.int64)
    _, first, index = np.unique(np.column_stack([corners, steps]), axis=0, return_index=True, return_inverse=True)
    uv = np.ascontiguousarray(head.uv.reshape(-1, 2)[first], np.float32)
    return index.reshape(-1, 3).astype(np.int32), uv, corners[first]


def _morphs(head: HeadModel, motion: Motion, source: np.ndarray) -> tuple[tuple[Morph, ...], np.ndarray]:
    """The head's expressions, lids and pose correctives as morphs, and their weights [T, M]; correctives that move nothing are left out."""
    names = head.expr_names or tuple(f"expression_{i:03}" for i in range(head.num_expr))
    bases, tracks = [head.expr_basis.permute(2, 0, 1).numpy()], [motion.expr]
    if head.eyelid_basis is not None:
        bases.append(head.eyelid_basis.numpy())
        tracks.append(np.zeros((len(motion), 2), np.float32) if motion.eyelids is None else motion.eyelids)
        names += ("eyelid_left", "eyelid_right")
    correctives = head.pose_basis.permute(2, 0, 1).numpy()
    used = np.flatnonzero(np.abs(correctives).max(axis=(1, 2)) > _STILL)
    bases.append(correctives[used])
    poses = np.stack([motion.neck_pose, motion.jaw_pose, motion.eyes_pose[:, :3], motion.eyes_pose[:, 3:]], axis=1)
    features = axis_angle_to_matrix(torch.from_numpy(poses)).numpy() - np.eye(3, dtype=np.float32)
    tracks.append(features.reshape(len(motion), 36)[:, used])
    names += tuple(f"corrective_{JOINT_NAMES[1 + i // 9]}_{i % 9 // 3}{i % 3}" for i in used)
    offsets = np.concatenate(bases)[:, source]
    return tuple(_morph(name, offset) for name, offset in zip(names, offsets, strict=True)), np.concatenate(tracks, axis=1)


def _morph(name: str, offset: np.ndarray) -> Morph:
    vertex = np.flatnonzero(np.abs(offset).max(axis=1) > _STILL)
    return Morph(name, vertex, np.ascontiguousarray(offset[vertex], np.float32))


def _track_mesh(avatar: Avatar, motion: Motion, faces: np.ndarray, uv: np.ndarray, source: np.ndarray, root: np.ndarray) -> tuple[RigMesh, RigTracks]:
    used = np.arange(avatar.head.num_vertices)
    mean, components = principal(still_vertices(avatar, motion, used, _SEEN))
    inverse = np.linalg.pinv(components.astype(np.float64))
    pieces = [motion.frames(slice(start, start + _AT_ONCE)) for start in range(0, len(motion), _AT_ONCE)]
    weights = np.concatenate([(still_vertices(avatar, piece, used) - mean) @ inverse for piece in pieces]).astype(np.float32)
    # As weights of engines they should be near one: each component is given the size that it reaches in this motion.
    reach = np.maximum(np.abs(weights).max(axis=0), np.float32(1e-12))
    offsets = (components * reach[:, None]).reshape(len(components), len(used), 3)[:, source]
    morphs = tuple(_morph(f"component_{i:03}", offset) for i, offset in enumerate(offsets))
    whole = np.ones((len(source), 1), np.float32)
    mesh = RigMesh(mean.reshape(-1, 3)[source], faces, uv, source, morphs, JOINT_NAMES[:1], (-1,), root, whole, REASON)
    translation = (root + motion.translation)[:, None].astype(np.float32)
    return mesh, RigTracks(motion.fps, weights / reach, _quaternions(motion.rotation[:, None]), translation)


def _quaternions(rotvec: np.ndarray) -> np.ndarray:
    """[T, J, 4] wxyz of rotation vectors [T, J, 3], without jumps to the other half of the sphere, across which players would turn the long way."""
    xyzw = Rotation.from_rotvec(rotvec.reshape(-1, 3).astype(np.float64)).as_quat().reshape(*rotvec.shape[:2], 4)
    near = np.sum(xyzw[1:] * xyzw[:-1], axis=-1, keepdims=True)
    xyzw[1:] *= np.cumprod(np.where(near < 0, -1.0, 1.0), axis=0)
    return np.ascontiguousarray(xyzw[..., [3, 0, 1, 2]], np.float32)
