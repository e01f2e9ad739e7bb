import contextlib
import json
import math
import struct
from dataclasses import replace

import lz4.block
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from avatar3d.sound import read_sound
from tests.viewer.export.scenes import decibels, random_gaussians, tiny_frames
from viewer.export.axes import turned
from viewer.export.gsd import frame_blob, morton_order, read_gsd, texture_side, write_gsd
from viewer.export.options import FormatOptions
from viewer.export.selection import Selection


def _write(path, **selection):
    frames = tiny_frames(Selection(**selection))
    write_gsd(frames, path, FormatOptions(), lambda *_: None)
    return frames


def test_golden_bytes_of_a_frame():
    pair = Gaussians(
        torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.5, -0.5, 0.25, -0.125]]),
        torch.log(torch.tensor([[0.5, 0.25, 0.125], [1.0, 2.0, 4.0]])),
        torch.zeros(2),
        torch.tensor([[[0.5, 1.0, 1.5]], [[2.0, 2.5, 3.0]]]),
    )
    pictures = [
        np.array([[3, 1, -2, 0], [4, 1, -2, 0], [0, 0, 0, 1], [0, 0, 0, 1]], "<f4"),
        np.array([[0, 0, -0.0, 1], [-0.125, -0.5, -0.25, 0.5], [0, 0, 0, 1], [0, 0, 0, 1]], "<f2"),
        np.array([[0.125, 0.5, 0.25, 0.5], [4, 1, 2, 0.5], [0, 0, 0, 0], [0, 0, 0, 0]], "<f2"),
        np.array([[0.5, 1, 1.5, 0], [2, 2.5, 3, 0], [0, 0, 0, 0], [0, 0, 0, 0]], "<f2"),
    ]
    blob = frame_blob(pair)
    start = 0
    for picture in pictures:
        rows = [row.tobytes() for row in picture]
        shuffled = b"".join(bytes(row[k] for row in rows) for k in range(len(rows[0])))
        assert blob[start : start + len(shuffled)] == shuffled
        start += len(shuffled)
    assert start == len(blob)


def test_the_file_as_its_layout_says(tmp_path):
    frames = _write(tmp_path / "a.gsd", every=2)
    data = (tmp_path / "a.gsd").read_bytes()
    length = struct.unpack_from("<I", data, 4)[0]
    header = json.loads(data[8 : 8 + length])
    assert data[:4] == b"GSD1" and header["frameCount"] == 3 and header["targetFPS"] == 12.5 and header["gaussianCount"] == 50
    start = 8 + length
    for index, entry in enumerate(header["frames"]):
        assert struct.unpack_from("<I", data, start)[0] == entry["compressedSize"]
        packed = data[start + 4 : start + 4 + entry["compressedSize"]]
        assert lz4.block.decompress(packed, uncompressed_size=40 * 64) == frame_blob(frames.gaussians(index))
        z, x, y = frames.gaussians(index).position[:, [2, 0, 1]].T.numpy() * 100
        assert entry["maxPosition"] == pytest.approx({"x": z.max(), "y": x.max(), "z": -y.min()}, rel=1e-5)
        start += 4 + entry["compressedSize"]
    assert start == len(data) and header["provenance"]["subject"] == "nobody"
    assert len(read_sound(tmp_path / "a.gsd.wav")) == round(frames.duration * 16000)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_pictures_are_the_same_to_the_eye(tmp_path, monkeypatch, degree):
    gaussians = random_gaussians(500, degree)
    frames = tiny_frames(frames=2)
    monkeypatch.setattr(type(frames), "gaussians", lambda self, index: turned(gaussians, "-y"))
    write_gsd(frames, tmp_path / "a.gsd", FormatOptions(), lambda *_: None)
    _, read = read_gsd(tmp_path / "a.gsd")
    for splats in read:
        assert decibels(gaussians, splats.gaussians, "-y") > 40
        assert splats.gaussians.sh.shape == gaussians.sh.shape


def test_neighbours_in_the_picture_are_near(tmp_path):
    position = np.random.default_rng(0).uniform(size=(4000, 3)).astype(np.float32)
    steps = [np.linalg.norm(np.diff(rows, axis=0), axis=1).mean() for rows in (position, position[morton_order(position)])]
    assert steps[1] < 0.2 * steps[0]
    assert sorted(morton_order(position)) == list(range(4000))


@pytest.mark.parametrize(("count", "side"), [(1, 1), (2, 2), (4, 2), (5, 3), (15000, 123)])
def test_the_picture_is_the_smallest_square(count, side):
    assert texture_side(count) == side == math.ceil(math.sqrt(count))


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda header, data: (header, b"JUNK" + data[4:]), "not a .gsd"),
        (lambda header, data: (header | {"version": 2}, data), "version 2"),
        (lambda header, data: (header | {"frameCount": 2**60}, data), "makes no sense"),
        (lambda header, data: (header | {"targetFPS": 0}, data), "makes no sense"),
        (lambda header, data: (header | {"shPrecision": 9}, data), "makes no sense"),
        (lambda header, data: (header | {"frames": [entry | {"textureWidth": 10**9} for entry in header["frames"]]}, data), "makes no sense"),
        (
            lambda header, data: (header | {"frames": [entry | {"textureWidth": 7000, "textureHeight": 7000} for entry in header["frames"]]}, data),
            "claims",
        ),
        (lambda header, data: (header, data[:-5]), "damaged|bytes|header says"),
    ],
)
def test_damage_is_refused_in_one_line(tmp_path, spoil, match):
    _write(tmp_path / "a.gsd")
    data = (tmp_path / "a.gsd").read_bytes()
    length = struct.unpack_from("<I", data, 4)[0]
    header, data = spoil(json.loads(data[8 : 8 + length]), data)
    words = json.dumps(header).encode().ljust(length)
    (tmp_path / "b.gsd").write_bytes(data[:4] + struct.pack("<I", len(words)) + words + data[8 + length :])
    with pytest.raises(UserError, match=match) as refusal:
        list(read_gsd(tmp_path / "b.gsd")[1])
    assert "b.gsd" in str(refusal.value)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, noise, place, length):
    path = tmp_path_factory.mktemp("gsd") / "a.gsd"
    _write(path, end=0.05)
    data = bytearray(path.read_bytes())
    data[place : place + length] = noise
    path.write_bytes(bytes(data))
    with contextlib.suppress(UserError):
        list(read_gsd(path)[1])


def test_silence_leaves_no_sound_file(tmp_path):
    frames = tiny_frames()
    write_gsd(replace(frames, motion=replace(frames.motion, sound=None)), tmp_path / "a.gsd", FormatOptions(), lambda *_: None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.gsd"]
