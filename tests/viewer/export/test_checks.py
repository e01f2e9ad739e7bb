import json

import numpy as np
import pytest

from avatar3d.errors import UserError
from tests.viewer.export.scenes import random_gaussians, tiny_frames
from viewer.export.axes import axes_rotation
from viewer.export.checks import check_file, describe
from viewer.export.formats import FORMATS
from viewer.export.options import FormatOptions
from viewer.export.ply import ply_bytes
from viewer.export.selection import Selection
from viewer.export.targets import TARGETS, targets

_SPLATS = ("ply", "splat", "spz", "ply-seq", "splat-seq", "spz-seq", "gsd")


def _written(name, folder):
    format = FORMATS[name]
    path = folder / f"talk{format.suffixes[0]}"
    frames = tiny_frames(up=format.up)
    format.write(frames, path, FormatOptions(), lambda *_: None)
    return path, frames


@pytest.mark.parametrize("name", _SPLATS)
def test_every_format_is_read_to_its_end(tmp_path, name):
    path, frames = _written(name, tmp_path)
    seen = []
    found = check_file(path, lambda done, total: seen.append((done, total)))
    count = 1 if name in ("ply", "splat", "spz") else 6
    assert (found.kind, found.count, found.frames) == (name, 50, count) and seen[-1] == (count, count)
    assert found.facts["subject"] == "nobody" and "Synthetic" in found.facts["synthetic"] and found.facts["up"] == frames.up
    positions = np.concatenate([frames.gaussians(index).position.numpy() for index in range(count)])
    np.testing.assert_allclose([found.low, found.high], [positions.min(axis=0), positions.max(axis=0)], atol=3e-6)
    text = "\n".join(describe(path, found))
    assert "50 Gaussians" in text and "nobody" in text and "MB" in text


@pytest.mark.parametrize("name", _SPLATS)
def test_every_program_has_a_verdict(tmp_path, name):
    lines = targets(check_file(_written(name, tmp_path)[0]))
    assert len(lines) == len(TARGETS) and all(line.count(": ") >= 1 for line in lines)


def test_slim_files_are_told_from_those_that_old_readers_take(tmp_path):
    verdicts = {}
    for degree, normals in ((3, True), (0, False), (1, True)):
        (tmp_path / "a.ply").write_bytes(ply_bytes(random_gaussians(5), degree=degree, normals=normals))
        verdicts[degree] = TARGETS["Unity (aras-p)"](check_file(tmp_path / "a.ply"))
    assert verdicts[3].startswith("yes, in all") and "248" in verdicts[0] and "wrong" in verdicts[1]


def test_too_many_for_a_headset(tmp_path):
    (tmp_path / "a.ply").write_bytes(ply_bytes(random_gaussians(50_001), degree=0, normals=False))
    assert "--max-gaussians" in TARGETS["Quest browser"](check_file(tmp_path / "a.ply"))


def test_an_unfinished_sequence_is_no_whole_one(tmp_path):
    path, _ = _written("ply-seq", tmp_path)
    (path / "talk_00004.ply").unlink()
    with pytest.raises(UserError, match="1 of 6 frames are missing"):
        check_file(path)


def test_a_missing_sound_is_noticed(tmp_path):
    path, _ = _written("ply-seq", tmp_path)
    (path / "talk.wav").unlink()
    with pytest.raises(UserError, match=r"talk\.wav is missing"):
        check_file(path)


def test_a_damaged_frame_is_named(tmp_path):
    path, _ = _written("ply-seq", tmp_path)
    frame = path / "talk_00004.ply"
    frame.write_bytes(frame.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"talk_00004\.ply: breaks off"):
        check_file(path)


def test_frames_of_different_number_are_remarked(tmp_path):
    path, _ = _written("ply-seq", tmp_path)
    (path / "talk_00004.ply").write_bytes(ply_bytes(random_gaussians(9)))
    assert "frame 4 has 9 Gaussians" in check_file(path).remarks[0]


def test_files_of_others_are_read_too(tmp_path):
    (tmp_path / "a.ply").write_bytes(ply_bytes(random_gaussians(5, 3)))
    assert "written elsewhere" in describe(tmp_path / "a.ply", check_file(tmp_path / "a.ply"))[3]


def test_a_binding_is_remarked(tmp_path):
    plain = ply_bytes(random_gaussians(3), degree=0, normals=False)
    header, rows = plain.split(b"end_header\n")
    kinds = np.dtype([("row", "V56"), ("binding_0", "<i4")])
    bound = np.zeros(3, kinds)
    bound["row"], bound["binding_0"] = np.frombuffer(rows, "V56"), [4, 9975, 7]
    (tmp_path / "a.ply").write_bytes(header + b"property int binding_0\nend_header\n" + bound.tobytes())
    assert "number 9975" in check_file(tmp_path / "a.ply").remarks[0]


def test_a_manifest_that_lies_about_its_kind_is_refused(tmp_path):
    path, _ = _written("ply-seq", tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"pattern": "talk_%05d.exe"}))
    with pytest.raises(UserError):
        check_file(path)


@pytest.mark.parametrize(
    "lie", [{"fps": None}, {"fps": "fast"}, {"fps": 0}, {"fps": float("nan")}, {"kind": ["ply-seq"]}, {"sound": 7}, {"sound": "../talk.wav"}], ids=str
)
def test_a_manifest_of_nonsense_is_refused(tmp_path, lie):
    path, _ = _written("ply-seq", tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | lie))
    with pytest.raises(UserError, match="makes no sense"):
        check_file(path)


@pytest.mark.parametrize(
    ("up", "unit", "transform"),
    [
        ("-y", "m", "the scale (1, -1, 1)"),
        ("y", "m", "the scale (1, 1, -1)"),
        ("z", "cm", "the rotation (-90, 0, 0) and the scale (0.01, -0.01, 0.01)"),
    ],
)
def test_advice_goes_by_axes_and_units(tmp_path, up, unit, transform):
    FORMATS["ply"].write(tiny_frames(Selection(up=up, unit=unit)), tmp_path / "a.ply", FormatOptions(), lambda *_: None)
    found = check_file(tmp_path / "a.ply")
    assert transform in TARGETS["Unity (aras-p)"](found)
    assert ("not upright" in TARGETS["SuperSplat"](found)) == (up != "-y")
    assert ("scale it by 0.01" in TARGETS["SuperSplat"](found)) == (unit == "cm")


@pytest.mark.parametrize(("up", "turn", "mirrors"), [("-y", 0, (1, -1, 1)), ("y", 0, (1, 1, -1)), ("z", -90, (1, -1, 1))])
def test_what_unity_is_told_shows_the_head_upright_facing_the_camera_and_unmirrored(up, turn, mirrors):
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    shown = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ np.diag(mirrors) @ axes_rotation(up)
    # Columns: where the subject's left, up and the line of sight go. Unity's camera looks along z, with x to its right.
    np.testing.assert_allclose(shown, [[1, 0, 0], [0, 1, 0], [0, 0, -1]], atol=1e-12)


def test_words_beside_a_file_are_not_taken_for_it(tmp_path):
    path, _ = _written("splat", tmp_path)
    with pytest.raises(UserError, match=r"run `avatar3d check .*talk\.splat`"):
        check_file(path.with_name(path.name + ".json"))
