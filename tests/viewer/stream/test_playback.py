from fractions import Fraction

import numpy as np
import pytest

from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion
from tests.avatar3d.tiny import tiny_head, tiny_motion
from viewer.stream.playback import AHEAD, play, track_of


class Time:
    """A clock that runs while one sleeps, and sometimes by itself."""

    def __init__(self) -> None:
        self.now = 50.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Heard:
    """Keeps what comes, with when it came; `busy[number]` seconds pass at a frame."""

    def __init__(self, time: Time, busy: dict[int, float] | None = None, most: int = 1000) -> None:
        self.time, self.busy, self.most = time, busy or {}, most
        self.frames: list[tuple[float, float, float]] = []
        self.pieces: list[np.ndarray] = []
        self.ended: float | None = None

    def frame(self, time: float, values) -> None:
        self.frames.append((self.time.now - 50.0, time, float(values["x"][0])))
        self.time.now += self.busy.get(len(self.frames), 0.0)
        if len(self.frames) == self.most:
            raise KeyboardInterrupt

    def sound(self, samples: np.ndarray) -> None:
        self.pieces.append(samples)

    def end(self, time: float) -> None:
        self.ended = time


def _play(heard: Heard, frames: int = 10, **options) -> float:
    track = {"x": np.arange(frames, dtype=np.float32)[:, None]}
    return play(track, Fraction(25), heard, clock=heard.time.clock, sleep=heard.time.sleep, **options)


def test_every_frame_comes_when_it_is_due():
    heard = Heard(Time())
    _play(heard)
    when, due, values = np.array(heard.frames).T
    np.testing.assert_allclose(when, np.arange(10) / 25, atol=1e-9)
    np.testing.assert_allclose(due, np.arange(10) / 25)
    assert list(values) == list(range(10)) and heard.ended == 0.4
    assert heard.time.now == pytest.approx(50.4)


def test_a_busy_machine_leaves_frames_out_and_stays_in_time():
    heard = Heard(Time(), {3: 0.13})
    _play(heard)
    assert [value for _, _, value in heard.frames] == [0, 1, 2, 5, 6, 7, 8, 9]
    assert heard.frames[-1][0] == pytest.approx(9 / 25)


def test_a_machine_that_slept_goes_on_where_it_was():
    heard = Heard(Time(), {3: 3600.0})
    _play(heard)
    assert [value for _, _, value in heard.frames] == list(range(10))
    assert heard.frames[3][0] == pytest.approx(3600.08, abs=0.01)


def test_sound_comes_ahead_and_is_as_long_as_its_motion():
    heard, sound = Heard(Time()), np.arange(1, 3001, dtype=np.float32)
    _play(heard, sound=sound, rate=10_000)
    assert len(heard.pieces[0]) == round(AHEAD * 10_000)
    whole = np.concatenate(heard.pieces)
    np.testing.assert_array_equal(whole[:3000], sound)
    assert len(whole) == 6000 and not whole[3000:].any()


def test_a_loop_goes_on_in_time_and_each_round_begins_with_its_sound():
    heard, rate = Heard(Time(), most=40), 10_007
    sound = np.arange(rate, dtype=np.float32) + 1
    with pytest.raises(KeyboardInterrupt):
        _play(heard, frames=7, loop=True, sound=sound, rate=rate)
    assert [value for _, _, value in heard.frames] == [number % 7 for number in range(40)]
    assert heard.frames[-1][1] == pytest.approx(39 / 25)
    whole = np.concatenate(heard.pieces)
    starts = np.flatnonzero(whole == 1)
    np.testing.assert_allclose(starts / rate, np.arange(len(starts)) * 7 / 25, atol=1.01 / rate)
    assert len(starts) == 7


def test_a_track_has_every_channel_of_its_head():
    motion = tiny_motion(tiny_head())
    track = track_of(motion, tiny_head())
    assert list(track) == ["expr", "jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation", "neck_translation"]
    np.testing.assert_array_equal(track["jaw_pose"], motion.jaw_pose)
    head = load_head()
    whole = track_of(rest_motion(head, 3), head)
    assert all(len(values) == 3 for values in whole.values()) and ("eyelids" in whole) == (head.eyelid_basis is not None)
