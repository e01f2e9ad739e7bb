"""How fast a CUDA device draws and fits, and how close its pictures are to the CPU's."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.data import data_path
from avatar3d.device_avatar import DeviceAvatar, device_avatar
from avatar3d.drawing import draw
from avatar3d.head.model import NUM_LANDMARKS, HeadModel, landmark_positions
from avatar3d.motion import Motion, load_motion
from avatar3d.threads import one_torch_thread
from recon.bench import bench_avatar, bench_camera, bench_motion
from recon.capture import Capture
from recon.fit import make_trainer, split_frames
from recon.overlay import pose_frames
from recon.presets import PRESETS, FitPreset
from recon.synthetic import backdrop, synthetic_avatar, synthetic_camera
from recon.torch_trainer import TorchTrainer
from recon.training_frames import FrameStore, draw_weights

SIZE = 512
AT_ONCE = 8
"""Frames that are drawn together where speed counts more than delay."""
_PERSON, _BACKDROP = 5, 5
_HOLDOUT = 0.2


@dataclass(frozen=True, eq=False)
class DrawnCapture:
    """What a fit reads of a capture, in memory: pictures of an avatar whose motion is known."""

    images: np.ndarray
    """[T, H, W, 3] uint8."""
    mattes: np.ndarray
    """[T, H, W] uint8."""
    landmarks: np.ndarray
    """[T, 478, 3] float32 pixels."""
    valid: np.ndarray
    """[T] bool."""
    fps: Fraction
    path: Path = Path("drawn")
    source: dict = field(default_factory=lambda: {"name": "drawn"})

    @property
    def size(self) -> int:
        return self.images.shape[1]

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> np.ndarray:
        return self.images[index]

    def matte(self, index: int) -> np.ndarray:
        return self.mattes[index]


def drawn_capture(person: DeviceAvatar, motion: Motion, camera: Camera, background: np.ndarray, *, backend: str = "auto") -> DrawnCapture:
    """Film an avatar on its device.

    Args:
        person: who.
        motion: what it does, of the avatar's head and identity.
        camera: square pictures of its size.
        background: [H, W, 3] float32 behind it.
        backend: see `rasterize_frames`.
    """
    performance, behind = person.perform(motion), torch.from_numpy(background).to(person.device)
    black = torch.zeros(3, device=person.device)
    images, mattes = [], []
    for first in range(0, len(motion), AT_ONCE):
        rgb, alpha = person.draw(performance[first : first + AT_ONCE], camera, black, backend=backend)
        rgb = rgb + (1 - alpha[..., None]) * behind
        for out, picture in ((images, rgb), (mattes, alpha)):
            out.append((255 * picture.clamp(0, 1) + 0.5).to(torch.uint8).cpu().numpy())
    head = person.avatar.head
    landmarks = np.zeros((len(motion), NUM_LANDMARKS, 3), np.float32)
    if head.landmarks is not None:
        points = landmark_positions(torch.from_numpy(pose_frames(head, motion, slice(None))), head).numpy()
        landmarks[:, head.landmarks.index, :2] = camera.project(points)
    return DrawnCapture(np.concatenate(images), np.concatenate(mattes), landmarks, np.ones(len(motion), bool), motion.fps)


def drawing_figures(
    name: str, avatar: Avatar, motion: Motion, camera: Camera, device: str, repeats: int, *, backend: str = "auto"
) -> dict[str, float]:
    """Speed of posing and drawing an avatar on a device, and agreement with the CPU's pictures.

    Args:
        name: of the figures.
        avatar: on the CPU.
        motion: what it does; its coefficients are moved over beforehand, everything else is done for each frame.
        camera: from where.
        device: where.
        repeats: pictures that are timed.
        backend: see `rasterize_frames`.

    Returns:
        cuda_render_{name}_fps: one picture after the other; ..._p50_ms and ..._p95_ms: of a picture from asking to having;
        ..._live_fps: the motion interpolated and moved over for each picture; ..._packed_fps; ..._together_fps: several drawn at once;
        cuda_pose_{name}_ms: posing alone; cuda_agreement_{name}_db: least PSNR against the CPU's picture.
    """
    resident, background = device_avatar(avatar, device), torch.zeros(3, device=device)
    performance = resident.perform(motion)
    count = len(performance)

    def one(index: int, packed: bool = False) -> None:
        resident.draw(performance[index % count : index % count + 1], camera, background, backend=backend, packed=packed)

    def live(index: int) -> None:
        now = resident.perform(motion.at(float((index + 0.5) / motion.fps) % motion.duration))
        resident.draw(now, camera, background, backend=backend)

    def together(index: int) -> None:
        first = AT_ONCE * index % max(count - AT_ONCE, 1)
        resident.draw(performance[first : first + AT_ONCE], camera, background, backend=backend)

    def pose(index: int) -> None:
        with torch.no_grad():
            resident.pose(performance[index % count : index % count + 1])

    spans = [_seconds(one, 1, device, first) for first in range(repeats)]
    batch = min(AT_ONCE, count)
    return {
        f"cuda_render_{name}_fps": repeats / _seconds(one, repeats, device),
        f"cuda_render_{name}_p50_ms": 1e3 * float(np.percentile(spans, 50)),
        f"cuda_render_{name}_p95_ms": 1e3 * float(np.percentile(spans, 95)),
        f"cuda_render_{name}_live_fps": repeats / _seconds(live, repeats, device),
        f"cuda_render_{name}_packed_fps": repeats / _seconds(lambda index: one(index, True), repeats, device),
        f"cuda_render_{name}_together_fps": batch * repeats / _seconds(together, repeats, device),
        f"cuda_pose_{name}_ms": 1e3 * _seconds(pose, repeats, device) / repeats,
        f"cuda_agreement_{name}_db": agreement(avatar, resident, motion, camera, backend=backend),
    }


def agreement(avatar: Avatar, resident: DeviceAvatar, motion: Motion, camera: Camera, *, backend: str = "auto", frames: int = 4) -> float:
    """Least PSNR, decibels, between the pictures of some frames as the device and as the CPU pose and draw them."""
    background = np.array([0.3, 0.5, 0.7], np.float32)
    worst = np.inf
    for index in np.linspace(0, len(motion) - 1, frames).astype(int):
        ours = draw(avatar, motion, float(index / motion.fps), camera, background).rgb
        performance = resident.perform(motion.frames(slice(index, index + 1)))
        theirs = resident.draw(performance, camera, torch.from_numpy(background).to(resident.device), backend=backend)[0][0].cpu().numpy()
        worst = min(worst, -10 * np.log10(max(float(np.square(ours - theirs).mean()), 1e-12)))
    return float(worst)


def fitting_figures(
    name: str, capture: DrawnCapture, motion: Motion, camera: Camera, head: HeadModel, preset: FitPreset, device: str, *, backend: str = "auto"
) -> dict[str, float]:
    """Speed of a fit on a device, from pictures to avatar, and what comes of it.

    Args:
        name: of the figures.
        capture: of which the last fifth is kept out.
        motion: of all its frames.
        camera: of the capture.
        head: of the motion.
        preset: of the fit.
        device: where.
        backend: see `rasterize_frames`.

    Returns:
        cuda_fit_{name}_seconds: all of it; ..._step_ms: one step, median; ..._psnr_db: mean over held-out frames, over black.
    """
    start = time.perf_counter()
    seen = cast(Capture, capture)
    split, store, spans = split_frames(seen, motion, _HOLDOUT), FrameStore(seen), []
    probabilities = draw_weights(motion, split.train)
    trainer = TorchTrainer(make_trainer(seen, motion, camera, head, preset, split, store, 0), device, rasterizer=backend)
    with one_torch_thread(), ThreadPoolExecutor() as pool:
        while trainer.step < preset.steps:
            before = time.perf_counter()
            trainer.advance(store, split.train, probabilities, pool)
            spans.append(time.perf_counter() - before)
    resident = device_avatar(trainer.avatar({}, split.train), device)
    seconds = time.perf_counter() - start
    scores = []
    for index in split.test:
        performance = resident.perform(motion.frames(slice(index, index + 1)))
        rgb = resident.draw(performance, camera, torch.zeros(3, device=device), backend=backend)[0][0].cpu().numpy()
        truth = store.get(int(index), 1).over(np.zeros(3, np.float32))[0]
        scores.append(-10 * np.log10(max(float(np.square(rgb - truth).mean()), 1e-12)))
    return {
        f"cuda_fit_{name}_seconds": seconds,
        f"cuda_fit_{name}_step_ms": 1e3 * float(np.median(spans)),
        f"cuda_fit_{name}_psnr_db": float(np.mean(scores)),
    }


def cuda_figures(head: HeadModel, quick: bool) -> dict[str, float]:
    """All figures of the CUDA device: drawing 15k and 60k Gaussians, and a `quality` fit to a synthetic capture.

    Args:
        head: the embedded head.
        quick: fewer pictures, and a `fast` fit instead.
    """
    figures: dict[str, float] = {}
    repeats = 50 if quick else 500
    with one_torch_thread():
        for count in (15_000, 60_000):
            avatar = bench_avatar(head, count)
            figures |= drawing_figures(f"{count // 1000}k_{SIZE}", avatar, bench_motion(head), bench_camera(SIZE), "cuda", repeats)
    motion = load_motion(data_path("demo", "truth.npz"), head)
    person, camera = device_avatar(synthetic_avatar(head, _PERSON), "cuda"), synthetic_camera(SIZE)
    capture = drawn_capture(person, motion, camera, backdrop(SIZE, _BACKDROP))
    preset = "fast" if quick else "quality"
    torch.cuda.reset_peak_memory_stats()
    figures |= fitting_figures(preset, capture, motion, camera, head, PRESETS[preset], "cuda")
    return figures | {f"cuda_fit_{preset}_memory_gb": torch.cuda.max_memory_allocated() / 2**30}


def _seconds(work: Callable[[int], None], repeats: int, device: str, first: int = 0) -> float:
    """Wall time of `work` for so many indices, until the device has done it all; the first index is done once beforehand, uncounted."""
    work(first)
    _wait(device)
    start = time.perf_counter()
    for index in range(first, first + repeats):
        work(index)
    _wait(device)
    return time.perf_counter() - start


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()
