"""How fast this machine fits and tracks, and an avatar of a given size to measure posing and drawing on."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera, look_at
from avatar3d.carriers import with_carriers
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion, rest_motion
from avatar3d.threads import one_torch_thread
from recon.presets import PRESETS
from recon.seeding import seed_mesh
from recon.trainer import Trainer
from recon.training_frames import TrainingFrame

_DISTANCE, _HEIGHT = 1.0, 0.5
"""Metres to the camera, and metres that fill the height of the picture: head and shoulders, as captures are cropped."""


def bench_motion(head: HeadModel, frames: int = 50, seed: int = 0) -> Motion:
    """Random small expressions and turns."""
    rng = np.random.default_rng(seed)
    motion = rest_motion(head, frames)
    motion.expr[:] = rng.uniform(size=motion.expr.shape) * 0.15
    motion.neck_pose[:] = rng.normal(size=(frames, 3), scale=0.08)
    motion.jaw_pose[:, 0] = rng.uniform(size=frames) * 0.2
    return motion


def bench_camera(size: int) -> Camera:
    """Sees head and shoulders of the neutral head, as a capture does."""
    return look_at(np.array([0.0, -0.05, _DISTANCE]), np.array([0.0, -0.05, 0.0]), focal=size * _DISTANCE / _HEIGHT, size=(size, size))


def _trainer(head: HeadModel, count: int, size: int) -> Trainer:
    rig = with_carriers(head)
    motion = bench_motion(head)
    rest = rig.shaped(torch.from_numpy(motion.shape)).numpy()[: head.num_vertices]
    seeds = seed_mesh(head, np.ascontiguousarray(rest), count, 0)
    colour = np.random.default_rng(0).uniform(0.2, 0.9, (count, 3)).astype(np.float32)
    preset = replace(PRESETS["balanced"], steps=10_000, half_share=0.0, free_share=0.0, refined_from=0.0)
    trainer = Trainer(head, rig, motion, bench_camera(size), seeds, colour, preset, 0)
    trainer.parameters["opacity_logit"].fill_(2.2)
    return trainer


def bench_avatar(head: HeadModel, count: int) -> Avatar:
    """An avatar of `count` nearly opaque Gaussians with ten bases."""
    return _trainer(head, count, 512).avatar({}, np.arange(50))


class _OneFrame:
    """A store whose frames are all the same: decoding is not what is measured."""

    def __init__(self, size: int):
        rng = np.random.default_rng(0)
        picture = rng.integers(0, 255, (size, size, 3), np.uint8)
        matte = np.zeros((size, size), np.uint8)
        matte[size // 16 :, size // 6 : -size // 6] = 255
        self.frame = TrainingFrame(picture, matte, np.ones((size, size), np.float32), None, (size // 16, size // 6, size, size - size // 6))

    def get(self, index: int, shrink: int) -> TrainingFrame:
        return self.frame


def train_figures(head: HeadModel, quick: bool, threads: int) -> dict[str, float]:
    """Wall time per trained frame, milliseconds, everything in it but decoding, for 15k Gaussians at 256 and 512 pixels."""
    figures: dict[str, float] = {}
    with one_torch_thread():
        for size in (256, 512):
            trainer, store = _trainer(head, 15_000, size), _OneFrame(size)
            frames, probabilities = np.arange(50), np.full(50, 0.02)
            spans = []
            with ThreadPoolExecutor(threads) as pool:
                for _ in range(6 if quick else 30):
                    start = time.perf_counter()
                    trainer.advance(store, frames, probabilities, pool)  # type: ignore[arg-type]
                    spans.append(time.perf_counter() - start)
            figures[f"train_step_15k_{size}_ms"] = 1e3 * float(np.median(spans[2:])) / trainer.preset.batch
    return figures


def track_figures(video: Path, head: HeadModel) -> dict[str, float]:
    """Frames per second from decoding to motion, one stage after the other; of its stages; and with the overlay video."""
    from recon.capture import make_capture
    from recon.tracking_files import track_capture

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "capture"
        start = time.perf_counter()
        capture = make_capture(video, folder)
        middle = time.perf_counter()
        report = track_capture(folder, head).report
        end = time.perf_counter()
    count, rates = len(capture), report["frames_per_second"]
    seconds = (middle - start) / count + sum(1 / rates[stage] for stage in ("poses", "flow", "shoulders"))
    return {
        "track_fps": 1 / seconds,
        "capture_fps": count / (middle - start),
        "track_poses_fps": rates["poses"],
        "track_flow_fps": rates["flow"],
        "track_shoulders_fps": rates["shoulders"],
        "track_with_overlay_fps": count / (end - start),
    }
