import numpy as np
import pytest

from driver.channels import INDEX, LIDS, NUM_CHANNELS, REGIONS
from driver.direction import Direction, exaggerated, levels
from driver.features import FPS, NUM_FEATURES, VOICING
from driver.finish import Finish
from driver.mood import worn
from driver.turned import GAZE, looking


def moving(frames: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.1 + 0.03 * rng.standard_normal((frames, NUM_CHANNELS))).astype(np.float32)


def finished(finish: Finish, frames: np.ndarray, pieces: int, heard: np.ndarray | None = None) -> np.ndarray:
    heard = np.zeros((len(frames) + 5, NUM_FEATURES), np.float32) if heard is None else heard
    starts = range(0, len(frames), pieces)
    return np.concatenate([finish(frames[first : first + pieces], first, heard[first : first + pieces + 4]) for first in starts])


def test_where_nothing_is_asked_nothing_is_done(lips):
    frames = moving(30)
    np.testing.assert_array_equal(finished(Finish(Direction(), lips, np.zeros(NUM_CHANNELS)), frames, 3), frames)


@pytest.mark.parametrize("direction", [Direction(head=0.2, mouth=1.7), Direction(blinks=0), Direction(mode="listen")])
def test_in_whatever_pieces_frames_come_they_are_finished_alike(lips, direction):
    frames, heard = moving(60), np.zeros((70, NUM_FEATURES), np.float32)
    heard[10:20, VOICING] = heard[40:52, VOICING] = 1
    pieces = [finished(Finish(direction, lips, np.zeros(NUM_CHANNELS), seed=3), frames, size, heard) for size in (1, 4)]
    np.testing.assert_array_equal(*pieces)


def test_amounts_are_those_of_a_file_once_the_usual_place_is_known(lips):
    frames, direction = moving(400), Direction(head=0.1, mouth=1.5)
    live = finished(Finish(direction, lips, np.full(NUM_CHANNELS, 0.1)), frames, 1)
    for name in ("head", "mouth", "brows"):
        expected = exaggerated(frames, direction)[:, REGIONS[name]]
        np.testing.assert_allclose(live[:, REGIONS[name]].std(axis=0), expected.std(axis=0), rtol=0.1)


def test_an_own_driver_gets_mood_and_gaze_by_rule(lips):
    frames, direction = moving(100), Direction(emotion={"happy": 1.0}, gaze=(10, 0))
    live = finished(Finish(direction, lips, np.full(NUM_CHANNELS, 0.1), own=True), frames, 2)
    expected = worn(looking(frames, (10, 0)), np.array([levels(direction)]), lips)
    smile = INDEX["mouthSmileLeft"]
    np.testing.assert_allclose(live[:, smile], expected[:, smile], atol=1e-6)
    np.testing.assert_allclose(live[:, GAZE], expected[:, GAZE], atol=0.01)


def test_without_blinks_lids_stay_open_and_may_close_for_long(lips):
    frames = np.zeros((60, NUM_CHANNELS), np.float32)
    frames[10:15, LIDS[0]], frames[10:15, LIDS[1]] = 0.9, 0.9
    frames[30:, LIDS[0]], frames[30:, LIDS[1]] = 0.8, 0.8
    made = finished(Finish(Direction(blinks=0), lips, np.zeros(NUM_CHANNELS)), frames, 1)
    assert not made[:30, LIDS].any() and (made[55:, LIDS] == np.float32(0.8)).all()


def test_a_listener_nods_after_a_pause(lips):
    frames, heard = np.zeros((400, NUM_CHANNELS), np.float32), np.zeros((410, NUM_FEATURES), np.float32)
    for start in range(0, 400, 100):
        heard[start : start + 60, VOICING] = 1
    nod = np.degrees(finished(Finish(Direction(mode="listen"), lips, np.zeros(NUM_CHANNELS), seed=1), frames, 1, heard)[:, INDEX["neck_pose_0"]])
    assert 2 < nod.max() < 10
    first = int(np.flatnonzero(nod > 0.1)[0])
    assert min(abs(first - pause) for pause in (60, 160, 260, 360)) <= 0.6 * FPS and not nod[:60].any()
