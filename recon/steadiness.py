"""How steady motion is: still most of the time, and free when it moves.

Second differences over time have heavier tails than a Gaussian's: heads rest or turn, eyes fixate or jump. Student's t
(Lange, Little and Taylor 1989), as weights that are renewed from what was found last, holds still what rests and lets go
of what moves; one Gaussian for both either trembles or lags.
"""

import torch
from torch import Tensor

from recon.landmark_rig import EXPR, EYES, JAW, POSITION, ROTATION

TAIL = 6.0
"""Degrees of freedom."""
REST = ((ROTATION, 0.5), (POSITION, 0.55), (JAW, 0.6), (EYES, 0.35), (EXPR, 0.5))
"""Scale of the second difference as a share of the prior's standard deviation, by columns of the parameters."""


def steadiness(params: Tensor, curvature: Tensor, linked: Tensor) -> Tensor:
    """Weights [F - 2, P] of the squared second differences, in units of the prior's `curvature`.

    Args:
        params: [F, P] of frames in a row, as found with other weights.
        curvature: [P] inverse variance of the second difference under the prior.
        linked: [F - 2, 1] 1 where three frames follow one another within a shot, else 0.
    """
    return linked * tail_weights(params[:-2] - 2 * params[1:-1] + params[2:], curvature)


def tail_weights(difference: Tensor, curvature: Tensor) -> Tensor:
    """The same for second differences [..., P] at hand."""
    stiffness = torch.ones_like(curvature)
    for columns, share in REST:
        stiffness[columns] = share**-2
    return stiffness * (TAIL + 1) / (TAIL + difference.square() * curvature * stiffness)
