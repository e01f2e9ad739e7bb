"""What a fit is compared with: simpler recipes on the same capture, tracking, rasterizer and clock, in the same kind of avatar."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import numpy as np
import torch

from avatar3d import progress as progress_module
from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from avatar3d.progress import Progress
from avatar3d.runs import ranges
from avatar3d.threads import num_cores, one_torch_thread
from recon.baseline_gaussian_avatars import Step, gaussian_avatars_step
from recon.capture import Capture
from recon.colour_start import start_colours
from recon.fit import split_frames
from recon.overlay import pose_frames
from recon.presets import PRESETS, FitPreset
from recon.seeding import face_detail, seed_mesh
from recon.trainer import Trainer
from recon.training_frames import FrameStore

BASELINES = ("gaussian_avatars", "bound")
_START_VIEWS = 12


def fit_baseline(
    kind: str,
    capture: Capture,
    motion: Motion,
    camera: Camera,
    head: HeadModel,
    *,
    holdout: float = 0.2,
    seconds: float | None = None,
    steps: int | None = None,
    preset: FitPreset = PRESETS["balanced"],
    seed: int = 0,
    threads: int | None = None,
    progress: Progress = progress_module.silent,
) -> Avatar:
    """Fit one of the `BASELINES` to a tracked capture, by the same tracking and with frames drawn evenly.

    "gaussian_avatars": see `gaussian_avatars_step`. "bound": the seeding on the mesh, losses, rates, batch and number of
    Gaussians of `preset`, but none of them off the mesh and no bases.

    Args:
        kind: which.
        capture, motion, camera, head, holdout, threads, progress: as for `recon.fit.fit`.
        seconds: wall time of the training loop, which learning rates and schedules follow; or
        steps: optimizer steps, so that the same seed gives the same avatar. Default: the preset's.
        preset: of "bound".
        seed: of everything random.

    Returns:
        an avatar without bases.

    Raises:
        UserError: too few frames.
        ValueError: no such baseline.
    """
    if kind not in BASELINES:
        raise ValueError(f"no baseline {kind!r}: choose one of {', '.join(BASELINES)}")
    split = split_frames(capture, motion, holdout)
    store = FrameStore(capture)
    steps = preset.steps if seconds is None and steps is None else steps
    average = np.zeros(2)
    done = 0
    with one_torch_thread(), ThreadPoolExecutor(threads or num_cores()) as pool:
        if kind == "bound":
            step, finish = bound_step(capture, motion, camera, head, split.train, store, preset, seed, pool)
        else:
            step, finish = gaussian_avatars_step(motion, camera, head, split.train, store, seed, pool)
        start = time.monotonic()
        for share in elapsed_shares(steps, seconds):
            figures = np.array(step(share))
            average = figures if done == 0 else 0.98 * average + 0.02 * figures
            done += 1
            expected = steps or round(done * (seconds or 0) / max(time.monotonic() - start, 1e-3))
            progress(done, max(done, expected), loss=float(average[0]), psnr=float(average[1]))
    avatar = finish()
    record = {
        "baseline": kind,
        "seed": seed,
        "holdout": holdout,
        "trained_frames": ranges(split.train),
        "frames": len(capture),
        "train_psnr": round(float(average[1]), 3),
        "seconds": round(time.monotonic() - start, 1),
        "steps": done,
    }
    if kind == "bound":
        record["preset"] = asdict(preset)
    metadata = {"fit": record, "camera": camera.to_json(), "fps": [motion.fps.numerator, motion.fps.denominator]}
    return replace(avatar, metadata=metadata)


def elapsed_shares(steps: int | None, seconds: float | None) -> Iterator[float]:
    """The share of the run that is over, before each of its steps; at least one step."""
    if steps is not None:
        yield from (step / steps for step in range(steps))
        return
    if seconds is None:
        raise ValueError("a run needs steps or seconds")
    start = time.monotonic()
    share = 0.0
    while share < 1:
        yield share
        share = (time.monotonic() - start) / seconds


def bound_step(
    capture: Capture, motion: Motion, camera: Camera, head: HeadModel, train: np.ndarray, store: FrameStore, preset: FitPreset, seed: int,
    pool: ThreadPoolExecutor,
) -> tuple[Step, Callable[[], Avatar]]:  # fmt: skip
    """Plain Gaussians on triangles: what advances the fit by a step, and what gives its avatar."""
    plain = replace(
        preset,
        gaussians=preset.gaussians + preset.loose,
        loose=0,
        bases=0,
        torso_bases=0,
        free_share=1.0,
        surface=0.0,
        settling=0.0,
        relocations=(),
        refined_from=1.0,
    )
    rest = np.ascontiguousarray(head.shaped(torch.from_numpy(motion.shape)).numpy())
    views = train[np.linspace(0, len(train) - 1, min(_START_VIEWS, len(train))).astype(int)]
    posed = pose_frames(head, motion, views)
    pictures = [(v, capture.image(int(i)), capture.matte(int(i))) for v, i in zip(posed, views, strict=True)]
    seeds = seed_mesh(head, rest, plain.gaussians, seed, face_detail(head.faces.numpy(), pictures, camera))
    trainer = Trainer(head, head, motion, camera, seeds, np.zeros((len(seeds.face), 3), np.float32), plain, seed)
    local = {name: trainer.parameters[name].numpy() for name in ("position", "rotation", "log_scale")}
    frames = [(v, store.get(int(i), 1)) for v, i in zip(posed, views, strict=True)]
    trainer.parameters["colour"].copy_(torch.from_numpy(start_colours(trainer.mesh, frames, local, camera, trainer.near)))
    evenly = np.full(len(train), 1 / len(train))

    def step(share: float) -> tuple[float, float]:
        # The trainer's schedules follow its step over the preset's: the length that the pace so far leads one to expect.
        trainer.preset = replace(plain, steps=max(round(trainer.step / share), trainer.step + 1) if share > 0 else plain.steps)
        return trainer.advance(store, train, evenly, pool)

    return step, lambda: trainer.avatar({}, train)
