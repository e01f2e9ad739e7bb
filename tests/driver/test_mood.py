"""Moods are put on by rule, and take nothing from the lips or from what is pinned."""

import numpy as np
import pytest

from driver.channels import INDEX, NUM_CHANNELS, REGIONS
from driver.conditions import EMOTIONS
from driver.direction import Direction
from driver.features import RATE
from driver.mood import _LEARNED, _WHOLE, bare, mood_face, moods_of, worn
from driver.pins import no_pins, stretch_pins
from driver.sample import perform

SMILE = INDEX["mouthSmileLeft"]


def mood(name: str, level: float = 1.0) -> np.ndarray:
    return level * (np.array([EMOTIONS]) == name).astype(np.float32)


@pytest.mark.parametrize("table", [_LEARNED, _WHOLE])
def test_every_muscle_of_every_emotion_is_a_channel(table):
    assert tuple(table) == EMOTIONS
    for muscles in table.values():
        for muscle in muscles:
            assert {muscle, f"{muscle}Left", f"{muscle}Right"} & INDEX.keys(), muscle


@pytest.mark.parametrize("name", EMOTIONS)
def test_lips_that_meet_still_do(lips, name):
    frames = np.zeros((2, NUM_CHANNELS), np.float32)
    frames[0, INDEX["jaw_pose_0"]] = 0.3
    made = worn(frames, mood(name), lips)
    np.testing.assert_allclose(made[0], mood_face({name: 1.0}) + frames[0], atol=1e-6)
    assert made[1] @ lips.gap.numpy() == pytest.approx(0, abs=1e-4)


def test_a_smile_stays_while_the_lips_meet(lips):
    frames = np.zeros((20, NUM_CHANNELS), np.float32)
    frames[:, INDEX["jaw_pose_0"]] = 0.2 * (np.arange(20) % 5 > 0)
    made = worn(frames, mood("happy"), lips)
    assert np.ptp(made[:, SMILE]) < 1e-6 and np.ptp(made[:, INDEX["jaw_pose_0"]]) > 0.15


def test_no_mood_changes_nothing(lips):
    frames = np.random.default_rng(0).normal(size=(3, NUM_CHANNELS)).astype(np.float32)
    assert worn(frames, np.zeros((1, len(EMOTIONS)), np.float32), lips) is frames


@pytest.mark.parametrize(("level", "expected"), [(0.0, 0.0), (0.4, 0.4), (1.0, 1.0), (2.0, 1.0)])
def test_what_is_given_wears_some_of_a_mood_and_is_the_same_with_it_put_on_again(lips, level, expected):
    pins = no_pins(4)
    pins.values[:], pins.known[:] = level * mood_face({"sad": 1.0}), True
    pins.values[:, INDEX["jaw_pose_0"]] = 0.5
    plain, share = bare(pins, np.repeat(mood("sad"), 2, axis=0))
    said = {region: (mood_face({"sad": 1.0})[rows] != 0).any() for region, rows in REGIONS.items()}
    for region, rows in REGIONS.items():
        assert share[rows] == pytest.approx(expected * said[region], abs=1e-5)
    np.testing.assert_allclose(worn(plain.values, mood("sad"), lips, share), pins.values.clip(0, 1), atol=1e-6)


def test_a_stretch_made_anew_keeps_the_mood_of_what_is_around_it(tiny_net, lips, babble):
    sound = babble[: 4 * RATE]
    before = perform(sound, tiny_net, lips, Direction(emotion={"angry": 1.0}), seed=1, steps=2)
    made = perform(sound, tiny_net, lips, Direction(emotion={"angry": 1.0}, pins=stretch_pins(before, 40, 60)), seed=2, steps=2)
    np.testing.assert_array_equal(made[:40], before[:40])
    np.testing.assert_array_equal(made[60:], before[60:])
    brow = made[:, INDEX["browDownLeft"]]
    assert np.abs(brow[40:60].mean() - before[40:60, INDEX["browDownLeft"]].mean()) < 0.1
    assert np.abs(np.diff(brow))[[39, 59]].max() < 0.15


@pytest.mark.parametrize("name", EMOTIONS)
def test_the_mood_that_a_motion_wears_is_found_in_it(lips, name):
    speech = np.zeros((150, NUM_CHANNELS), np.float32)
    speech[:, INDEX["jaw_pose_0"]] = 0.2 * (np.arange(150) % 5 > 1)
    for blink in (70, 110, 120):
        # The last two follow each other within half a second.
        speech[blink : blink + 8, INDEX["eyeBlinkLeft"]] = speech[blink : blink + 8, INDEX["eyeBlinkRight"]] = 0.9
    level = np.where(np.arange(150)[:, None] < 75, 0.7, 0.0).astype(np.float32)
    found = moods_of(worn(speech, level * mood(name), lips))
    np.testing.assert_allclose(found[:60], np.repeat(0.7 * mood(name), 60, axis=0), atol=0.05)
    np.testing.assert_allclose(found[90:], 0, atol=0.05)
    assert not moods_of(speech).any()


def test_no_two_moods_are_one_face():
    faces = np.stack([mood_face({name: 1.0}) for name in EMOTIONS])
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    alike = faces @ faces.T - np.eye(len(EMOTIONS))
    assert alike.max() < 0.6, [EMOTIONS[index] for index in np.unravel_index(alike.argmax(), alike.shape)]
    # Lips that are raised, and no lowered brows, tell disgust from anger; open eyes tell sadness from tiredness.
    disgusted, angry, sad, tired = (mood_face({name: 1.0}) for name in ("disgusted", "angry", "sad", "tired"))
    assert disgusted[INDEX["mouthUpperUpLeft"]] > 0.8 > angry[INDEX["mouthUpperUpLeft"]] and disgusted[INDEX["browDownLeft"]] == 0
    assert sad[INDEX["eyeBlinkLeft"]] == 0 < tired[INDEX["eyeBlinkLeft"]]
