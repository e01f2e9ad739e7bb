import time

import numpy as np
import pytest

from driver.channels import NUM_CHANNELS
from driver.features import RATE, num_frames
from driver.live import Pace, _Clock, _Reader, perform_live
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
    assert shown == sorted(shown) and len(shown) + report.late + report.skipped == len(frames) == report.frames
    # A frame is made of what is heard 200 ms beyond its beginning.
    assert report.first is not None and report.latency is not None and report.jitter is not None
    assert report.reproducible and report.first >= 200 and report.latency[0] <= report.latency[1] <= report.latency[2]
    assert report.timing().startswith(f"first frame after {report.first:.0f} ms; sound to frame {report.latency[0]:.0f} ms")


def test_frames_that_are_not_kept_are_delivered_and_counted(tiny_net, lips, babble):
    shown: list[int] = []
    rest, report = perform_live(in_real_time(babble[:RATE]), Stream(tiny_net, lips, steps=1), lambda number, frame: shown.append(number), keep=False)
    assert report.frames == num_frames(RATE) == len(shown) + report.late + report.skipped > len(rest)


def test_a_slow_machine_takes_fewer_steps(tiny_net, lips, babble, monkeypatch):
    def slow(net, lips, features, noise, given, known, steps, *rest):
        time.sleep(0.05 * steps)
        return np.zeros(noise.shape, np.float32)

    monkeypatch.setattr("driver.stream.sample_window", slow)
    sound = np.tile(babble, 2)[: 3 * RATE]
    frames, report = perform_live(in_real_time(sound), Stream(tiny_net, lips, steps=4), lambda number, frame: None)
    assert len(frames) == num_frames(len(sound))
    assert min(report.steps) == 1 and not report.reproducible
    assert report.busy > 0 and "machine was busy" in report.happened()


def test_what_was_made_is_kept_when_the_source_fails(tiny_net, lips, babble):
    def failing():
        yield babble[: RATE // 2]
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged") as failed:
        perform_live(failing(), Stream(tiny_net, lips, steps=1), lambda number, frame: None)
    frames, _ = failed.value.performed  # type: ignore[attr-defined]
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
    # How late frames are is the machine's affair; that they go on being shown to the last is ours.
    assert report.stalled > 0.3 and len(frames) == 50 and shown[-1] == 49


def test_a_burst_of_sound_is_the_sources_doing_and_not_the_machines(tiny_net, lips, babble, monkeypatch):
    monkeypatch.setattr("driver.stream.sample_window", lambda net, lips, features, noise, *rest: np.zeros(noise.shape, np.float32))
    sound = np.tile(babble, 3)

    def flushed():
        yield from in_real_time(sound[:RATE])
        time.sleep(0.8)
        for start in range(RATE, 3 * RATE, 320):
            yield sound[start : start + 320]
        yield from in_real_time(sound[3 * RATE : 4 * RATE])

    shown: list[int] = []
    frames, report = perform_live(flushed(), Stream(tiny_net, lips, steps=4), lambda number, frame: shown.append(number))
    assert len(frames) == num_frames(4 * RATE) == len(shown) + report.late + report.skipped and shown[-1] == len(frames) - 1
    assert report.stalled > 0.5 and report.hurried + report.busy >= report.together
    # Half of the sound came at its own speed at most, and the line says of how many frames it speaks.
    assert 0 < report.measured < len(frames)
    assert (f"of the {report.measured} frames in 100" in report.timing()) == (report.measured < 50)
    assert "s late, and the motion waited" in report.happened()


def test_a_whole_sound_at_once_is_caught_up_with_after_its_end(tiny_net, lips, babble, monkeypatch):
    made: list[tuple[int, int]] = []

    def window(net, lips, features, noise, given, known, steps, *rest):
        made.append((len(noise), steps))
        return np.zeros(noise.shape, np.float32)

    monkeypatch.setattr("driver.stream.sample_window", window)
    sound = np.tile(babble, 2)[: 10 * RATE]
    shown: list[int] = []
    # The second piece is all but the first hundredth of a second, and comes with the end.
    frames, report = perform_live(iter([sound[:160], sound[160:]]), Stream(tiny_net, lips, steps=4), lambda number, frame: shown.append(number))
    assert len(frames) == num_frames(len(sound)) == 250 and shown[-1] == 249
    assert report.hurried > 200 and report.together > 200 and report.busy == 0
    assert not report.reproducible and "10.0 s of sound came at once" in report.happened() and "cannot be made again" in report.happened()
    # As in the middle of a stream: a few windows of one step, and frame by frame only what is heard to the end of the sound.
    assert sum(steps for _, steps in made) < 50 and len(made) < 30
    # None of it is the machine's lateness, and no time is claimed that was not measured.
    assert report.late == 0 and report.first is None and report.latency is None and report.jitter is None
    assert report.timing().startswith("no frame's sound came at its own speed") and " ms" not in report.timing()


def test_what_a_sound_that_ends_in_time_leaves_is_made_as_the_stream_makes_it(tiny_net, lips, babble, monkeypatch):
    monkeypatch.setattr("driver.live._CATCHING_UP", 10_000)
    sound = babble[: 2 * RATE]
    frames, report = perform_live(iter([sound[:160], sound[160:]]), Stream(tiny_net, lips, steps=1), lambda number, frame: None)
    stream = Stream(tiny_net, lips, steps=1)
    np.testing.assert_array_equal(frames, np.concatenate([stream.push(sound), stream.finish()]))
    assert report.reproducible


def test_many_pieces_at_once_do_not_all_wait_to_be_made(tiny_net, lips, babble, monkeypatch):
    monkeypatch.setattr("driver.stream.sample_window", lambda net, lips, features, noise, *rest: np.zeros(noise.shape, np.float32))
    waited: list[int] = []
    make = Stream.make

    def counted(stream: Stream, units: int = 1) -> np.ndarray:
        waited.append(stream.waiting)
        return make(stream, units)

    monkeypatch.setattr(Stream, "make", counted)
    pieces = np.tile(babble, 5)[: 32 * RATE].reshape(-1, 320)
    frames, _ = perform_live(iter(pieces), Stream(tiny_net, lips), lambda number, frame: None)
    assert len(frames) == 800 and max(waited) <= 24


def test_what_is_left_after_a_stall_at_the_end_is_not_the_machines_lateness(tiny_net, lips, babble, monkeypatch):
    monkeypatch.setattr("driver.stream.sample_window", lambda net, lips, features, noise, *rest: np.zeros(noise.shape, np.float32))
    given: list[bool] = []
    give = _Clock.give

    def noted(clock: _Clock, frames: np.ndarray, burst: bool = False) -> None:
        given.append(burst)
        give(clock, frames, burst)

    monkeypatch.setattr(_Clock, "give", noted)

    def stalls():
        yield from in_real_time(babble[: RATE // 2])
        time.sleep(1.2)
        raise OSError("stalled")

    with pytest.raises(OSError, match="stalled") as raised:
        perform_live(stalls(), Stream(tiny_net, lips, steps=1), lambda number, frame: None)
    report = raised.value.performed[1]  # type: ignore[attr-defined]
    assert report.frames == num_frames(RATE // 2) and given[-1]


def test_pieces_are_stamped_when_they_arrive_and_not_when_they_are_asked_for(babble):
    reader = _Reader(in_real_time(babble[: RATE // 2]))
    reader.start()
    reader.join()
    assert reader.more
    times = [when for when, _ in reader.pieces()]
    assert times[-1] - times[0] > 0.3 and not reader.more
