"""Every figure has the value that its formula gives where it can be worked out by hand."""

import numpy as np
import pytest

from driver import metrics
from driver.features import FPS, RATE


def _wave(T: int = 200, period: int = 25, late: int = 0) -> np.ndarray:
    return np.sin(2 * np.pi * (np.arange(T) - late) / period)


def test_lip_errors_are_of_the_worst_vertex_in_each_frame():
    truth = np.zeros((2, 3, 3))
    made = truth.copy()
    made[0, 1] = [3, 4, 0]
    made[1, 2] = [0, 0, 1]
    assert metrics.lip_vertex_error(truth, made) == pytest.approx((5 + 1) / 2)
    assert metrics.lip_vertex_error_squared(truth, made) == pytest.approx((25e-6 + 1e-6) / 2)
    assert metrics.vertex_error(truth, made) == pytest.approx(np.sqrt(26 / 6))


def test_dynamics_deviation_is_positive_where_the_motion_is_too_small():
    rest = np.zeros((1, 3))
    truth = np.zeros((200, 1, 3))
    truth[:, 0, 1] = 2 + _wave()
    still = np.zeros_like(truth)
    assert metrics.dynamics_deviation(truth, truth, rest) == 0
    assert metrics.dynamics_deviation(truth, still, rest) == pytest.approx(np.square(2 + _wave()).std())
    assert metrics.dynamics_deviation(still, truth, rest) < 0


def test_ratios_compare_sizes_and_speeds():
    slow, fast = _wave(period=50)[:, None], 2 * _wave(period=25)[:, None]
    assert metrics.spread_ratio(slow, fast) == pytest.approx(2, rel=0.02)
    assert metrics.velocity_ratio(slow, fast) == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("late", [0, 2, -3])
def test_peaks_are_matched_over_a_delay(late):
    assert metrics.peak_mismatch(_wave(), _wave(late=late)) == pytest.approx(abs(late) / FPS, abs=0.5 / FPS)


def test_a_curve_without_peaks_has_no_mismatch():
    assert np.isnan(metrics.peak_mismatch(np.arange(10.0), np.arange(10.0)))


def test_loudness_and_opening_are_compared_over_clips():
    loudness = [np.full(10, level) for level in (1.0, 2.0, 3.0)]
    assert metrics.loudness_opening_correlation(loudness, [x * 5 for x in loudness]) == pytest.approx(1)
    assert metrics.loudness_opening_correlation(loudness, [-x for x in loudness]) == pytest.approx(-1)
    assert np.isnan(metrics.loudness_opening_correlation(loudness[:2], loudness[:2]))


def test_beats_that_meet_count_one_and_chance_is_less():
    beats = np.array([0.5, 1.7, 2.2, 4.1, 5.3, 7.7])
    assert metrics.beat_alignment(beats, beats) == 1
    assert metrics.beat_alignment(beats, beats + 0.1) == pytest.approx(np.exp(-0.5))
    assert metrics.chance_alignment(beats, beats, 10.0) < 0.5
    assert np.isnan(metrics.beat_alignment(beats, np.zeros(0)))


def test_a_head_that_swings_pauses_at_its_turning_points():
    angles = np.stack([_wave(period=50), np.zeros(200), np.zeros(200)], axis=1)
    found = metrics.motion_beats(angles)
    np.testing.assert_allclose(found * FPS, [12.5, 37.5, 62.5, 87.5, 112.5, 137.5, 162.5, 187.5], atol=1)


def test_diversity_is_the_distance_of_takes():
    assert metrics.diversity([np.zeros((5, 2)), np.ones((5, 2)), np.ones((5, 2))]) == pytest.approx(2 / 3)
    assert metrics.diversity([np.ones((5, 2))] * 3) == 0


def test_jerk_of_a_cubic_is_constant():
    time = np.arange(20) / FPS
    vertices = 1000 * (time**3)[:, None, None] * np.array([1.0, 0, 0])
    assert metrics.jerk(vertices) == pytest.approx(6)


def test_blinks_have_a_beginning_and_an_end():
    closure = np.zeros(100)
    closure[10:14] = closure[50:60] = closure[97:] = 1
    np.testing.assert_allclose(metrics.blinks(closure) * FPS, [[10, 14], [50, 60], [97, 100]])
    assert metrics.blinks(np.zeros(100)).shape == (0, 2)


def test_a_blink_right_after_another_makes_them_double():
    assert metrics.double_blinks(np.array([1.0, 1.4, 5.0, 9.0, 9.5, 9.9])) == 3
    assert metrics.double_blinks(np.zeros(0)) == 0


def test_clicks_are_heard_where_they_are():
    sound = 1e-3 * np.random.default_rng(0).normal(size=4 * RATE)
    clicks = np.array([0.5, 1.3, 2.0, 3.4])
    for at in clicks:
        start = round(at * RATE)
        sound[start : start + 1600] += np.sin(2 * np.pi * 440 * np.arange(1600) / RATE)
    found = metrics.sound_beats(sound)
    assert np.abs(found[:, None] - clicks).min(axis=0).max() < 0.03
    assert len(found) <= 8
    assert not len(metrics.sound_beats(np.zeros(RATE)))


def test_intervals_hold_the_mean_and_shrink_with_more_clips():
    rng = np.random.default_rng(0)
    few, many = rng.normal(3, 1, 10), rng.normal(3, 1, 1000)
    wide, narrow = metrics.interval(few.tolist()), metrics.interval([*many, float("nan")])
    assert wide[0] < few.mean() < wide[1] and narrow[0] < 3.1 and narrow[1] > 2.9
    assert narrow[1] - narrow[0] < 0.4 * (wide[1] - wide[0])
    assert metrics.interval(few.tolist()) == wide


def test_draws_without_a_value_leave_the_interval_to_the_others():
    low, high = metrics.interval([0.0, 1.0, 2.0, 3.0], of=lambda drawn: drawn.mean() if drawn.min() > 0 else float("nan"))
    assert 1 <= low < high <= 3
    assert np.isnan(metrics.interval([1.0, 2.0], of=lambda drawn: float("nan"))).all()
