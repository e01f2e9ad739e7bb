"""Bad input ends with status 2 and one clear line, and costs the user nothing."""

import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avatar3d.head.store import load_head
from avatar3d.motion import load_motion, rest_motion, save_motion
from avatar3d.mp4 import VideoWriter
from avatar3d.sound import write_wav
from tests.cli.disk import file_size_limit


@pytest.mark.parametrize("verb", ["fit", "track"])
def test_a_text_file_named_mp4(refused, tmp_path, verb):
    video = tmp_path / "me.mp4"
    video.write_text("this is not a video")
    refused(verb, video, "-o", tmp_path / "out.avatar", match=("me.mp4", "video"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me.mp4"]


def test_an_empty_video(refused, tmp_path):
    video = tmp_path / "me.mp4"
    video.touch()
    refused("fit", video, "-o", tmp_path / "me.avatar", match=("me.mp4", "empty"))


def test_a_missing_video(refused, tmp_path):
    refused("fit", tmp_path / "me.mp4", "-o", tmp_path / "me.avatar", match=("me.mp4",))


def test_a_video_without_a_face(refused, faceless_video, tmp_path):
    refused("fit", faceless_video, "-o", tmp_path / "me.avatar", match=("stripes.mp4", "face", "film"))
    assert not list(tmp_path.iterdir())


def test_a_video_of_one_frame(refused, tmp_path):
    video = tmp_path / "one.mp4"
    with VideoWriter(video, fps=Fraction(25), size=(64, 64)) as writer:
        writer.write(np.full((64, 64, 3), 90, np.uint8))
    refused("fit", video, "-o", tmp_path / "me.avatar", match=("one.mp4", "frame"))


@pytest.mark.parametrize("level", [0.0, 0.05], ids=["silence", "noise"])
def test_sound_without_speech(refused, small_avatar, tmp_path, level):
    sound = tmp_path / "quiet.wav"
    write_wav(sound, np.random.default_rng(0).normal(size=32000, scale=level).astype(np.float32), 16000)
    refused("speak", small_avatar, "--audio", sound, "-o", tmp_path / "out.mp4", match=("quiet.wav", "no speech"))
    assert not (tmp_path / "out.mp4").exists()


def test_an_empty_sound_file(refused, small_avatar, tmp_path):
    sound = tmp_path / "empty.wav"
    sound.touch()
    refused("speak", small_avatar, "--audio", sound, "-o", tmp_path / "out.mp4", match=("empty.wav",))


def test_neither_sound_nor_text(refused, small_avatar, tmp_path):
    refused("speak", small_avatar, "-o", tmp_path / "out.mp4", match=("--audio", "--text"))


@pytest.mark.parametrize("verb", ["info", "check"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", None], ids=["empty", "nonsense", "cut"])
def test_a_damaged_avatar(refused, small_avatar, tmp_path, verb, content):
    broken = tmp_path / "broken.avatar"
    whole = small_avatar.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2] if content is None else content)
    refused(verb, broken, match=("broken.avatar", "damaged"))


def test_an_avatar_with_flipped_bytes(run, small_avatar, tmp_path):
    broken = tmp_path / "broken.avatar"
    data = bytearray(small_avatar.read_bytes())
    data[len(data) // 2] ^= 0xFF
    broken.write_bytes(data)
    outcome = run("check", broken)
    assert outcome.status == 2 and "broken.avatar" in outcome.err and "Traceback" not in outcome.err


def test_a_motion_of_another_head(refused, small_avatar, tmp_path):
    from tests.avatar3d.tiny import tiny_head, tiny_motion

    motion = tmp_path / "other.npz"
    head = tiny_head()
    save_motion(tiny_motion(head), motion)
    words = ("render", small_avatar, "--motion", motion, "-o", tmp_path / "out.mp4")
    line = refused(*words, match=("other.npz", head.fingerprint, load_head().fingerprint))
    assert "--head" in line


def test_an_output_below_a_regular_file(refused, small_avatar, spoken, tmp_path):
    (tmp_path / "file").write_text("precious")
    refused("speak", small_avatar, "--audio", spoken, "-o", tmp_path / "file" / "out.mp4", match=("file", "folder"))
    assert (tmp_path / "file").read_text() == "precious"


def test_a_full_device(refused, small_avatar, tmp_path):
    motion = tmp_path / "still.npz"
    save_motion(rest_motion(load_head(), 3), motion)
    refused("render", small_avatar, "--motion", motion, "--size", 64, "-o", "/dev/full", match=("/dev/full", "written"))


def test_a_full_disk_keeps_the_old_file(refused, small_avatar, spoken, tmp_path):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"yesterday's video")
    with file_size_limit(2000):
        refused("speak", small_avatar, "--audio", spoken, "--size", 64, "-o", out, match=("out.mp4", "written"))
    assert out.read_bytes() == b"yesterday's video"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_full_disk_while_writing_a_motion(refused, small_avatar, spoken, tmp_path):
    out = tmp_path / "said.npz"
    save_motion(rest_motion(load_head(), 3), out)
    with file_size_limit(1000):
        refused("drive", small_avatar, "--audio", spoken, "-o", out, match=("said.npz", "written"))
    assert len(load_motion(out)) == 3


def test_unknown_camera_and_colour(refused, small_avatar, tmp_path):
    motion = tmp_path / "still.npz"
    save_motion(rest_motion(load_head(), 3), motion)
    words = ("render", small_avatar, "--motion", motion, "-o", tmp_path / "out.mp4")
    refused(*words, "--camera", "nowhere", match=("nowhere", "orbit"))
    refused(*words, "--background", "blurple", match=("blurple", "colour"))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("fit", "--no-such-option"), ("missing from avatar3d fit: -o PATH", "avatar3d fit --help")),
        (("drive", "A", "-o", "m.npz", "--seed", "x"), ("--seed 'x': is no whole number", "avatar3d drive --help")),
        (("drive", "A", "-o", "m.npz", "--guidance", "much"), ("--guidance 'much': is no number",)),
        (("drive", "A", "-o", "m.npz", "--stretch", 1, "b"), ("--stretch: takes {FLOAT FLOAT}",)),
        (("drive", "A", "-o", "m.npz", "--mode", "talk"), ("invalid choice 'talk'", "--mode", "'listen'")),
        (("drive", "A", "-o", "m.npz", "--sedd", 3), ("unrecognized options: --sedd", "--seed is meant")),
        (
            ("drive", "A", "-o", "m.npz", "--size", 5),
            ("options: --size, 5; --size is an option of converse", "render, speak", "avatar3d drive --help"),
        ),
        (("drive", "A", "-o", "m.npz", "--keep"), ("--keep: give {head,brows,eyes,mouth} PATH, once or more",)),
        (("drive", "A", "-o", "m.npz", "--keep", "head"), ("--keep: give a region and a motion, such as head M.npz", "eyes")),
        (("drive", "A", "-o", "m.npz", "--keep", "nose", "M.npz"), ("--keep: give a region and a motion, such as head M.npz", "eyes")),
        (("drive", "A", "-o", "m.npz", "--emotion", "sad:1", "--emotion=happy:1"), ("--emotion: is given twice", "once")),
        (("converse", "A", "B"), ("missing from avatar3d converse", "--audio PATH", "-o PATH")),
        (("drvie", "A"), ("unrecognized options: drvie", "avatar3d --help")),
        ((), ("demo", "drive", "avatar3d --help")),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_wrong_arguments_are_one_clear_line(refused, words, match):
    line = refused(*words, match=match)
    assert not set("│╭╰─") & set(line)


@pytest.mark.parametrize("columns", [40, 200])
def test_wrong_arguments_are_said_alike_on_a_terminal_of_any_width(run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    outcome = run("drive", "A", "-o", "m.npz", "--seed", "something rather long that wraps")
    assert outcome.err == "avatar3d: --seed 'something rather long that wraps': is no whole number; see avatar3d drive --help\n"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_wrong_arguments_are_said_alike_in_any_encoding(encoding):
    command = [sys.executable, "-m", "avatar3d.cli.main", "drive", "-o", "m.npz"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert outcome.stderr == "avatar3d: missing from avatar3d drive: PATH; see avatar3d drive --help\n"


@pytest.mark.parametrize(("verb", "said"), [("fit", "fit --resume"), ("train-driver", "the same command"), ("drive", "is not written")])
def test_ctrl_c_says_what_there_is_to_know_of_the_command(run, monkeypatch, verb, said):
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("avatar3d.cli.main._chosen", interrupt)
    outcome = run(verb)
    assert outcome.status == 130 and said in outcome.err and ("checkpoint" in outcome.err) == (verb != "drive")


def test_help_is_still_printed(run):
    outcome = run("drive", "--help")
    assert outcome.status == 0 and "--stretch" in outcome.out and not outcome.err


def test_info_of_an_avatar(run, small_avatar):
    outcome = run("info", small_avatar)
    assert outcome.status == 0 and "Gaussians: 1000" in outcome.out and load_head().fingerprint in outcome.out


def test_speaking_makes_a_video_with_sound(run, small_avatar, spoken, tmp_path):
    import av

    out = tmp_path / "said.mp4"
    outcome = run("speak", small_avatar, "--audio", spoken, "--size", 64, "-o", out)
    assert outcome.status == 0, outcome.err
    with av.open(str(out)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert video.codec_context.name == "h264" and sound.codec_context.name == "aac"
        assert abs(float(video.duration * video.time_base) - float(sound.duration * sound.time_base)) < 0.08
        assert "synthetic" in container.metadata["comment"].lower()


def test_the_same_seed_gives_the_same_video(run, small_avatar, spoken, tmp_path):
    for name in ("a", "b"):
        assert run("speak", small_avatar, "--audio", spoken, "--size", 64, "--seed", 5, "-o", tmp_path / f"{name}.mp4").status == 0
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_checking_a_copy_of_an_avatar(run, small_avatar, tmp_path):
    copy = Path(shutil.copy(small_avatar, tmp_path / "copy.avatar"))
    assert run("check", copy).out.strip().endswith("whole")


def test_an_output_that_is_an_input_is_refused(refused, small_avatar, spoken, tmp_path):
    copy = Path(shutil.copy(small_avatar, tmp_path / "me.avatar"))
    refused("speak", copy, "--audio", spoken, "-o", copy, match=("me.avatar", "overwritten"))
    video = tmp_path / "me.mp4"
    video.write_bytes(b"my only take")
    refused("fit", video, "-o", video, match=("me.mp4", ".avatar"))
    assert video.read_bytes() == b"my only take" and copy.read_bytes() == small_avatar.read_bytes()


def test_a_fit_into_a_device_is_refused_before_the_work(refused, faceless_video):
    refused("fit", faceless_video, "-o", "/dev/full", match=("/dev/full", ".avatar"))
    assert not Path("/dev/full.capture").exists()


@pytest.mark.parametrize(
    "words", [("--seed", -1), ("--steps", 0), ("--size", 3), ("--fps", 0), ("--background", "capture", "--camera", "orbit")], ids=lambda w: w[0]
)
def test_options_out_of_range_are_refused(refused, small_avatar, spoken, tmp_path, words):
    refused("speak", small_avatar, "--audio", spoken, "-o", tmp_path / "out.mp4", *words, match=(words[0],))


def test_films_are_mp4(refused, small_avatar, spoken, tmp_path):
    refused("speak", small_avatar, "--audio", spoken, "-o", tmp_path / "out.txt", match=("out.txt", ".mp4"))


@pytest.mark.parametrize("words", [("--focal", -5), ("--holdout", 2), ("--seed", -1), ("--size", 5)], ids=lambda w: w[0])
def test_options_of_a_fit_out_of_range_are_refused(refused, faceless_video, tmp_path, words):
    refused("fit", faceless_video, "-o", tmp_path / "me.avatar", *words, match=(words[0],))


@pytest.mark.parametrize("spoil", ["empty", "nan", "narrow"])
def test_a_spoilt_motion_is_refused(refused, small_avatar, tmp_path, spoil):
    from dataclasses import replace

    motion = rest_motion(load_head(), 0 if spoil == "empty" else 3)
    if spoil == "nan":
        motion.jaw_pose[1, 0] = np.nan
    if spoil == "narrow":
        motion = replace(motion, expr=motion.expr[:, :10])
    save_motion(motion, tmp_path / "m.npz")
    refused("render", small_avatar, "--motion", tmp_path / "m.npz", "-o", tmp_path / "out.mp4", match=("m.npz",))


def test_a_camera_without_focal_length_is_refused(refused, small_avatar, tmp_path):
    import json

    from recon.bench import bench_camera

    motion, camera = tmp_path / "still.npz", tmp_path / "c.json"
    save_motion(rest_motion(load_head(), 3), motion)
    camera.write_text(json.dumps(bench_camera(64).to_json() | {"fx": 0}))
    refused("render", small_avatar, "--motion", motion, "--camera", camera, "-o", tmp_path / "out.mp4", match=("c.json", "positive"))


def test_info_of_something_else_is_refused(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    refused("info", tmp_path / "notes.txt", match=("notes.txt", ".avatar"))
