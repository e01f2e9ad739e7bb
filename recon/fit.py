"""Fit: a tracked capture in, an avatar out."""

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from avatar3d import progress as progress_module
from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.carriers import with_carriers
from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from avatar3d.progress import Progress
from avatar3d.runs import ranges
from avatar3d.threads import num_cores, one_torch_thread
from recon.capture import Capture
from recon.colour_start import start_colours
from recon.frame_gradients import Mesh
from recon.overlay import pose_frames
from recon.presets import FitPreset
from recon.seeding import face_detail, seed_loose, seed_mesh
from recon.torch_trainer import on_device
from recon.trainer import Trainer
from recon.training_frames import FrameStore, draw_weights

CHECKPOINT_INTERVAL = 30.0
"""Seconds between checkpoints."""
START_VIEWS = 12


@dataclass(frozen=True, eq=False)
class Split:
    """Which frames a fit may see."""

    train: np.ndarray
    test: np.ndarray


def split_frames(capture: Capture, motion: Motion, holdout: float) -> Split:
    """The last `holdout` of the frames are kept out; of the others those with a face are learned from.

    Raises:
        UserError: too little is left.
    """
    count = len(capture)
    first_test = count - round(holdout * count)
    usable = np.asarray(capture.valid, bool) if motion.valid is None else motion.valid
    train, test = np.flatnonzero(usable[:first_test]), first_test + np.flatnonzero(usable[first_test:])
    if len(train) < 4:
        raise UserError(f"{capture.path}: only {len(train)} frames show a face; film at least a few seconds of the face")
    return Split(train, test)


def fit(
    capture: Capture,
    motion: Motion,
    camera: Camera,
    head: HeadModel,
    preset: FitPreset,
    *,
    holdout: float = 0.0,
    seed: int = 0,
    metadata: dict | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    threads: int | None = None,
    device: str = "cpu",
    progress: Progress = progress_module.silent,
) -> Avatar:
    """Fit Gaussians to a tracked capture.

    Args:
        capture: frames and mattes.
        motion: as tracked, one frame per frame of the capture.
        camera: of the capture's crop.
        head: the rig that the motion is of.
        preset: how large and how long.
        holdout: share of the frames, at the end, that are not seen.
        seed: of everything random.
        metadata: goes into the avatar as it is, beside what the fit adds.
        checkpoint: file that is renewed every half minute, and left for the caller to remove once the avatar is safe; None for no checkpoints.
        resume: continue from the checkpoint where there is one of this very fit.
        threads: frames that are worked on at once; default the number of cores.
        device: where the steps are taken, "cpu" or "cuda".
        progress: called after every step.

    Raises:
        UserError: too few frames, a checkpoint of another fit, or a device that this machine does not have.
    """
    start = time.monotonic()
    split = split_frames(capture, motion, holdout)
    store = FrameStore(capture)
    trainer = on_device(make_trainer(capture, motion, camera, head, preset, split, store, seed), device)
    identity = _identity(motion, preset, split, seed, capture)
    if resume and checkpoint is not None and checkpoint.exists():
        # What earlier runs took counts too: others are given as much time as this fit.
        start -= _restore(trainer, checkpoint, identity)
    probabilities = draw_weights(motion, split.train)
    workers = threads or num_cores()
    saved = time.monotonic()
    average_loss, average_psnr = 0.0, 0.0
    # The workers each run one frame; torch's own threads would only fight with them for the cores.
    with one_torch_thread(), ThreadPoolExecutor(workers) as pool:
        while trainer.step < preset.steps:
            loss, psnr = trainer.advance(store, split.train, probabilities, pool)
            decay = 0.98 if average_loss else 0.0
            average_loss, average_psnr = decay * average_loss + (1 - decay) * loss, decay * average_psnr + (1 - decay) * psnr
            progress(trainer.step, preset.steps, loss=average_loss, psnr=average_psnr)
            if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_INTERVAL:
                _save(trainer, checkpoint, identity, time.monotonic() - start)
                saved = time.monotonic()
    record = {
        "preset": asdict(preset),
        "seed": seed,
        "holdout": holdout,
        "trained_frames": ranges(split.train),
        "frames": len(capture),
        "train_psnr": round(average_psnr, 3),
        "seconds": round(time.monotonic() - start, 1),
    }
    bias = None if trainer.refiner is None else trainer.refiner.bias
    if bias is not None:
        record["pose_bias"] = bias.to_json()
    avatar = trainer.avatar(
        (metadata or {}) | {"fit": record, "camera": camera.to_json(), "fps": [motion.fps.numerator, motion.fps.denominator]}, split.train
    )
    return avatar


def make_trainer(
    capture: Capture,
    motion: Motion,
    camera: Camera,
    head: HeadModel,
    preset: FitPreset,
    split: Split,
    store: FrameStore,
    seed: int,
    start_views: int = START_VIEWS,
) -> Trainer:
    """The trainer of a fit, on the CPU, before its first step; where and how its Gaussians start is read off `start_views` frames."""
    rig = with_carriers(head)
    rest = np.ascontiguousarray(rig.shaped(torch.from_numpy(motion.shape)).numpy())
    views = split.train[np.linspace(0, len(split.train) - 1, min(start_views, len(split.train))).astype(int)]
    posed = pose_frames(rig, motion, views)
    pictures = [(capture.image(int(i)), capture.matte(int(i))) for i in views]
    faces = head.faces.numpy()
    detail = face_detail(faces, [(v, rgb, matte) for v, (rgb, matte) in zip(posed, pictures, strict=True)], camera)
    seeds = seed_mesh(head, rest[: head.num_vertices], preset.gaussians, seed, detail)
    seeds += seed_loose(rig, rest, [(v, matte) for v, (_, matte) in zip(posed, pictures, strict=True)], camera, preset.loose, seed)
    trainer = Trainer(head, rig, motion, camera, seeds, np.zeros((len(seeds.face), 3), np.float32), preset, seed)
    local = {name: trainer.parameters[name].numpy() for name in ("position", "rotation", "log_scale")}
    mesh: Mesh = trainer.mesh
    trainer.parameters["colour"].copy_(
        torch.from_numpy(start_colours(mesh, [(v, store.get(int(i), 1)) for v, i in zip(posed, views, strict=True)], local, camera, trainer.near))
    )
    return trainer


def _identity(motion: Motion, preset: FitPreset, split: Split, seed: int, capture: Capture) -> str:
    """Changes whenever a checkpoint would not fit."""
    digest = hashlib.sha256(json.dumps([asdict(preset), seed, len(capture), capture.size, motion.head_fingerprint]).encode())
    for array in (motion.expr, motion.rotation, motion.translation, motion.shape, split.train):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _save(trainer: Trainer, path: Path, identity: str, seconds: float) -> None:
    metadata = {"fit": identity, "seconds": f"{seconds:.1f}"}
    with atomic_path(path) as temporary:
        save_file({name: value.contiguous() for name, value in trainer.state().items()}, temporary, metadata=metadata)


def _restore(trainer: Trainer, path: Path, identity: str) -> float:
    """Take over a checkpoint; returns the seconds that the fit had taken until then."""
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as archive:
            metadata = archive.metadata() or {}
            if metadata.get("fit") != identity:
                raise UserError(f"{path}: is the checkpoint of another fit; run without --resume to start over")
        trainer.restore(load_file(path))
        return float(metadata.get("seconds", 0.0))
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(f"{path}: is not a usable checkpoint; run without --resume to start over") from error
