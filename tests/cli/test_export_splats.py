"""Exports of Gaussians from the command line, and what goes wrong with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.avatar_file import load_avatar, save_avatar
from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion, save_motion
from recon.bench import bench_motion
from tests.avatar3d.tiny import tiny_head
from tests.cli.disk import file_size_limit

FILES = {"ply": "a.ply", "splat": "a.splat", "spz": "a.spz", "gsd": "a.gsd"}
FOLDERS = {"ply-seq": "talk", "splat-seq": "talk", "spz-seq": "talk"}
ALL = FILES | FOLDERS


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    path = tmp_path_factory.mktemp("motion") / "m.npz"
    made = bench_motion(load_head(), 5)
    save_motion(replace(made, sound=np.zeros(3200, np.float32), sound_rate=16000), path)
    return path


def _spoiled(avatar, path, **changes):
    person = load_avatar(avatar, lambda *_: load_head())
    save_avatar(replace(person, **{name: change(getattr(person, name)) for name, change in changes.items()}), path)
    return path


@pytest.mark.parametrize(("name", "out"), ALL.items())
def test_every_format_is_written_and_checked(run, small_avatar, motion, tmp_path, name, out):
    outcome = run("export", small_avatar, "--format", name, "--motion", motion, "-o", tmp_path / out)
    assert outcome.status == 0 and "1000 Gaussians" in outcome.out and f"next: avatar3d check {tmp_path / out}" in outcome.out
    checked = run("check", tmp_path / out)
    assert checked.status == 0 and "SuperSplat: " in checked.out and checked.out.endswith(f"{tmp_path / out}: whole\n")
    assert run("info", tmp_path / out).status == 0


def test_the_selection_is_heeded(run, small_avatar, motion, tmp_path):
    words = ("--every", 2, "--start", 0.04, "--crop-shoulders", "--max-gaussians", 300, "--up", "z", "--unit", "cm", "--scale", 2)
    outcome = run("export", small_avatar, "--format", "spz-seq", "--motion", motion, "-o", tmp_path / "talk", *words)
    assert outcome.status == 0 and "2 frames of 300 Gaussians at 12.5/s" in outcome.out
    assert "--crop-shoulders" in outcome.err and "dB PSNR" in outcome.err
    assert "up: z; units_per_metre: 200" in run("check", tmp_path / "talk").out


def test_a_prop_comes_along(run, small_avatar, tmp_path):
    assert run("export", small_avatar, "--format", "spz", "-o", tmp_path / "prop.spz").status == 0
    outcome = run("export", small_avatar, "--format", "ply", "--prop", f"{tmp_path}/prop.spz@0.5,0,0", "-o", tmp_path / "two.ply")
    assert outcome.status == 0 and "2000 Gaussians" in outcome.out
    assert "within 0.9" in run("check", tmp_path / "two.ply").out


@pytest.mark.parametrize("name", FILES)
def test_a_full_device(refused, small_avatar, motion, name):
    refused("export", small_avatar, "--format", name, "--motion", motion, "-o", "/dev/full", match=("/dev/full", "no space left"))


@pytest.mark.parametrize(("name", "out"), ALL.items())
def test_a_disk_that_fills_up(refused, run, small_avatar, motion, tmp_path, name, out):
    with file_size_limit(8000):
        refused("export", small_avatar, "--format", name, "--motion", motion, "-o", tmp_path / out, match=("file too large", "free some space"))
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    # A sequence's folder may stay, to be gone on with; half a file may not.
    assert [path.name for path in left] == (["manifest.json"] if name in FOLDERS else [])
    if name in FOLDERS:
        refused("check", tmp_path / out, match=("frames are missing", "same export again"))
        assert run("export", small_avatar, "--format", name, "--motion", motion, "-o", tmp_path / out).status == 0
        assert run("check", tmp_path / out).status == 0


@pytest.mark.parametrize(("name", "out"), ALL.items())
def test_a_target_below_a_file(refused, small_avatar, tmp_path, name, out):
    (tmp_path / "file").write_text("mine")
    refused("export", small_avatar, "--format", name, "-o", tmp_path / "file" / out, match=("cannot make the folder",))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("name", "out"), ALL.items())
def test_gaussians_that_are_not_numbers(refused, small_avatar, tmp_path, name, out):
    def spoil(values):
        values = values.clone()
        values[7] = float("nan")
        return values

    broken = _spoiled(small_avatar, tmp_path / "nan.avatar", opacity_logit=spoil)
    refused("export", broken, "--format", name, "-o", tmp_path / out, match=("not numbers",))
    assert not [path for path in tmp_path.rglob("*") if path.name not in ("nan.avatar", out, "manifest.json")]


def test_no_gaussians_at_all(refused, small_avatar, tmp_path):
    per_gaussian = ("face", "bary", "position", "rotation", "log_scale", "opacity_logit", "colour")
    cuts = {name: lambda values: values[:0] for name in per_gaussian}
    cuts |= {f"{name}_basis": lambda values: torch.zeros_like(values[:, :0]) for name in ("position", "rotation", "colour")}
    empty = _spoiled(small_avatar, tmp_path / "empty.avatar", **cuts)
    refused("export", empty, "--format", "ply", "-o", tmp_path / "a.ply", match=("no Gaussian",))
    assert [path.name for path in tmp_path.iterdir()] == ["empty.avatar"]


def test_a_motion_of_another_head(refused, small_avatar, tmp_path):
    save_motion(rest_motion(tiny_head(), 3), tmp_path / "m.npz")
    refused("export", small_avatar, "--format", "gsd", "--motion", tmp_path / "m.npz", "-o", tmp_path / "a.gsd", match=("m.npz", "head"))


def test_a_motion_of_one_frame(run, small_avatar, tmp_path):
    save_motion(rest_motion(load_head(), 1), tmp_path / "m.npz")
    assert run("export", small_avatar, "--format", "gsd", "--motion", tmp_path / "m.npz", "-o", tmp_path / "a.gsd").status == 0
    assert "1 frames" in run("export", small_avatar, "--format", "ply-seq", "--motion", tmp_path / "m.npz", "-o", tmp_path / "talk").out


def test_a_file_that_is_no_splat(refused, tmp_path):
    (tmp_path / "a.spz").write_text("this is not a splat")
    refused("check", tmp_path / "a.spz", match=("a.spz", "not an SPZ"))
    refused("check", tmp_path / "missing.ply", match=("missing.ply", "no such file"))
