import time

import numpy as np
import pytest

from driver.channels import NUM_CHANNELS
from driver.features import RATE, num_frames
from driver.live import Pace, _Reader, perform_live
from driver.stream import Stream


def in_real_time(sound: np.ndarray, piece: int = 640):
    began = time.monotonic()
    for start in range(0, len(sound), piece):
        time.sleep(max(0.0, began + (start + piece) / RATE - time.monotonic()))
        yield sound[start : start + piece]


def test_live_motion_is_that_of_the_stream_and_comes_in_order(tiny_net, lips, babble, monkeypatch):
    # However busy the machine that tests is, it does not hurry.
    monkeypatch.setattr("driver.live._CATCHING_UP", 10_000)
    sound = babble[:RATE]
    shown: list[int] = []
    frames, report = perform_live(in_real_time(sound), Stream(tiny_net, lips, steps=1), lambda number, frame: shown.append(number))
    stream = Stream(tiny_net, lips, steps=1)
    expected = np.concatenate([stream.push(sound), stream.finish()])
    np.testing.assert_array_equal(frames, expected)
    assert shown == sorted(shown) and len(shown) + report.late == len(frames) == report.frames
    assert report.reproducible and report.first > 0 and report.latency[0] <= report.latency[1] <= report.latency[2]


def test_frames_that_are_not_kept_are_delivered_and_counted(tiny_net, lips, babble):
    shown: list[int] = []
    rest, report = perform_live(in_real_time(babble[:RATE]), Stream(tiny_net, lips, steps=1), lambda number, frame: shown.append(number), keep=False)
    assert report.frames == num_frames(RATE) == len(shown) + report.late > len(rest)


def test_a_slow_machine_takes_fewer_steps(tiny_net, lips, babble, monkeypatch):
    def slow(net, lips, features, noise, given, known, steps, *rest):
        time.sleep(0.05 * steps)
        return np.zeros(noise.shape, np.float32)

    monkeypatch.setattr("driver.stream.sample_window", slow)
    sound = np.tile(babble, 2)[: 3 * RATE]
    frames, report = perform_live(in_real_time(sound), Stream(tiny_net, lips, steps=4), lambda number, frame: None)
    assert len(frames) == num_frames(len(sound))
    assert min(report.steps) == 1 and not report.reproducible
    # The sound came in time: it was the machine.
    assert report.busy > report.hurried
    assert "machine was busy" in report.happened()


def test_what_was_made_is_kept_when_the_source_fails(tiny_net, lips, babble):
    def failing():
        yield babble[: RATE // 2]
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged") as failed:
        perform_live(failing(), Stream(tiny_net, lips, steps=1), lambda number, frame: None)
    frames, _ = failed.value.performed
    assert frames.shape == (num_frames(RATE // 2), NUM_CHANNELS)


def test_steps_are_as_many_as_there_is_time_for():
    pace = Pace(4, 3)
    assert pace.steps(1) == 4
    pace.took(4, 0.2)
    assert pace.steps(1) == 1
    for _ in range(40):
        pace.took(1, 0.001)
    assert pace.steps(1) == 4 and pace.steps(5) == 1
    assert Pace(2, 3).steps(1) == 2


def test_a_stall_is_waited_for_and_what_follows_is_in_time(tiny_net, lips, babble):
    def stalling():
        yield from in_real_time(babble[:RATE])
        time.sleep(0.6)
        yield from in_real_time(babble[RATE : 2 * RATE])

    shown: list[int] = []
    frames, report = perform_live(stalling(), Stream(tiny_net, lips, steps=1), lambda number, frame: shown.append(number))
    # How late frames are is the machine's affair; that they go on being shown, and not all of them late, is ours.
    assert report.stalled > 0.3 and len(frames) == 50
    assert sum(number > 30 for number in shown) > 5


def test_a_burst_of_sound_is_the_sources_doing_and_not_the_machines(tiny_net, lips, babble, monkeypatch):
    monkeypatch.setattr("driver.stream.sample_window", lambda net, lips, features, noise, *rest: np.zeros(noise.shape, np.float32))
    sound = np.tile(babble, 3)

    def flushed():
        yield from in_real_time(sound[:RATE])
        time.sleep(0.8)
        for start in range(RATE, 3 * RATE, 320):
            yield sound[start : start + 320]
        yield from in_real_time(sound[3 * RATE : 4 * RATE])

    frames, report = perform_live(flushed(), Stream(tiny_net, lips, steps=4), lambda number, frame: None)
    assert len(frames) == num_frames(4 * RATE)
    assert report.stalled > 0.5 and report.burst > 1.5 and report.hurried > 20
    assert report.hurried + report.busy >= report.together and report.skipped > report.late
    assert "s late, and the motion waited" in report.happened() and "s of sound came at once" in report.happened()
    # What is said of the first frame and of all others is measured alike.
    assert 200 <= report.first <= report.latency[2]


def test_what_is_left_of_a_burst_or_a_stall_at_the_end_is_not_the_machines(tiny_net, lips, babble, monkeypatch):
    monkeypatch.setattr("driver.stream.sample_window", lambda net, lips, features, noise, *rest: np.zeros(noise.shape, np.float32))
    finish = Stream.finish

    def slowly(stream: Stream) -> np.ndarray:
        time.sleep(0.5)
        return finish(stream)

    monkeypatch.setattr(Stream, "finish", slowly)
    pieces = np.tile(babble, 3)[: 2 * RATE].reshape(-1, 320)
    frames, report = perform_live(iter(pieces), Stream(tiny_net, lips, steps=1), lambda number, frame: None)
    assert len(frames) == num_frames(2 * RATE)
    assert report.late == 0 and report.burst > 1.5 and report.jitter < 100

    def stalls():
        yield from in_real_time(babble[: RATE // 2])
        time.sleep(1.2)
        raise OSError("stalled")

    with pytest.raises(OSError, match="stalled") as raised:
        perform_live(stalls(), Stream(tiny_net, lips, steps=1), lambda number, frame: None)
    report = raised.value.performed[1]  # type: ignore[attr-defined]
    assert report.frames == num_frames(RATE // 2) and report.jitter < 500 and report.stalled == 0


def test_after_a_hiccup_frames_are_on_time_again(tiny_net, lips, babble, monkeypatch):
    monkeypatch.setattr("driver.stream.sample_window", lambda net, lips, features, noise, *rest: np.zeros(noise.shape, np.float32))

    def hiccup():
        yield from in_real_time(babble[:RATE])
        time.sleep(0.15)
        yield from in_real_time(np.tile(babble, 2)[: 2 * RATE])

    _, report = perform_live(hiccup(), Stream(tiny_net, lips, steps=1), lambda number, frame: None)
    assert report.stalled > 0.1 and report.late < report.frames / 3


def test_pieces_are_stamped_when_they_arrive_and_not_when_they_are_asked_for(babble):
    reader = _Reader(in_real_time(babble[: RATE // 2]))
    reader.start()
    reader.join()
    assert reader.more
    times = [when for when, _ in reader.pieces()]
    assert times[-1] - times[0] > 0.3 and not reader.more
