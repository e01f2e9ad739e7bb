"""Flicker with known answers."""

import numpy as np
import pytest

from recon.flicker import FlickerMeter, flicker_ratios

SOLID = np.ones((8, 8), np.float32)


def ratios(truths, renders, mattes=None, cuts=(), numbers=None) -> dict[str, float]:
    meter = FlickerMeter(1, len(truths))
    for row, (truth, render) in enumerate(zip(truths, renders, strict=True)):
        index = row if numbers is None else numbers[row]
        meter.see(index, truth, [render], SOLID if mattes is None else mattes[row], continues=index not in cuts)
    return flicker_ratios(meter.series(0))


def noise(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 0.05, (frames, 8, 8, 3)).astype(np.float32)


def alternating(frames: int, size: float) -> np.ndarray:
    signs = np.where(np.arange(frames) % 2, size, -size).astype(np.float32)
    return np.broadcast_to(signs[:, None, None, None], (frames, 8, 8, 3))


def test_the_truth_itself_flickers_like_itself():
    truth = noise(6)
    assert ratios(truth, truth) == pytest.approx({"flicker_ratio": 1.0, "flicker_error": 0.0})


def test_three_times_the_alternation_is_three_times_the_flicker():
    assert ratios(0.5 + alternating(6, 0.01), 0.5 + alternating(6, 0.03))["flicker_ratio"] == pytest.approx(3, rel=1e-4)


def test_a_frozen_render_does_not_flicker_and_is_all_wrong():
    truth = noise(6)
    assert ratios(truth, np.repeat(truth[:1], 6, axis=0)) == pytest.approx({"flicker_ratio": 0.0, "flicker_error": 1.0})


def test_even_change_is_no_flicker():
    truth = 0.5 + alternating(6, 0.01)
    ramp = truth + np.linspace(0, 0.3, 6, dtype=np.float32)[:, None, None, None]
    found = ratios(truth, ramp)
    assert found["flicker_ratio"] == pytest.approx(1, abs=1e-3)
    assert found["flicker_error"] == pytest.approx(0.06 / 0.02, rel=1e-3)


def test_a_still_truth_gives_no_ratio():
    assert ratios(np.full((4, 8, 8, 3), 0.5, np.float32), noise(4)) == {}


def test_nothing_is_compared_across_a_cut_or_a_gap():
    truth, render = 0.5 + alternating(6, 0.01), 0.5 + alternating(6, 0.01)
    jump = render.copy()
    jump[3:] += 0.3
    assert ratios(truth, jump)["flicker_ratio"] > 3
    assert ratios(truth, jump, cuts=(3,))["flicker_ratio"] == pytest.approx(1, rel=1e-3)
    assert ratios(truth, jump, numbers=(0, 1, 2, 7, 8, 9))["flicker_error"] == pytest.approx(0, abs=1e-3)


def test_only_what_is_inside_the_matte_in_all_frames_counts():
    truth = noise(5)
    render = truth.copy()
    render[:, :4] = noise(5, seed=1)[:, :4]
    mattes = [np.where(np.arange(8)[:, None] < 4, 0.5, 1.0).astype(np.float32) * SOLID] * 5
    assert ratios(truth, render, mattes)["flicker_error"] == pytest.approx(0)
    assert ratios(truth, render)["flicker_error"] > 0.5


def test_a_running_meter_agrees_with_the_definition():
    truth, render = noise(7), noise(7, seed=1)
    second = [np.square(x[:-2] - 2 * x[1:-1] + x[2:]).sum() for x in (render, truth)]
    change = np.square(np.diff(render - truth, axis=0)).sum() / np.square(np.diff(truth, axis=0)).sum()
    found = ratios(truth, render)
    assert found == pytest.approx({"flicker_ratio": np.sqrt(second[0] / second[1]), "flicker_error": np.sqrt(change)}, rel=1e-4)
