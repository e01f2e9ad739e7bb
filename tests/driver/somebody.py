"""A made-up capture of somebody whose mouth is the default driver's, shifted and of another size."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from avatar3d.head.store import load_head
from avatar3d.motion import Motion, load_motion, save_motion
from driver.channels import EXPR, INDEX, JAW, unpack
from driver.features import FPS, RATE
from driver.takes import generated_take, sentences


def somebody(folder: Path, takes: int = 4) -> Path:
    """A capture folder with some seconds of a mouth that moves half as much as usual and never quite closes."""
    head, (pool, _) = load_head(), sentences()
    spoken = [generated_take(pool, np.random.default_rng([5, index]), degrade=False) for index in range(takes)]
    sound, frames = (np.concatenate([getattr(take, name) for take in spoken]) for name in ("sound", "frames"))
    frames = frames[: len(sound) * FPS // RATE].copy()
    frames[:, JAW] = 0.5 * frames[:, JAW] + 0.03
    frames[:, EXPR] = 0.5 * frames[:, EXPR]
    frames[:, INDEX["mouthSmileLeft"]] += 0.3
    motion = Motion(
        **unpack(frames, head.jaw_open_angle), shape=np.zeros(head.num_shape, np.float32), fps=Fraction(FPS), head_fingerprint=head.fingerprint,
        sound=sound, sound_rate=RATE,
    )  # fmt: skip
    folder.mkdir()
    save_motion(motion, folder / "motion.npz")
    (folder / "tracking.json").write_text(json.dumps({"cuts": []}))
    return folder


def another(capture: Path, folder: Path, **changes: object) -> Path:
    """A copy of a capture whose motion has other fields, for instance another sound."""
    folder.mkdir()
    save_motion(replace(load_motion(capture / "motion.npz"), **changes), folder / "motion.npz")
    (folder / "tracking.json").write_bytes((capture / "tracking.json").read_bytes())
    return folder
