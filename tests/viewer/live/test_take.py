"""Recording: what was shown comes out, in step with what was heard."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from avatar3d.camera import look_at
from avatar3d.errors import UserError
from avatar3d.motion import CHANNELS, Motion
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.live.look import Look
from viewer.live.take import Moment, camera_between, film_take, motion_of_take, sound_of_take

RATE = 16000
AVATAR = tiny_avatar()
CAMERA = look_at(np.array([0.0, 0, 1]), np.zeros(3), focal=200, size=(80, 60))


def source(frames: int = 50) -> Motion:
    """Two seconds whose sound's samples are their own time in seconds, up to a factor."""
    return replace(tiny_motion(AVATAR.head, frames), sound=(np.arange(frames * RATE // 25) / RATE / 10).astype(np.float32), sound_rate=RATE)


def moments(motion: Motion, times, positions, speeds) -> list[Moment]:
    return [
        Moment(7.0 + time, motion.at(position), CAMERA, AVATAR, Look(), motion, position, speed)
        for time, position, speed in zip(times, positions, speeds, strict=True)
    ]


def test_a_motion_that_plays_comes_out_as_it_is():
    motion = source()
    times = np.arange(51) / 25
    take = motion_of_take(moments(motion, times, times, np.ones(51)))
    assert len(take) == 50 and take.fps == Fraction(25)
    for name in ("expr", *CHANNELS):
        if getattr(motion, name) is not None:
            np.testing.assert_allclose(getattr(take, name), getattr(motion, name), atol=2e-5)


def test_uneven_moments_are_put_on_an_even_clock():
    motion = replace(source(), expr=np.linspace(0, 1, 50, dtype=np.float32)[:, None] * np.ones((1, 6), np.float32))
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.02, 0.06, 40))
    times -= times[0]
    take = motion_of_take(moments(motion, times, times, np.ones(40)))
    np.testing.assert_allclose(take.expr[:, 0], np.arange(len(take)) / 49, atol=1e-3)


def test_sound_is_in_step_though_moments_are_uneven():
    motion = source()
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.02, 0.06, 40))
    times -= times[0]
    sound, rate = sound_of_take(moments(motion, times, 0.3 + times, np.ones(40)), round(times[-1] * 25))
    assert rate == RATE and sound is not None
    inside = sound[: int((times[-1] - 0.1) * RATE)]
    np.testing.assert_allclose(inside, (0.3 + np.arange(len(inside)) / RATE) / 10, atol=1e-4)


def test_a_pause_and_a_jump_are_heard_as_such():
    motion = source()
    times = np.arange(75) / 25
    # A second from 0.2 s on, a second at rest, a second from 0.5 s on.
    positions = np.concatenate([0.2 + times[:25], np.full(25, 1.2), 0.5 + times[:25]])
    speeds = np.concatenate([np.ones(25), np.zeros(25), np.ones(25)])
    sound, _ = sound_of_take(moments(motion, times, positions, speeds), 74)
    assert sound is not None
    at = lambda second: sound[int(second * RATE)] * 10  # noqa: E731
    assert at(0.5) == pytest.approx(0.7, abs=1e-3)
    assert at(1.5) == 0
    assert at(2.5) == pytest.approx(1.0, abs=1e-3)


def test_another_speed_is_heard():
    motion = source()
    times = np.arange(51) / 25
    sound, _ = sound_of_take(moments(motion, times, times / 2, np.full(51, 0.5)), 50)
    assert sound is not None and sound[RATE] * 10 == pytest.approx(0.5, abs=1e-3)


def test_silence_where_there_is_no_sound():
    motion = replace(source(), sound=None, sound_rate=0)
    times = np.arange(10) / 25
    assert sound_of_take(moments(motion, times, times, np.ones(10)), 9) == (None, 0)


def test_nothing_recorded_is_refused():
    with pytest.raises(UserError, match="nothing was recorded"):
        motion_of_take([])


def test_the_film_has_every_frame_and_the_sound(tmp_path):
    times = np.arange(26) / 25
    taken = moments(source(), times, times, np.ones(26))
    motion = motion_of_take(taken)
    path = tmp_path / "take.mp4"
    assert film_take(taken, motion, path, height=64, fallback=CAMERA) == 25
    with av.open(str(path)) as container:
        video = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert "Synthetic" in container.metadata["comment"]
    assert len(video) == 25 and video[0].shape == (64, 86, 3)
    assert max(np.abs(frame.astype(int) - frame[0, 0]).max() for frame in video) > 40
    with av.open(str(path)) as container:
        heard = sum(frame.samples for frame in container.decode(audio=0))
    assert heard >= RATE * 0.98


def test_a_camera_half_way():
    left = look_at(np.array([-0.5, 0, 1.0]), np.zeros(3), focal=100, size=(80, 60))
    right = look_at(np.array([0.5, 0, 1.0]), np.zeros(3), focal=140, size=(80, 60))
    half = camera_between(left, right, 0.5, (200, 150))
    assert half.fy == pytest.approx(120 * 150 / 60)
    np.testing.assert_allclose(half.project(np.array([[0.0, 0, 0]])), [[100, 75]], atol=1e-6)
    same = camera_between(left, right, 0.0, (80, 60))
    np.testing.assert_allclose(same.T_cam_world, left.T_cam_world, atol=1e-12)


def test_what_a_painter_showed_is_filmed(tmp_path):
    motion = source()
    times = np.arange(26) / 25

    def paint(scene, workspace, threads) -> np.ndarray:
        return np.full((40, 40, 3), round(100 * scene.position), np.uint8)

    shown = moments(motion, times, times, np.ones(26))
    take = [replace(moment, painter=paint) for moment in shown[:13]] + shown[13:]
    film_take(take, motion_of_take(take), tmp_path / "take.mp4", height=60, fallback=CAMERA)
    with av.open(str(tmp_path / "take.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    assert frames[0].shape == (60, 80, 3)
    # A square picture in a page that is wider has grey beside it.
    for index in (1, 6, 12):
        assert abs(frames[index][20:40, 30:50].mean() - 4 * index) < 5 and abs(frames[index][20:40, :6].mean() - 40) < 5
    assert frames[20][2, 2].mean() > 150
