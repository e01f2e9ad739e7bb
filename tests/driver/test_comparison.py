"""Who does what the truth does is found perfect, who does something else is not."""

import numpy as np
import pytest

from driver import comparison
from driver.baselines import BASELINES
from driver.channels import INDEX, JAW
from driver.coarticulation import articulate
from driver.comparison import OURS, RULES, STRANGE, TRUTH, compare, drivers, sampled
from driver.features import FPS, RATE
from driver.figures import Judged, Ruler, ruler_of
from driver.phones import Segment

SECONDS = 38 * 0.12


def _clip(seed: int, whole: bool = True) -> Judged:
    rng = np.random.default_rng(seed)
    names = ["sil", *rng.choice(["aa", "pbm", "ow", "td", "ae", "kg", "uw", "iy"], 36).tolist(), "sil"]
    said = [Segment(name, 0.12 * k, 0.12 * (k + 1), 1.0) for k, name in enumerate(names)]
    T = round(said[-1].end * FPS)
    mouth = articulate(said, T)
    frames = mouth.frames.copy()
    if whole:
        # A blink, and a head that swings.
        frames[40:44, [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]] = 1
        frames[:, INDEX["neck_pose_1"]] = 0.05 * np.sin(np.arange(T) / 4)
        frames[:, INDEX["browInnerUp"]] = 0.2 + 0.1 * np.sin(np.arange(T) / 9)
    sound = np.full(T * RATE // FPS, seed, np.float32) + 0.1 * rng.normal(size=T * RATE // FPS).astype(np.float32)
    sound[0] = seed
    return Judged(f"clip {seed}", sound, frames, mouth.viseme, mouth.closed, whole)


@pytest.fixture(scope="module")
def ruler(head, lips) -> Ruler:
    return ruler_of(head, lips, np.full(len(INDEX), 0.1, np.float32))


@pytest.fixture(scope="module")
def clips() -> list[Judged]:
    return [_clip(seed) for seed in (1, 2, 3, 4)]


def _knowing(clips: list[Judged]):
    """A driver that knows the truth by the sound's first sample."""
    by_sound = {float(clip.sound[0]): clip.truth for clip in clips}
    return lambda sound: by_sound[float(sound[0])]


def test_a_driver_that_listens_is_told_from_one_that_does_not(clips, ruler):
    still = np.zeros_like(clips[0].truth)
    still[:, JAW] = 0.1
    found = compare(clips, {OURS: _knowing(clips), "still": lambda sound: still}, ruler)
    table = found.table
    assert list(table) == [TRUTH, OURS, "still", STRANGE]
    assert found.lve == [0, 0, 0, 0]
    assert table[OURS]["lve_mm"][0] == 0 and table[OURS]["closure_recall"][0] == 1
    assert table["still"]["lve_mm"][0] > 1 and np.isnan(table["still"]["closure_recall"][0])
    assert table[STRANGE]["jaw_r"][0] < 0.5
    for figure, value in table[OURS].items():
        if figure != "audio_gain":
            assert value == pytest.approx(table[TRUTH][figure], nan_ok=True), figure
    np.testing.assert_array_equal(found.made[STRANGE][0], clips[1].truth)


def test_the_audio_gain_is_the_ratio_of_errors(clips, ruler):
    """A driver that moves by half: its error with the right sound is known, and so is that with another."""
    knowing = _knowing(clips)
    table = compare(clips, {OURS: lambda sound: 0.5 * knowing(sound)}, ruler).table
    value, low, high = table[OURS]["audio_gain"]
    assert value == pytest.approx(table[STRANGE]["lve_mm"][0] / table[OURS]["lve_mm"][0])
    assert 1 < low < value < high


def test_a_truth_of_the_mouth_alone_says_nothing_of_the_head(clips, ruler):
    mouths = [_clip(seed, whole=False) for seed in (1, 2, 3)]
    table = compare(mouths, {OURS: _knowing(clips)}, ruler).table
    assert "blinks_min" not in table[TRUTH] and "beats" not in table[TRUTH]
    assert table[OURS]["blinks_min"][0] == pytest.approx(60 / SECONDS, rel=0.01)
    assert "mhd_mm" not in table[OURS] and table[OURS]["lve_mm"][0] == 0


def test_the_noise_belongs_to_the_sound(tiny_net, lips, babble):
    drive = sampled(tiny_net, lips, 1)
    first, other = drive(babble[:16000]), drive(babble[:15999])
    np.testing.assert_array_equal(drive(babble[:16000]), first)
    assert np.abs(first - other).max() > 0.01


def test_the_rules_need_a_recogniser_and_a_regression_is_there_when_given(tiny_net, lips, monkeypatch):
    pytest.importorskip("espeakng_loader")
    monkeypatch.setattr(comparison, "_FITTED_TAKES", 3)
    monkeypatch.setattr(comparison, "can_recognise", lambda: True)
    made = drivers(tiny_net, lips, 2, regression=tiny_net)
    assert {OURS, "driver, 1 steps", "same backbone, regression", RULES, *BASELINES} <= set(made)
    monkeypatch.setattr(comparison, "can_recognise", lambda: False)
    made = drivers(tiny_net, lips, 2)
    assert RULES not in made and "same backbone, regression" not in made
