import contextlib
import gzip
import json
import math
import struct

import pytest
import torch
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from tests.viewer.export.scenes import assert_close, decibels, random_gaussians, tiny_frames
from viewer.export.axes import turned
from viewer.export.options import FormatOptions
from viewer.export.spz import EXTENSION, read_spz, spz_bytes
from viewer.export.stills import write_spz

FACTS = {"subject": "Zoë", "synthetic": "made"}


def _one() -> Gaussians:
    rotation = torch.tensor([[0.5, -0.5, 0.5, math.sqrt(0.25)]])
    sh = torch.tensor([[[0.0, 1.0, -1.0], [0.5, -0.5, 0.25], [0.0, 0.0, 0.0], [1.0, -1.0, 0.125]]])
    return Gaussians(torch.tensor([[0.25, -0.25, 2.0**-18]]), rotation, torch.tensor([[-5.0, -6.0, -9.5]]), torch.tensor([0.0]), sh)


# Attribute by attribute: 65536, -65536 and 1 in three bytes each; 127.5 rounded to even; 255 (0.15 sh + 0.5); 16 (s + 10).
_ATTRIBUTES = (
    bytes([0, 0, 1, 0, 0, 255, 1, 0, 0]),
    bytes([128]),
    bytes([128, 166, 89]),
    bytes([80, 64, 8]),
    # x is the largest (first of equals) and negative, so that all signs turn: y -, z -, w -, each 511 / sqrt 2 = 361.
    struct.pack("<I", (0 << 30) | ((512 | 361) << 20) | ((512 | 361) << 10) | (512 | 361)),
    bytes([192, 64, 160, 128, 128, 128, 255, 0, 144]),
)


def test_golden_bytes_of_version_3():
    data = spz_bytes(_one(), version=3)
    assert data[:10] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
    assert gzip.decompress(data) == struct.pack("<IIIBBBB", 0x5053474E, 3, 1, 1, 18, 0, 0) + b"".join(_ATTRIBUTES)


def test_golden_bytes_of_version_4():
    data = spz_bytes(_one(), version=4, facts=FACTS)
    words = json.dumps(FACTS, ensure_ascii=False).encode()
    contents = 32 + 8 + len(words)
    assert data[:32] == struct.pack("<IIIBBBBI12x", 0x5053474E, 4, 1, 1, 18, 2, 6, contents)
    assert data[32:contents] == struct.pack("<II", EXTENSION, len(words)) + words
    start = contents + 6 * 16
    for index, attribute in enumerate(_ATTRIBUTES):
        packed, whole = struct.unpack_from("<QQ", data, contents + 16 * index)
        assert whole == len(attribute) and zstandard.decompress(data[start : start + packed]) == attribute
        start += packed
    assert start == len(data)


def test_a_file_without_harmonics_has_five_streams():
    assert spz_bytes(random_gaussians(3))[15] == 5


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("degree", [0, 1, 3])
def test_values_return_within_their_bits(version, degree):
    gaussians = random_gaussians(400, degree)
    read = read_spz(spz_bytes(gaussians, version=version, facts=FACTS))
    assert read.facts == FACTS and read.layout == {"version": version, "bits": 18, "degree": degree}
    assert_close(
        read.gaussians, gaussians, position=0.5 / 2**18, rotation=0.0025, log_scale=1 / 32, opacity=0.5 / 255, colour=0.2820948 * 0.5 / (255 * 0.15)
    )
    assert torch.allclose(read.gaussians.sh[:, 1:], gaussians.sh[:, 1:], atol=0.5 / 128 + 1e-6)


@pytest.mark.parametrize("version", [3, 4])
def test_splat_transform_reads_it(tmp_path, splat_transform, version):
    gaussians = random_gaussians(500)
    (tmp_path / "a.spz").write_bytes(spz_bytes(gaussians, version=version, facts=FACTS))
    read = splat_transform(tmp_path / "a.spz")
    # Its PLY points down as all of them do.
    assert (turned(read, "-y").position - gaussians.position).abs().max() <= 0.5 / 2**18 + 1e-7
    assert decibels(gaussians, read, "-y") > 35


@pytest.mark.parametrize(("factor", "bits"), [(1, 18), (100, 18), (1000, 16), (1e5, 9)])
def test_large_scenes_have_fewer_bits(factor, bits):
    data = spz_bytes(turned(random_gaussians(50), "y", factor))
    assert read_spz(data).layout["bits"] == bits


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match="--scale"):
        spz_bytes(turned(random_gaussians(5), "y", 1e6))


def test_the_same_content_gives_the_same_bytes():
    for version in (3, 4):
        assert spz_bytes(random_gaussians(9), version=version) == spz_bytes(random_gaussians(9), version=version)


def test_the_file_says_what_it_is(tmp_path):
    for version in (3, 4):
        write_spz(tiny_frames(up="y"), tmp_path / "a.spz", FormatOptions(spz_version=version), lambda *_: None)
        assert read_spz((tmp_path / "a.spz").read_bytes()).facts["subject"] == "nobody"


def _claim(count: int, version: int) -> bytes:
    header = struct.pack("<IIIBBBB", 0x5053474E, version, count, 0, 12, 0, 5)
    if version < 4:
        return gzip.compress(header + b"\0" * 40)
    return header + struct.pack("<I12x", 32) + b"".join(struct.pack("<QQ", 1, size * count) for size in (9, 1, 3, 3, 4)) + b"\0" * 5


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("count", [0, 1000, 40_000_000, 2**32 - 1])
def test_counts_that_the_bytes_cannot_hold_are_refused(version, count):
    with pytest.raises(UserError, match=r"a\.spz"):
        read_spz(_claim(count, version), "a.spz")


def test_a_zstd_bomb_is_not_blown_up():
    data = bytearray(spz_bytes(random_gaussians(10), version=4))
    bomb = zstandard.compress(b"\0" * (64 << 20))
    packed = struct.unpack_from("<Q", data, 32)[0]
    start = 32 + 5 * 16
    data[start : start + packed] = bomb
    struct.pack_into("<Q", data, 32, len(bomb))
    with pytest.raises(UserError, match="91 bytes where 90"):
        read_spz(bytes(data), "a.spz")


@pytest.mark.parametrize("version", [1, 2, 5])
def test_other_versions_are_named(version):
    with pytest.raises(UserError, match=f"version {version}"):
        read_spz(_claim(1, version), "a.spz")


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([3, 4]), st.binary(max_size=40), st.integers(0, 220), st.integers(0, 40))
def test_any_bytes_are_read_or_refused(version, noise, place, length):
    data = bytearray(spz_bytes(random_gaussians(4, 1), version=version, facts=FACTS))
    data[place : place + length] = noise
    with contextlib.suppress(UserError):
        read_spz(bytes(data))
