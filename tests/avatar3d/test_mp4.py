"""Writing MP4: right colours, sound in step, whole or not at all."""

import resource
import signal
from fractions import Fraction

import av
import numpy as np
import pytest

from avatar3d.errors import UserError
from avatar3d.mp4 import SYNTHETIC, VideoWriter
from avatar3d.sound import read_sound


def grey(value: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((size[1], size[0], 3), value, np.uint8)


def decoded(path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize(("fps", "rate"), [(Fraction(25), 16000), (Fraction(30000, 1001), 44100), (Fraction(30), 15000)])
def test_click_is_heard_with_the_flash(tmp_path, fps, rate):
    flash = 45
    sound = np.zeros(3 * rate, np.float32)
    start = round(flash / fps * rate)
    sound[start : start + rate // 50] = 0.8 * np.sin(np.arange(rate // 50) * 2 * np.pi * 1000 / rate)
    with VideoWriter(tmp_path / "a.mp4", fps=fps, size=(64, 48), sound=sound, sound_rate=rate) as video:
        for i in range(70):
            video.write(grey(255 if i == flash else 20))
    frames = decoded(tmp_path / "a.mp4")
    seen = [frame.time for frame in frames if frame.to_ndarray(format="rgb24").mean() > 128]
    heard = np.argmax(np.abs(read_sound(tmp_path / "a.mp4", rate)) > 0.3) / rate
    assert len(frames) == 70 and len(seen) == 1
    assert seen[0] == pytest.approx(flash / float(fps), abs=1e-4)
    assert heard == pytest.approx(seen[0], abs=0.003)


def test_sound_ends_with_the_picture(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=Fraction(25), size=(64, 48), sound=np.ones(16000 * 5, np.float32) * 0.1, sound_rate=16000) as video:
        for _ in range(25):
            video.write(grey(0))
    assert len(read_sound(tmp_path / "a.mp4")) == pytest.approx(16000, abs=1024)


@pytest.mark.parametrize("colour", [(200, 30, 90), (20, 180, 60), (255, 255, 255), (0, 0, 0)])
def test_colours_survive_and_are_tagged(tmp_path, colour):
    with VideoWriter(tmp_path / "a.mp4", fps=Fraction(25), size=(64, 48)) as video:
        for _ in range(3):
            video.write(np.broadcast_to(np.array(colour, np.uint8), (48, 64, 3)).copy())
    frame = decoded(tmp_path / "a.mp4")[1]
    assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)
    assert np.abs(frame.to_ndarray(format="rgb24")[20, 20].astype(int) - colour).max() <= 3


def test_odd_sizes_are_extended_by_a_pixel(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=Fraction(25), size=(63, 47)) as video:
        video.write(grey(120, (63, 47)))
    frame = decoded(tmp_path / "a.mp4")[0].to_ndarray(format="rgb24")
    assert frame.shape == (48, 64, 3)
    assert np.abs(frame.astype(int) - 120).max() <= 3


def test_metadata_says_that_it_is_synthetic(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", fps=Fraction(25), size=(64, 48), title="A talk") as video:
        video.write(grey(0))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.metadata["comment"] == SYNTHETIC
        assert container.metadata["title"] == "A talk"


def test_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        rng = np.random.default_rng(0)
        with VideoWriter(tmp_path / name, fps=Fraction(25), size=(64, 48), sound=np.zeros(8000, np.float32), sound_rate=16000) as video:
            for _ in range(12):
                video.write(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="renderer"), VideoWriter(path, fps=Fraction(25), size=(64, 48)) as video:
        video.write(grey(0))
        raise RuntimeError("the renderer broke")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_frame_size_is_a_defect_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match="shape"), VideoWriter(tmp_path / "a.mp4", fps=Fraction(25), size=(64, 48)) as video:
        video.write(grey(0, (48, 64)))


def test_no_frame_is_refused(tmp_path):
    with pytest.raises(UserError, match="no frame"), VideoWriter(tmp_path / "a.mp4", fps=Fraction(25), size=(64, 48)):
        pass
    assert not list(tmp_path.iterdir())


def noise_video(path, frames: int = 60) -> None:
    rng = np.random.default_rng(0)
    with VideoWriter(path, fps=Fraction(25), size=(64, 48)) as video:
        for _ in range(frames):
            video.write(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))


def test_full_device_is_named():
    with pytest.raises(UserError, match="/dev/full: cannot be written"):
        noise_video("/dev/full")


def test_file_size_limit_is_named_and_nothing_is_left(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, before[0][1]))
        with pytest.raises(UserError, match="cannot be written"):
            noise_video(tmp_path / "a.mp4", 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before[0])
        signal.signal(signal.SIGXFSZ, before[1])
    assert not list(tmp_path.iterdir())


def test_path_below_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file"):
        noise_video(tmp_path / "file" / "a.mp4")
