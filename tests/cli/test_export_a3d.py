"""--format a3d from the command line, and the program in docs/a3d.md on what it wrote."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar3d.avatar_file import load_avatar
from avatar3d.head.store import find_head, load_head
from avatar3d.motion import save_motion
from recon.bench import bench_motion

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Path:
    """The program of the page, built."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    folder = tmp_path_factory.mktemp("example")
    found = re.search(r"```cpp\n(.*?)```", (CHECKOUT / "docs" / "a3d.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    (folder / "example.cpp").write_text(found[1])
    include = CHECKOUT / "viewer" / "runtime"
    command = ["g++", "-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{include}", str(folder / "example.cpp"), "-o", str(folder / "example")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "example"


def _places(program: Path, file: Path) -> list[list[float]]:
    done = subprocess.run([str(program), str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [[float(word) for word in re.findall(r"-?\d+\.\d+", line)] for line in done.stdout.splitlines()]


def test_a_motion_is_exported_checked_and_played(run, small_avatar, tmp_path, example):
    motion = replace(bench_motion(load_head(), 60), sound=np.zeros(38400, np.float32), sound_rate=16000)
    save_motion(motion, tmp_path / "m.npz")
    told = run("export", small_avatar, "--format", "a3d", "--motion", tmp_path / "m.npz", "-o", tmp_path / "a.a3d")
    assert told.status == 0 and "1000 Gaussians, 60 frames, 2.4 s" in told.out, told
    checked = run("check", tmp_path / "a.a3d")
    assert checked.status == 0 and "mesh rig" in checked.out and "Synthetic" in checked.out and "whole" in checked.out
    assert "60 frames" in run("info", tmp_path / "a.a3d").out
    avatar = load_avatar(small_avatar, find_head)
    expected = [avatar.pose(motion, second).position[0].numpy() for second in range(3)]
    np.testing.assert_allclose(_places(example, tmp_path / "a.a3d"), expected, atol=6e-5)


def test_without_a_motion_the_program_moves_the_face(run, small_avatar, tmp_path, example):
    assert run("export", small_avatar, "--format", "a3d", "-o", tmp_path / "a.a3d").status == 0
    assert len(_places(example, tmp_path / "a.a3d")) == 3


def test_what_is_none_is_refused(refused, tmp_path):
    (tmp_path / "a.a3d").write_bytes(b"A3DB")
    refused("check", tmp_path / "a.a3d", match=("a.a3d", "is not an .a3d file"))


def test_options_of_posed_gaussians_mean_nothing_to_it(refused, small_avatar, tmp_path):
    refused("export", small_avatar, "--format", "a3d", "--up", "z", "-o", tmp_path / "a.a3d", match=("--up", "means nothing to --format a3d"))
