"""Posing bound Gaussians in torch: the mathematics of `posing`, batched over frames, on any device and differentiable in everything.

For devices with many cores: the kernels of `posing` are faster on a CPU. Gradients reach the motion through the vertices.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avatar3d import posing
from avatar3d.head.model import HeadModel, axis_angle_to_matrix, joint_transforms
from avatar3d.motion import CHANNELS, Motion


@dataclass(frozen=True, eq=False)
class TorchRig:
    """One person's rig of V vertices on a device; M offsets: the expressions, 36 pose correctives, and two lids where the head has them."""

    rest: Tensor
    """[3V] neutral vertices, metres."""
    offsets: Tensor
    """[M, 3V]."""
    skin_weights: Tensor
    """[V, 5]."""


@dataclass(frozen=True, eq=False)
class RigPoses:
    """What T frames of motion do to a rig: a few hundred numbers a frame."""

    offsets: Tensor
    """[T, M] coefficients of the rig's offsets."""
    transforms: Tensor
    """[T, 5, 3, 4] of the joints."""

    def __len__(self) -> int:
        return self.offsets.shape[0]

    def __getitem__(self, frames: slice | Tensor) -> "RigPoses":
        return RigPoses(self.offsets[frames], self.transforms[frames])


def torch_rig(rig: HeadModel, shape: Tensor, device: str | torch.device, vertex_offset: Tensor | None = None) -> TorchRig:
    """The rig of one identity on a device.

    Args:
        rig: the head, with its carriers or without, on the CPU.
        shape: [S'] identity.
        device: where to.
        vertex_offset: [V0, 3] displacement of the first V0 neutral vertices, metres.
    """
    rest = rig.shaped(shape)
    if vertex_offset is not None:
        rest = torch.cat([rest[: len(vertex_offset)] + vertex_offset, rest[len(vertex_offset) :]])
    rows = [rig.offset_matrix] if rig.eyelid_basis is None else [rig.offset_matrix, rig.eyelid_basis.flatten(1)]
    return TorchRig(*(tensor.to(device) for tensor in (rest.flatten(), torch.cat(rows), rig.skin_weights)))


def motion_channels(motion: Motion, device: str | torch.device) -> dict[str, Tensor]:
    """The channels [T, *] that a motion has, on a device."""
    names = ("expr", *CHANNELS)
    return {name: torch.from_numpy(getattr(motion, name)).to(device) for name in names if getattr(motion, name) is not None}


def rig_poses(rig: HeadModel, joints: Tensor, channels: dict[str, Tensor]) -> RigPoses:
    """What the motion channels [T, *] do to a rig, differentiable in them and in the joints, on the device that these are on.

    Args:
        rig: the head; only what joints and lids it has is read.
        joints: [5, 3] rest positions of this person's.
        channels: as `motion_channels` names them; `neck_translation` and `eyelids` may be absent.
    """
    expr, eyes = channels["expr"], channels["eyes_pose"]
    poses = torch.stack([channels["rotation"], channels["neck_pose"], channels["jaw_pose"], eyes[:, :3], eyes[:, 3:]], dim=1)
    rotations = axis_angle_to_matrix(poses)
    parts = [expr, (rotations[:, 1:] - torch.eye(3, dtype=expr.dtype, device=expr.device)).flatten(1)]
    if rig.eyelid_basis is not None:
        parts.append(channels["eyelids"] if "eyelids" in channels else expr.new_zeros(len(expr), 2))
    transforms = joint_transforms(rotations, joints.expand(len(expr), 5, 3), channels["translation"], channels.get("neck_translation"), rig.parents)
    return RigPoses(torch.cat(parts, dim=1), transforms)


def posed_vertices(rig: TorchRig, poses: RigPoses) -> Tensor:
    """Vertices [T, V, 3] of posed frames, metres: `head_vertices` (FLAME: Li et al. 2017, equations 2-5) in three passes over them."""
    points = torch.addmm(rig.rest, poses.offsets, rig.offsets).unflatten(1, (-1, 1, 3))
    blended = (rig.skin_weights @ poses.transforms.flatten(2)).unflatten(-1, (3, 4))
    return (blended[..., :3] * points).sum(-1) + blended[..., 3]


@dataclass(frozen=True, eq=False)
class Binding:
    """Where N Gaussians sit on a mesh, on a device. F counts the triangles that carry any: the others need no frame."""

    faces: Tensor
    """[F, 3] int64 vertices of those triangles."""
    rest_area: Tensor
    """[F] square metres."""
    face: Tensor
    """[N] int64 which of those triangles."""
    bary: Tensor
    """[N, 3] feet on them."""


def binding(faces: np.ndarray, rest_area: np.ndarray, face: np.ndarray, bary: np.ndarray, device: str | torch.device) -> Binding:
    """The binding of Gaussians to a mesh, on a device; arguments as in `posing.bind`."""
    used, member = np.unique(face, return_inverse=True)
    arrays = (faces[used].astype(np.int64), rest_area[used], member.reshape(-1).astype(np.int64), bary)
    return Binding(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays))


@dataclass(frozen=True, eq=False)
class TorchFrames:
    """The local frames of F triangles in B posed meshes, as `posing.Frames`."""

    rotation: Tensor
    """[B, F, 3, 3]."""
    quaternion: Tensor
    """[B, F, 4] wxyz."""
    stretch: Tensor
    """[B, F]."""


def triangle_frames(vertices: Tensor, faces: Tensor, rest_area: Tensor) -> TorchFrames:
    """`posing.triangle_frames` of vertices [B, V, 3]."""
    a, b, c = vertices.index_select(1, faces.flatten()).unflatten(1, (-1, 3)).unbind(2)
    u, v = b - a, c - a
    cross = torch.linalg.cross(u, v)
    collapsed = ((cross * cross).sum(-1) < posing._AREA_FLOOR**2) | ((u * u).sum(-1) < 1e-18)
    # A collapsed triangle gets the axes of the world; chosen before the roots, so that their gradients stay finite.
    axes = torch.eye(3, dtype=u.dtype, device=u.device)
    u, cross = torch.where(collapsed[..., None], axes[0], u), torch.where(collapsed[..., None], axes[2], cross)
    twice = torch.linalg.vector_norm(cross, dim=-1)
    first, normal = u / torch.linalg.vector_norm(u, dim=-1, keepdim=True), cross / twice[..., None]
    rotation = torch.stack([first, torch.linalg.cross(normal, first), normal], dim=-1)
    stretch = (0.5 * twice / rest_area.clamp_min(posing._AREA_FLOOR)).sqrt().clamp(posing.MIN_STRETCH, posing.MAX_STRETCH)
    return TorchFrames(rotation, matrix_to_quaternion(rotation), stretch.masked_fill(collapsed, posing.MIN_STRETCH))


def matrix_to_quaternion(R: Tensor) -> Tensor:
    """Unit quaternions [..., 4] wxyz of rotations [..., 3, 3], their largest component positive (Shepperd's method)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in R.unbind(-2))
    trace = xx + yy + zz
    # The rows are the same quaternion, each times four times one of its components.
    rows = torch.stack(
        [
            1 + trace, zy - yz, xz - zx, yx - xy,
            zy - yz, 1 + 2 * xx - trace, xy + yx, xz + zx,
            xz - zx, xy + yx, 1 + 2 * yy - trace, yz + zy,
            yx - xy, xz + zx, yz + zy, 1 + 2 * zz - trace,
        ],
        dim=-1,
    ).unflatten(-1, (4, 4))  # fmt: skip
    largest = torch.stack([trace, xx, yy, zz], dim=-1).argmax(-1)
    row = rows.gather(-2, largest[..., None, None].expand(*largest.shape, 1, 4))[..., 0, :]
    return row / torch.linalg.vector_norm(row, dim=-1, keepdim=True)


def bind(vertices: Tensor, bound: Binding, position: Tensor, rotation: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`posing.bind` of B frames: world position [B, N, 3], rotation [B, N, 4] and log-scale [B, N, 3].

    Args:
        vertices: [B, V, 3] posed.
        bound: of the Gaussians.
        position: [B or 1, N, 3] in the triangles' frames.
        rotation: [B or 1, N, 4].
        log_scale: [B or 1, N, 3].
    """
    frames = triangle_frames(vertices, bound.faces, bound.rest_area)
    w, x, y, z = frames.quaternion.unbind(-1)
    # The product q p as a matrix, so that the gather below serves it too.
    left = torch.stack([w, -x, -y, -z, x, w, -z, y, y, z, w, -x, z, -y, x, w], dim=-1)
    # One gather of everything a Gaussian needs of its triangle costs less than one for each.
    corners = vertices.index_select(1, bound.faces.flatten()).unflatten(1, (-1, 3)).flatten(2)
    table = torch.cat([frames.rotation.flatten(2), left, corners, frames.stretch[..., None]], dim=-1)
    R, L, P, stretch = table.index_select(1, bound.face).split((9, 16, 9, 1), dim=-1)
    foot = (bound.bary[:, :, None] * P.unflatten(-1, (3, 3))).sum(-2)
    world = foot + stretch * (R.unflatten(-1, (3, 3)) * position[..., None, :]).sum(-1)
    turned = (L.unflatten(-1, (4, 4)) * rotation[..., None, :]).sum(-1)
    return world, turned, log_scale + stretch.log()
