"""How well a head can make ARKit's shapes: each at full strength, on the embedded head and carried over, point by point."""

from dataclasses import dataclass

import numpy as np
import torch

from avatar3d.arkit import EXPR_NAMES
from avatar3d.head.correspondence import SurfacePoints, correspondence
from avatar3d.head.model import HeadModel, head_vertices
from avatar3d.head.retarget import fit_retarget, retarget
from avatar3d.head.similarity import fit_similarity
from avatar3d.motion import CHANNELS, Motion, rest_motion

PARTS: dict[str, tuple[str, ...]] = {"face": (), "lips": ("lips",), "lids": ("left_eyelid", "right_eyelid")}
"""Regions of the source whose points count; none for all."""


@dataclass(frozen=True)
class ShapeErrors:
    """Of one shape at full strength, millimetres."""

    name: str
    moved: float
    """Root mean square displacement of all points, on the target's scale."""
    residual: dict[str, float]
    """By part: root mean square of what the target's displacement differs by."""
    most: dict[str, float]
    """By part: 95 % of the points differ by less."""
    worst: dict[str, float]
    """By part: of the worst point."""


def shape_table(source: HeadModel, target: HeadModel) -> list[ShapeErrors]:
    """ARKit's 52 shapes, the furthest off on lips or lids first.

    Args:
        source: a head with ARKit's expressions.
        target: the head that shall make them.

    Raises:
        UserError: the heads cannot be compared.
    """
    names = [*EXPR_NAMES, "jawOpen"]
    motion = rest_motion(source, 1 + len(names))
    motion.expr[1:-1] = np.eye(len(EXPR_NAMES))
    motion.jaw_pose[-1, 0] = source.jaw_open_angle
    ours, theirs, _ = correspondence(source, target)
    carried = retarget(motion, fit_retarget(source, target))
    before, after = _points(source, motion, ours), _points(target, carried, theirs)
    R, _, s = fit_similarity(before[0], after[0])
    wanted, found = s * (before[1:] - before[0]) @ R.T, after[1:] - after[0]
    off = 1e3 * np.linalg.norm(wanted - found, axis=-1)
    size = 1e3 * np.sqrt((wanted**2).sum(-1).mean(1))
    chosen = {part: _of(source, regions, ours) for part, regions in PARTS.items()}
    table = [
        ShapeErrors(
            name,
            float(size[index]),
            {part: float(np.sqrt((off[index, rows] ** 2).mean())) for part, rows in chosen.items()},
            {part: float(np.quantile(off[index, rows], 0.95)) for part, rows in chosen.items()},
            {part: float(off[index, rows].max()) for part, rows in chosen.items()},
        )
        for index, name in enumerate(names)
    ]
    return sorted(table, key=lambda row: -max(row.residual["lips"], row.residual["lids"]))


def _points(head: HeadModel, motion: Motion, points: SurfacePoints) -> np.ndarray:
    """[T, N, 3] with the head still."""
    still = {name: torch.zeros(len(motion), CHANNELS[name]) for name in ("neck_pose", "eyes_pose", "rotation", "translation")}
    lids = None if motion.eyelids is None else torch.from_numpy(motion.eyelids)
    jaw, expr = torch.from_numpy(motion.jaw_pose), torch.from_numpy(motion.expr)
    with torch.no_grad():
        vertices = head_vertices(head, torch.zeros(head.num_shape), expr, jaw_pose=jaw, eyelids=lids, **still).numpy().astype(np.float64)
    return np.stack([points.of(each) for each in vertices])


def _of(head: HeadModel, regions: tuple[str, ...], points: SurfacePoints) -> np.ndarray:
    """[N] whether a point lies in one of the regions."""
    if not regions:
        return np.ones(len(points.corners), bool)
    inside = np.zeros(head.num_vertices, bool)
    for region in regions:
        inside[head.regions[region]] = True
    return inside[points.corners].all(axis=1)
