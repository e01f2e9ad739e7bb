"""Films and motions from the command line, and what it says where something cannot be."""

from dataclasses import replace

import av
import numpy as np
import pytest
from PIL import Image

from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion, save_motion
from avatar3d.spherical import read_stereo
from tests.avatar3d.tiny import tiny_head, tiny_motion


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    """Four frames with sound."""
    path = tmp_path_factory.mktemp("motion") / "m.npz"
    save_motion(replace(rest_motion(load_head(), 4), sound=np.zeros(2560, np.float32), sound_rate=16000), path)
    return path


@pytest.mark.parametrize("name", ["a.mov", "a.webm"])
def test_a_film_with_alpha(run, small_avatar, motion, tmp_path, name):
    outcome = run("render", small_avatar, "--motion", motion, "-o", tmp_path / name, "--alpha", "--size", 64)
    assert outcome.status == 0, outcome.err
    with av.open(str(tmp_path / name)) as container:
        assert len(list(container.decode(video=0))) == 4 and len(container.streams.audio) == 1


def test_a_folder_of_pictures(run, small_avatar, motion, tmp_path):
    outcome = run("render", small_avatar, "--motion", motion, "-o", tmp_path / "out", "--alpha", "--size", 64)
    assert outcome.status == 0 and Image.open(tmp_path / "out" / "out_00004.png").mode == "RGBA"


def test_export_makes_the_same_film(run, small_avatar, motion, tmp_path):
    words = ("--motion", motion, "--size", 64, "--camera", "stereo", "--layout", "over-under")
    assert run("render", small_avatar, *words, "-o", tmp_path / "a.mp4").status == 0
    assert run("export", small_avatar, *words, "-o", tmp_path / "b.mp4", "--format", "mp4").status == 0
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert read_stereo(tmp_path / "a.mp4").over_under


def test_another_rate_keeps_the_duration(run, small_avatar, motion, tmp_path):
    assert run("render", small_avatar, "--motion", motion, "-o", tmp_path / "a.mp4", "--size", 64, "--fps", 50).status == 0
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 8


@pytest.mark.parametrize(("format", "name"), [("arkit-csv", "a.csv"), ("bvh", "a.bvh"), ("motion-json", "a.json"), ("motion-npz", "a.npz")])
def test_motions(run, small_avatar, motion, tmp_path, format, name):
    outcome = run("export", small_avatar, "--motion", motion, "-o", tmp_path / name, "--format", format, "--every", 2)
    assert outcome.status == 0 and "2 frames" in outcome.out and (tmp_path / name).is_file()


def test_a_page_of_viser(run, small_avatar, motion, tmp_path):
    outcome = run("export", small_avatar, "--motion", motion, "-o", tmp_path / "a.html", "--format", "viser-html")
    assert outcome.status == 0 and outcome.out.splitlines()[0].startswith(f"{tmp_path / 'a.html'}: 4 frames")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("-o", "a.mp4", "--alpha"), ("a.mp4", ".mov")),
        (("-o", "a.avi"), ("a.avi", ".mp4", "folder")),
        (("-o", "a.mp4", "--show", "depth"), ("a.mp4", "folder")),
        (("-o", "a.mov", "--exr"), ("--exr", "folder")),
        (("-o", "a.mp4", "--layout", "over-under"), ("--layout", "--camera stereo")),
        (("-o", "a.mp4", "--camera", "vr180", "--size", "4608"), ("--size 4608", "4096")),
        (("-o", "a.mov", "--background", "capture"), ("a.mov", ".mp4")),
        (("-o", "a.mp4", "--background", "capture", "--camera", "vr180"), ("--background capture", "--camera")),
    ],
)
def test_what_cannot_be_is_refused(refused, small_avatar, motion, tmp_path, words, match):
    option, name, *others = words
    refused("render", small_avatar, "--motion", motion, option, tmp_path / name, *others, match=match)
    assert not list(tmp_path.iterdir())


def test_below_a_file_is_refused(refused, small_avatar, motion, tmp_path):
    (tmp_path / "file").touch()
    for name in ("a.webm", "out"):
        refused("render", small_avatar, "--motion", motion, "-o", tmp_path / "file" / name, "--alpha", match=("file",))


@pytest.mark.parametrize(("format", "name"), [("bvh", "a.bvh"), ("arkit-csv", "a.csv"), ("vhap", "out"), ("png-seq", "out"), ("mp4", "a.webm")])
def test_a_motion_of_another_head_is_refused(refused, small_avatar, tmp_path, format, name):
    save_motion(tiny_motion(tiny_head(), 3), tmp_path / "m.npz")
    refused("export", small_avatar, "--motion", tmp_path / "m.npz", "-o", tmp_path / name, "--format", format, match=("m.npz", "head"))
    assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]


def test_vhap_is_for_flame(refused, small_avatar, motion, tmp_path):
    refused("export", small_avatar, "--motion", motion, "-o", tmp_path / "out", "--format", "vhap", match=("FLAME", "embedded", "retarget"))
    assert not list(tmp_path.iterdir())


def test_options_of_other_formats_are_refused(refused, small_avatar, motion, tmp_path):
    refused("export", small_avatar, "--motion", motion, "-o", tmp_path / "a.bvh", "--format", "bvh", "--alpha", match=("--alpha", "bvh", "mp4"))
