import contextlib
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from tests.viewer.export.conftest import read_with_plyfile
from tests.viewer.export.scenes import assert_close, decibels, random_gaussians, tiny_frames
from viewer.export.axes import turned
from viewer.export.options import FormatOptions
from viewer.export.ply import ply_bytes, read_ply
from viewer.export.stills import write_ply


def test_golden_bytes():
    sh = torch.zeros(1, 4, 3)
    sh[0, 0] = torch.tensor([0.1, 0.2, 0.3])
    sh[0, 1:] = torch.arange(9.0).reshape(3, 3)
    one = Gaussians(
        torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.tensor([[-5.0, -6.0, -7.0]]), torch.tensor([0.5]), sh
    )
    data = ply_bytes(one, degree=1, normals=True, comments=["subject: nobody"])
    names = (
        "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 "
        + " ".join(f"f_rest_{i}" for i in range(9))
        + " opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    )
    header = "ply\nformat binary_little_endian 1.0\ncomment subject: nobody\nelement vertex 1\n"
    header += "".join(f"property float {name}\n" for name in names.split()) + "end_header\n"
    row = [1, 2, 3, 0, 0, 0, 0.1, 0.2, 0.3, 0, 3, 6, 1, 4, 7, 2, 5, 8, 0.5, -5, -6, -7, 1, 0, 0, 0]
    assert data == header.encode() + struct.pack("<26f", *row)


def test_the_usual_file_has_62_floats():
    data = ply_bytes(random_gaussians(3))
    assert len(data) - data.index(b"end_header\n") - 11 == 3 * 248


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_plyfile_reads_what_was_written(tmp_path, degree):
    gaussians = random_gaussians(100, degree)
    (tmp_path / "a.ply").write_bytes(ply_bytes(gaussians, degree=degree, normals=degree == 3))
    read = read_with_plyfile(tmp_path / "a.ply")
    for name in ("position", "rotation", "log_scale", "opacity_logit", "sh"):
        assert torch.equal(getattr(read, name), getattr(gaussians, name)), name


def test_splat_transform_reads_it_without_loss(tmp_path, splat_transform):
    gaussians = random_gaussians(500)
    (tmp_path / "a.ply").write_bytes(ply_bytes(turned(gaussians, "-y"), comments=["subject: nobody"]))
    assert decibels(gaussians, splat_transform(tmp_path / "a.ply"), "-y") > 60


@pytest.mark.parametrize(("has", "wanted"), [(0, 3), (3, 1), (3, 0), (1, 1)])
def test_harmonics_are_padded_or_cut(has, wanted):
    gaussians = random_gaussians(20, has)
    read = read_ply(ply_bytes(gaussians, degree=wanted)).gaussians
    shared = min(gaussians.sh.shape[1], read.sh.shape[1])
    assert read.sh.shape[1] == (wanted + 1) ** 2
    assert torch.equal(read.sh[:, :shared], gaussians.sh[:, :shared]) and not read.sh[:, shared:].any()


def test_the_file_says_what_it_is(tmp_path):
    frames = tiny_frames()
    write_ply(frames, tmp_path / "a.ply", FormatOptions(), lambda *_: None)
    read = read_ply((tmp_path / "a.ply").read_bytes())
    assert "Synthetic" in read.facts["synthetic"] and read.facts["subject"] == "nobody" and read.facts["up"] == "-y"
    assert_close(read.gaussians, frames.gaussians(0), rotation=1e-6)


def test_big_endian_doubles_and_other_elements_are_read():
    rows = np.zeros(2, [(name, ">f8") for name in ("opacity", *"zyx", "f_dc_0", "f_dc_1", "f_dc_2", "scale_0", "scale_1", "scale_2")] + [
        (f"rot_{i}", ">f4") for i in range(4)] + [("binding_0", ">i4")])  # fmt: skip
    rows["x"], rows["rot_0"], rows["binding_0"] = [1, 2], 2.0, [7, 9]
    header = ["ply", "format binary_big_endian 1.0", "element camera 2", "property uchar id", "element vertex 2"]
    header += [
        f"property {'double' if rows.dtype[name].itemsize == 8 else 'int' if name == 'binding_0' else 'float'} {name}" for name in rows.dtype.names
    ]
    read = read_ply("\r\n".join([*header, "end_header\r\n"]).encode() + b"\0\1" + rows.tobytes())
    assert read.gaussians.position[:, 0].tolist() == [1, 2] and read.gaussians.rotation[0].tolist() == [1, 0, 0, 0]
    assert read.binding is not None and read.binding.tolist() == [7, 9]


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda data: b"solid cube\n" + data, "not a PLY"),
        (lambda data: data[:-1], "breaks off"),
        (lambda data: data.replace(b"vertex 20", b"vertex 4000000000"), "claims"),
        (lambda data: data.replace(b"vertex 20", b"vertex 40000000"), "breaks off"),
        (lambda data: data.replace(b"vertex 20", b"vertex -1"), "claims"),
        (lambda data: data.replace(b"vertex 20", b"vertex 0 "), "no Gaussian"),
        (lambda data: data.replace(b"float opacity", b"float opacitx"), "without opacity"),
        (lambda data: data.replace(b"f_rest_44", b"f_rest_99"), "no whole degree"),
        (lambda data: data.replace(b"float scale_0", b"list uchar float scale_0"), "lists"),
        (lambda data: data.replace(b"binary_little_endian", b"ascii"), "ascii"),
        (lambda data: data.replace(b"element vertex", b"element chunk 0\nelement vertex"), "compressed PLY"),
        (lambda data: data.replace(b"float x", b"quad x"), "makes no sense"),
        (lambda data: data.replace(b"float y", b"float x"), "makes no sense"),
        (lambda data: data[:-4] + np.float32(np.nan).tobytes(), "1 of 20 Gaussians"),
    ],
)
def test_damage_is_refused_in_one_line(spoil, match):
    with pytest.raises(UserError, match=match) as refusal:
        read_ply(spoil(ply_bytes(random_gaussians(20), degree=3)), "me.ply")
    assert "\n" not in str(refusal.value) and "me.ply" in str(refusal.value)


def test_infinite_opacity_is_opaque():
    gaussians = random_gaussians(2)
    gaussians.opacity_logit[:] = torch.tensor([np.inf, -np.inf])
    assert torch.sigmoid(read_ply(ply_bytes(gaussians)).gaussians.opacity_logit).tolist() == pytest.approx([1, 0], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 60))
def test_any_bytes_are_read_or_refused(noise, place, length):
    data = bytearray(ply_bytes(random_gaussians(3), degree=0, normals=False))
    data[place : place + length] = noise
    with contextlib.suppress(UserError):
        read_ply(bytes(data))
