import numpy as np
import pytest

from driver.channels import INDEX, NUM_CHANNELS
from driver.leads import led_to
from driver.pins import Pins, no_pins


def _bend(track: np.ndarray) -> float:
    return float(np.abs(np.diff(track, 2)).max())


def _swaying(size: float) -> np.ndarray:
    """200 frames that sway, less in the middle than at the ends."""
    time = np.arange(200)
    track = size * np.sin(time / 6) * (1 - 0.95 * np.exp(-(((time - 94) / 40) ** 2)))
    return track[:, None].repeat(NUM_CHANNELS, 1).astype(np.float32)


def _one(frame: int, value: float, length: int = 200) -> Pins:
    pins = no_pins(length)
    pins.known[frame, 5], pins.values[frame, 5] = True, value
    return pins


def test_a_keyframe_that_was_not_met_is_led_to_and_away_from():
    frames = _swaying(2.0)
    made = led_to(frames, _one(94, frames[94, 5] + 0.6))[:, 5] - frames[:, 5]
    assert made[94] == pytest.approx(0.6, abs=0.002) and made[93] == pytest.approx(made[95], abs=0.002) and made[93] > 0.5
    assert np.abs(np.diff(made)).max() < 0.16 and not made[:86].any() and not made[103:].any()


@pytest.mark.parametrize(("size", "step"), [(0.8, 0.6), (0.8, 0.9), (2.0, -1.0)])
def test_the_way_to_a_keyframe_bends_no_more_than_its_channel_does_elsewhere(size, step):
    frames = _swaying(size)
    made = led_to(frames, _one(94, frames[94, 5] + step))[:, 5]
    assert made[94] == np.float32(frames[94, 5] + step)
    assert _bend(made) < 1.12 * _bend(frames[:, 5])
    assert _bend(led_to(frames, _one(94, frames[94, 5] + step / 10))[:, 5]) < 1.12 * _bend(frames[:, 5])


def test_the_way_to_a_keyframe_is_bounded_where_its_channel_rests():
    made = led_to(np.zeros((200, NUM_CHANNELS), np.float32), _one(100, 0.6))[:, 5]
    assert made[100] == np.float32(0.6) and not made[:70].any() and not made[131:].any() and made[72] > 0


def test_ways_end_where_something_else_is_given():
    pins = _one(100, 0.6)
    pins.known[[80, 118], 5] = pins.known[130:150, 5] = True
    made = led_to(np.zeros((200, NUM_CHANNELS), np.float32), pins)[:, 5]
    assert made[100] == np.float32(0.6) and not made[[80, 118]].any() and not made[130:150].any()
    assert np.abs(np.diff(made)).max() < 0.6 * np.pi / 2 / 17


def test_a_jerk_beside_a_keyframe_is_calmed_and_lively_motion_is_not():
    frames = _swaying(0.05)
    jerky = frames.copy()
    jerky[97:, 5] += 0.02
    made = led_to(jerky, _one(100, jerky[100, 5]))[:, 5]
    assert _bend(made) < 0.35 * _bend(jerky[:, 5]) and made[100] == jerky[100, 5]
    np.testing.assert_array_equal(np.delete(made, np.arange(80, 120)), np.delete(jerky[:, 5], np.arange(80, 120)))
    lively = np.random.default_rng(0).normal(0, 0.1, frames.shape).astype(np.float32)
    lively[[30, 31]] = 1.0
    np.testing.assert_allclose(led_to(lively, _one(100, (lively[99, 5] + lively[101, 5]) / 2))[:100], lively[:100], atol=1e-6)


def test_a_motion_that_passes_through_its_keyframe_is_left_alone():
    frames = np.linspace(0, 1, 40)[:, None].repeat(NUM_CHANNELS, 1).astype(np.float32)
    pins = no_pins(40)
    pins.known[20], pins.values[20] = True, frames[20]
    np.testing.assert_allclose(led_to(frames, pins), frames, atol=1e-6)


@pytest.mark.parametrize("frame", [0, 39])
def test_a_motion_that_begins_or_ends_with_its_keyframe_is_left_alone(frame):
    frames = np.linspace(0, 1, 40)[:, None].repeat(NUM_CHANNELS, 1).astype(np.float32)
    pins = no_pins(40)
    pins.known[frame], pins.values[frame] = True, frames[frame]
    np.testing.assert_allclose(led_to(frames, pins), frames, atol=1e-6)


@pytest.mark.parametrize("frame", [0, 39])
def test_a_missed_keyframe_at_the_end_bends_no_more_than_one_in_the_middle(frame):
    def bend(at: int) -> float:
        frames = (0.02 * np.arange(40, dtype=np.float32))[:, None].repeat(NUM_CHANNELS, 1)
        pins = no_pins(40)
        pins.known[at, 5], pins.values[at, 5] = True, frames[at, 5] + 0.3
        made = led_to(frames, pins)[:, 5]
        assert made[at] == pins.values[at, 5]
        return float(np.abs(np.diff(made, 2)).max())

    assert bend(frame) < 1.01 * bend(20)


def test_a_motion_of_one_or_two_frames_keeps_its_keyframe():
    for count in (1, 2):
        pins = no_pins(count)
        pins.known[0], pins.values[0] = True, 0.3
        np.testing.assert_allclose(led_to(np.zeros((count, NUM_CHANNELS), np.float32), pins)[0], 0.3, atol=1e-6)


def test_between_two_close_pins_nothing_goes_beyond_them():
    frames = np.random.default_rng(0).normal(0, 0.3, (60, NUM_CHANNELS)).astype(np.float32)
    pins = no_pins(60)
    channel = INDEX["neck_pose_1"]
    for frame, value in ((20, 0.2), (26, -0.2)):
        pins.values[frame, channel], pins.known[frame, channel] = value, True
    made = led_to(frames, pins)[20:27, channel]
    assert made[0] == np.float32(0.2) and made[-1] == np.float32(-0.2) and (np.diff(made) <= 0).all()
