"""live: what it refuses, and from a short film to an avatar."""

import itertools
import signal
import socket
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avatar3d.avatar_file import load_avatar
from avatar3d.data import data_path
from avatar3d.head.store import load_head
from avatar3d.mp4 import VideoWriter
from recon.capture import load_capture
from recon.video import read_frames


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Three seconds of the demo."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with VideoWriter(path, fps=Fraction(25), size=(512, 512)) as video:
        for rgb in itertools.islice(read_frames(data_path("demo", "demo.mp4")), 60, 135):
            video.write(rgb)
    return path


def test_no_such_video(refused, tmp_path):
    refused("live", tmp_path / "nobody.mp4", "--no-page", match=("nobody.mp4", "no such file"))


def test_no_such_camera(refused, tmp_path):
    refused("live", "camera:77", "--no-page", "-o", tmp_path / "me.avatar", match=("camera 77", "give a video"))


def test_a_video_without_a_face(refused, faceless_video, tmp_path):
    refused("live", faceless_video, "--no-page", "-o", tmp_path / "me.avatar", match=("stripes.mp4", "no face", "camera"))
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_no_avatar(refused, film, tmp_path):
    refused("live", film, "--no-page", "-o", tmp_path / "me.mp4", match=("me.mp4", ".avatar"))


def test_a_folder_with_other_things_is_left_alone(refused, film, tmp_path):
    (tmp_path / "me.capture").mkdir()
    (tmp_path / "me.capture" / "diary.txt").write_text("dear diary")
    refused("live", film, "--no-page", "-o", tmp_path / "me.avatar", match=("me.capture", "other things"))


def test_a_port_in_use(refused, film, tmp_path):
    pytest.importorskip("viser")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refused("live", film, "--port", port, "-o", tmp_path / "me.avatar", match=(str(port), "try --port"))


def test_a_cameras_end_cannot_be_held_out(refused, monkeypatch, tmp_path):
    from recon import live_source

    source = live_source.LiveSource("camera 0", 64, 48, Fraction(25), (frame for frame in ()), None)
    monkeypatch.setattr(live_source, "open_source", lambda given, fps: source)
    refused("live", "camera", "--no-page", "--holdout", 0.2, "-o", tmp_path / "me.avatar", match=("--holdout", "camera"))


def test_from_a_film_to_an_avatar(run, film, tmp_path):
    out = tmp_path / "me.avatar"
    outcome = run("live", film, "-o", out, "--size", 192, "--settle", 3, "--holdout", 0.2, "--no-page", "--subject", "nobody")
    assert outcome.status == 0, outcome
    avatar = load_avatar(out, lambda fingerprint, name: load_head())
    record = avatar.metadata["fit"]
    # Nothing is learned from the last fifth of 75 frames.
    assert avatar.metadata["subject"] == "nobody" and max(last for _, last in record["trained_frames"]) == 59
    assert record["quality_train"]["psnr_full"] > 20 and record["quality_held_out"]["frames"] == 15
    assert np.isfinite(avatar.position.numpy()).all()
    assert all((tmp_path / "me.capture" / name).is_file() for name in ("report_card.png", "motion.npz", "overlay.mp4"))
    assert (tmp_path / "me.comparison.png").is_file()
    assert "live: head shown" in outcome.out and "not seen while filming" in outcome.out and "next: avatar3d" in outcome.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me.avatar", "me.capture", "me.comparison.png"]


def test_ctrl_c_twice_after_the_film_ended_by_itself_costs_no_avatar(film, tmp_path):
    command = [sys.executable, "-c", "from avatar3d.cli.main import main; main()", "live", str(film), "-o", str(tmp_path / "me.avatar")]
    with subprocess.Popen([*command, "--size", "160", "--settle", "3000", "--no-page"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            # The second one comes while the report and the avatar are written.
            if line.startswith(("live: tracking everything", "live: head shown")):
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert len(load_capture(tmp_path / "me.capture")) == 75 and (tmp_path / "me.avatar").is_file()


def test_ctrl_c_ends_the_film_and_then_settling(film, tmp_path):
    command = [sys.executable, "-c", "from avatar3d.cli.main import main; main()", "live", str(film), "-o", str(tmp_path / "me.avatar")]
    lines = []
    with subprocess.Popen([*command, "--size", "160", "--settle", "3000", "--no-page"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith(("live: filming", "live: settling")):
                # The film lasts three seconds, and a busy machine comes late to saying that it began.
                time.sleep(0.2)
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0, lines
    # The film has 3 seconds, of which a part was taken.
    assert 10 <= len(load_capture(tmp_path / "me.capture")) < 75
    assert (tmp_path / "me.avatar").is_file()
