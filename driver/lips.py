"""The embedded head's lips as a function of the driver's channels: what closes, by how many millimetres."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avatar3d.head.model import HeadModel, head_vertices
from driver.channels import EXPR, JAW, NUM_CHANNELS


@dataclass(frozen=True, eq=False)
class Lips:
    """The lips of a head."""

    basis: Tensor
    """[NUM_CHANNELS, 3 L] displacement of L lip vertices, millimetres for a channel's value 1, linear at rest."""
    gap: Tensor
    """[NUM_CHANNELS] opening between the middles of the inner lips, millimetres for a channel's value 1, linear at rest."""
    head: HeadModel
    """The rig, inner lips only: the upper row, then the lower."""


def lips_of(head: HeadModel) -> Lips:
    """The lips of a head with ARKit expressions."""
    upper, lower = head.regions["lip_inner_upper"], head.regions["lip_inner_lower"]
    middle = slice(len(upper) // 2 - 2, len(upper) // 2 + 3)
    rest_upper, rest_lower = _basis(head, upper[middle]), _basis(head, lower[middle])
    gap = (rest_upper - rest_lower).unflatten(1, (-1, 3))[..., 1].mean(1)
    return Lips(_basis(head, head.regions["lips"]), gap, head.subset(np.concatenate([upper, lower])))


def _basis(head: HeadModel, rows: np.ndarray) -> Tensor:
    """[NUM_CHANNELS, 3 L] displacement of some vertices, millimetres, linear at rest."""
    part = head.subset(rows)
    basis = torch.zeros(NUM_CHANNELS, len(rows) * 3)
    basis[EXPR] = part.expr_basis.reshape(-1, head.num_expr).T * 1000
    small = 0.05
    probe = torch.zeros(4, NUM_CHANNELS)
    probe[torch.arange(1, 4), torch.arange(JAW, JAW + 3)] = small
    moved = posed(part, probe).flatten(1)
    basis[JAW : JAW + 3] = (moved[1:] - moved[:1]) / small
    return basis


def posed(head: HeadModel, frames: Tensor) -> Tensor:
    """Vertices [T, V, 3] in millimetres of a `subset` of the head, the mean identity, with neck and torso at rest."""
    T = len(frames)
    jaw = frames[:, JAW : JAW + 3] * torch.tensor([head.jaw_open_angle, 1.0, 1.0])
    zero = frames.new_zeros(T, 3)
    vertices = head_vertices(
        head, frames.new_zeros(head.num_shape), frames[:, EXPR],
        jaw_pose=jaw, neck_pose=zero, eyes_pose=frames.new_zeros(T, 6), rotation=zero, translation=zero,
    )  # fmt: skip
    return vertices * 1000


def opening(lips: Lips, frames: Tensor) -> Tensor:
    """Mean distance [T], mm, between facing vertices of the inner lips."""
    upper, lower = posed(lips.head, frames).chunk(2, dim=1)
    return (upper - lower).norm(dim=-1).mean(dim=-1)
