"""Figures of clips have the values that can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from driver import figures
from driver.channels import INDEX, JAW, NUM_CHANNELS
from driver.features import FPS, RATE
from driver.figures import Judged, Observed, Ruler, observe, ruler_of, summary
from driver.phones import VISEME_INDEX


@pytest.fixture(scope="module")
def ruler(head, lips) -> Ruler:
    return ruler_of(head, lips, np.full(NUM_CHANNELS, 0.1, np.float32))


def _clip(whole: bool = True) -> Judged:
    T, rng = 150, np.random.default_rng(0)
    frames = np.zeros((T, NUM_CHANNELS), np.float32)
    frames[:, JAW] = 0.2 + 0.15 * np.sin(np.arange(T) / 3)
    frames[:, INDEX["mouthPucker"]] = 0.3 + 0.2 * np.sin(np.arange(T) / 5)
    frames[:, INDEX["browInnerUp"]] = 0.3 + 0.2 * np.sin(np.arange(T) / 9)
    frames[:, INDEX["neck_pose_0"]] = 0.05 * np.sin(np.arange(T) / 4)
    sound = 0.1 * rng.normal(size=T * RATE // FPS).astype(np.float32)
    return Judged("a clip", sound, frames, np.full(T, VISEME_INDEX["aa"]), np.zeros(T), whole)


def test_the_truth_is_perfect(ruler):
    clip = _clip()
    found = observe(clip, clip.truth, ruler).figures
    for name in ("lve_mm", "lve_m2", "mod_mm", "mtm_s", "fdd_mm2", "mhd_mm"):
        assert found[name] == 0, name
    for name in ("jaw_r", "rounding_r", "spread", "mouth_spread", "mouth_velocity", "brows_spread", "head_spread"):
        assert found[name] == pytest.approx(1), name


def test_a_louder_mouth_has_a_larger_spread_and_the_same_correlation(ruler):
    clip = _clip()
    wider = clip.truth.copy()
    wider[:, JAW] *= 1.3
    found = observe(clip, wider, ruler).figures
    assert found["mouth_spread"] > 1.1 and found["jaw_r"] == pytest.approx(1, abs=1e-3) and found["lve_mm"] > 0.2
    assert found["brows_spread"] == pytest.approx(1) and 0 < found["mhd_mm"] < found["lve_mm"]


def test_a_face_that_stands_still_moves_by_nothing(ruler):
    clip = _clip()
    still = np.full_like(clip.truth, 0.1)
    found = observe(clip, still, ruler).figures
    assert found["spread"] == pytest.approx(0, abs=1e-6) and found["fdd_mm2"] > 0
    assert np.isnan(found["beats"]) and np.isnan(found["mtm_s"])


def test_lips_in_pauses_are_those_well_inside_them():
    lips = np.zeros((100, 1, 3))
    viseme = np.full(100, VISEME_INDEX["aa"])
    viseme[20:60] = VISEME_INDEX["sil"]
    # Motion in speech and next to it does not count.
    lips[:25, 0, 1] = 5
    lips[55:, 0, 1] = 5
    assert figures.pause_motion(lips, viseme) == 0
    lips[25:55:2, 0, 1] = 2
    assert figures.pause_motion(lips, viseme) == pytest.approx(1)
    assert np.isnan(figures.pause_motion(lips, np.full(100, VISEME_INDEX["aa"])))


def _observed(blinks: list[tuple[float, float]], seconds: float, closest: list[float], free: list[float]) -> Observed:
    closed, opened = np.array(closest), np.array(free)
    moved = np.array([2.0, 4.0]), np.array([1.0, 1.0, 4.0])
    return Observed({"lve_mm": seconds}, closed, opened, np.zeros(3), np.zeros(3), np.reshape(blinks, (-1, 2)), seconds, moved)


def test_pooled_figures_are_of_all_clips_together():
    free = np.linspace(0, 10, 101).tolist()
    clips = [_observed([(1, 1.2), (1.5, 1.6)], 20, [0.1, 0.9], free), _observed([], 40, [1.5, 3], free)]
    assert figures.blink_rate(clips) == 2
    assert figures.blink_duration(clips) == pytest.approx(0.15)
    assert figures.blink_doubles(clips) == 0.5
    assert figures.seam_ratio_of(clips) == pytest.approx(1.5)
    # A tenth of the free frames have a gap below 1 mm.
    assert figures.closure_recall(clips) == 0.5
    assert figures.closure_contact(clips) == 0.25
    assert np.isnan(figures.blink_duration(clips[1:])) and np.isnan(figures.loudness_correlation(clips))


def test_loud_clips_with_open_mouths_correlate():
    one = _observed([], 1, [0], [0, 1])
    clips = [replace(one, loudness=np.full(5, -20.0 + k), opening=np.full(5, 1.0 + 2 * k)) for k in range(4)]
    assert figures.loudness_correlation(clips) == pytest.approx(1)


def test_a_summary_has_means_and_intervals():
    rows = [_observed([(1, 1.2)], seconds, [0.1], [0, 1, 2]) for seconds in (10, 20, 30, 40)]
    found = summary(rows)
    value, low, high = found["lve_mm"]
    assert value == 25 and 10 <= low < 25 < high <= 40
    value, low, high = found["blinks_min"]
    assert value == pytest.approx(2.4) and 60 / 40 <= low < value < high <= 6
    assert np.isnan(found["slcc"]).all()
