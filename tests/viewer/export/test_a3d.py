import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest

from avatar3d.errors import UserError
from tests.avatar3d.tiny import tiny_avatar, tiny_head, tiny_motion
from tests.viewer.export.scenes import tiny_frames
from tests.viewer.runtime.reading import sections_of
from viewer.export.a3d import Bundle, read_bundle, write_bundle
from viewer.export.a3d_bundle import bundle_of, check_a3d, packed_of, write_a3d
from viewer.export.checks import check_file, describe
from viewer.export.motion_track import unpack_motion
from viewer.export.options import FormatOptions
from viewer.export.selection import Selection
from viewer.export.targets import targets
from viewer.export.web_bundle import unpack_avatar

GOLDEN = bytes.fromhex(
    """
    41334442 0d0a1a0a 01000000 01000000 60010000 00000000 04000000 cef67224
    61626f75 74000000 00000000 00000000 00000000 00000000 03000000 01000000
    10000000 00000000 00000000 00000000 20010000 00000000 10000000 00000000
    7265616c 00000000 00000000 00000000 00000000 00000000 01000000 02000000
    01000000 02000000 00000000 00000000 30010000 00000000 08000000 00000000
    77686f6c 65000000 00000000 00000000 00000000 00000000 02000000 01000000
    01000000 00000000 00000000 00000000 40010000 00000000 04000000 00000000
    73686f72 74000000 00000000 00000000 00000000 00000000 04000000 01000000
    02000000 00000000 00000000 00000000 50010000 00000000 04000000 00000000
    7b227375 626a6563 74223a22 c3a9227d 0000803f 000020c0 00000000 00000000
    07000000 00000000 00000000 00000000 feff0300 00000000 00000000 00000000
    """
)
SAMPLE = Bundle(
    {"subject": "é"},
    {"real": np.array([[1, -2.5]], np.float32), "whole": np.array([7], np.uint32), "short": np.array([-2, 3], np.int16)},
    loops=True,
)


def test_golden_bytes():
    assert write_bundle(SAMPLE) == GOLDEN
    read = read_bundle(GOLDEN)
    assert read.about == SAMPLE.about and read.loops and list(read.arrays) == ["real", "whole", "short"]
    for name, array in SAMPLE.arrays.items():
        np.testing.assert_array_equal(read.arrays[name], array)
        assert read.arrays[name].dtype == array.dtype


def test_a_reader_that_knows_nothing_of_ours():
    avatar = tiny_avatar()
    motion = replace(tiny_motion(avatar.head), sound=np.linspace(-1.5, 1.5, 100, dtype=np.float32), sound_rate=8000)
    about, arrays, flags = sections_of(write_bundle(bundle_of(avatar, motion)))
    assert flags == 0 and about["subject"] == "nobody" and "not a recording" in about["synthetic"]
    np.testing.assert_array_equal(arrays["splat_position"], avatar.position.numpy())
    np.testing.assert_array_equal(arrays["basis"][:, :, 7:], avatar.colour_basis.numpy())
    np.testing.assert_array_equal(arrays["motion.expr"], motion.expr)
    np.testing.assert_array_equal(arrays["motion.fps"], [25, 1])
    assert (arrays["sound"].min(), arrays["sound"].max(), arrays["sound.rate"]) == (-32767, 32767, 8000)
    assert arrays["expr_names"].tobytes().decode().split("\n") == list(avatar.head.expr_names)


def test_python_reads_back_the_very_avatar():
    avatar = tiny_avatar()
    motion = tiny_motion(avatar.head)
    packed, track = packed_of(read_bundle(write_bundle(bundle_of(avatar, motion))))
    read, performed = unpack_avatar(packed), unpack_motion(track)
    for time in (0.0, 0.13, 0.4):
        a, b = avatar.pose(motion, time), read.pose(performed, time)
        for name in ("position", "rotation", "log_scale", "sh", "opacity_logit"):
            assert (getattr(a, name) - getattr(b, name)).abs().max() < 1e-5, name


def test_the_same_avatar_gives_the_same_bytes():
    assert write_bundle(bundle_of(tiny_avatar(), None)) == write_bundle(bundle_of(tiny_avatar(), None))


@pytest.mark.parametrize("moves", [True, False])
def test_a_head_that_may_not_be_given_away_leaves_none_of_it(moves):
    avatar = tiny_avatar(replace(tiny_head(), redistributable=False))
    bundle = bundle_of(avatar, tiny_motion(avatar.head) if moves else None)
    gaussians = {f"splat_{name}" for name in ("face", "bary", "position", "rotation", "log_scale", "opacity_logit", "colour")} | {"basis"}
    tracks = {f"motion.{name}" for name in ("fps", "coefficients", "weights", "rotation", "translation")}
    assert set(bundle.arrays) == gaussians | tracks | {"faces", "rest_area", "root", "track_mean", "track_components"}
    assert bundle.loops is not moves and "may not be given away, so this file holds no rig" in bundle.about["reason"]
    assert "expr_names" not in bundle.about and "sliders" not in bundle.about


def _spoil(data, at, values):
    """The file with other bytes, whose length and sum are right again."""
    data = data[:at] + values + data[at + len(values) :]
    data = data[:16] + struct.pack("<Q", len(data)) + data[24:]
    return data[:28] + struct.pack("<I", zlib.crc32(data[32:], zlib.crc32(data[:28]))) + data[32:]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "is not an .a3d file"),
        (b"PK" + GOLDEN[2:], "is not an .a3d file"),
        (_spoil(GOLDEN, 8, b"\2"), "newer avatar3d"),
        (GOLDEN[:-1], "says that it has"),
        (GOLDEN + b"\0", "says that it has"),
        (GOLDEN[:300] + b"\1" + GOLDEN[301:], "is damaged; copy"),
        (_spoil(GOLDEN, 24, b"\xff\xff\xff\xff"), "table that makes no sense"),
        (_spoil(GOLDEN, 96 + 24, b"\x09"), "type"),
        (_spoil(GOLDEN, 96 + 28, b"\x05"), "type"),
        (_spoil(GOLDEN, 96 + 32, b"\xff\xff\xff\xff\xff\xff\xff\xff"), "outside"),
        (_spoil(GOLDEN, 96 + 48, b"\x31"), "outside"),
        (_spoil(GOLDEN, 96 + 48, b"\x00\x00"), "outside"),
        (_spoil(GOLDEN, 96 + 48, b"\xf0\xff\xff\xff\xff\xff\xff\xff"), "outside"),
        (_spoil(GOLDEN, 0x130, b"\0\0\xc0\x7f"), "not numbers"),
        (_spoil(GOLDEN, 160, b"real\0"), "two sections"),
        (_spoil(GOLDEN, 0x120, b"["), "damaged"),
        (_spoil(GOLDEN, 32, b"abouT"), "damaged"),
    ],
)
def test_damage_is_refused_in_one_line(data, match):
    with pytest.raises(UserError, match=match) as refusal:
        read_bundle(data, "b.a3d")
    assert str(refusal.value).startswith("b.a3d: ") and "\n" not in str(refusal.value)


def test_sections_that_nobody_knows_are_let_be():
    bundle = bundle_of(tiny_avatar(), None)
    more = replace(bundle, arrays={"from_the_future": np.zeros((2, 2, 2, 2), np.uint8)} | bundle.arrays)
    assert len(unpack_avatar(packed_of(read_bundle(write_bundle(more)))[0])) == 50


def test_check_reads_it_to_its_end(tmp_path):
    path, frames = tmp_path / "talk.a3d", tiny_frames(Selection(start=0.08), up="y")
    told = write_a3d(frames, path, FormatOptions(), lambda *_: None)
    assert "50 Gaussians" in told and "4 frames" in told
    seen = []
    found = check_file(path, lambda done, total: seen.append((done, total)))
    positions = np.concatenate([frames.gaussians(index).position.numpy() for index in range(4)])
    np.testing.assert_allclose([found.low, found.high], [positions.min(axis=0), positions.max(axis=0)], atol=1e-5)
    assert (found.kind, found.count, found.frames, found.fps) == ("a3d", 50, 4, 25) and seen[-1] == (4, 4)
    assert found.facts["subject"] == "nobody" and found.layout["sound"] == "0.16 s"
    assert "50 Gaussians, 4 frames" in "\n".join(describe(path, found)) and "viewer/runtime" in targets(found)[0]


def test_check_says_why_tracks_have_no_expressions(tmp_path):
    (tmp_path / "a.a3d").write_bytes(write_bundle(bundle_of(tiny_avatar(replace(tiny_head(), redistributable=False)), None)))
    found = check_a3d(tmp_path / "a.a3d", lambda *_: None)
    assert found.layout["mesh"] == "tracks" and found.layout["loops"] == "yes" and "may not be given away" in found.remarks[0]
