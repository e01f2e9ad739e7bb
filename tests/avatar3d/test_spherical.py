"""Stereo and half spheres in MP4 and MOV: right bytes, read by FFmpeg, and the film otherwise as it was."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.codecs import codec_of
from avatar3d.errors import UserError
from avatar3d.mp4 import VideoWriter
from avatar3d.sound import read_sound
from avatar3d.spherical import Stereo, mark_stereo, read_stereo, stereo_boxes

VR180 = Stereo(over_under=False, half_sphere=True)
GOLDEN = (
    "0000000d73743364" "0000000002"
    "00000059" "73763364" "00000015" "73766864" "00000000" "617661746172336400"
    "0000003c" "70726f6a" "00000018" "70726864" + 16 * "00"
    + "0000001c" "65717569" "00000000" "00000000" "00000000" "40000000" "40000000"
)  # fmt: skip


def filmed(path, stereo, frames: int = 20):
    noise, codec = np.random.default_rng(0), codec_of(path)
    tone = np.sin(np.arange(16000) / 5).astype(np.float32) / 2
    with VideoWriter(path, fps=Fraction(25), size=(64, 32), sound=tone, sound_rate=16000, codec=codec, stereo=stereo) as video:
        for _ in range(frames):
            video.write(noise.integers(0, 256, (32, 64, 3)).astype(f"uint{codec.depth}"))
    return path


def pictures(path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def copied(path, to) -> bytes:
    """The film written again by FFmpeg, with what FFmpeg understood of it."""
    with av.open(str(path)) as source, av.open(str(to), "w", options={"strict": "-2"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return to.read_bytes()


def test_golden_bytes():
    assert stereo_boxes(VR180).hex() == GOLDEN
    assert stereo_boxes(Stereo(True, False)).hex() == "0000000d737433640000000001"


@pytest.mark.parametrize(("under", "code"), [(False, 2), (True, 1)])
def test_ffmpeg_reads_the_layout(tmp_path, under, code):
    again = copied(filmed(tmp_path / "a.mp4", Stereo(under, False)), tmp_path / "b.mp4")
    at = again.index(b"st3d")
    assert again[at + 8] == code and b"equi" not in again


def test_ffmpeg_reads_the_half_sphere(tmp_path):
    again = copied(filmed(tmp_path / "a.mp4", VR180), tmp_path / "b.mp4")
    at = again.index(b"equi") + 8
    assert np.frombuffer(again[at : at + 16], ">u4").tolist() == [0, 0, 1 << 30, 1 << 30]


def test_webm_says_the_layout(tmp_path):
    with av.open(str(filmed(tmp_path / "a.webm", Stereo(True, False)))) as container:
        assert container.streams.video[0].metadata["stereo_mode"] == "top_bottom"


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_pictures_and_sound_stay_as_they_were(tmp_path, name):
    (tmp_path / "plain").mkdir()
    plain, marked = filmed(tmp_path / "plain" / name, None), filmed(tmp_path / name, VR180)
    assert read_stereo(plain) is None and read_stereo(marked) == VR180
    assert np.array_equal(pictures(plain), pictures(marked))
    assert np.array_equal(read_sound(plain), read_sound(marked))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "plain"])


def test_what_is_no_film_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_text("not a film, but long enough to look like one")
    with pytest.raises(UserError, match=r"a\.mp4"):
        mark_stereo(tmp_path / "a.mp4", VR180)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_are_refused_or_read(tmp_path_factory, data):
    whole = _whole(tmp_path_factory)
    start = whole.index(b"moov")
    at = data.draw(st.integers(start, start + 900))
    path = tmp_path_factory.getbasetemp() / "damaged.mp4"
    path.write_bytes(whole[:at] + data.draw(st.binary(min_size=1, max_size=12)) + whole[at + 12 :])
    try:
        read_stereo(path)
    except UserError as error:
        assert "damaged.mp4" in str(error)


_CACHE: list[bytes] = []


def _whole(factory) -> bytes:
    if not _CACHE:
        _CACHE.append(filmed(factory.mktemp("whole") / "a.mp4", VR180, 3).read_bytes())
    return _CACHE[0]
