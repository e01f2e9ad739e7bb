"""Manners differ from person to person and from mood to mood, and leave the lips' contacts alone."""

import numpy as np
import pytest
import torch

from driver.behaviour import behave, listening, silent
from driver.channels import INDEX
from driver.conditions import EMOTIONS, NUM_CONDITIONS, PRESENCE, SLOTS, WIDTHS, conditions
from driver.manner import CONTROLS, Habits, Manner, draw_habits, draw_manner, face_of
from tests.driver.test_behaviour import T, _talk


def test_slots_tile_the_row():
    covered = np.concatenate([np.arange(part.start, part.stop) for part in SLOTS.values()] + [list(PRESENCE.values())])
    assert sorted(covered.tolist()) == list(range(NUM_CONDITIONS))


def test_conditions_fill_what_is_given_and_nothing_else():
    rows = conditions(4, {"mouth": 0.5, "gaze": np.array([[0.1, 0.2]])})
    assert rows[:, SLOTS["mouth"]].unique().tolist() == [0.5] and torch.equal(rows[0, SLOTS["gaze"]], torch.tensor([0.1, 0.2]))
    assert sorted(int(i) for i in rows[0].nonzero()[:, 0]) == sorted(
        [SLOTS["mouth"].start, *range(*SLOTS["gaze"].indices(99)), PRESENCE["mouth"], PRESENCE["gaze"]]
    )
    with pytest.raises(ValueError, match="no slot is called moth"):
        conditions(1, {"moth": 1.0})


def test_controls_are_what_one_would_ask_for():
    controls = Manner(mouth=2.0, blinks=0.5, gaze=(0.0, 90.0)).controls()
    assert len(controls) == sum(WIDTHS[name] for name in CONTROLS)
    np.testing.assert_allclose(controls[len(EMOTIONS) :], [1, 0, 0, 1, 0, 0, -1, 0, np.pi / 2 / 0.25], atol=1e-6)
    assert np.isnan(Manner().controls()[-2:]).all()


def _mood(name: str, intensity: float) -> np.ndarray:
    return intensity * (np.array(EMOTIONS) == name)


def test_a_smile_gives_way_where_the_lips_must_meet():
    closed = np.zeros(100)
    closed[50:] = 1
    face = face_of(Manner(emotion=_mood("happy", 1.0)), 100, closed, np.random.default_rng(0))
    smile, cheek = face[:, INDEX["mouthSmileLeft"]], face[:, INDEX["cheekSquintLeft"]]
    assert smile[:50].min() > 0.4 and smile[50:].max() < 0.2 and cheek.min() > 0.25


def test_more_is_more():
    calm, lively = (behave(_talk(), np.random.default_rng(1), Manner(head=factor, brows=factor, blinks=factor)) for factor in (0.5, 2.0))
    for name in ("neck_pose_1", "browInnerUp"):
        assert lively[:, INDEX[name]].std() > 1.5 * calm[:, INDEX[name]].std(), name
    blinks = [((f[1:, INDEX["eyeBlinkLeft"]] > 0.5) & (f[:-1, INDEX["eyeBlinkLeft"]] <= 0.5)).sum() for f in (calm, lively)]
    assert blinks[1] > 2 * blinks[0]


def test_the_eyes_go_to_the_listener():
    frames = behave(silent(T), np.random.default_rng(2), Manner(gaze=(0.0, 12.0)))
    turned = frames[:, INDEX["eyes_pose_1"]] + frames[:, INDEX["neck_pose_1"]] + frames[:, INDEX["rotation_1"]]
    assert np.degrees(np.median(turned)) == pytest.approx(12, abs=1.5)


def test_listeners_nod_after_pauses_and_say_nothing():
    heard = listening(_talk(), np.random.default_rng(3))
    assert not heard.speaking.any() and 0.5 * len(heard.pauses) < len(heard.accents) < 0.9 * len(heard.pauses)


def test_people_differ_and_stay_themselves():
    people = [draw_habits(np.random.default_rng(seed)) for seed in range(200)]
    assert people[3] == draw_habits(np.random.default_rng(3)) != people[4]
    assert np.std([person.jaw for person in people]) > 0.2
    manners = [draw_manner(Habits(), "speak", np.random.default_rng(seed)) for seed in range(200)]
    assert 0.35 < np.mean([not manner.emotion.any() for manner in manners]) < 0.65
    assert all(0.4 < manner.mouth < 2 for manner in manners)
