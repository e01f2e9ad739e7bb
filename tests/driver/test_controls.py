import numpy as np
import pytest

from driver.channels import INDEX, NUM_CHANNELS, REGIONS
from driver.controls import _at_ends, _gaze, _jump, _keyframes, _middle, _Performed, _shown, _spread, effect_lines, effects
from driver.corpus import held_out_takes
from driver.language_table import _row, language_lines
from driver.mood import mood_face


def performed(made: np.ndarray, plain: np.ndarray | None = None) -> list[_Performed]:
    return [_Performed(None, made if plain is None else plain, made)]  # type: ignore[arg-type]


def smooth(frames: int = 200, seed: int = 0) -> np.ndarray:
    phase = np.random.default_rng(seed).uniform(0, 6, NUM_CHANNELS)
    return 0.1 * np.sin(np.arange(frames)[:, None] / 9 + phase)


def test_an_emotion_shows_by_its_share_of_its_face():
    plain = smooth()
    assert _shown("sad")(performed(plain + 0.6 * mood_face({"sad": 1.0}), plain)) == pytest.approx(0.6, abs=1e-5)
    assert _shown("sad")(performed(plain)) == 0


def test_a_spread_is_that_against_the_plain_one():
    plain = smooth()
    assert _spread("head")(performed(0.5 * plain, plain)) == pytest.approx(0.5)


def test_gaze_counts_eyes_neck_and_torso():
    made = np.zeros((50, NUM_CHANNELS))
    for pose in ("eyes_pose", "neck_pose", "rotation"):
        made[:, INDEX[f"{pose}_1"]] = np.radians(5)
    assert _gaze(1)(performed(made)) == pytest.approx(15) and _gaze(0)(performed(made)) == 0


def test_a_jerk_at_the_ends_of_a_stretch_is_found():
    made = smooth()
    assert _at_ends(performed(made)) < 2
    jumped = made.copy()
    jumped[len(made) // 2 - 12 : len(made) // 2 + 12, INDEX["neck_pose_0"]] += 0.1
    assert _at_ends(performed(jumped)) > 3


def test_a_loop_is_measured_by_its_turn():
    turning = np.zeros((100, NUM_CHANNELS))
    turning[:, INDEX["neck_pose_1"]] = np.sin(np.arange(100) * 2 * np.pi / 100)
    assert _jump(performed(turning)) == pytest.approx(1.5, abs=0.2)
    turning[:, INDEX["neck_pose_1"]] = np.arange(100)
    assert _jump(performed(turning)) == pytest.approx(99, rel=0.02)


def test_pins_of_the_test_are_other_poses_of_head_and_brows():
    usual = smooth()
    pins = _keyframes(usual)
    frames = np.flatnonzero(pins.known.any(axis=1))
    assert len(frames) == 5 and not pins.known[:, REGIONS["mouth"]].any()
    assert np.abs(pins.values[frames][:, REGIONS["head"]] - usual[frames][:, REGIONS["head"]]).max() > 0.01
    assert (~_middle(usual).known).any(axis=1).sum() == 24


def test_the_tables_have_a_row_for_each_control_and_language(tiny_net, lips):
    pytest.importorskip("espeakng_loader")
    rows = effects(held_out_takes(1), tiny_net, lips, steps=1)
    assert len({row.control for row in rows}) == len(rows) > 25
    assert len(effect_lines(rows)) == len(rows) + 1
    row = _row("Italian", ["Buongiorno, come sta?"], ["it"], tiny_net, lips, 1)
    assert row.seconds > 1 and "Italian" in language_lines([row])[1]
