"""Pictures as they come."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from avatar3d.errors import UserError
from recon import live_source
from recon.live_source import in_real_time, on_a_grid, open_source
from tests.recon.tiny_video import number, numbered, write_video


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_video_is_played_at_its_own_speed():
    clock = Clock()
    times = [clock.now for _ in in_real_time(iter([np.zeros(1)] * 5), 10.0, clock, clock.sleep)]
    np.testing.assert_allclose(np.diff(times), 0.1)


def test_a_slow_decoder_is_not_waited_for_twice():
    clock = Clock()

    def slow():
        for index in range(4):
            clock.sleep(0.5 if index == 1 else 0.0)
            yield np.zeros(1)

    times = [clock.now for _ in in_real_time(slow(), 10.0, clock, clock.sleep)]
    np.testing.assert_allclose(np.array(times) - times[0], [0, 0.5, 0.5, 0.5])


@pytest.mark.parametrize(("spacing", "expected"), [(0.125, [0, 1, 2, 3]), (0.25, [0, 1, 1, 2, 2, 3, 3]), (0.0625, [0, 2])])
def test_a_camera_is_put_on_a_grid(spacing, expected):
    clock = Clock()

    def pictures():
        for index in range(4):
            if index:
                clock.sleep(spacing)
            yield np.array(index)

    assert [int(picture) for picture in on_a_grid(pictures(), 8.0, clock)] == expected


def test_a_video_keeps_its_frames_and_rate(tmp_path):
    path = write_video(tmp_path / "v.mp4", [numbered(i) for i in range(6)])
    source = open_source(str(path))
    assert (source.fps, source.width, source.height, source.expected) == (25, 64, 48, 6)
    assert [number(frame) for frame in source.frames] == list(range(6))


def test_fast_video_is_thinned(tmp_path):
    path = write_video(tmp_path / "v.mp4", [numbered(i) for i in range(12)], fps=60)
    assert open_source(str(path)).fps == Fraction(30)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.mp4"):
        open_source(str(tmp_path / "nowhere.mp4"))


@pytest.mark.parametrize("given", ["camera:77", "77", "/dev/video77"])
def test_a_missing_camera_is_named(given):
    with pytest.raises(UserError, match="77: no camera"):
        open_source(given)


class Filmed:
    """OpenCV's camera, that shows numbered frames and is let go at the end."""

    def __init__(self, device: int) -> None:
        self.device, self.index, self.released = device, 0, False

    def isOpened(self) -> bool:
        return True

    def set(self, *_: float) -> bool:
        return True

    def read(self):
        self.index += 1
        return (True, cv2.cvtColor(numbered(self.index % 20), cv2.COLOR_RGB2BGR)) if self.index < 60 else (False, None)

    def release(self) -> None:
        self.released = True


def test_a_camera_gives_rgb_and_is_let_go(monkeypatch):
    made = []
    monkeypatch.setattr(live_source.cv2, "VideoCapture", lambda device: made.append(Filmed(device)) or made[-1])
    source = open_source("camera:3", fps=Fraction(1000))
    assert (made[0].device, source.info, source.expected, source.name) == (3, None, None, "camera 3")
    frames = list(source.frames)
    assert frames and frames[0].shape == (48, 64, 3)
    assert tuple(frames[0][2, -2]) == (255, 0, 0)
    assert made[0].released
