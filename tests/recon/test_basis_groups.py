"""Bases of the torso see the neck only, and move nothing of the head."""

import numpy as np
import torch

from avatar3d.basis_network import basis_weights, init_network
from avatar3d.carriers import with_carriers
from avatar3d.head.store import load_head
from avatar3d.motion import Motion
from recon.basis_groups import basis_masks


def zero_motion(head) -> Motion:
    def zeros(width: int) -> np.ndarray:
        return np.zeros((1, width), np.float32)

    return Motion(
        expr=zeros(head.num_expr), jaw_pose=zeros(3), neck_pose=zeros(3), eyes_pose=zeros(6), rotation=zeros(3), translation=zeros(3),
        shape=np.zeros(head.num_shape, np.float32), fps=25, head_fingerprint=head.fingerprint,
    )  # fmt: skip


def masked_network(masks, inputs: int, bases: int):
    layers = init_network(inputs, bases, torch.Generator().manual_seed(0))
    return tuple((weight * masks[f"network.{i}.weight"], bias) for i, (weight, bias) in enumerate(layers))


def test_the_torso_does_not_see_the_face():
    rig = with_carriers(load_head())
    masks = basis_masks(rig, zero_motion(rig), np.arange(0, 11000, 7), 4, 2)
    D = masks["network.0.weight"].shape[1]
    layers = masked_network(masks, D, 6)
    one = torch.zeros(D)
    smile, nod = torch.zeros(2, D), torch.zeros(2, D)
    smile[1, :60] = 1
    nod[1, rig.num_expr + 9] = 1
    change = (basis_weights(smile, one, one + 1, layers)[1] - basis_weights(smile, one, one + 1, layers)[0]).abs()
    assert (change[4:] == 0).all() and (change[:4] > 0).all()
    change = (basis_weights(nod, one, one + 1, layers)[1] - basis_weights(nod, one, one + 1, layers)[0]).abs()
    assert (change > 0).all()


def test_every_gaussian_belongs_to_one_part():
    rig = with_carriers(load_head())
    face = np.arange(len(rig.faces))
    masks = basis_masks(rig, zero_motion(rig), face, 4, 2)
    rows = masks["colour_basis"].view(6, -1, 3)[..., 0]
    assert (rows[0] + rows[4] == 1).all()
    carriers = rows[4, -5:]
    assert carriers.tolist() == [1, 1, 0, 0, 0]


def test_without_torso_bases_nothing_is_masked():
    rig = with_carriers(load_head())
    assert basis_masks(rig, zero_motion(rig), np.arange(10), 4, 0) == {}
