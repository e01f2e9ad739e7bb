"""Two avatars in a conversation, one that listens, and one that follows live sound."""

import numpy as np
import pytest
import soundfile

from avatar3d.arkit import EXPR_INDEX
from avatar3d.head.store import load_head
from avatar3d.media import open_media
from avatar3d.motion import load_motion
from avatar3d.statistics import lip_gap
from driver.features import FPS, RATE
from driver.speech import synthesize


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """A stereo file: one speaks, then the other, three seconds each."""
    pytest.importorskip("espeakng_loader")
    folder = tmp_path_factory.mktemp("talk")
    said = {"en-us": "my mother may buy five blue boats before the summer comes", "en-us+f2": "maybe she will, and maybe they are too big for her"}
    one, two = (synthesize(text, voice).sound[: 3 * RATE] for voice, text in said.items())
    sound = np.zeros((7 * RATE, 2), np.float32)
    sound[: len(one), 0], sound[3 * RATE + 8000 : 3 * RATE + 8000 + len(two), 1] = one, two
    soundfile.write(folder / "talk.wav", sound, RATE)
    soundfile.write(folder / "left.wav", sound[:, 0], RATE)
    soundfile.write(folder / "right.wav", sound[:, 1], RATE)
    return folder


def opening(path) -> np.ndarray:
    return 1000 * lip_gap(load_motion(path, load_head()), load_head())


def test_each_speaks_its_track_and_listens_to_the_other(run, small_avatar, tracks, tmp_path):
    motions = (tmp_path / "one.npz", tmp_path / "two.npz")
    words = ("converse", small_avatar, small_avatar, "--audio", tracks / "talk.wav", "-o", tmp_path / "talk.mp4", "--size", 64, "--motions", *motions)
    outcome = run(*words)
    assert outcome.status == 0, outcome.err
    one, two = (opening(path) for path in motions)
    first, second = slice(5, int(2.5 * FPS)), slice(int(4 * FPS), int(6 * FPS))
    assert one[first].std() > 4 * one[second].std() and two[second].std() > 4 * two[first].std()
    with open_media(tmp_path / "talk.mp4", "video") as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == (128, 64)


@pytest.mark.parametrize(("options", "sides"), [((), (1, -1)), (("--gaze", "camera"), (0, 0))], ids=["other", "camera"])
def test_they_look_at_each_other_as_they_sit_or_at_the_camera(run, small_avatar, tracks, tmp_path, options, sides):
    motions = (tmp_path / "one.npz", tmp_path / "two.npz")
    words = ("converse", small_avatar, small_avatar, "--audio", tracks / "talk.wav", "-o", tmp_path / "talk.mp4", "--size", 32, "--motions", *motions)
    assert run(*words, *options).status == 0
    for path, side in zip(motions, sides, strict=True):
        motion = load_motion(path, load_head())
        right = np.degrees(np.median(motion.eyes_pose[:, 1] + motion.neck_pose[:, 1] + motion.rotation[:, 1]))
        # This avatar was filmed straight ahead, and yet is on the other.
        assert abs(right) < 4 if side == 0 else 15 < side * right < 25
        assert side == 0 or np.ptp(np.degrees(motion.eyes_pose[:, 1])) > 1


def test_an_avatar_listens_while_it_is_silent(run, small_avatar, tracks, tmp_path):
    outcome = run("drive", small_avatar, "--audio", tracks / "left.wav", "--listen-to", tracks / "right.wav", "-o", tmp_path / "m.npz")
    assert outcome.status == 0, outcome.err
    gap = opening(tmp_path / "m.npz")
    assert gap[:60].std() > 4 * gap[110:150].std()
    assert np.abs(load_motion(tmp_path / "m.npz").sound[4 * RATE : 6 * RATE]).max() > 0.01


def test_live_sound_is_followed_and_written(run, small_avatar, tracks, tmp_path):
    soundfile.write(tmp_path / "short.wav", soundfile.read(tracks / "left.wav")[0][: 2 * RATE], RATE)
    outcome = run("drive", small_avatar, "--live", tmp_path / "short.wav", "-o", tmp_path / "m.npz")
    assert outcome.status == 0, outcome.err
    motion = load_motion(tmp_path / "m.npz", load_head())
    assert len(motion) == 2 * FPS and motion.sound is not None and len(motion.sound) == 2 * RATE
    assert "first frame after" in outcome.out and "on time" in outcome.out


def test_amounts_and_blinks_hold_live(run, small_avatar, tracks, tmp_path):
    soundfile.write(tmp_path / "short.wav", soundfile.read(tracks / "left.wav")[0][: 2 * RATE], RATE)
    moved = []
    for amount in (1.0, 0.3):
        words = ("--live", tmp_path / "short.wav", "--mouth-amount", amount, "--blink-rate", 0, "-o", tmp_path / "m.npz")
        outcome = run("drive", small_avatar, *words)
        assert outcome.status == 0, outcome.err
        motion = load_motion(tmp_path / "m.npz", load_head())
        moved.append(motion.jaw_pose[:, 0].std())
        assert motion.expr[:, [EXPR_INDEX["eyeBlinkLeft"], EXPR_INDEX["eyeBlinkRight"]]].max() < 0.5
    assert moved[1] < 0.7 * moved[0]


def test_what_cannot_be_a_conversation_is_one_clear_line(refused, small_avatar, tracks, tmp_path):
    out = tmp_path / "talk.mp4"
    refused("converse", small_avatar, small_avatar, "--audio", tracks / "left.wav", "-o", out, match=("left.wav", "1 track"))
    soundfile.write(tmp_path / "quiet.wav", np.zeros((RATE, 2)), RATE)
    refused("converse", small_avatar, small_avatar, "--audio", tmp_path / "quiet.wav", "-o", out, match=("quiet.wav", "speech"))
    refused("converse", small_avatar, small_avatar, "--audio", tmp_path / "none.wav", "-o", out, match=("none.wav: no such file",))
    twice = ("--motions", tmp_path / "one.npz", tmp_path / "one.npz")
    refused("converse", small_avatar, small_avatar, "--audio", tracks / "talk.wav", "-o", out, *twice, match=("one.npz", "two names"))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--live", "mic", "--loop"), ("--loop", "--live")),
        (("--live", "tcp://127.0.0.1:99999"), ("no port",)),
        (("--live", "none.wav"), ("none.wav",)),
        (("--live", "mic", "--audio", "a.wav"), ("contradict",)),
        (("--live", "mic", "--keep", "brows", "m.npz"), ("--keep", "--live")),
        (("--live", "mic", "--mode", "idle"), ("--mode idle", "--live")),
    ],
)
def test_live_options_that_cannot_be_met_are_one_clear_line(refused, small_avatar, tmp_path, words, match):
    refused("drive", small_avatar, "-o", tmp_path / "m.npz", *words, match=match)


def test_films_are_not_made_live(refused, small_avatar, tmp_path):
    refused("speak", small_avatar, "--live", "mic", "-o", tmp_path / "m.mp4", match=("--live", "avatar3d drive"))
