"""Straight alpha: the same picture over any background, and no black around it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from viewer.straight_alpha import as_integers, extended, straight_rgba
from viewer.views import Layer

_UNIT = st.floats(0, 1, width=32)


def layer(colour: np.ndarray, alpha: np.ndarray) -> Layer:
    return Layer((colour * alpha[..., None]).astype(np.float32), alpha.astype(np.float32), alpha.astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (5, 7, 3), elements=_UNIT), arrays(np.float32, (5, 7), elements=_UNIT), st.tuples(_UNIT, _UNIT, _UNIT))
def test_eight_bits_give_the_picture_over_any_colour(colour, alpha, background):
    drawn = layer(colour, alpha)
    stored = as_integers(straight_rgba(drawn), 8).astype(np.float32) / 255
    over = stored[..., :3] * stored[..., 3:] + (1 - stored[..., 3:]) * np.array(background, np.float32)
    assert np.abs(over - drawn.over(np.array(background, np.float32))).max() * 255 <= 1.01


def test_the_edges_colour_goes_on_outside():
    alpha = np.zeros((32, 48), np.float32)
    alpha[10:20, 10:20] = np.linspace(0.02, 1, 10, dtype=np.float32)
    rgba = straight_rgba(layer(np.full((32, 48, 3), [0.7, 0.4, 0.2], np.float32), alpha))
    assert np.abs(rgba[..., :3] - [0.7, 0.4, 0.2]).max() < 1e-4
    assert np.array_equal(rgba[..., 3], alpha)


def test_near_colours_win_over_far_ones():
    weighted = np.zeros((16, 16, 4), np.float32)
    weighted[:, 0], weighted[:, 15] = (1, 0, 0, 1), (0, 0, 1, 1)
    filled = extended(weighted)
    assert filled[8, 2, 0] > 0.7 and filled[8, 13, 2] > 0.7


def test_an_empty_picture_is_transparent_black():
    assert not straight_rgba(layer(np.ones((9, 5, 3)), np.zeros((9, 5)))).any()


def test_rounding_is_to_the_nearest():
    assert as_integers(np.array([0.0, 0.5, 1.0, 2.0]), 8).tolist() == [0, 128, 255, 255]
    assert as_integers(np.array([1.0]), 16).tolist() == [65535]
