"""The demo's report."""

import json
import re
from fractions import Fraction

import cv2
import numpy as np
import pytest

from avatar3d.camera import Camera
from avatar3d.cli.report import DemoResult, loudness, write_report
from avatar3d.data import data_path
from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from avatar3d.motion import Motion, load_motion
from avatar3d.mp4 import VideoWriter
from recon.truth import compare_with_truth, mouth_opening

QUALITY = {"frames": 10, "psnr_full": 31.0, "psnr_head": 30.0, "psnr_mouth": 29.0, "psnr_eyes": 28.0, "ssim_full": 0.95}


@pytest.fixture
def result(tmp_path) -> DemoResult:
    """A demo of twenty frames."""
    head = load_head()
    camera = Camera.from_json(json.loads(data_path("demo", "camera.json").read_text()))
    motion = load_motion(data_path("demo", "truth.npz"), head).frames(slice(20, 40))
    sound = np.sin(np.arange(16000) * 0.1).astype(np.float32) * np.linspace(0, 1, 16000, dtype=np.float32)
    talk = Motion(**{**vars(motion), "sound": sound, "sound_rate": 16000})
    with VideoWriter(tmp_path / "talk.mp4", fps=Fraction(25), size=(64, 64)) as video:
        for level in range(20):
            video.write(np.full((64, 64, 3), level * 10, np.uint8))
    cv2.imwrite(str(tmp_path / "comparison.png"), np.full((64, 192, 3), 90, np.uint8))
    (tmp_path / "demo.avatar").write_bytes(b"0" * 2_000_000)
    return DemoResult(
        truth=compare_with_truth(motion, camera, motion, camera, head), tracking={"learned_before": 16, "frames_per_second": {"poses": 60.0}},
        fit={"quality_train": QUALITY, "quality_held_out": QUALITY | {"psnr_full": 27.25}}, gaussians=12345, talk=talk,
        opening=mouth_opening(talk, head), frames=20, fps=25.0, seconds={"capture": 3.0, "track": 4.0}, text="A <b>bold</b> claim",
        film=tmp_path / "talk.mp4", comparison=tmp_path / "comparison.png", overlay=tmp_path / "talk.mp4", avatar=tmp_path / "demo.avatar",
    )  # fmt: skip


def test_the_page_holds_everything_in_itself(result, tmp_path):
    write_report(result, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert page.count("<svg") == 3
    assert "data:video/mp4" in page


def test_the_page_states_the_figures(result, tmp_path):
    write_report(result, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for figure in ("0.00 mm", "27.2 dB", "12,345", "2.0 MB", "7 s"):
        assert figure in page, figure


def test_the_users_words_are_no_markup(result, tmp_path):
    write_report(result, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<b>bold</b>" not in page
    assert "A &lt;b&gt;bold&lt;/b&gt; claim" in page


def test_a_report_that_cannot_be_written_says_so(result, tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        write_report(result, tmp_path / "report.html")


def test_loudness_follows_the_sound(result):
    level = loudness(result.talk)
    assert len(level) == 20
    assert (np.diff(level[1:]) > 0).all()
    assert level[-1] == pytest.approx(20 * np.log10(0.8 / np.sqrt(2)), abs=1)
