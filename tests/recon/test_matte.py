"""Mattes: edges from the picture, no islands."""

import cv2
import numpy as np

from recon.matte import largest_component, refine


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


def test_edge_moves_onto_the_edge_of_the_picture():
    picture = np.full((256, 256, 3), 40, np.uint8)
    cv2.circle(picture, (128, 128), 70, (200, 160, 140), -1, cv2.LINE_AA)
    truth = (picture[..., 0] > 100).astype(np.float32)
    # The network's mask: two pixels too large, and blurred.
    coarse = cv2.GaussianBlur(cv2.dilate(truth, np.ones((5, 5))), (0, 0), 2.5)
    before, after = np.abs(coarse - truth).mean(), np.abs(refine(coarse, picture) / 255 - truth).mean()
    assert after < 0.6 * before


def test_inside_is_opaque_and_outside_clear():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 60, (256, 256, 3), dtype=np.uint8)
    mask = cv2.GaussianBlur(cv2.circle(np.zeros((256, 256), np.float32), (128, 128), 70, 1.0, -1), (0, 0), 3)
    alpha = refine(mask, picture)
    inside, outside = (cv2.circle(np.zeros((256, 256), np.uint8), (128, 128), r, 1, -1) for r in (58, 82))
    assert alpha[inside == 1].min() > 250 and alpha[outside == 0].max() < 5
