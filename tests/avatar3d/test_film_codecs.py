"""Films with alpha: edges without fringes, sound kept, the same words in the metadata."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from avatar3d.codecs import H264, PRORES_4444, VP9, codec_of
from avatar3d.errors import UserError
from avatar3d.mp4 import SYNTHETIC, VideoWriter
from avatar3d.sound import read_sound


def disc(size: int = 64) -> np.ndarray:
    """[H, W, 4] float: one colour everywhere, and a soft disc of alpha."""
    y, x = np.mgrid[:size, :size] + 0.5
    alpha = np.clip((20 - np.hypot(x - size / 2, y - size / 2)) / 6 + 0.5, 0, 1)
    return np.dstack([np.full((size, size), 0.8), np.full((size, size), 0.5), np.full((size, size), 0.15), alpha])


def filmed(path, picture, frames: int = 4, **options) -> None:
    codec = codec_of(path)
    most = (1 << codec.depth) - 1
    with VideoWriter(path, fps=Fraction(25), size=picture.shape[1::-1], codec=codec, alpha=picture.shape[2] == 4, **options) as video:
        for _ in range(frames):
            video.write((picture * most + 0.5).astype(f"uint{codec.depth}"))


def seen(path) -> list[np.ndarray]:
    """Frames [H, W, 4] float, by the decoder that knows alpha."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if stream.codec_context.name == "vp9":
            decoder = av.CodecContext.create("libvpx-vp9", "r")
            frames = [frame for packet in container.demux(stream) for frame in decoder.decode(packet)]
        else:
            frames = list(container.decode(stream))
    converted = [frame.reformat(format="rgba64le", src_colorspace=Colorspace.ITU709, src_color_range=ColorRange.MPEG) for frame in frames]
    return [frame.to_ndarray().astype(np.float64) / 65535 for frame in converted]


@pytest.mark.parametrize(("name", "error"), [("a.mov", 0.5), ("a.webm", 4.0)])
def test_alpha_and_straight_colour_come_back(tmp_path, name, error):
    picture = disc()
    filmed(tmp_path / name, picture)
    frames = seen(tmp_path / name)
    assert len(frames) == 4
    # A fringe would be a colour that darkens or lightens where alpha falls.
    assert np.abs(frames[2] - picture).max() * 255 < error


@pytest.mark.parametrize("name", ["a.mov", "a.webm"])
def test_a_film_without_alpha_is_opaque(tmp_path, name):
    filmed(tmp_path / name, disc()[..., :3])
    with av.open(str(tmp_path / name)) as container:
        assert "yuva" not in container.streams.video[0].codec_context.pix_fmt
        assert "ALPHA_MODE" not in container.streams.video[0].metadata


def test_browsers_are_told_of_the_alpha(tmp_path):
    filmed(tmp_path / "a.webm", disc())
    with av.open(str(tmp_path / "a.webm")) as container:
        assert container.streams.video[0].metadata["ALPHA_MODE"] == "1"


@pytest.mark.parametrize("name", ["a.mov", "a.webm"])
def test_sound_is_kept_in_step(tmp_path, name):
    sound = np.zeros(16000, np.float32)
    sound[8000:8400] = 0.8 * np.sin(np.arange(400) * 2 * np.pi * 1000 / 16000)
    filmed(tmp_path / name, disc(), frames=25, sound=sound, sound_rate=16000)
    heard = read_sound(tmp_path / name)
    assert len(heard) == pytest.approx(16000, abs=700)
    assert np.argmax(np.abs(heard) > 0.3) / 16000 == pytest.approx(0.5, abs=0.003)


@pytest.mark.parametrize("name", ["a.mov", "a.webm"])
def test_it_says_that_it_is_synthetic(tmp_path, name):
    filmed(tmp_path / name, disc(), title="A talk")
    with av.open(str(tmp_path / name)) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
    assert found["comment"] == SYNTHETIC and found["title"] == "A talk"


def test_mp4_has_no_alpha():
    with pytest.raises(ValueError, match="no alpha"):
        VideoWriter("a.mp4", fps=Fraction(25), size=(64, 64), codec=H264, alpha=True)


def test_frames_of_another_depth_are_a_defect_of_the_caller(tmp_path):
    with (
        pytest.raises(ValueError, match="uint16"),
        VideoWriter(tmp_path / "a.mov", fps=Fraction(25), size=(64, 64), codec=PRORES_4444, alpha=True) as video,
    ):
        video.write(np.zeros((64, 64, 4), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("codec", [PRORES_4444, VP9])
def test_full_device_is_named(codec):
    noise = np.random.default_rng(0)
    with (
        pytest.raises(UserError, match="/dev/full: cannot be written"),
        VideoWriter("/dev/full", fps=Fraction(25), size=(64, 64), codec=codec, alpha=True) as video,
    ):
        for _ in range(60):
            video.write(noise.integers(0, 256, (64, 64, 4)).astype(f"uint{codec.depth}"))
