"""Smoothing that holds still what rests and lets go of what moves."""

import numpy as np
import pytest
import torch

from recon.landmark_rig import JAW, ROTATION
from recon.steadiness import REST, TAIL, steadiness, tail_weights

P = 70
CURVATURE = torch.full((P,), 1e4)


def test_rest_is_held_stiffer_than_the_prior_and_motion_looser():
    rest, fast = torch.zeros(5, P), torch.zeros(5, P)
    fast[2:] = 0.2
    linked = torch.ones(3, 1)
    assert (steadiness(rest, CURVATURE, linked) > 3).all()
    assert (steadiness(fast, CURVATURE, linked)[1] < 0.1).all()


def test_nothing_is_held_across_a_cut():
    weights = steadiness(torch.zeros(6, P), CURVATURE, torch.tensor([1.0, 0, 0, 1])[:, None])
    assert (weights[1:3] == 0).all() and (weights[[0, 3]] > 0).all()


@pytest.mark.parametrize("columns", [ROTATION, JAW])
def test_weights_are_those_of_students_t(columns):
    share = next(value for place, value in REST if place == columns)
    scale = share * 1e4**-0.5
    # The weight is the derivative of the negative logarithm of the density over the difference, in units of the curvature.
    difference = torch.linspace(0.1, 5, 9)[:, None].repeat(1, P) * scale
    d = difference[:, columns.start].double().requires_grad_()
    energy = 0.5 * (TAIL + 1) * torch.log1p(d.square() / (TAIL * scale**2)).sum()
    (slope,) = torch.autograd.grad(energy, d)
    expected = (slope / d.detach() / 1e4).numpy()
    np.testing.assert_allclose(tail_weights(difference, CURVATURE)[:, columns.start].numpy(), expected, rtol=1e-4)
