"""Sound from any file, in step with its time stamps."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avatar3d.errors import UserError
from avatar3d.sound import read_sound, write_wav


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_sound(path: Path, channels: np.ndarray, rate: int, codec: str, form: str, starts: tuple[float, ...] = (0.0,)) -> Path:
    """Write [C, samples] once at each start (seconds)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo" if len(channels) == 2 else "mono")
        for start in starts:
            frame = av.AudioFrame.from_ndarray(channels.astype(np.float32), format="fltp", layout=stream.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = rate, round(start * rate), Fraction(1, rate)
            for piece in av.AudioResampler(format=form, layout=stream.layout.name, rate=rate).resample(frame):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def test_wav_survives_the_round_trip(tmp_path):
    samples = tone(0.3, 16000)
    write_wav(tmp_path / "a.wav", samples, 16000)
    assert np.abs(read_sound(tmp_path / "a.wav") - samples).max() < 1e-4


def test_wav_clips_instead_of_wrapping(tmp_path):
    write_wav(tmp_path / "a.wav", np.array([2.0, -2.0, 0.0], np.float32), 16000)
    assert np.allclose(read_sound(tmp_path / "a.wav"), [1, -1, 0], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [("a.m4a", "aac", "fltp"), ("a.flac", "flac", "s16"), ("a.ogg", "libopus", "flt"), ("a.wav", "pcm_s24le", "s32")],
)
def test_formats_and_rates_become_mono_at_the_wanted_rate(tmp_path, name, codec, form):
    path = write_sound(tmp_path / name, np.stack([tone(0.5, 48000)] * 2), 48000, codec, form)
    read, expected = read_sound(path, 16000), tone(0.5, 16000)
    assert read.dtype == np.float32 and abs(len(read) - 8000) < 1600
    middle = slice(2000, 6000)
    assert np.corrcoef(read[middle], expected[middle])[0, 1] > 0.99
    assert read[middle].std() == pytest.approx(expected[middle].std(), rel=0.05)


def test_channels_are_averaged(tmp_path):
    path = write_sound(tmp_path / "a.wav", np.stack([tone(0.2, 16000), -tone(0.2, 16000)]), 16000, "pcm_s16le", "s16")
    assert np.abs(read_sound(path)).max() < 1e-3


def test_hole_in_the_recording_is_silence(tmp_path):
    path = write_sound(tmp_path / "a.mkv", tone(0.2, 16000)[None], 16000, "pcm_s16le", "s16", starts=(0.0, 0.7))
    read = read_sound(path)
    assert len(read) == pytest.approx(0.9 * 16000, abs=32)
    assert np.abs(read[4000:11000]).max() < 1e-3 < np.abs(read[11300:14000]).max()


def no_sound_track(folder: Path) -> Path:
    with av.open(str(folder / "mute.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    return folder / "mute.mp4"


def no_samples(folder: Path) -> Path:
    write_wav(folder / "void.wav", np.zeros(0, np.float32), 16000)
    return folder / "void.wav"


def text(folder: Path) -> Path:
    (folder / "a.wav").write_text("No sound in here.\n" * 50)
    return folder / "a.wav"


def empty(folder: Path) -> Path:
    (folder / "a.mp3").touch()
    return folder / "a.mp3"


@pytest.mark.parametrize("make", [no_sound_track, no_samples, text, empty, lambda folder: folder, lambda folder: folder / "none.wav"])
def test_what_holds_no_sound_is_refused_in_one_line(tmp_path, make):
    path = make(tmp_path)
    with pytest.raises(UserError) as caught:
        read_sound(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_endless_sound_is_refused(tmp_path, monkeypatch):
    write_wav(tmp_path / "a.wav", tone(2.0, 8000), 8000)
    monkeypatch.setattr("avatar3d.sound.MAX_SECONDS", 1)
    with pytest.raises(UserError, match="longer"):
        read_sound(tmp_path / "a.wav")


def test_full_disk_is_named():
    with pytest.raises(UserError, match="/dev/full: cannot be written"):
        write_wav("/dev/full", np.zeros(100000), 16000)
