"""A fit that goes on while its footage grows: the same trainer, whose Gaussians move from one tracking to the next.

Gaussians are bound to triangles. When more footage changes identity, camera or poses, they keep their places on the person.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera, look_at
from avatar3d.head.model import NUM_LANDMARKS, HeadModel
from avatar3d.motion import Motion, rest_motion
from avatar3d.runs import ranges
from avatar3d.threads import num_cores, one_torch_thread
from recon.capture import Capture
from recon.fit import Split, make_trainer
from recon.presets import FitPreset
from recon.seeding import Seeds
from recon.shots import Shots
from recon.skull_flow import steady_head
from recon.tracker import track
from recon.tracking_files import with_torso
from recon.trainer import Trainer
from recon.training_frames import FrameStore, draw_weights

NEVER = 2.0
"""A share of the steps that is not reached."""
LIVE = FitPreset(gaussians=10000, loose=1500, bases=9, steps=1000, half_share=0.25, refined_from=NEVER, input_noise=0.2)
"""How large a live fit is; its steps are as many as there is time for."""
PACE = 0.9
"""Memory of the mean time of a step."""
START_VIEWS = 4
"""Frames that the first Gaussians are read off: more would take longer and look the same after a second of film."""


def track_pool(capture: Capture, head: HeadModel) -> tuple[Motion, Camera]:
    """Motion and camera of a capture that still grows, heads steadied and shoulders tracked as in any other: a fit without would be blurred.

    Raises:
        UserError: no frame has a face.
    """

    def steady(motion: Motion, camera: Camera) -> Motion:
        return steady_head(motion, capture.grey, camera, head, capture.valid, ())

    found = track(capture.landmarks, capture.valid, capture.size, capture.fps, head, focal=capture.focal, steady=steady)
    return with_torso(capture, found.motion, found.camera, head, capture.valid)[0], found.camera


class LiveFit:
    """State of a live fit.

    Args:
        head: the rig.
        preset: how large.
        seed: of everything random; how many steps there are depends on the machine.
        threads: frames that are worked on at once; default the number of cores.
    """

    def __init__(self, head: HeadModel, preset: FitPreset = LIVE, seed: int = 0, threads: int | None = None) -> None:
        self.head, self.preset, self.seed = head, preset, seed
        self.trainer: Trainer | None = None
        self.psnr = 0.0
        """Of the frames that are learned from, lately, dB."""
        self.seconds = 0.0
        """Spent on steps."""
        self._pace = 0.0
        self._pool = ThreadPoolExecutor(threads or num_cores())

    def close(self) -> None:
        """No more steps."""
        self._pool.shutdown()

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return 0 if self.trainer is None else self.trainer.step

    def renew(self, capture: Capture, motion: Motion, camera: Camera, frames: np.ndarray) -> None:
        """Go on with other footage.

        Args:
            capture: the frames.
            motion: of all of them.
            camera: of the capture.
            frames: those that may be learned from.
        """
        self._store, self._frames, self._capture = FrameStore(capture), frames, capture
        if self.trainer is None:
            self.trainer = make_trainer(
                capture, motion, camera, self.head, self.preset, Split(frames, frames[:0]), self._store, self.seed, START_VIEWS
            )
        else:
            self.trainer = carried_over(self.trainer, motion, camera)
        self._probabilities = draw_weights(motion, frames)

    def plan(self, seconds: float, refine: bool = False) -> None:
        """The fit is over in so many seconds: the schedule of rates and resolutions is stretched to what can be done until then.

        Args:
            seconds: left.
            refine: also correct the motion from now on. Gaussians that have not settled on a tracking would bend it to their own faults.
        """
        assert self.trainer is not None
        more = max(1, round(seconds / self._pace)) if self._pace else self.preset.steps
        self.trainer.preset = replace(self.trainer.preset, steps=self.trainer.step + more, refined_from=0.0 if refine else NEVER)

    def advance(self) -> float:
        """One step; returns the PSNR of its frames."""
        assert self.trainer is not None
        began = time.monotonic()
        with one_torch_thread():
            _, psnr = self.trainer.advance(self._store, self._frames, self._probabilities, self._pool)
        spent = time.monotonic() - began
        self.seconds += spent
        self._pace = PACE * self._pace + (1 - PACE) * spent if self._pace else spent
        self.psnr = 0.95 * self.psnr + 0.05 * psnr if self.psnr else psnr
        return psnr

    def avatar(self, metadata: dict, holdout: float = 0.0) -> Avatar:
        """The avatar as it stands, with the record of a fit that kept out that share of the frames."""
        trainer = self.trainer
        assert trainer is not None
        record = {
            "preset": asdict(trainer.preset) | {"steps": trainer.step},
            "seed": self.seed,
            "holdout": holdout,
            "trained_frames": ranges(self._frames),
            "frames": len(self._capture),
            "train_psnr": round(self.psnr, 3),
            "seconds": round(self.seconds, 1),
        }
        bias = None if trainer.refiner is None else trainer.refiner.bias
        if bias is not None:
            record["pose_bias"] = bias.to_json()
        motion = trainer.motion
        about = {"fit": record, "camera": trainer.camera.to_json(), "fps": [motion.fps.numerator, motion.fps.denominator]}
        avatar = trainer.avatar(metadata | about, self._frames)
        # The trainer moves Gaussians to other triangles in place.
        return replace(avatar, face=avatar.face.copy(), bary=avatar.bary.copy())


def warm_up(head: HeadModel, size: int = 96) -> None:
    """Take some steps on a grey head: kernels are compiled, or read from where they are kept, before anybody waits for them."""
    motion = rest_motion(head, 4)
    camera = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal=2.0 * size, size=(size, size))
    landmarks = np.random.default_rng(0).uniform(0.3 * size, 0.7 * size, (4, NUM_LANDMARKS, 3)).astype(np.float32)
    grey = Grey(Path(), Fraction(25), size, landmarks, np.ones(4, bool), np.zeros(0, np.int64), Shots(()), {}, None, None, 0, None)
    fit = LiveFit(head, replace(LIVE, gaussians=500, loose=100, steps=4, half_share=0.5, free_share=0.0, refined_from=0.5), threads=1)
    fit.renew(grey, motion, camera, np.arange(4))
    for _ in range(4):
        fit.advance()
    fit.close()


class Grey(Capture):
    """Grey pictures, half of each the person's."""

    def _picture(self, kind: str, index: int, suffix: str, flags: int) -> np.ndarray:
        picture = np.full((self.size, self.size, 3), 128, np.uint8)
        picture[:, : self.size // 4] = 0
        return picture if kind == "images" and flags != cv2.IMREAD_GRAYSCALE else picture[..., 0].copy() * 2


def carried_over(old: Trainer, motion: Motion, camera: Camera) -> Trainer:
    """A trainer for another tracking of the same person with more frames, which knows what the old one knew.

    What the network makes of a pose stays the same, although the new frames normalise its inputs in another way:
    W ((x - m) / s) + b is written for the new mean m' and deviation s' as W s' / s and b + W (m' - m) / s.
    """
    p = {name: old.parameters[name].numpy().copy() for name in ("position", "log_scale", "colour")}
    seeds = Seeds(old.mesh.face.copy(), old.mesh.bary.copy(), p["position"], p["log_scale"])
    new = Trainer(old.head, old.rig, motion, camera, seeds, p["colour"], old.preset, old.seed)
    # Corrections of the old poses are no corrections of the new ones.
    new.restore({name: value for name, value in old.state().items() if not name.startswith("refiner.")})
    weight, bias = new.parameters["network.0.weight"], new.parameters["network.0.bias"]
    scaled = weight / old.input_std
    with torch.no_grad():
        bias += scaled @ (new.input_mean - old.input_mean)
        weight.copy_(scaled * new.input_std)
    return new
