"""A slow, readable twin of the posing kernels, in plain torch so that autograd gives its gradients."""

import torch
from torch import Tensor

from avatar3d.posing import MAX_STRETCH, MIN_STRETCH


def quaternion_product(p: Tensor, q: Tensor) -> Tensor:
    pw, px, py, pz = p.unbind(-1)
    qw, qx, qy, qz = q.unbind(-1)
    return torch.stack(
        [
            pw * qw - px * qx - py * qy - pz * qz,
            pw * qx + px * qw + py * qz - pz * qy,
            pw * qy - px * qz + py * qw + pz * qx,
            pw * qz + px * qy - py * qx + pz * qw,
        ],
        dim=-1,
    )


def matrix_to_quaternion(R: Tensor) -> Tensor:
    """Quaternions whose sign is left open, of matrices [..., 3, 3] away from half turns."""
    w = (1 + R[..., 0, 0] + R[..., 1, 1] + R[..., 2, 2]).clamp_min(1e-9).sqrt() / 2
    xyz = torch.stack([R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]], dim=-1)
    return torch.cat([w[..., None], xyz / (4 * w[..., None])], dim=-1)


def triangle_frames(vertices: Tensor, faces: Tensor, rest_area: Tensor) -> tuple[Tensor, Tensor]:
    a, b, c = vertices[faces].unbind(1)
    u, v = b - a, c - a
    cross = torch.linalg.cross(u, v)
    e1 = u / u.norm(dim=-1, keepdim=True)
    n = cross / cross.norm(dim=-1, keepdim=True)
    e2 = torch.linalg.cross(n, e1)
    stretch = (0.5 * cross.norm(dim=-1) / rest_area).sqrt().clamp(MIN_STRETCH, MAX_STRETCH)
    return torch.stack([e1, e2, n], dim=-1), stretch


def bind(vertices, faces, rest_area, face, bary, local_position, local_rotation, local_log_scale):
    R, stretch = triangle_frames(vertices, faces, rest_area)
    R, stretch = R[face], stretch[face]
    foot = (vertices[faces[face]] * bary[..., None]).sum(1)
    position = foot + stretch[:, None] * (R @ local_position[..., None])[..., 0]
    rotation = quaternion_product(matrix_to_quaternion(R), local_rotation)
    return position, rotation, local_log_scale + stretch.log()[:, None]
