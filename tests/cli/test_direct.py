"""Directing a performance from the command line: controls, what is given, and what contradicts."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avatar3d.head.store import load_head
from avatar3d.motion import Motion, load_motion, resampled, rest_motion, save_motion
from driver.channels import INDEX, POSES, REGIONS, pack

TEXT = "my mother may buy five blue boats before the summer comes"


def channels(motion: Motion) -> np.ndarray:
    return pack({name: getattr(motion, name) for name in ("expr", *POSES)}, load_head().jaw_open_angle)


@pytest.fixture
def driven(run, small_avatar, tmp_path):
    """driven(*options) -> the motion that `drive` writes."""

    def drive(*options: object, name: str = "m.npz") -> Motion:
        outcome = run("drive", small_avatar, "-o", tmp_path / name, *options)
        assert outcome.status == 0, outcome.err
        return load_motion(tmp_path / name, load_head())

    return drive


@pytest.fixture(autouse=True)
def voice():
    pytest.importorskip("espeakng_loader")


def test_a_kept_region_has_its_very_values(driven, tmp_path):
    first = driven("--text", TEXT, "--seed", 1, name="first.npz")
    plain = driven("--text", TEXT, "--seed", 2)
    kept = driven("--text", TEXT, "--seed", 2, "--keep", "head", tmp_path / "first.npz")
    rows = REGIONS["head"]
    np.testing.assert_allclose(channels(kept)[:, rows], channels(first)[:, rows], atol=1e-6)
    assert np.abs(channels(plain)[:, rows] - channels(first)[:, rows]).max() > 0.01
    # The other regions are the other seed's.
    assert np.abs(channels(kept)[:, REGIONS["mouth"]] - channels(plain)[:, REGIONS["mouth"]]).mean() < 0.02


def test_moods_in_a_text_are_worn_while_their_words_are_said(driven):
    motion = driven("--text", f"{TEXT}. [pause 0.5] [happy 1] {TEXT}. [pause 0.5] [neutral] {TEXT}.")
    smile = motion.expr[:, INDEX["mouthSmileLeft"]]
    third = len(smile) // 3
    before, within, after = (smile[start : start + third - 20].mean() for start in (0, third + 10, 2 * third + 20))
    assert within > 2 * max(before, after)


def test_keyframes_are_met_exactly(driven, tmp_path):
    pinned = {"keyframes": [{"time": 1.0, "expr": {"browInnerUp": 0.7}}, {"frame": 40, "neck_pose": [0.1, -0.2, 0.05], "jaw_pose": [0.2, 0, 0]}]}
    (tmp_path / "k.json").write_text(json.dumps(pinned))
    motion = driven("--text", TEXT, "--keyframes", tmp_path / "k.json")
    assert motion.expr[25, INDEX["browInnerUp"]] == pytest.approx(0.7, abs=1e-6)
    np.testing.assert_allclose(motion.neck_pose[40], [0.1, -0.2, 0.05], atol=1e-6)
    np.testing.assert_allclose(motion.jaw_pose[40], [0.2, 0, 0], atol=1e-6)


def test_a_stretch_is_made_anew_in_its_own_file(driven, tmp_path):
    first = driven("--text", TEXT, "--seed", 1, name="first.npz")
    again = driven("--redo", tmp_path / "first.npz", "--stretch", 1.0, 1.6, "--seed", 5, name="first.npz")
    before, after = channels(first), channels(again)
    np.testing.assert_array_equal(after[:25], before[:25])
    np.testing.assert_array_equal(after[40:], before[40:])
    assert np.abs(after[25:40] - before[25:40])[:, REGIONS["head"]].max() > 1e-4
    assert again.sound is not None


def test_a_stretch_made_anew_wears_the_mood_of_its_motion(run, driven, small_avatar, tmp_path):
    first = driven("--text", TEXT, "--emotion", "happy:1", name="glad.npz")
    outcome = run("drive", small_avatar, "-o", tmp_path / "again.npz", "--redo", tmp_path / "glad.npz", "--stretch", 1.0, 2.0, "--seed", 5)
    assert outcome.status == 0 and "happy:" in outcome.err and "--emotion" in outcome.err
    smile, before = (motion.expr[:, INDEX["mouthSmileLeft"]] for motion in (load_motion(tmp_path / "again.npz", load_head()), first))
    assert smile[25:50].mean() > 0.8 * before[25:50].mean()
    assert np.abs(np.diff(smile))[[24, 49]].max() < np.abs(np.diff(before)).max() + 0.05
    # Another mood that is asked for comes and goes gradually.
    calm = driven("--redo", tmp_path / "glad.npz", "--stretch", 0.8, 2.4, "--emotion", "happy:0", name="calm.npz").expr[:, INDEX["mouthSmileLeft"]]
    assert calm[35:45].max() < 0.5 * before[35:45].min() and np.abs(np.diff(calm)).max() < np.abs(np.diff(before)).max() + 0.15


def test_a_stretch_of_a_motion_at_another_rate_is_made_anew_at_that_rate(driven, tmp_path):
    first = resampled(driven("--text", TEXT, "--seed", 1), Fraction(30))
    # Finer than the driver's rate can hold: what is brought to it and back shows.
    first.neck_pose[:, 1] += 0.002 * (-1.0) ** np.arange(len(first))
    save_motion(first, tmp_path / "first.npz")
    again = driven("--redo", tmp_path / "first.npz", "--stretch", 1.0, 2.0, "--seed", 5, name="again.npz")
    assert again.fps == 30 and len(again) == len(first)
    for name in ("expr", *POSES):
        before, after = getattr(first, name), getattr(again, name)
        np.testing.assert_array_equal(after[:30], before[:30])
        np.testing.assert_array_equal(after[60:], before[60:])
    assert np.abs(again.neck_pose[30:60] - first.neck_pose[30:60]).max() > 0.005
    steps = np.abs(np.diff(again.neck_pose, axis=0)).max(axis=1)
    assert max(steps[29], steps[59]) < 0.02
    assert again.sound is not None and first.sound is not None
    np.testing.assert_array_equal(again.sound, first.sound)


def test_the_head_follows_anybodys(driven, tmp_path, small_avatar):
    other = driven("--text", TEXT, "--seed", 3, name="other.npz")
    swing = np.zeros((len(other), 3), np.float32)
    swing[:, 1] = 0.1 * np.sin(np.arange(len(other)) / 6)
    save_motion(replace(other, neck_pose=swing), tmp_path / "swing.npz")
    made = driven("--text", TEXT, "--head-pose", tmp_path / "swing.npz")
    assert np.corrcoef(made.neck_pose[:, 1], swing[: len(made), 1])[0, 1] > 0.9


def test_a_mood_shows_and_marks_in_the_text_say_when(driven):
    smile = [INDEX["mouthSmileLeft"], INDEX["mouthSmileRight"]]
    plain, happy = driven("--text", TEXT), driven("--text", TEXT, "--emotion", "happy:1")
    assert happy.expr[:, smile].mean() > plain.expr[:, smile].mean() + 0.1
    marked = driven("--text", f"{TEXT}. [happy] {TEXT}.").expr[:, smile].mean(axis=1)
    assert marked[-50:].mean() > marked[:50].mean() + 0.1


def test_nothing_moves_that_shall_not(driven):
    motion = driven("--text", TEXT, "--head-amount", 0, "--blink-rate", 0, "--gaze", "camera")
    assert np.ptp(channels(motion)[:, REGIONS["head"]], axis=0).max() < 1e-5
    assert motion.expr[:, INDEX["eyeBlinkLeft"]].max() < 0.5


def test_a_voice_of_ones_own_speaks_the_text(driven, tmp_path):
    import sys

    (tmp_path / "voice.py").write_text(
        "import sys\nfrom driver.speech import synthesize\nimport soundfile\n"
        "s = synthesize(sys.stdin.read(), 'de')\nsoundfile.write(sys.argv[1], s.sound, s.rate)\n"
    )
    motion = driven("--text", TEXT, "--tts-command", f"{sys.executable} {tmp_path / 'voice.py'} {{out}}")
    assert len(motion) > 50


def test_a_motion_of_ones_own_is_a_style(driven, tmp_path):
    driven("--text", f"{TEXT}. {TEXT}.", "--emotion", "sad:1", name="manner.npz")
    plain, styled = driven("--text", TEXT), driven("--text", TEXT, "--style", tmp_path / "manner.npz")
    assert np.abs(channels(plain) - channels(styled)).max() > 0.01
    # A lively manner and an amount are together as much as can be asked for, and no contradiction.
    driven("--text", TEXT, "--mouth-amount", 2, "--brow-amount", 2, name="lively.npz")
    driven("--text", TEXT, "--style", tmp_path / "lively.npz", "--brow-amount", 2, "--mouth-amount", 2)


CONTRADICTIONS: list[tuple[tuple[object, ...], tuple[str, ...]]] = [
    (("--emotion", "cheerful:1"), ("cheerful", "happy")),
    (("--emotion", "happy:much"), ("happy:much", "NAME:LEVEL")),
    (("--emotion",), ("--emotion: give NAME:LEVEL",)),
    (("--emotion", ""), ("--emotion", "NAME:LEVEL")),
    (("--emotion", ":0.5"), ("--emotion :0.5", "NAME:LEVEL")),
    (("--emotion", "happy:"), ("--emotion happy:", "NAME:LEVEL")),
    (("--emotion", "happy:7"), ("happy is 7", "0 to 1")),
    (("--gaze", "there"), ("--gaze there", "camera")),
    (("--gaze", "90,0"), ("90", "25")),
    (("--head-amount", 5), ("head", "0 to 2")),
    (("--blink-rate", 500), ("blinks", "0 to 60")),
    (("--keep", "head", "M", "head", "M"), ("--keep", "one motion")),
    (("--keep", "head", "M", "--head-amount", 0.5), ("--keep head and --head-amount contradict",)),
    (("--keep", "brows", "M", "--brow-amount", 0.5), ("--keep brows and --brow-amount contradict",)),
    (("--keep", "head", "M", "--head-pose", "M"), ("--keep head and --head-pose contradict",)),
    (("--head-pose", "M", "--head-amount", 0.5), ("--head-pose and --head-amount contradict",)),
    (("--keep", "eyes", "M", "--gaze", "camera"), ("--keep eyes and --gaze contradict",)),
    (("--keep", "eyes", "M", "--blink-rate", 3), ("--keep eyes and --blink-rate contradict",)),
    (("--head-pose", "M", "--keyframes", "K"), ("--keyframes", "k.json and --head-pose: both say what neck_pose_0 is at 0.40 s")),
    (("--keep", "head", "M", "--keyframes", "K"), ("--keep head and --keyframes", "k.json: both say what neck_pose_0 is at 0.40 s")),
    (("--mode", "listen", "--mouth-amount", 1.5), ("--mouth-amount", "--mode listen", "leave it out")),
    (("--idle", 3), ("--text and --idle", "contradict")),
    (("--keyframes", "none.json"), ("none.json: no such file",)),
    (("--keep", "head", "none.npz"), ("none.npz", "no such file")),
    (("--stretch", 1, 2), ("--redo", "--stretch")),
    (("--tts-command", "voice"), ("{out}",)),
    (("--keep", "head", "M", "--loop"), ("--keep", "--loop")),
    (("--mode", "listen", "--loop"), ("--mode listen", "--loop")),
    (("--audio", "a.wav"), ("--audio and --text", "contradict")),
    (("--redo", "M", "--stretch", 1, 2), ("--text and --redo", "contradict")),
    (("--style", "V"), ("stripes", "face")),
]


@pytest.mark.parametrize(("words", "match"), CONTRADICTIONS, ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "")
def test_what_contradicts_or_is_unknown_is_one_clear_line(refused, driven, small_avatar, tmp_path, faceless_video: Path, words, match):
    if "M" in words:
        driven("--text", "hello", name="kept.npz")
    (tmp_path / "k.json").write_text('{"keyframes": [{"time": 0.4, "neck_pose": [0, 0.1, 0]}]}')
    known = {"M": tmp_path / "kept.npz", "V": faceless_video, "K": tmp_path / "k.json"}
    refused("drive", small_avatar, "-o", tmp_path / "m.npz", "--text", TEXT, *(known.get(str(word), word) for word in words), match=match)
    assert not (tmp_path / "m.npz").exists()


def test_stretches_outside_of_the_motion_are_refused(refused, driven, small_avatar, tmp_path):
    driven("--text", "hello", name="kept.npz")
    for times, said in (((1.5, 90), "--stretch 1.5 90"), (("nan", 2), "--stretch nan 2"), (("-inf", "inf"), "--stretch -inf inf")):
        words = ("--redo", tmp_path / "kept.npz", "--stretch", *times)
        refused("drive", small_avatar, "-o", tmp_path / "m.npz", *words, match=(said, "within"))
    words = ("drive", small_avatar, "-o", tmp_path / "m.npz", "--redo", tmp_path / "kept.npz", "--stretch")
    refused(*words, 0.4, 0.41, match=("--stretch 0.4 0.41", "no frame", "0.04 s"))
    refused(*words, 0.2, 0.4, "--keep", "head", tmp_path / "kept.npz", match=("--redo and --keep contradict",))


def test_a_motion_of_another_head_is_carried_over_first_and_its_poses_are_taken(run, refused, driven, small_avatar, tmp_path):
    from tests.avatar3d.tiny import tiny_head

    motion = rest_motion(tiny_head(), 60)
    motion.neck_pose[:, 1] = 0.1 * np.sin(np.arange(60) / 6)
    save_motion(motion, tmp_path / "theirs.npz")
    for words in (("--keep", "head"), ("--style",), ("--redo",)):
        rest = ("--stretch", 0.1, 0.5) if words == ("--redo",) else ("--text", "hello")
        line = refused("drive", small_avatar, "-o", tmp_path / "m.npz", *words, tmp_path / "theirs.npz", *rest, match=("theirs.npz: moves another",))
        assert "avatar3d head retarget" in line and "--head" not in line
    outcome = run("drive", small_avatar, "-o", tmp_path / "m.npz", "--text", TEXT, "--head-pose", tmp_path / "theirs.npz")
    assert outcome.status == 0, outcome.err
    made = load_motion(tmp_path / "m.npz", load_head())
    assert np.corrcoef(made.neck_pose[:60, 1], motion.neck_pose[:, 1])[0, 1] > 0.9
    # It is shorter than the sound, and that is said.
    assert len(made) > 60 and "--head-pose" in outcome.err and "ends at 2.4 s" in outcome.err


def test_what_is_wrong_is_said_before_any_remark(run, driven, small_avatar, tmp_path):
    driven("--text", "hello", name="short.npz")
    words = ("drive", small_avatar, "-o", tmp_path / "m.npz", "--text", TEXT, "--keep", "head", tmp_path / "short.npz")
    assert "ends at" in run(*words).err
    for wrong in (("--emotion", "cheerful:1"), ("--keyframes", tmp_path / "none.json"), ("--listen-to", tmp_path / "none.wav")):
        outcome = run(*words, *wrong)
        assert outcome.status == 2 and len(outcome.err.splitlines()) == 1, outcome.err


def test_what_a_kept_region_holds_a_mood_back_from_is_said(run, driven, small_avatar, tmp_path):
    kept = driven("--text", TEXT, name="kept.npz")
    outcome = run(
        "drive", small_avatar, "-o", tmp_path / "m.npz", "--text", TEXT, "--keep", "mouth", tmp_path / "kept.npz", "--emotion", "surprised:1"
    )
    assert outcome.status == 0 and "--keep mouth: as in the motion" in outcome.err
    made = load_motion(tmp_path / "m.npz", load_head())
    np.testing.assert_allclose(channels(made)[:, REGIONS["mouth"]], channels(kept)[:, REGIONS["mouth"]], atol=1e-6)
    assert made.expr[:, INDEX["browInnerUp"]].mean() > kept.expr[:, INDEX["browInnerUp"]].mean() + 0.2


def test_idling_needs_no_sound(driven):
    motion = driven("--idle", 4, "--seed", 3)
    assert len(motion) == 100 and motion.sound is None
    moved = channels(motion).std(axis=0)
    assert moved[REGIONS["head"]].max() > 1e-3 and moved[INDEX["jaw_pose_0"]] < 0.02


def test_who_idles_has_no_mouth_to_move_more(refused, small_avatar, tmp_path):
    refused("drive", small_avatar, "-o", tmp_path / "m.npz", "--idle", 4, "--mouth-amount", 1.5, match=("--mouth-amount", "--idle"))


def test_text_that_the_voice_cannot_read_is_said(run, small_avatar, tmp_path):
    words = ("drive", small_avatar, "-o", tmp_path / "m.npz", "--text", "Доброе утро")
    assert "perhaps --voice ru is meant" in run(*words).err
    assert "--voice" not in run(*words, "--voice", "ru").err


def test_reenacting_takes_no_direction(refused, small_avatar, faceless_video, tmp_path):
    refused("drive", small_avatar, "-o", tmp_path / "m.npz", "--video", faceless_video, match=("stripes", "face"))
    refused("drive", small_avatar, "-o", tmp_path / "m.npz", "--video", faceless_video, "--loop", match=("--video", "as it is"))
    refused("drive", small_avatar, "-o", tmp_path / "m.npz", "--video", faceless_video, "--seed", 3, match=("--video", "--seed"))


def test_a_voice_without_words_and_another_persons_motion_are_refused(refused, driven, small_avatar, tmp_path):
    mine = driven("--text", "hello", name="mine.npz")
    refused("drive", small_avatar, "-o", tmp_path / "m.npz", "--redo", tmp_path / "mine.npz", "--stretch", 0, 1, "--voice", "de", match=("--voice",))
    save_motion(replace(mine, shape=mine.shape + 0.5), tmp_path / "other.npz")
    words = ("--redo", tmp_path / "other.npz", "--stretch", 0.1, 0.3)
    refused("drive", small_avatar, "-o", tmp_path / "m.npz", *words, match=("other.npz", "another person"))


def test_a_style_from_a_folder_that_is_no_capture_is_refused(refused, small_avatar, tmp_path):
    words = ("drive", small_avatar, "-o", tmp_path / "m.npz", "--text", TEXT)
    for option in ("--style", "--head-pose"):
        refused(*words, option, tmp_path, match=(str(tmp_path), "without motion.npz", "avatar3d track"))


def test_more_blinks_than_the_driver_makes_are_remarked_on(run, small_avatar, tmp_path):
    words = ("drive", small_avatar, "-o", tmp_path / "m.npz", "--text", TEXT, "--blink-rate")
    assert "--blink-rate 50: comes to about 35" in run(*words, 50).err
    assert "--blink-rate" not in run(*words, 30).err


def test_moods_that_come_to_more_than_one_face_are_told(run, small_avatar, tmp_path):
    words = ("drive", small_avatar, "--text", TEXT, "-o", tmp_path / "m.npz", "--emotion")
    assert "--emotion" not in run(*words, "happy:0.5", "sad:0.5").err
    assert "comes to 1.5 together" in (told := run(*words, "happy:0.9", "sad:0.6").err) and "happy:0.6 sad:0.4" in told


def test_a_gaze_that_a_stretch_is_too_short_for_is_told(run, driven, small_avatar, tmp_path):
    driven("--text", TEXT, name="first.npz")
    words = ("drive", small_avatar, "--redo", tmp_path / "first.npz", "-o", tmp_path / "m.npz", "--gaze", "20,0", "--stretch")
    assert "--gaze 20,0: in 0.3 s the eyes come no nearer" in run(*words, 1.0, 1.3).err
    assert "--gaze" not in run(*words, 0.2, 2.4).err
