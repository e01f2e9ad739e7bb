"""Landmark figures with known answers."""

from fractions import Fraction

import numpy as np
import pytest

from recon.evaluation_landmarks import STEADY, consecutive, jitter, landmark_distances, still_stretches
from recon.face_regions import INNER_LIPS, OUTER_LIPS

FPS = Fraction(25)


def points(frames: int, seed: int = 0) -> np.ndarray:
    one = np.random.default_rng(seed).uniform(100, 400, (1, 478, 2))
    return np.repeat(one, frames, axis=0)


def test_a_shift_by_three_and_four_is_five_pixels():
    truth = points(3)
    assert {name: values[0] for name, values in landmark_distances(truth + np.array((3, 4)), truth).items()} == pytest.approx(
        {"landmark_px": 5, "landmark_lips_px": 5, "landmark_eyes_px": 5, "landmark_iris_px": 5}
    )


def test_wrong_lips_show_in_the_lips():
    truth = points(1)
    moved = truth.copy()
    moved[:, list(OUTER_LIPS + INNER_LIPS)] += (2, 0)
    found = landmark_distances(moved, truth)
    assert found["landmark_lips_px"][0] == pytest.approx(2)
    assert found["landmark_eyes_px"][0] == 0
    assert found["landmark_px"][0] == pytest.approx(2 * 40 / 478)


def test_a_face_that_is_not_seen_has_no_distance():
    truth = points(2)
    lost = truth.copy()
    lost[1] = np.nan
    assert np.isfinite(landmark_distances(lost, truth)["landmark_px"]).tolist() == [True, False]


def test_jitter_is_the_size_of_the_noise():
    noisy = points(200) + np.random.default_rng(1).normal(0, 0.3, (200, 478, 2))
    assert jitter(noisy, [slice(0, 200)]) == pytest.approx(0.3, rel=0.05)


def test_even_movement_is_no_jitter():
    moving = points(50) + np.arange(50)[:, None, None] * (0.7, -0.2)
    assert jitter(moving, [slice(0, 50)]) == pytest.approx(0, abs=1e-6)
    assert np.isnan(jitter(moving, []))


def test_the_calmest_stretches_are_found_and_cuts_divide_them():
    place = np.concatenate([np.arange(50) * 20.0, np.full(30, 1000.0), 1000 + np.arange(50) * 20.0])
    track = points(130) + np.stack([place, 0 * place], axis=1)[:, None]
    stretches = still_stretches(track, np.arange(130), FPS)
    assert stretches == [slice(s.start, s.start + 20) for s in stretches]
    assert len(stretches) == 1
    assert stretches[0].start >= 49 and stretches[0].stop <= 81
    assert still_stretches(track, np.arange(130), FPS, cuts=(65,)) == []


def test_a_face_that_vanishes_is_not_still():
    track = points(30)
    track[10] = np.nan
    assert still_stretches(track, np.arange(30), FPS) == []


def test_runs_end_at_gaps_and_cuts():
    assert consecutive(np.array([3, 4, 5, 9, 10]), cuts=(5,)) == [slice(0, 2), slice(2, 3), slice(3, 5)]


def test_steady_landmarks_are_not_on_the_lips():
    assert not set(STEADY) & set(OUTER_LIPS + INNER_LIPS)
