"""What sounds, transcripts and weights of every kind make of `drive`: the right motion, or one clear line."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avatar3d.avatar_file import set_driver
from avatar3d.head.store import load_head
from avatar3d.motion import load_motion
from avatar3d.statistics import lip_gap
from driver.features import RATE
from driver.speech import resample, synthesize
from driver.weights import load_weights, weights_file

TEXT = "my mother may buy five blue boats before the summer"


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """A sentence, 16 kHz, at the level of usual recordings."""
    pytest.importorskip("espeakng_loader")
    said = synthesize(TEXT, rate=140).sound
    return said * np.float32(0.08 / said.std())


@pytest.fixture
def lips(run, small_avatar, tmp_path):
    """lips(samples, rate) -> opening of the driven lips [T], metres."""

    def drive(samples: np.ndarray, rate: int = RATE) -> np.ndarray:
        soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
        outcome = run("drive", small_avatar, "--audio", tmp_path / "a.wav", "-o", tmp_path / "a.npz")
        assert outcome.status == 0, outcome.err
        return lip_gap(load_motion(tmp_path / "a.npz", load_head()), load_head())

    return drive


SOUNDS = {
    "8 kHz": (lambda voice: (resample(voice, RATE, 8000), 8000), 0.9),
    "96 kHz": (lambda voice: (resample(voice, RATE, 96000), 96000), 0.99),
    "stereo": (lambda voice: (np.stack([voice, 0.5 * voice], axis=1), RATE), 0.98),
    "offset": (lambda voice: (0.5 * voice + 0.5, RATE), 0.98),
    "clipped": (lambda voice: (np.clip(voice, -0.5 * np.abs(voice).max(), 0.5 * np.abs(voice).max()), RATE), 0.9),
    "very quiet": (lambda voice: (1e-3 * voice, RATE), 0.95),
    "whole numbers": (lambda voice: (32767 * voice, RATE), 0.95),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_the_mouth_says_the_same_however_it_was_recorded(lips, voice, kind):
    spoil, least = SOUNDS[kind]
    clean, other = lips(voice), lips(*spoil(voice))
    T = min(len(clean), len(other))
    assert abs(len(clean) - len(other)) <= 1
    assert np.corrcoef(clean[:T], other[:T])[0, 1] > least
    assert np.sqrt(np.mean((clean[:T] - other[:T]) ** 2)) < 0.5 * clean.std()


NO_SPEECH = {
    "noise": np.random.default_rng(0).normal(0, 0.1, 5 * RATE),
    "an instant": 0.1 * np.sin(2 * np.pi * 150 * np.arange(RATE // 20) / RATE),
    "offset alone": np.full(RATE, 0.5),
    "not a number": np.where(np.arange(RATE) == 500, np.nan, 0.1),
    "infinite": np.where(np.arange(RATE) == 500, np.inf, 0.1),
    "huge": np.where(np.arange(RATE) == 500, 1e30, 0.1),
}


@pytest.mark.parametrize("kind", NO_SPEECH)
def test_sounds_that_cannot_be_spoken_cost_nothing(refused, small_avatar, tmp_path, kind):
    sound, out = tmp_path / "odd.wav", tmp_path / "said.npz"
    soundfile.write(sound, NO_SPEECH[kind].astype(np.float32), RATE, subtype="FLOAT")
    out.write_bytes(b"yesterday's motion")
    refused("drive", small_avatar, "--audio", sound, "-o", out, match=("odd.wav", "; "))
    assert out.read_bytes() == b"yesterday's motion" and len(list(tmp_path.iterdir())) == 2


def test_a_text_file_named_wav(refused, small_avatar, tmp_path):
    sound = tmp_path / "notes.wav"
    sound.write_text("this is no sound\n" * 50)
    refused("drive", small_avatar, "--audio", sound, "-o", tmp_path / "said.npz", match=("notes.wav", "sound file"))


@pytest.fixture
def said(voice, tmp_path) -> Path:
    soundfile.write(tmp_path / "said.wav", voice, RATE)
    return tmp_path / "said.wav"


def test_a_transcript_tells_the_mouth_its_sounds(run, small_avatar, said, tmp_path):
    pytest.importorskip("pocketsphinx")
    (tmp_path / "said.txt").write_text(TEXT)
    words = ("drive", small_avatar, "--audio", said)
    assert run(*words, "-o", tmp_path / "heard.npz").status == 0
    assert run(*words, "--transcript", tmp_path / "said.txt", "-o", tmp_path / "told.npz").status == 0
    heard, told = (lip_gap(load_motion(tmp_path / f"{name}.npz", load_head()), load_head()) for name in ("heard", "told"))
    assert not np.array_equal(heard, told) and np.corrcoef(heard, told)[0, 1] > 0.6


TRANSCRIPTS = {
    "other words": b"elephants never forget what they have been told by other elephants",
    "empty": b"",
    "zeros": bytes(5000),
    "binary": bytes(range(128, 256)) * 20,
    "many words": b"abcdef " * 100_000,
    "huge": b"word " * 300_000,
}


@pytest.mark.parametrize("kind", TRANSCRIPTS)
def test_a_transcript_that_is_none_of_this_sound(refused, small_avatar, said, tmp_path, kind):
    pytest.importorskip("pocketsphinx")
    transcript = tmp_path / "said.txt"
    transcript.write_bytes(TRANSCRIPTS[kind])
    refused("drive", small_avatar, "--audio", said, "--transcript", transcript, "-o", tmp_path / "m.npz", match=("said.txt", "; "))
    assert transcript.read_bytes() == TRANSCRIPTS[kind] and not (tmp_path / "m.npz").exists()


def test_a_transcript_goes_with_a_recording(refused, small_avatar, said, tmp_path):
    out = tmp_path / "m.npz"
    refused("drive", small_avatar, "--text", "hello", "--transcript", said, "-o", out, match=("--transcript", "--text"))
    refused("drive", small_avatar, "--audio", said, "--transcript", tmp_path / "none.txt", "-o", out, match=("none.txt: no such file",))


def test_an_own_driver_is_used_unless_it_is_not_wanted(run, small_avatar, said, tmp_path):
    net = load_weights()
    net.mean = net.mean + 0.2
    mine = Path(shutil.copy(small_avatar, tmp_path / "me.avatar"))
    set_driver(mine, weights_file(net.state_dict(), net.config, load_head(), "a test"))
    outputs = [tmp_path / f"{name}.npz" for name in ("own", "default", "without")]
    assert run("drive", mine, "--audio", said, "-o", outputs[0]).status == 0
    assert run("drive", mine, "--audio", said, "--no-own-driver", "-o", outputs[1]).status == 0
    assert run("drive", small_avatar, "--audio", said, "-o", outputs[2]).status == 0
    own, default, without = (load_motion(path, load_head()).expr for path in outputs)
    assert np.array_equal(default, without) and not np.array_equal(own, default)
    assert "a driver of its own" in run("info", mine).out and run("check", mine).status == 0


@pytest.mark.parametrize("spoil", ["cut", "text", "older", "flipped"])
def test_a_damaged_own_driver(refused, run, small_avatar, said, tmp_path, spoil):
    net, head = load_weights(), load_head()
    whole = weights_file(net.state_dict(), net.config, head, "a test", **({"schema": "2"} if spoil == "older" else {}))
    mine = Path(shutil.copy(small_avatar, tmp_path / "me.avatar"))
    set_driver(mine, {"cut": whole[: len(whole) // 2], "text": b"no weights"}.get(spoil, whole))
    if spoil == "flipped":
        content = bytearray(mine.read_bytes())
        content[-len(whole) // 2] ^= 0xFF
        mine.write_bytes(content)
    before = mine.read_bytes()
    refused("drive", mine, "--audio", said, "-o", tmp_path / "m.npz", match=("me.avatar", "own driver", "adapt", "--no-own-driver"))
    refused("check", mine, match=("me.avatar", "own driver"))
    assert mine.read_bytes() == before and not (tmp_path / "m.npz").exists()
    assert run("drive", mine, "--audio", said, "--no-own-driver", "-o", tmp_path / "m.npz").status == 0


def test_weights_and_recordings_that_cannot_be_measured(refused, tmp_path):
    net, odd = load_weights(), tmp_path / "odd.safetensors"
    for content in (b"", b"no weights", weights_file(net.state_dict(), net.config, load_head(), "a test", schema="2")):
        odd.write_bytes(content)
        refused("eval-driver", "--weights", odd, match=("odd.safetensors", "train-driver"))
    refused("eval-driver", "--weights", tmp_path / "none.safetensors", match=("none.safetensors",))
    refused("eval-driver", "--speech", tmp_path, match=(str(tmp_path), ".wav"))
    soundfile.write(tmp_path / "short.wav", np.zeros(800, np.float32), RATE)
    refused("eval-driver", "--speech", tmp_path, match=("short.wav", "shorter"))


def test_trainings_that_cannot_begin(refused, tmp_path):
    out = tmp_path / "w.safetensors"
    words = ("train-driver", "-o", out, "--hours", 0.01, "--steps", 1)
    refused(*words, "--recordings", tmp_path, match=("transcripts.tsv",))
    refused(*words, "--captures", tmp_path, match=(str(tmp_path), "avatar3d track"))
    refused(*words, "--start", tmp_path / "none.safetensors", match=("none.safetensors",))
    refused(*words[:-2], "--steps", 0, match=("--steps",))
    refused("train-driver", "-o", tmp_path / "w.pt", match=("w.pt", ".safetensors"))
    assert not list(tmp_path.iterdir())
