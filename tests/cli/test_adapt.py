"""adapt, and what fit does of it: a driver of one's own, and avatars that stay as they were where there can be none."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar3d.avatar_file import DRIVER, load_avatar, read_driver, save_avatar
from avatar3d.cli import capture as capture_verbs
from avatar3d.head.store import load_head
from avatar3d.motion import load_motion, save_motion
from driver.weights import network_of
from tests.driver.somebody import another, somebody


@pytest.fixture(scope="session")
def capture(tmp_path_factory) -> Path:
    pytest.importorskip("espeakng_loader")
    return somebody(tmp_path_factory.mktemp("somebody") / "x.capture", takes=3)


@pytest.fixture
def brief(monkeypatch):
    """A few steps among few others, instead of minutes."""
    from driver import personal

    whole = personal.adapt
    monkeypatch.setattr(personal, "_PRIOR_TAKES", 2)
    monkeypatch.setattr(personal, "adapt", lambda *arguments, **options: whole(*arguments, **options, steps=2))


@pytest.fixture
def mine(small_avatar, tmp_path) -> Path:
    """An avatar whose fit held out an end that is too short to measure on."""
    avatar = load_avatar(small_avatar, lambda fingerprint, name: load_head())
    path = tmp_path / "me.avatar"
    save_avatar(replace(avatar, metadata={**avatar.metadata, "fit": {"holdout": 0.03}}), path, preview=np.zeros((8, 8, 3), np.uint8))
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_adapting_into_another_file_and_taking_it_away_again(run, brief, capture, mine, tmp_path):
    before, out = mine.read_bytes(), tmp_path / "own.avatar"
    outcome = run("adapt", mine, capture, "-o", out, "--minutes", 1)
    assert outcome.status == 0, outcome.err
    assert "own driver: from" in outcome.out and "not measured on the end that was held out" in outcome.out and f"speak {out}" in outcome.out
    assert mine.read_bytes() == before
    found = members(out)
    assert network_of(found.pop(DRIVER), "own").lips_apart > 0.3
    assert found == members(mine)
    # Taking it away looks at no capture, and needs none.
    assert run("adapt", out, tmp_path / "none", "--remove").status == 0
    assert out.read_bytes() == before
    assert run("adapt", out, "--remove").status == 0
    assert run("adapt", out).status == 2


def test_a_capture_of_somebody_else_is_refused(run, brief, capture, mine, tmp_path):
    other = tmp_path / "other.capture"
    shutil.copytree(capture, other)
    motion = load_motion(other / "motion.npz", load_head())
    save_motion(replace(motion, shape=motion.shape + 0.5), other / "motion.npz")
    before = mine.read_bytes()
    outcome = run("adapt", mine, other)
    assert outcome.status == 2 and "--other-capture" in outcome.err
    assert mine.read_bytes() == before
    assert run("adapt", mine, other, "--other-capture").status == 0


def test_adapting_in_place(run, brief, capture, mine):
    assert run("adapt", mine, capture, "--minutes", 1).status == 0
    assert read_driver(mine) is not None and run("check", mine).status == 0


SPOILT = {
    "another head": ({"head_fingerprint": "0123456789abcdef"}, ("0123456789abcdef", "--head")),
    "no sound": ({"sound": None, "sound_rate": 0}, ("has no sound",)),
    "noise": ({"sound": np.random.default_rng(0).normal(0, 0.05, 400_000).astype(np.float32)}, ("no speech",)),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_captures_that_cannot_be_learned_from(refused, capture, mine, tmp_path, kind):
    changes, match = SPOILT[kind]
    before, folder = mine.read_bytes(), another(capture, tmp_path / "y.capture", **changes)
    refused("adapt", mine, folder, match=("y.capture", *match))
    assert mine.read_bytes() == before


def test_transcripts_of_captures_must_fit(refused, capture, mine, tmp_path):
    pytest.importorskip("pocketsphinx")
    folder = another(capture, tmp_path / "y.capture")
    for content, match in ((b"elephants never forget", "does not fit"), (bytes(range(256)), "cannot be read")):
        (folder / "transcript.txt").write_bytes(content)
        refused("adapt", mine, folder, match=("transcript.txt", match))


def test_outputs_and_avatars_are_looked_at_before_the_work(refused, capture, mine, tmp_path):
    before = mine.read_bytes()
    refused("adapt", mine, capture, "-o", tmp_path, match=(str(tmp_path), "folder"))
    refused("adapt", mine, capture, "-o", mine / "x.avatar", match=("me.avatar", "folder"))
    refused("adapt", tmp_path / "none" / "me.avatar", capture, match=("no such file",))
    refused("adapt", mine, capture, "--seed", -1, match=("--seed",))
    assert mine.read_bytes() == before and not (tmp_path / "none").exists()


def test_fit_makes_an_own_driver_or_says_why_not(run, brief, capture, small_avatar, tmp_path, monkeypatch):
    monkeypatch.setattr(capture_verbs, "fit_capture", lambda folder, out, **_: shutil.copy(small_avatar, out))
    silent = another(capture, tmp_path / "silent.capture", sound=np.zeros(16000, np.float32), sound_rate=16000)
    out = tmp_path / "me.avatar"
    outcome = run("fit", silent, "-o", out, "--preset", "balanced")
    assert outcome.status == 0 and "no driver of its own" in outcome.out and "has no sound" in outcome.out
    assert out.read_bytes() == small_avatar.read_bytes()
    for options in (("--preset", "fast"), ("--no-driver",)):
        assert "own driver" not in run("fit", capture, "-o", out, *options).out and read_driver(out) is None
    assert "own driver: from" in run("fit", capture, "-o", out, "--preset", "balanced").out
    assert read_driver(out) is not None
