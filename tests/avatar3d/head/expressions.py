"""Heads with one expression or another."""

import numpy as np
import torch

from avatar3d.arkit import EXPR_INDEX
from avatar3d.head.model import HeadModel, head_vertices


def posed(head: HeadModel, opening: float = 0.0, **weights: float) -> np.ndarray:
    """Vertices [V, 3] of a head with ARKit's expressions: the jaw `opening` of its range open, and the named weights."""
    expr = torch.zeros(1, head.num_expr)
    for name, weight in weights.items():
        expr[0, EXPR_INDEX[name]] = weight
    zeros = torch.zeros(1, 3)
    jaw = torch.tensor([[opening * head.jaw_open_angle, 0.0, 0.0]])
    still = {"neck_pose": zeros, "eyes_pose": torch.zeros(1, 6), "rotation": zeros, "translation": zeros}
    return head_vertices(head, torch.zeros(1), expr, jaw_pose=jaw, **still)[0].numpy()
