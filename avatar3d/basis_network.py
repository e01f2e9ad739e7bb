"""The small global network that reads the weights of an avatar's linear bases off a motion frame."""

from itertools import pairwise

import torch
from torch import Tensor

from avatar3d.motion import Motion

HIDDEN = 64
NECK_TRANSLATION_UNIT = 0.01
"""Metres per unit of the network's input, so that all inputs are of like size before they are normalised."""

Layers = tuple[tuple[Tensor, Tensor], ...]
"""(weight [out, in], bias [out]) of each layer."""


def network_inputs(motion: Motion) -> Tensor:
    """[T, D] inputs: expr, jaw_pose, eyes_pose, neck_pose, neck_translation in centimetres, eyelids where the head has them.

    The torso's place is not among them: the bases see the head's pose relative to the torso only.
    """
    parts = [motion.expr, motion.jaw_pose, motion.eyes_pose, motion.neck_pose]
    shift = motion.neck_translation if motion.neck_translation is not None else 0 * motion.neck_pose
    parts.append(shift / NECK_TRANSLATION_UNIT)
    if motion.eyelids is not None:
        parts.append(motion.eyelids)
    return torch.cat([torch.from_numpy(part) for part in parts], dim=1).float()


def init_network(inputs: int, bases: int, generator: torch.Generator) -> Layers:
    """Random layers for `inputs` -> 64 -> 64 -> `bases` (LeCun normal, so that tanh starts in its linear range)."""
    sizes = (inputs, HIDDEN, HIDDEN, bases)
    return tuple((torch.randn(out, size, generator=generator) / size**0.5, torch.zeros(out)) for size, out in pairwise(sizes))


def basis_weights(inputs: Tensor, mean: Tensor, std: Tensor, layers: Layers) -> Tensor:
    """[B, K] weights of the bases for raw inputs [B, D]: (x - mean) / std, linear and tanh twice, linear."""
    x = (inputs - mean) / std
    for weight, bias in layers[:-1]:
        x = torch.tanh(x @ weight.T + bias)
    weight, bias = layers[-1]
    return x @ weight.T + bias
