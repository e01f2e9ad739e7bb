import numpy as np
import pytest

from viewer.bridge.jitter_buffer import ANEW, JitterBuffer, SenderClock


def _value(buffer: JitterBuffer, now: float) -> float | None:
    shown = buffer.at(now)
    return None if shown is None else float(shown["x"][0])


def _pushed(frames, delay: float = 0.1) -> JitterBuffer:
    """Frames whose value is their number, sent 25 a second by a clock that is 1000 s behind ours; (number, seconds on the way)."""
    buffer = JitterBuffer(delay)
    for number, way in frames:
        buffer.push(number / 25, 1000 + number / 25 + way, {"x": np.array([number], np.float32)})
    return buffer


def test_nothing_is_shown_before_the_first_frame():
    assert JitterBuffer().at(5.0) is None


@pytest.mark.parametrize(
    "frames",
    [
        [(n, 0.01) for n in range(20)],
        [(n, 0.01) for n in range(20) if n not in (3, 8, 9)],
        [(n, 0.01) for n in (0, 2, 1, 4, 3, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15, 16, 17, 19, 18)],
        [(n, 0.01) for n in range(20) for _ in range(2)],
        [(n, 0.01 + 0.04 * (n % 3 == 1)) for n in range(20)],
    ],
    ids=["as they come", "lost", "in another order", "twice", "late"],
)
def test_what_is_shown_is_as_steady_as_what_was_sent(frames):
    buffer = _pushed(frames)
    for moment in np.arange(1000.2, 1000.6, 1 / 60):
        assert _value(buffer, moment) == pytest.approx((moment - 1000.01 - 0.1) * 25, abs=1e-3)
    assert buffer.held == 0


def test_the_newest_frame_is_held_where_frames_stop():
    buffer = _pushed([(n, 0.0) for n in range(5)])
    assert _value(buffer, 1002.0) == 4 and _value(buffer, 1003.0) == 4 and buffer.held == 2


def test_turns_go_along_the_shorter_arc():
    buffer = JitterBuffer(0.0)
    for number, angle in enumerate((np.pi - 0.1, -np.pi + 0.1)):
        buffer.push(float(number), float(number), {"neck_pose": np.array([0, angle, 0], np.float32)})
    shown = buffer.at(0.5)
    assert shown is not None and abs(abs(shown["neck_pose"][1]) - np.pi) < 1e-3


def test_clocks_that_drift_apart_stay_together():
    buffer = JitterBuffer(0.1)
    for number in range(3000):
        # A millisecond a second, so that the sender is three seconds behind in the end.
        buffer.push(number / 25, number / 25 * 1.001, {"x": np.array([number], np.float32)})
        if number > 100:
            assert _value(buffer, number / 25 * 1.001) == pytest.approx(number - 2.5, abs=0.15)


def test_memory_does_not_grow_though_nobody_looks():
    buffer = JitterBuffer()
    for number in range(5000):
        buffer.push(number / 9999, 1000 + number / 9999, {"x": np.zeros(1, np.float32)})
    assert len(buffer._times) <= 256 and len(buffer._offsets) <= 256


def test_a_sender_s_clock_goes_on_where_it_begins_anew_or_says_nothing():
    clock = SenderClock()
    sent = [(50.0, 1.0), (50.5, 1.5), (0.0, 2.0), (0.5, 2.6), (None, 3.0), (1.0, 3.1), (-86_000.0, 3.5)]
    times = [clock(*each) for each in sent]
    np.testing.assert_allclose(times, [50.0, 50.5, 51.0, 51.5, 51.9, 52.0, 52.4])


def test_a_frame_that_was_overtaken_keeps_its_time():
    clock = SenderClock()
    assert [clock(1.0, 5.0), clock(1.2, 5.2), clock(1.1, 5.21), clock(1.3, 5.3)] == pytest.approx([1.0, 1.2, 1.1, 1.3])


@pytest.mark.parametrize("jump", [0.9, 0.05, -0.9])
def test_small_jumps_do_not_add_up(jump):
    clock = SenderClock()
    times = [clock(number * jump, 7 + number / 60) for number in range(180)]
    assert max(times) - min(times) <= 179 / 60 + 2 * ANEW


def test_a_sender_whose_clock_is_too_fast_goes_on_without_a_jump():
    clock = SenderClock()
    times = np.array([clock(number / 25 * 1.01, number / 25) for number in range(5000)])
    assert (np.diff(times) > 0.039).all() and (np.diff(times) < 0.041).all()
    assert times[-1] == pytest.approx(4999 / 25 + ANEW)


def test_what_a_network_held_back_keeps_its_times():
    clock = SenderClock()
    arrived = [number / 25 if not 50 <= number < 70 else 2.8 for number in range(250)]
    times = [clock(number / 25, when) for number, when in enumerate(arrived)]
    np.testing.assert_allclose(times, np.arange(250) / 25, atol=1e-9)
