"""An avatar on the embedded head, a video without a face, and a way to run the command line."""

import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avatar3d.avatar_file import save_avatar
from avatar3d.head.store import load_head
from avatar3d.mp4 import VideoWriter
from recon.bench import bench_avatar
from tests.avatar3d.head.flame_fixture import flame_arrays, write_npz


@dataclass
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys):
    """run("speak", path, ...) -> Outcome, in this process."""
    from avatar3d.cli.main import main

    def call(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["avatar3d", *map(str, words)])
        capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call


@pytest.fixture
def refused(run):
    """refused(words, match) checks for status 2 and one line on standard error that holds all of `match`."""

    def check(*words: object, match: tuple[str, ...]) -> str:
        outcome = run(*words)
        lines = [line for line in outcome.err.splitlines() if line.startswith("avatar3d: ")]
        assert outcome.status == 2, outcome
        assert len(lines) == 1 and "Traceback" not in outcome.err, outcome.err
        for part in match:
            assert part in lines[0], lines[0]
        return lines[0]

    return check


@pytest.fixture(scope="session")
def small_avatar(tmp_path_factory) -> Path:
    """A file with an avatar of a thousand Gaussians on the embedded head."""
    path = tmp_path_factory.mktemp("avatar") / "small.avatar"
    save_avatar(bench_avatar(load_head(), 1000), path)
    return path


@pytest.fixture(scope="session")
def faceless_video(tmp_path_factory) -> Path:
    """Thirty frames of moving stripes."""
    path = tmp_path_factory.mktemp("video") / "stripes.mp4"
    columns = np.arange(128)
    with VideoWriter(path, fps=Fraction(25), size=(128, 128)) as video:
        for index in range(30):
            row = (127 + 120 * np.sin((columns + 3 * index) / 9)).astype(np.uint8)
            video.write(np.broadcast_to(row[None, :, None], (128, 128, 3)).copy())
    return path


@pytest.fixture(scope="session")
def spoken(tmp_path_factory) -> Path:
    """A short sentence as a sound file."""
    pytest.importorskip("espeakng_loader")
    from avatar3d.sound import write_wav
    from driver.speech import synthesize

    path = tmp_path_factory.mktemp("sound") / "said.wav"
    speech = synthesize("Good morning.")
    write_wav(path, speech.sound, speech.rate)
    return path


@pytest.fixture(scope="module")
def flame_file(tmp_path_factory):
    """A file in FLAME's format, registered for itself."""
    folder = tmp_path_factory.mktemp("flame")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    yield write_npz(folder / "flame2023.npz", flame_arrays())
    patch.undo()


def python(code: str, *words: object) -> subprocess.CompletedProcess:
    """Run code in a fresh interpreter."""
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
