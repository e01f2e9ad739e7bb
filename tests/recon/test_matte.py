"""Mattes: edges from the picture, no islands."""

import cv2
import numpy as np

from recon.matte import filled, head_square, largest_component, sharpened


def test_islands_go_and_the_fringe_stays():
    alpha = np.zeros((80, 80), np.uint8)
    alpha[20:60, 20:50] = 255
    alpha[20:60, 50:52] = 90
    alpha[5:15, 65:75] = 255
    kept = largest_component(alpha)
    assert (kept[:, 60:] == 0).all()
    assert (kept[:, :60] == alpha[:, :60]).all()


def test_nothing_stays_nothing():
    assert not largest_component(np.full((20, 20), 100, np.uint8)).any()


def test_one_component_is_untouched():
    alpha = np.zeros((40, 40), np.uint8)
    cv2.circle(alpha, (20, 20), 12, 255, -1, cv2.LINE_AA)
    assert (largest_component(alpha) == alpha).all()


def test_small_holes_are_filled_and_large_ones_are_not():
    alpha = np.zeros((200, 200), np.uint8)
    cv2.circle(alpha, (100, 100), 80, 255, -1)
    whole = alpha.copy()
    cv2.circle(alpha, (60, 100), 3, 0, -1, cv2.LINE_AA)
    assert (filled(alpha) == whole).all()
    cv2.circle(alpha, (120, 100), 20, 0, -1)
    assert (filled(alpha)[90:110, 110:130] == 0).all() and filled(alpha)[100, 60] == 255


def test_a_bay_is_no_hole():
    alpha = np.full((60, 60), 255, np.uint8)
    alpha[25:30, :4] = 0
    assert (filled(alpha) == alpha).all()


def test_edge_moves_onto_the_edge_of_the_picture():
    picture = np.full((256, 256, 3), 40, np.uint8)
    cv2.circle(picture, (128, 128), 70, (200, 160, 140), -1, cv2.LINE_AA)
    truth = (picture[..., 0] > 100).astype(np.float32)
    # The network's mask: two pixels too large, and blurred.
    coarse = cv2.GaussianBlur(cv2.dilate(truth, np.ones((5, 5))), (0, 0), 2.5)
    before, after = np.abs(coarse - truth).mean(), np.abs(sharpened(coarse, picture) - truth).mean()
    assert after < 0.6 * before


def test_inside_is_opaque_and_outside_clear():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 60, (256, 256, 3), dtype=np.uint8)
    mask = cv2.GaussianBlur(cv2.circle(np.zeros((256, 256), np.float32), (128, 128), 70, 1.0, -1), (0, 0), 3)
    alpha = sharpened(mask, picture)
    inside, outside = (cv2.circle(np.zeros((256, 256), np.uint8), (128, 128), r, 1, -1) for r in (58, 82))
    assert alpha[inside == 1].min() > 0.98 and alpha[outside == 0].max() < 0.02


def test_head_square_holds_the_hair_and_lies_in_the_picture():
    top, left, side = head_square(np.array([200.0, 150.0, 320.0, 310.0]), 512, 512) or (0, 0, 0)
    assert top <= 150 - 0.35 * 160 and top + side > 310 and left + side / 2 == 260
    corner = head_square(np.array([0.0, 0.0, 120.0, 160.0]), 512, 512)
    assert corner is not None and corner[:2] == (0, 0)


def test_a_face_that_fills_the_picture_is_not_looked_at_twice():
    assert head_square(np.array([20.0, 20.0, 480.0, 500.0]), 512, 512) is None
