import numpy as np
import pytest

from driver.behaviour import Prosody, behave, blink_shape, blinks, gaze_angles, head_angles, silent
from driver.channels import INDEX, REGIONS
from driver.features import FPS

MINUTES = 10
T = MINUTES * 60 * FPS


def _talk() -> Prosody:
    return Prosody(np.ones(T), np.zeros(T), np.arange(0, T, 18), np.arange(0, T, 75))


def _rate(closure: np.ndarray) -> float:
    return ((closure[1:] > 0.5) & (closure[:-1] <= 0.5)).sum() / MINUTES


@pytest.mark.parametrize(("prosody", "low", "high"), [(silent(T), 13, 22), (_talk(), 17, 28)])
def test_blink_rate_is_human(prosody, low, high):
    assert low < _rate(blinks(prosody, np.zeros(0, np.int64), np.random.default_rng(1))) < high


def test_blinks_have_no_fixed_period():
    closure = blinks(silent(T), np.zeros(0, np.int64), np.random.default_rng(2))
    gaps = np.diff(np.flatnonzero((closure[1:] > 0.5) & (closure[:-1] <= 0.5)))
    assert gaps.std() / gaps.mean() > 0.3


def test_lids_fall_faster_than_they_rise():
    since = np.linspace(0, 0.4, 401)
    shape = blink_shape(since)
    assert shape.max() == 1
    assert shape[-1] == 0
    assert (np.gradient(shape) > 1e-6).sum() < 0.5 * (np.gradient(shape) < -1e-6).sum()


def test_head_is_slow_and_livelier_in_speech():
    rng = np.random.default_rng(3)
    talking, idle = head_angles(_talk(), rng), head_angles(silent(T), rng)
    power = np.abs(np.fft.rfft(talking - talking.mean(0), axis=0)) ** 2
    fast = np.fft.rfftfreq(T, 1 / FPS) > 3
    assert (power[fast].sum(0) / power.sum(0)).max() < 0.02
    assert (talking.std(0) > 1.5).all()
    assert (talking.std(0) < 6).all()
    assert (idle.std(0) < talking.std(0)).all()


def test_listeners_look_longer_at_the_other():
    rng = np.random.default_rng(4)
    mutual = [np.mean(np.linalg.norm(gaze_angles(p, rng)[0], axis=1) < 2.5) for p in (_talk(), silent(T))]
    assert 0.5 < mutual[0] < mutual[1]


def test_eyes_counter_the_head():
    frames = behave(_talk(), np.random.default_rng(5))
    turn, eyes = frames[:, INDEX["neck_pose_1"]], frames[:, INDEX["eyes_pose_1"]]
    assert np.corrcoef(np.diff(turn), np.diff(eyes))[0, 1] < -0.1
    assert np.abs(np.degrees(frames[:, INDEX["eyes_pose_1"]])).max() < 30


def test_same_seed_same_face():
    one, two = (behave(silent(500), np.random.default_rng(6)) for _ in range(2))
    assert one.tobytes() == two.tobytes()
    assert not np.array_equal(one, behave(silent(500), np.random.default_rng(7)))


def test_the_mouth_is_left_alone():
    assert not behave(_talk(), np.random.default_rng(8))[:, REGIONS["mouth"]].any()
