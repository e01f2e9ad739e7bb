"""Gaussians that are bound to the triangles of FLAME, as GaussianAvatars' PLY files hold them, as an avatar of ours.

There a Gaussian has a triangle `binding_0`, and a place, a turn and sizes in that triangle's frame: origin the triangle's middle, axes e1 (the first
edge), n (the normal) and n x e1 reversed, unit the mean of the first edge's length and the height above it. Ours: any foot on the triangle, axes e1,
n x e1, n, metres at rest. At rest both are the same; where a triangle is stretched, theirs grows with that mean and ours with the root of the area.
"""

from dataclasses import dataclass

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.basis_network import init_network, network_inputs
from avatar3d.errors import UserError
from avatar3d.gaussians import SH_C0
from avatar3d.head.flame import NUM_FACES
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from avatar3d.statistics import motion_statistics
from viewer.export.splats import Splats

_QUARTER = (np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0)
"""wxyz of the turn about e1 that brings their axes to ours."""


@dataclass(frozen=True, eq=False)
class Bound:
    """An avatar of bound Gaussians, and what of them it could not keep."""

    avatar: Avatar
    dropped: int
    """On triangles that FLAME's own file does not have: the teeth that GaussianAvatars adds."""
    degree: int
    """Of the harmonics in the file; the avatar keeps degree 0."""


def bound_avatar(splats: Splats, head: HeadModel, motion: Motion, static_offset: np.ndarray | None, metadata: dict) -> Bound:
    """The avatar that bound Gaussians make, without bases: it moves with the mesh alone, as theirs does.

    Args:
        splats: with a binding.
        head: FLAME, the edition that the file was trained with.
        motion: what was tracked; its `shape` is the person's, its ranges are the avatar's.
        static_offset: [V, 3] displacement of FLAME's vertices, metres; those of added teeth beyond FLAME's are ignored.
        metadata: of the avatar.

    Raises:
        UserError: no binding, or another head.
    """
    if splats.binding is None:
        raise UserError("import: the PLY has no binding_0; it is no avatar of GaussianAvatars'. To show it beside a head use `export --prop`")
    if head.expr_names or len(head.faces) < NUM_FACES:
        raise UserError(f"import: the Gaussians are bound to FLAME's triangles, and {head.name} is no FLAME; give your FLAME file with --head")
    if splats.binding.min() < 0:
        raise UserError("import: the PLY binds Gaussians to triangles below 0; save it again")
    kept = np.flatnonzero(splats.binding < NUM_FACES)
    if len(kept) == 0:
        raise UserError(f"import: no Gaussian of the PLY is bound to one of FLAME's {NUM_FACES} triangles; save it again")
    face, g = splats.binding[kept].astype(np.int32), splats.gaussians
    offset = torch.zeros(head.num_vertices, 3)
    if static_offset is not None:
        rows = min(len(static_offset), head.num_vertices)
        offset[:rows] = torch.from_numpy(static_offset[:rows].astype(np.float32))
    unit = _units((head.shaped(torch.from_numpy(motion.shape)) + offset).numpy(), head.faces.numpy()[face])
    x, y, z = (g.position.numpy()[kept] * unit[:, None]).T
    inputs = network_inputs(motion)
    bases, count = 1, len(kept)
    network = init_network(inputs.shape[1], bases, torch.Generator().manual_seed(0))
    avatar = Avatar(
        head=head,
        shape=torch.from_numpy(motion.shape.copy()),
        vertex_offset=offset,
        face=face,
        bary=np.full((count, 3), 1 / 3, np.float32),
        position=torch.from_numpy(np.ascontiguousarray(np.stack([x, -z, y], axis=1), np.float32)),
        rotation=torch.from_numpy(_turned(g.rotation.numpy()[kept])),
        log_scale=torch.from_numpy(g.log_scale.numpy()[kept] + np.log(unit)[:, None].astype(np.float32)),
        opacity_logit=g.opacity_logit[kept].contiguous(),
        colour=(0.5 + SH_C0 * g.sh[kept, 0]).contiguous(),
        position_basis=torch.zeros(bases, count, 3),
        rotation_basis=torch.zeros(bases, count, 4),
        colour_basis=torch.zeros(bases, count, 3),
        input_mean=inputs.mean(0),
        input_std=inputs.std(0, correction=0) + 0.1,
        layers=network,
        statistics=motion_statistics(motion, head),
        metadata=metadata,
    )
    return Bound(avatar, len(splats.binding) - count, int(np.sqrt(g.sh.shape[1])) - 1)


def _units(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """[N] mean of the first edge's length and the height above it, for faces [N, 3]."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    edge = np.linalg.norm(b - a, axis=1)
    height = np.linalg.norm(np.cross(b - a, c - a), axis=1) / np.maximum(edge, 1e-12)
    return np.maximum((edge + height) / 2, 1e-9)


def _turned(rotation: np.ndarray) -> np.ndarray:
    """Their quaternions [N, 4] wxyz in our axes: the quarter turn, then theirs."""
    a, b, _, _ = _QUARTER
    w, x, y, z = rotation.T
    return np.ascontiguousarray(np.stack([a * w - b * x, a * x + b * w, a * y - b * z, a * z + b * y], axis=1), np.float32)
