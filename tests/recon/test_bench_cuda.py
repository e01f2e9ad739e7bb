"""The measurements of a GPU, run in small on the CPU."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.cli.bench import bench
from avatar3d.device_avatar import device_avatar
from avatar3d.drawing import draw
from recon.bench_cuda import agreement, drawing_figures, drawn_capture, fitting_figures
from recon.presets import PRESETS
from tests.recon.memory_capture import small_scene

BACKDROP = np.full((48, 48, 3), 0.25, np.float32)


def test_a_drawn_capture_shows_the_avatar_before_its_backdrop():
    _, motion, camera, avatar = small_scene(frames=10, size=48)
    capture = drawn_capture(device_avatar(avatar, "cpu"), motion, camera, BACKDROP)
    assert len(capture) == 10 and capture.size == 48
    drawn = draw(avatar, motion, float(9 / motion.fps), camera, BACKDROP)
    np.testing.assert_allclose(capture.image(9), 255 * np.clip(drawn.rgb, 0, 1), atol=0.6)
    np.testing.assert_allclose(capture.matte(9), 255 * drawn.alpha, atol=0.6)


def test_drawing_is_measured_and_agrees_with_the_cpu():
    _, motion, camera, avatar = small_scene(frames=3, size=48)
    figures = drawing_figures("tiny", avatar, motion, camera, "cpu", 2)
    kinds = ("_fps", "_p50_ms", "_p95_ms", "_live_fps", "_packed_fps", "_together_fps")
    assert figures.keys() == {f"cuda_render_tiny{kind}" for kind in kinds} | {"cuda_pose_tiny_ms", "cuda_agreement_tiny_db"}
    assert all(np.isfinite(value) and value > 0 for value in figures.values())
    assert figures["cuda_agreement_tiny_db"] > 60


def test_agreement_notices_another_avatar():
    _, motion, camera, avatar = small_scene(frames=3, size=48)
    other = replace(avatar, colour=avatar.colour + 0.05)
    assert agreement(avatar, device_avatar(other, "cpu"), motion, camera) < 45


def test_fitting_is_measured_to_the_avatar():
    _, motion, camera, avatar = small_scene(frames=10, size=48)
    preset = replace(PRESETS["fast"], gaussians=150, loose=10, bases=2, steps=12, batch=2)
    seen = drawn_capture(device_avatar(avatar, "cpu"), motion, camera, BACKDROP)
    figures = fitting_figures("tiny", seen, motion, camera, avatar.head, preset, "cpu")
    assert figures.keys() == {"cuda_fit_tiny_seconds", "cuda_fit_tiny_step_ms", "cuda_fit_tiny_psnr_db"}
    assert figures["cuda_fit_tiny_psnr_db"] > 12


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_without_a_gpu_the_bench_says_so_and_ends_well(tmp_path, capsys):
    bench(json_out=tmp_path / "figures.json", device="cuda")
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["results"] == {} and "CUDA" in written["skipped"]
    assert "nothing measured" in capsys.readouterr().err
