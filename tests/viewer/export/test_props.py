import pytest
import torch

from avatar3d.errors import UserError
from tests.viewer.export.scenes import assert_close, random_gaussians, tiny_frames
from viewer.export.axes import turned
from viewer.export.options import FormatOptions
from viewer.export.ply import ply_bytes
from viewer.export.props import read_prop
from viewer.export.selection import Selection
from viewer.export.spz import spz_bytes
from viewer.export.stills import write_ply, write_spz


@pytest.mark.parametrize("up", ["y", "z", "-y"])
@pytest.mark.parametrize("write", [write_ply, write_spz])
def test_what_we_wrote_returns_to_our_axes_and_metres(tmp_path, up, write):
    selection = Selection(up=up, unit="cm")
    path = tmp_path / ("a.ply" if write is write_ply else "a.spz")
    write(tiny_frames(selection), path, FormatOptions(), lambda *_: None)
    expected = tiny_frames(up="y").gaussians(0)
    assert_close(read_prop(str(path)), expected, position=1e-5, rotation=0.003, log_scale=0.04, opacity=0.003, colour=0.004)


def test_files_of_others_are_in_the_axes_of_their_kind(tmp_path):
    gaussians = random_gaussians(9, 2)
    (tmp_path / "a.ply").write_bytes(ply_bytes(turned(gaussians, "-y"), degree=2))
    (tmp_path / "a.spz").write_bytes(spz_bytes(gaussians))
    assert torch.allclose(read_prop(str(tmp_path / "a.ply")).sh, gaussians.sh, atol=1e-5)
    for name in ("a.ply", "a.spz"):
        assert (read_prop(str(tmp_path / name)).position - gaussians.position).abs().max() < 1e-5


def test_a_place_moves_it(tmp_path):
    gaussians = random_gaussians(9)
    (tmp_path / "a@home.spz").write_bytes(spz_bytes(gaussians))
    assert torch.allclose(read_prop(f"{tmp_path}/a@home.spz@1,-2,0.5").position - gaussians.position, torch.tensor([1, -2, 0.5]), atol=1e-4)
    assert (read_prop(f"{tmp_path}/a@home.spz").position - gaussians.position).abs().max() < 1e-5


@pytest.mark.parametrize("text", ["a.spz@1,2", "a.spz@1,2,nan", "a.spz@x,y,z", "missing.ply", "a.obj"])
def test_what_is_no_prop_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.spz").write_bytes(spz_bytes(random_gaussians(3)))
    with pytest.raises(UserError, match=text.split("@")[0]):
        read_prop(text)
