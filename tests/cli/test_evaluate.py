"""eval: table, JSON, page, and what it refuses."""

import json
import re
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar3d.avatar_file import save_avatar
from avatar3d.drawing import draw
from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion, save_motion
from recon.bench import bench_avatar, bench_camera

FRAMES, SIZE = 10, 128


@pytest.fixture(scope="module")
def person(tmp_path_factory) -> Path:
    """An avatar file that says it was trained on the first eight frames of `filmed`."""
    path = tmp_path_factory.mktemp("person") / "me.avatar"
    fit = {"trained_frames": [[0, 7]], "frames": FRAMES, "seconds": 1.0, "holdout": 0.2}
    avatar = bench_avatar(load_head(), 1000)
    save_avatar(replace(avatar, metadata={"source": "me.mp4", "camera": {"width": SIZE}, "fit": fit}), path)
    return path


@pytest.fixture(scope="module")
def filmed(person, tmp_path_factory) -> Path:
    """A tracked capture folder of that avatar nodding, in a noisy room."""
    from avatar3d.cli.common import open_avatar

    avatar, head, rng = open_avatar(person), load_head(), np.random.default_rng(0)
    motion = rest_motion(head, FRAMES, shape=avatar.shape.numpy())
    motion.neck_pose[:, 0] = 0.05 * np.sin(np.arange(FRAMES))
    camera, folder = bench_camera(SIZE), tmp_path_factory.mktemp("filmed") / "me.capture"
    (folder / "images").mkdir(parents=True)
    (folder / "mattes").mkdir()
    for index in range(FRAMES):
        drawn = draw(avatar, motion, float(index / motion.fps), camera, rng.random(3, np.float32))
        cv2.imwrite(str(folder / "images" / f"{index:05d}.jpg"), (np.clip(drawn.rgb[..., ::-1], 0, 1) * 255).astype(np.uint8))
        cv2.imwrite(str(folder / "mattes" / f"{index:05d}.png"), (np.clip(drawn.alpha, 0, 1) * 255).astype(np.uint8))
    landmarks = rng.uniform(40, 90, (FRAMES, 478, 3)).astype(np.float32)
    np.savez(folder / "landmarks.npz", landmarks=landmarks, valid=np.ones(FRAMES, bool))
    record = {"schema": 1, "fps": [25, 1], "size": SIZE, "frames": FRAMES, "cuts": [], "lag": None, "source": {"name": "me.mp4"}}
    (folder / "capture.json").write_text(json.dumps(record | {"crop": {"x": 0, "y": 0, "side": SIZE, "size": SIZE}}))
    save_motion(replace(motion, fps=Fraction(25)), folder / "motion.npz")
    (folder / "camera.json").write_text(json.dumps(camera.to_json()))
    tracking = {"head": {"name": head.name, "fingerprint": head.fingerprint}, "learned_before": 8}
    (folder / "tracking.json").write_text(json.dumps(tracking))
    return folder


def test_table_json_and_page(run, person, filmed, tmp_path):
    out, figures = tmp_path / "page", tmp_path / "f.json"
    other = Path(shutil.copy(person, tmp_path / "other.avatar"))
    outcome = run("eval", person, filmed, "-o", out, "--json", figures, "--against", other)
    assert outcome.status == 0, outcome.err
    for text in ("avatar, tracked", "avatar, refined", "other, tracked", "held out (2)", "trained (8)", "gap"):
        assert text in outcome.out, text
    found = json.loads(figures.read_text())
    for name in ("psnr_full", "psnr_head", "psnr_mouth", "psnr_eyes", "ssim_full", "novel_holes", "novel_floaters", "novel_spikes", "frames"):
        assert np.isfinite(found[name]), name
    for name in ("refined_psnr_full", "train_psnr_full", "gap_full", "gaussians", "seconds_fit", "other_psnr_full", "other_refined_psnr_full"):
        assert np.isfinite(found[name]), name
    assert found["psnr_full"] == found["other_psnr_full"] > 25
    page = (out / "index.html").read_text()
    assert all(source.startswith(("data:", "#")) for source in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert f"{found['psnr_full']:.2f}" in page and page.count("<img") > 15


def test_what_was_trained_on_is_told_to_be_unknown(run, small_avatar, filmed):
    outcome = run("eval", small_avatar, filmed, "--no-refined", "--no-landmarks")
    assert outcome.status == 0, outcome.err
    assert "training unknown (2)" in outcome.out and "does not say" in outcome.err


def test_a_video_that_is_no_video(refused, person, tmp_path):
    (tmp_path / "v.mp4").write_text("not a video")
    refused("eval", person, tmp_path / "v.mp4", match=("v.mp4", "video"))
    refused("eval", person, tmp_path / "nothing.mp4", match=("nothing.mp4", "no such file"))
    assert not list(person.parent.glob("*.capture"))


def test_a_video_without_a_face(refused, person, faceless_video):
    refused("eval", person, faceless_video, match=("stripes.mp4", "face"))
    assert not list(person.parent.glob("*.capture"))


def test_a_folder_that_is_no_tracked_capture(refused, person, filmed, tmp_path):
    refused("eval", person, tmp_path, match=("capture", "avatar3d track"))
    untracked = shutil.copytree(filmed, tmp_path / "untracked")
    (untracked / "tracking.json").unlink()
    refused("eval", person, untracked, match=("untracked", "tracked"))


def test_a_capture_with_a_missing_picture(refused, person, filmed, tmp_path):
    broken = shutil.copytree(filmed, tmp_path / "broken")
    (broken / "images" / "00009.jpg").unlink()
    refused("eval", person, broken, "--no-refined", match=("00009.jpg", "missing"))


def test_outputs_that_cannot_be_written_are_refused_before_the_work(refused, person, filmed, tmp_path):
    (tmp_path / "file").write_text("precious")
    refused("eval", person, filmed, "-o", tmp_path / "file", match=("file", "folder"))
    refused("eval", person, filmed, "--json", tmp_path, match=(str(tmp_path), "folder"))
    refused("eval", person, filmed, "--json", person, match=("me.avatar", "overwritten"))
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("choice", ["some", "9:3", "99:120"])
def test_frames_that_do_not_exist(refused, person, filmed, choice):
    refused("eval", person, filmed, "--frames", choice, match=("--frames", choice))


def test_baselines_need_to_know_the_training(refused, small_avatar, filmed):
    refused("eval", small_avatar, filmed, "--baselines", match=("--baselines", "avatar3d fit"))


def test_two_avatars_of_one_name(refused, person, filmed, tmp_path):
    (tmp_path / "a").mkdir()
    copies = [shutil.copy(person, tmp_path / name) for name in ("x.avatar", "a/x.avatar")]
    refused("eval", person, filmed, "--against", *copies, match=("x.avatar", "name"))
