"""Carriers: virtual triangles that ride on the torso, the head, and in between, for what is not on the mesh.

Hair, clothes and glasses hang on them, so that every Gaussian is posed in the one way.
"""

from dataclasses import replace

import numpy as np
import torch

from avatar3d.head.model import NECK, ROOT, HeadModel

CARRIER_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How much each carrier follows the head (the neck joint); the rest follows the torso (the root)."""

CARRIER_SIDE = 0.01
"""Metres; any size serves, since a rigid triangle does not stretch."""


def with_carriers(head: HeadModel) -> HeadModel:
    """The rig with five more triangles behind its own: face F + i is carrier i. The fingerprint stays."""
    count, V = len(CARRIER_WEIGHTS), head.num_vertices
    corner = torch.tensor([[0.0, 0.0, 0.0], [CARRIER_SIDE, 0.0, 0.0], [0.0, CARRIER_SIDE, 0.0]])
    points = (head.joint_template[NECK] + corner).repeat(count, 1)
    weights = torch.zeros(3 * count, 5)
    follow = torch.tensor(CARRIER_WEIGHTS).repeat_interleave(3)
    weights[:, NECK], weights[:, ROOT] = follow, 1 - follow

    def padded(basis: torch.Tensor) -> torch.Tensor:
        return torch.cat([basis, basis.new_zeros(3 * count, *basis.shape[1:])])

    lids = head.eyelid_basis
    return replace(
        head,
        template=torch.cat([head.template, points]),
        shape_basis=padded(head.shape_basis),
        expr_basis=padded(head.expr_basis),
        pose_basis=padded(head.pose_basis),
        skin_weights=torch.cat([head.skin_weights, weights]),
        eyelid_basis=None if lids is None else torch.cat([lids, lids.new_zeros(2, 3 * count, 3)], dim=1),
        faces=torch.cat([head.faces, V + torch.arange(3 * count).reshape(count, 3)]),
        uv=np.concatenate([head.uv, np.zeros((count, 3, 2), head.uv.dtype)]),
    )
