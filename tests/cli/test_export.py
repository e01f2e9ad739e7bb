import gzip
import sys

import pytest

from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion, save_motion
from tests.avatar3d.tiny import tiny_head
from viewer.export.motion_track import unpack_motion
from viewer.export.packed import read_packed


def test_an_avatar_becomes_a_page(run, small_avatar, tmp_path):
    outcome = run("export", small_avatar, "-o", tmp_path / "page")
    assert outcome.status == 0 and "http.server" in outcome.out
    assert (tmp_path / "page" / "index.html").is_file()


def test_one_file_where_the_name_says_so(run, small_avatar, tmp_path):
    outcome = run("export", small_avatar, "--format", "web", "-o", tmp_path / "page.html", "--background", "transparent")
    assert outcome.status == 0 and "open it in a browser" in outcome.out
    assert (tmp_path / "page.html").is_file()


def test_an_unknown_format_is_refused(refused, small_avatar, tmp_path):
    refused("export", small_avatar, "--format", "fbx", "-o", tmp_path / "x.fbx", match=("--format fbx", "web"))
    assert not list(tmp_path.iterdir())


def test_an_avatar_where_a_motion_belongs_is_called_by_its_name(refused, small_avatar, tmp_path):
    words = ("is an avatar, not a motion", "give a motion (.npz)")
    refused("export", small_avatar, "--motion", small_avatar, "-o", tmp_path / "page", match=words)
    refused("head", "retarget", small_avatar, "-o", tmp_path / "m.npz", match=words)
    refused("head", "info", small_avatar, match=("is an avatar, not a head model",))
    assert not list(tmp_path.iterdir())


def test_a_motion_of_another_head_is_refused(refused, small_avatar, tmp_path):
    save_motion(rest_motion(tiny_head(), 3), tmp_path / "m.npz")
    refused("export", small_avatar, "--motion", tmp_path / "m.npz", "-o", tmp_path / "page", match=("m.npz", "head"))


def test_a_name_of_another_kind_of_file_is_refused(refused, small_avatar, tmp_path):
    refused("export", small_avatar, "-o", tmp_path / "page.mp4", match=("page.mp4", ".html"))
    assert not list(tmp_path.iterdir())


def test_a_page_of_a_stretch_of_a_motion(run, refused, small_avatar, tmp_path):
    save_motion(rest_motion(load_head(), 50), tmp_path / "m.npz")
    given = ("export", small_avatar, "--motion", tmp_path / "m.npz", "-o", tmp_path / "page")
    assert run(*given, "--start", 0.4, "--end", 0.8).status == 0
    assert len(unpack_motion(read_packed(gzip.decompress((tmp_path / "page" / "motion.bin").read_bytes())))) == 10
    refused(*given, "--start", 99, match=("--start 99: choose a stretch of the motion, which lasts 2.00 s",))


def test_a_bad_colour_is_refused(refused, small_avatar, tmp_path):
    refused("export", small_avatar, "-o", tmp_path / "page", "--background", "red;}", match=("--background", "#204060"))


def test_the_avatar_is_not_overwritten(refused, small_avatar):
    refused("export", small_avatar, "-o", small_avatar, match=("also an input",))


def test_a_file_in_the_folders_place_is_refused(refused, small_avatar, tmp_path):
    (tmp_path / "page").write_text("mine")
    refused("export", small_avatar, "-o", tmp_path / "page", match=("is a file",))
    assert (tmp_path / "page").read_text() == "mine"


def test_a_page_that_speaks_by_itself(run, small_avatar, tmp_path):
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    outcome = run("export", small_avatar, "-o", tmp_path / "page", "--speech")
    assert outcome.status == 0 and "driver" in outcome.out and "runtime" in outcome.out
    assert (tmp_path / "page" / "speech.js").is_file()


def test_speech_without_its_packages_is_refused(refused, small_avatar, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    refused("export", small_avatar, "-o", tmp_path / "page", "--speech", match=("avatar3d[onnx]",))
    assert not list(tmp_path.glob("page*"))
