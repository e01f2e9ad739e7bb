"""Motions as other programs read them."""

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avatar3d.arkit import ARKIT_NAMES
from avatar3d.arkit_file import read_arkit
from avatar3d.arkit_weights import head_turns
from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from avatar3d.motion import CHANNELS, load_motion, rest_motion
from avatar3d.progress import silent
from avatar3d.sound import read_sound
from recon.bench import bench_avatar
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from tests.viewer.export.performance import performance
from viewer.export.frames import open_frames
from viewer.export.motion_files import json_lines, write_arkit_csv, write_motion_json, write_motion_npz
from viewer.export.options import FormatOptions
from viewer.export.provenance import Provenance
from viewer.export.selection import Selection

WRITERS = {"m.json": write_motion_json, "m.csv": write_arkit_csv, "m.npz": write_motion_npz}
FACTS = Provenance("Synthetic.", "nobody", "none", "CC0", "avatar3d")


def blinking(frames: int = 5):
    """Frames of an avatar on the embedded head that opens its mouth, looks left and turns its head."""
    avatar = bench_avatar(load_head(), 50)
    motion = rest_motion(avatar.head, frames)
    motion.expr[:, avatar.head.expr_names.index("mouthSmileLeft")] = 0.5
    motion.jaw_pose[:, 0] = 0.5 * avatar.head.jaw_open_angle
    motion.eyes_pose[:, [1, 4]] = 0.25
    motion.neck_pose[:, 1] = np.linspace(0, 0.4, frames)
    return open_frames(avatar, motion, Selection())


def test_json_holds_every_number(tmp_path):
    frames = performance()
    write_motion_json(frames, tmp_path / "m.json", FormatOptions(), silent)
    record = json.loads((tmp_path / "m.json").read_text())
    assert (record["format"], record["version"], record["fps"], record["frame_count"]) == ("avatar3d motion", 1, [25, 1], 6)
    assert record["subject"] == "nobody" and "Synthetic motion" in record["synthetic"] and record["expr_names"] == [f"e{i}" for i in range(6)]
    for name in ("expr", *CHANNELS):
        track = getattr(frames.motion, name)
        if track is not None:
            assert np.array_equal(np.array([frame[name] for frame in record["frames"]], np.float32), track), name
            assert record["channels"][name] == track.shape[1]
    assert len(read_sound(tmp_path / record["sound"])) == pytest.approx(6 * 640, abs=1)


def test_json_golden_bytes():
    head = tiny_avatar().head
    motion = replace(tiny_motion(head, 2).frames(slice(0, 2)), neck_translation=None, fps=Fraction(30000, 1001), head_fingerprint="0123456789abcdef")
    for name, width in (("expr", 6), *CHANNELS.items()):
        if getattr(motion, name) is not None:
            getattr(motion, name)[:] = -np.arange(2 * width).reshape(2, width) / 4
    motion.expr[0, 0], motion.expr[0, 1], motion.expr[1, 1] = 0.1, 1 / 3, 1e-7
    motion = replace(motion, shape=np.array([0.5, -0.0, 1e-10, 3], np.float32))
    text = "".join(json_lines(motion, replace(head, fingerprint="x"), FACTS, "m.wav"))
    assert text.startswith(
        '{"format": "avatar3d motion", "version": 1, "synthetic": "Synthetic.", "subject": "nobody", "consent": "none", "licence": "CC0", '
        '"generator": "avatar3d", "fps": [30000, 1001], "frame_count": 2, "head": {"name": "tiny", "fingerprint": "0123456789abcdef", '
        '"jaw_open_angle": 0.4}, "expr_names": ["e0", "e1", "e2", "e3", "e4", "e5"], '
    )
    assert text.endswith(
        '"sound": "m.wav", "shape": [0.5, 0.0, 1e-10, 3.0], "frames": [\n'
        '{"expr": [0.1, 0.33333334, -0.5, -0.75, -1.0, -1.25], "jaw_pose": [0.0, -0.25, -0.5], "neck_pose": [0.0, -0.25, -0.5], '
        '"eyes_pose": [0.0, -0.25, -0.5, -0.75, -1.0, -1.25], "rotation": [0.0, -0.25, -0.5], "translation": [0.0, -0.25, -0.5]},\n'
        '{"expr": [-1.5, 1e-07, -2.0, -2.25, -2.5, -2.75], "jaw_pose": [-0.75, -1.0, -1.25], "neck_pose": [-0.75, -1.0, -1.25], '
        '"eyes_pose": [-1.5, -1.75, -2.0, -2.25, -2.5, -2.75], "rotation": [-0.75, -1.0, -1.25], "translation": [-0.75, -1.0, -1.25]}\n]}\n'
    )


def test_npz_is_a_motion_again(tmp_path):
    frames = performance(start=0.04, every=2)
    write_motion_npz(frames, tmp_path / "m.npz", FormatOptions(), silent)
    motion = load_motion(tmp_path / "m.npz", frames.avatar.head)
    assert motion.fps == Fraction(25, 2) and np.array_equal(motion.expr, frames.motion.expr[1::2])
    assert len(motion.sound) == pytest.approx(3 * 1280, abs=1) and "Consent" in motion.note


def test_csv_is_a_take_of_live_link_face(tmp_path):
    write_arkit_csv(blinking(), tmp_path / "m.csv", FormatOptions(), silent)
    with (tmp_path / "m.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    lower = [{name.lower(): value for name, value in row.items()} for row in rows]
    assert len(rows) == 5 and rows[1]["Timecode"] == "00:00:00:01.000" and rows[0]["BlendShapeCount"] == "61"
    assert all(name.lower() in lower[0] for name in ARKIT_NAMES)
    assert float(lower[0]["mouthsmileleft"]) == pytest.approx(0.5) and float(lower[0]["jawopen"]) == pytest.approx(0.5)
    # A gaze to the subject's left: the left eye outwards, the right eye inwards, and the head's yaw in half turns.
    assert float(lower[0]["eyelookoutleft"]) == pytest.approx(0.5) and float(lower[0]["eyelookinright"]) == pytest.approx(0.5)
    assert float(rows[-1]["HeadYaw"]) == pytest.approx(0.4 / np.pi, abs=1e-6)
    said = json.loads((tmp_path / "m.csv.json").read_text())
    assert said["file"] == "m.csv" and "Synthetic motion" in said["synthetic"]


def test_csv_golden_bytes(tmp_path):
    write_arkit_csv(blinking(2), tmp_path / "m.csv", FormatOptions(), silent)
    lines = (tmp_path / "m.csv").read_bytes().split(b"\r\n")
    assert lines[0].startswith(b"Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,") and lines[0].endswith(b",RightEyePitch,RightEyeRoll")
    assert lines[2] == (
        b"00:00:00:01.000,61" + 3 * b",0.00000000" + b",0.50000000" + 5 * b",0.00000000" + b",0.50000000" + 7 * b",0.00000000" + b",0.50000000"
        + 5 * b",0.00000000" + b",0.50000000" + 28 * b",0.00000000" + b",0.12732396,0.00000000,0.00000000,0.07957747" + 2 * b",0.00000000"
        + b",0.07957747" + 2 * b",0.00000000"
    )  # fmt: skip
    assert lines[3:] == [b""]


@pytest.mark.parametrize("name", WRITERS)
def test_no_motion_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="--motion"):
        WRITERS[name](open_frames(tiny_avatar(), None, Selection()), tmp_path / name, FormatOptions(), silent)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["m.json", "m.npz"])
def test_a_full_device_is_named(name):
    with pytest.raises(UserError, match="/dev/full: cannot be written"):
        WRITERS[name](performance(400, sound=False), Path("/dev/full"), FormatOptions(), silent)


def test_somebody_elses_sound_is_not_overwritten(tmp_path):
    (tmp_path / "m.wav").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"m\.wav"):
        write_motion_json(performance(), tmp_path / "m.json", FormatOptions(), silent)
    assert [path.name for path in tmp_path.iterdir()] == ["m.wav"]


@pytest.mark.parametrize(("count", "every"), [(5, 1), (7, 2), (40, 2), (40, 3)])
def test_csv_is_read_back_at_its_own_rate(tmp_path, count, every):
    whole = blinking(count)
    frames = open_frames(whole.avatar, whole.motion, Selection(every=every))
    write_arkit_csv(frames, tmp_path / "m.csv", FormatOptions(), silent)
    take = read_arkit(tmp_path / "m.csv")
    assert (take.fps, len(take.weights)) == (Fraction(25, every), frames.count)
    assert np.abs(take.head - head_turns(whole.motion.frames(frames.indices))).max() < 1e-6


def test_csv_counts_time_codes_at_a_usual_rate(tmp_path):
    whole = blinking(40)
    write_arkit_csv(open_frames(whole.avatar, whole.motion, Selection(every=2)), tmp_path / "m.csv", FormatOptions(), silent)
    (tmp_path / "m.csv.json").unlink()
    assert read_arkit(tmp_path / "m.csv").fps == Fraction(25, 2)


def test_notice_of_another_take_is_not_heeded(tmp_path):
    write_arkit_csv(blinking(60), tmp_path / "m.csv", FormatOptions(), silent)
    notice = json.loads((tmp_path / "m.csv.json").read_text())
    (tmp_path / "m.csv.json").write_text(json.dumps(notice | {"fps": [5, 1], "frame_count": 59}))
    assert read_arkit(tmp_path / "m.csv").fps == 25
