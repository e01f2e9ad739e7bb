"""Which bases move which Gaussians, and what they see of the motion.

Clothes follow the head's turns and nods, never a smile: bases of the torso see the neck only. Left free, the network learns from
every twitch of the lips how the tie lay in that frame, and moves the tie about when the lips do something new.
"""

import numpy as np
import torch
from torch import Tensor

from avatar3d.basis_network import HIDDEN
from avatar3d.head.model import ROOT, HeadModel
from avatar3d.motion import Motion

TORSO_HIDDEN = 16
"""Units of each hidden layer that serve the torso."""
WIDTH = {"position": 3, "rotation": 4, "colour": 3}


def basis_masks(rig: HeadModel, motion: Motion, face: np.ndarray, head_bases: int, torso_bases: int) -> dict[str, Tensor]:
    """Factors of 0 or 1 by parameter name, by which the bases and the network's weights fall into two parts that share nothing.

    Args:
        rig: with carriers.
        motion: tells how many inputs the network has (see `network_inputs`).
        face: [N] triangle of each Gaussian.
        head_bases: number of bases, the first ones, that move what follows the head.
        torso_bases: number of bases, the last ones, that move what follows the torso.
    """
    if torso_bases == 0:
        return {}
    on_torso = rig.skin_weights[:, ROOT].numpy()[rig.faces.numpy()[face]].mean(axis=1) > 0.5
    torso = torch.from_numpy(on_torso).float()
    rows = torch.cat([(1 - torso).expand(head_bases, -1), torso.expand(torso_bases, -1)])
    masks = {f"{name}_basis": rows.repeat_interleave(width, dim=1) for name, width in WIDTH.items()}
    E = motion.expr.shape[1]
    neck = slice(E + 9, E + 15)
    inputs = E + 15 + (0 if motion.eyelids is None else motion.eyelids.shape[1])
    hidden = HIDDEN - TORSO_HIDDEN
    first = torch.ones(HIDDEN, inputs)
    first[hidden:] = 0
    first[hidden:, neck] = 1
    return masks | {
        "network.0.weight": first,
        "network.1.weight": _two_blocks(HIDDEN, HIDDEN, hidden, hidden),
        "network.2.weight": _two_blocks(head_bases + torso_bases, HIDDEN, head_bases, hidden),
    }


def _two_blocks(height: int, width: int, row: int, column: int) -> Tensor:
    """Ones in the upper left block, which ends at (row, column), and in the lower right one."""
    mask = torch.zeros(height, width)
    mask[:row, :column] = 1
    mask[row:, column:] = 1
    return mask
