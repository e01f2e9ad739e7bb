"""What a fit is compared with: simpler recipes on the same capture, tracking, rasterizer and clock, in the same kind of avatar."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import numpy as np
import torch

from avatar3d import progress as progress_module
from avatar3d.avatar import Avatar
from avatar3d.basis_network import network_inputs
from avatar3d.camera import Camera
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from avatar3d.progress import Progress
from avatar3d.statistics import motion_statistics
from avatar3d.threads import one_torch_thread
from recon.baseline_splats import Splats, screen_gradient
from recon.capture import Capture
from recon.colour_start import start_colours
from recon.fit import split_frames
from recon.loss import LossWeights
from recon.overlay import pose_frames
from recon.presets import PRESETS, FitPreset
from recon.seeding import face_detail, seed_mesh
from recon.trainer import FrameGradients, Trainer, frame_gradients, workspace
from recon.training_frames import FrameStore

BASELINES = ("gaussian_avatars", "bound")
BATCH = 2
"""Frames per step of GaussianAvatars here, one per core of a small machine; each counts as one of the paper's iterations, of one frame each."""
WEIGHTS = LossWeights(dssim=0.2, coverage=0.0)
FREE_OFFSET, OFFSET_WEIGHT = 1.0, 0.01
FREE_SIZE, SIZE_WEIGHT = 0.6, 1.0
"""Triangle units: offsets and sizes up to these cost nothing."""
DENSIFY_FROM, DENSIFY_EVERY, RESET_EVERY = (1 / 60, 500), (1 / 300, 100), (1 / 10, 3000)
"""(share of the run, least iterations). The shares are the paper's 10k, 2k and 60k of 600k iterations. In a short run they would multiply
Gaussians before these have taken on a colour, so that they never come closer than the iterations of 3D Gaussian splatting's own schedule."""
_START_VIEWS = 12

Step = Callable[[float], tuple[float, float]]
"""From the share of the run that is over to the loss and the PSNR of one step."""


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
    with one_torch_thread(), ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
        start_of = {"gaussian_avatars": gaussian_avatars_step, "bound": bound_step}[kind]
        step, finish = start_of(capture, motion, camera, head, split.train, store, preset, seed, pool)
        start = time.monotonic()
        for share in elapsed_shares(steps, seconds):
            figures = np.array(step(share))
            average = figures if done == 0 else 0.98 * average + 0.02 * figures
            done += 1
            expected = steps or round(done * (seconds or 0) / max(time.monotonic() - start, 1e-3))
            progress(done, max(done, expected), loss=float(average[0]), psnr=float(average[1]))
    runs = np.split(split.train, np.flatnonzero(np.diff(split.train) > 1) + 1)
    avatar = finish()
    record = {
        "baseline": kind,
        "seed": seed,
        "holdout": holdout,
        "trained_frames": [[int(run[0]), int(run[-1])] for run in runs],
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
    plain = replace(preset, gaussians=preset.gaussians + preset.loose, loose=0, bases=0, free_share=1.0)
    rest = np.ascontiguousarray(head.shaped(torch.from_numpy(motion.shape)).numpy())
    views = train[np.linspace(0, len(train) - 1, min(_START_VIEWS, len(train))).astype(int)]
    posed = pose_frames(head, motion, views)
    pictures = [(v, capture.image(int(i)), capture.matte(int(i))) for v, i in zip(posed, views, strict=True)]
    seeds = seed_mesh(head, rest, plain.gaussians, seed, face_detail(head.faces.numpy(), pictures, camera))
    trainer = Trainer(head, head, motion, camera, seeds, np.zeros((len(seeds.face), 3), np.float32), plain, seed)
    local = {name: trainer.parameters[name].numpy() for name in ("position", "rotation", "log_scale")}
    frames = [(v, store.get(int(i), 1)) for v, i in zip(posed, views, strict=True)]
    trainer.parameters["colour"].copy_(torch.from_numpy(start_colours(trainer.mesh, frames, local, camera)))
    evenly = np.full(len(train), 1 / len(train))

    def step(share: float) -> tuple[float, float]:
        # The trainer's schedules follow its step over the preset's: the length that the pace so far leads one to expect.
        trainer.preset = replace(plain, steps=max(round(trainer.step / share), trainer.step + 1) if share > 0 else plain.steps)
        return trainer.advance(store, train, evenly, pool)

    return step, lambda: trainer.avatar({}, train)


def gaussian_avatars_step(
    capture: Capture, motion: Motion, camera: Camera, head: HeadModel, train: np.ndarray, store: FrameStore, preset: FitPreset, seed: int,
    pool: ThreadPoolExecutor,
) -> tuple[Step, Callable[[], Avatar]]:  # fmt: skip
    """The recipe of GaussianAvatars (Qian et al., CVPR 2024): what advances the fit by a step, and what gives its avatar.

    Written from the paper. One Gaussian per triangle, on eyes, teeth and tongue too, in triangle units; Adam at the paper's
    rates; 0.8 L1 + 0.2 DSSIM at full resolution, offsets beyond one unit and sizes beyond 0.6 penalised, averaged over the
    Gaussians that were drawn; cloning, splitting, pruning and opacity resets with children on their parents' triangles.
    Where this differs: the run is shorter (see `DENSIFY_FROM`), batches have two frames, the pictures lie over black as
    those that are measured do, colours are constant (with one fixed camera the direction of view hardly varies, so that
    higher harmonics would only learn the head's pose), a triangle's size follows the square root of its area when it
    deforms, as everywhere here, and the tracking is not changed.
    """
    del capture, preset
    faces = np.ascontiguousarray(head.faces.numpy().astype(np.int32))
    splats = Splats(np.ascontiguousarray(head.shaped(torch.from_numpy(motion.shape)).numpy()), faces)
    black, even = np.zeros(3, np.float32), np.ones((camera.height, camera.width), np.float32)
    iterations, densified, reset = 0, 0, 0

    def step(share: float) -> tuple[float, float]:
        nonlocal iterations, densified, reset
        rng = np.random.default_rng((seed, iterations))
        expected = iterations / share if share > 0 else np.inf
        since, every, between = (max(part * expected, least) for part, least in (DENSIFY_FROM, DENSIFY_EVERY, RESET_EVERY))
        if iterations >= since and iterations - densified >= every:
            splats.densify(rng)
            densified = iterations
        # As in the paper, a whole interval is left after the last reset.
        if iterations - reset >= between and iterations + between <= expected:
            splats.reset_opacity()
            reset = iterations
        batch = np.sort(rng.choice(train, BATCH, replace=len(train) < BATCH))
        vertices, mesh, local = pose_frames(head, motion, batch), splats.mesh(), splats.metric()

        def work(index: int) -> tuple[FrameGradients, np.ndarray, np.ndarray]:
            frame = replace(store.get(int(batch[index]), 1), importance=even)
            return frame_gradients(mesh, vertices[index], local, frame, camera, black, WEIGHTS), *screen_gradient(workspace())

        results = list(pool.map(work, range(BATCH)))
        for _, screen, visible in results:
            splats.pull(screen * np.float32(camera.width / 2), visible)
        splats.descend(_gradients(splats, results), share)
        iterations += BATCH
        return float(np.mean([r.loss for r, _, _ in results])), float(np.mean([r.psnr for r, _, _ in results]))

    return step, lambda: _avatar(splats, head, motion, train)


def _gradients(splats: Splats, results: list[tuple[FrameGradients, np.ndarray, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Mean gradients of a batch with respect to triangle units, with those of the two penalties."""
    from avatar3d.gaussians import SH_C0

    frames = [result for result, _, _ in results]
    names = {"position": "position", "rotation": "rotation", "log_scale": "log_scale", "opacity_logit": "opacity_logit", "sh": "colour"}
    mean = {name: torch.from_numpy(np.mean([getattr(frame, field) for frame in frames], axis=0)) for name, field in names.items()}
    mean["sh"] *= SH_C0
    mean["position"] *= torch.from_numpy(splats.unit)[:, None]
    drawn = np.mean([visible / max(visible.sum(), 1) for _, _, visible in results], axis=0).astype(np.float32)
    weight = torch.from_numpy(drawn)[:, None]
    p = splats.parameters
    distance = p["position"].norm(dim=1, keepdim=True)
    mean["position"] += OFFSET_WEIGHT * weight * (distance > FREE_OFFSET) * p["position"] / distance.clamp_min(1e-9)
    size = p["log_scale"].exp()
    excess = (size - FREE_SIZE).clamp_min(0)
    mean["log_scale"] += SIZE_WEIGHT * weight * excess / excess.norm(dim=1, keepdim=True).clamp_min(1e-9) * size
    return mean


def _avatar(splats: Splats, head: HeadModel, motion: Motion, seen: np.ndarray) -> Avatar:
    """An avatar without bases."""
    mesh, N, inputs = splats.mesh(), len(splats), network_inputs(motion).shape[1]
    return Avatar(
        head=head,
        shape=torch.from_numpy(motion.shape.copy()),
        vertex_offset=torch.zeros(head.num_vertices, 3),
        face=mesh.face,
        bary=mesh.bary,
        **{name: torch.from_numpy(value) for name, value in splats.metric().items()},
        position_basis=torch.zeros(0, N, 3),
        rotation_basis=torch.zeros(0, N, 4),
        colour_basis=torch.zeros(0, N, 3),
        input_mean=torch.zeros(inputs),
        input_std=torch.ones(inputs),
        layers=((torch.zeros(0, inputs), torch.zeros(0)),),
        statistics=motion_statistics(motion.frames(seen), head),
    )
