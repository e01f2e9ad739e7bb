"""Moving Gaussians from where they show next to nothing to where the picture is still wrong.

The seeds lie by area and by the pictures' detail, but only the fit itself tells where they were too few. The number stays: those that
contribute least are given up, and those under which most error is left are split in two, as in adaptive density control
(Kerbl et al. 2023) but within a fixed budget and by error (Rota Bulo et al. 2024).
"""

import numpy as np
import torch
from torch import Tensor

from recon.basis_groups import WIDTH

SHRINK = 1.6
"""By which the halves of a split Gaussian are smaller along its longest axis."""
APART = 0.5
"""Distance of either half from the middle, in standard deviations along that axis."""
PER_GAUSSIAN = {"position": 3, "rotation": 4, "log_scale": 3, "opacity_logit": 1, "colour": 3}
"""A Gaussian's own parameters, and how many numbers each has; the bases come on top."""
_BASES = {f"{name}_basis": width for name, width in WIDTH.items()}


def choose(error: np.ndarray, seen: np.ndarray, trust: np.ndarray, part: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Which Gaussians are given up [M], and which are split instead [M].

    Args:
        error: [N] error of the pictures under each Gaussian.
        seen: [N] pixels that each fills.
        trust: [N] how far the frames show it; what they hardly show is left alone, for other views need it.
        part: [N] label; a Gaussian is only split for one of the same label.
        share: of all Gaussians, that are moved.
    """
    givers, takers = [], []
    for label in np.unique(part):
        members = np.flatnonzero((part == label) & (trust > 0.5))
        count = min(round(share * len(members)), len(members) // 2)
        if count == 0:
            continue
        least = members[np.argsort(seen[members], kind="stable")[:count]]
        left = np.setdiff1d(members, least)
        givers.append(least)
        takers.append(left[np.argsort(-error[left], kind="stable")[:count]])
    empty = np.zeros(0, np.int64)
    return np.concatenate([empty, *givers]), np.concatenate([empty, *takers])


def split(parameters: dict[str, Tensor], moments: dict[str, dict[str, Tensor]], given_up: np.ndarray, chosen: np.ndarray) -> None:
    """Turn each chosen Gaussian into two, the second in the place of one that is given up; in place.

    Args:
        parameters: position [N, 3], rotation [N, 4], log_scale [N, 3], opacity_logit [N], colour [N, 3], and the bases [K, ...].
        moments: Adam's, by parameter name; those of the touched Gaussians are forgotten.
        given_up: [M] rows that are overwritten.
        chosen: [M] rows that are split.
    """
    p, old, new = parameters, torch.from_numpy(chosen), torch.from_numpy(given_up)
    N = len(p["position"])
    axis = p["log_scale"][old].argmax(dim=1)
    rotation = torch.nn.functional.normalize(p["rotation"][old], dim=1)
    offset = APART * p["log_scale"][old].max(dim=1).values.exp()[:, None] * _columns(rotation, axis)
    for name in PER_GAUSSIAN:
        p[name][new] = p[name][old]
    for name, width in _BASES.items():
        rows = p[name].view(-1, N, width)
        rows[:, new] = rows[:, old]
    both = torch.cat([old, new])
    p["position"][old] -= offset
    p["position"][new] += offset
    p["log_scale"][both, axis.repeat(2)] -= float(np.log(SHRINK))
    for name, width in (PER_GAUSSIAN | _BASES).items():
        for moment in moments.get(name, {}).values():
            if moment.shape == p[name].shape:
                moment.view(-1, N, width)[:, both] = 0


def _columns(rotation: Tensor, axis: Tensor) -> Tensor:
    """[M, 3] column `axis` [M] of the matrices of unit quaternions wxyz [M, 4]."""
    w, x, y, z = rotation.unbind(dim=1)
    matrix = torch.stack(
        [
            torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], dim=1),
            torch.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], dim=1),
            torch.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], dim=1),
        ],
        dim=1,
    )
    return matrix[torch.arange(len(axis)), axis]
