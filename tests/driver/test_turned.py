"""Eyes that are turned by rule go where they shall, and gently beside what is given."""

import numpy as np
import pytest

from driver.channels import INDEX, NUM_CHANNELS
from driver.direction import Direction
from driver.features import RATE
from driver.pins import stretch_pins
from driver.sample import perform
from driver.turned import GAZE, looking, looks, turned


def roaming(frames: int) -> np.ndarray:
    """Frames whose eyes jump by two degrees every second, back and forth, and whose lids are lowered."""
    made, time = np.zeros((frames, NUM_CHANNELS), np.float32), np.arange(frames)
    for eye in (0, 3):
        made[:, INDEX[f"eyes_pose_{eye}"]] = made[:, INDEX[f"eyes_pose_{eye + 1}"]] = 0.03 * (time // 25 % 2)
    for side in ("Left", "Right"):
        made[:, INDEX[f"eyeLookDown{side}"]] = 0.3
    return made


def bends(track: np.ndarray) -> np.ndarray:
    return np.abs(np.diff(track, 2, axis=0))


@pytest.mark.parametrize("gaze", [(15, 0), (-12, 4), (0, -10)])
@pytest.mark.parametrize("frames", [25, 60, 150])
def test_a_gaze_is_reached_within_a_stretch_with_the_acceleration_of_elsewhere(gaze, frames):
    motion = roaming(300)
    given = np.ones(motion.shape, bool)
    given[100 : 100 + frames] = False
    made = turned(motion, given, gaze, np.zeros(2), np.where(given, 0.0, 1.0))
    np.testing.assert_array_equal(made[given], motion[given])
    wanted = np.radians([-gaze[1], gaze[0]])
    away = np.degrees(np.linalg.norm(made[100 : 100 + frames, GAZE] - wanted, axis=1))
    assert away.min() < 3 and np.median(away[frames // 3 : -(frames // 3)]) < 6
    assert (bends(made[:, GAZE])[96 : 104 + frames].max(axis=0) <= 1.2 * bends(motion[:, GAZE]).max(axis=0)).all()
    other = [INDEX["eyes_pose_3"], INDEX["eyes_pose_4"]]
    np.testing.assert_allclose(made[:, other], made[:, GAZE], atol=1e-6)


def test_calm_eyes_take_their_time():
    motion = roaming(500)
    for eye in (0, 1, 3, 4):
        motion[:, INDEX[f"eyes_pose_{eye}"]] = 0.03 * np.sin(np.arange(500) / 5)
    given = np.ones(motion.shape, bool)
    given[100:400] = False
    made = turned(motion, given, (25, 0), np.zeros(2), np.ones(motion.shape))
    assert np.degrees(bends(made[:, GAZE])).max() < 0.31
    assert np.degrees(np.median(made[200:300, GAZE[1]])) == pytest.approx(25, abs=1)


def test_eyes_that_never_move_turn_half_way_in_a_second_and_do_not_jump():
    motion = np.zeros((200, NUM_CHANNELS), np.float32)
    given = np.ones(motion.shape, bool)
    given[100:125] = False
    made = np.degrees(turned(motion, given, (15, 0), np.zeros(2), np.ones(motion.shape))[:, GAZE])
    assert 6 < made.max() < 15 and bends(made).max() < 0.31


def test_lids_go_along_from_wherever_they_are():
    motion, ahead = roaming(50), np.radians([9.0, 0.0])
    down, up = [INDEX["eyeLookDownLeft"], INDEX["eyeLookDownRight"]], [INDEX["eyeLookUpLeft"], INDEX["eyeLookUpRight"]]
    same, level, high = (looking(motion, (0, degrees), ahead) for degrees in (-9, 0, 12))
    np.testing.assert_allclose(same[:, down], 0.3, atol=1e-6)
    np.testing.assert_allclose(level[:, [*down, *up]], 0, atol=1e-6)
    np.testing.assert_allclose(high[:, up], 0.4, atol=1e-6)


@pytest.mark.parametrize("own", [False, True])
def test_a_second_that_is_made_anew_looks_where_it_is_asked_to(tiny_net, lips, babble, own):
    sound = babble[: 6 * RATE]
    plain = perform(sound, tiny_net, lips, Direction(), seed=1, steps=1)
    before = plain.copy()
    eyes = [INDEX[f"eyes_pose_{axis}"] for axis in range(6)]
    before[:, eyes] = roaming(len(plain))[:, eyes]
    pins = stretch_pins(before, 60, 90)
    made = perform(sound, tiny_net, lips, Direction(gaze=(15, 0), pins=pins), seed=2, steps=1, own=own)
    np.testing.assert_array_equal(made[:60], before[:60])
    assert 12 < np.degrees(looks(made, own)[60:90, 1].max()) < 18
