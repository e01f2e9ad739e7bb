import contextlib
import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.errors import UserError
from avatar3d.gaussians import SH_C0, Gaussians
from tests.viewer.export.scenes import decibels, random_gaussians, tiny_frames
from viewer.export.axes import turned
from viewer.export.options import FormatOptions
from viewer.export.splat import read_splat, splat_bytes
from viewer.export.stills import write_splat


def test_golden_bytes():
    pair = Gaussians(
        torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.5, -0.5, 0.5, -0.5]]),
        torch.log(torch.tensor([[0.5, 0.25, 0.125], [0.5, 0.5, 0.5]])),
        torch.tensor([0.0, 0.0]),
        torch.tensor([[[0.0, 0.5 / SH_C0, 9.0]], [[-9.0, 0.0, 0.0]]]),
    )
    small = struct.pack("<6f8B", 1, 2, 3, 0.5, 0.25, 0.125, 128, 255, 255, 128, 255, 128, 128, 128)
    large = struct.pack("<6f8B", 4, 5, 6, 0.5, 0.5, 0.5, 0, 128, 128, 128, 192, 64, 192, 64)
    assert splat_bytes(pair) == large + small


def _sorted(gaussians: Gaussians) -> Gaussians:
    order = torch.argsort(-(gaussians.log_scale.sum(1).exp() * torch.sigmoid(gaussians.opacity_logit)), stable=True)
    return Gaussians(*(getattr(gaussians, name)[order] for name in ("position", "rotation", "log_scale", "opacity_logit", "sh")))


def test_values_return_within_their_bytes():
    gaussians = random_gaussians(300)
    read = read_splat(splat_bytes(gaussians)).gaussians
    expected = _sorted(gaussians)
    assert torch.equal(read.position, expected.position)
    assert (read.log_scale - expected.log_scale).abs().max() < 1e-5
    assert 0.2820948 * (read.sh - expected.sh).abs().max() < 0.5 / 255 + 1e-5
    assert (torch.sigmoid(read.opacity_logit) - torch.sigmoid(expected.opacity_logit)).abs().max() < 0.5 / 255 + 1e-4
    turn = torch.minimum((read.rotation - expected.rotation).abs().amax(1), (read.rotation + expected.rotation).abs().amax(1))
    assert turn.max() < 0.012


def test_pictures_are_the_same_to_the_eye(tmp_path, splat_transform):
    gaussians = random_gaussians(500)
    (tmp_path / "a.splat").write_bytes(splat_bytes(turned(gaussians, "-y")))
    assert decibels(gaussians, read_splat((tmp_path / "a.splat").read_bytes()).gaussians, "-y") > 40
    assert decibels(gaussians, splat_transform(tmp_path / "a.splat"), "-y") > 40


def test_what_the_file_is_stands_beside_it(tmp_path):
    write_splat(tiny_frames(), tmp_path / "a.splat", FormatOptions(), lambda *_: None)
    assert json.loads((tmp_path / "a.splat.json").read_text())["subject"] == "nobody"
    assert (tmp_path / "a.splat").stat().st_size == 50 * 32


@pytest.mark.parametrize("data", [b"", b"x" * 33, np.full(8, np.nan, "<f4").tobytes()])
def test_other_bytes_are_refused(data):
    with pytest.raises(UserError, match=r"a\.splat"):
        read_splat(data, "a.splat")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=160))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(UserError):
        assert len(read_splat(data).gaussians) == len(data) // 32


def test_gaussians_without_a_size_are_refused():
    with pytest.raises(UserError, match="without a size"):
        read_splat(bytes(64))
