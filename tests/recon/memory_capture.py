"""A capture in memory: frames drawn from a tiny avatar, so that fitting has an exact answer."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera, look_at
from avatar3d.drawing import draw
from avatar3d.motion import Motion
from tests.avatar3d.tiny import tiny_avatar, tiny_head, tiny_motion


@dataclass
class MemoryCapture:
    """What a fit reads of a capture."""

    images: np.ndarray
    mattes: np.ndarray
    landmarks: np.ndarray
    valid: np.ndarray
    size: int
    path: Path
    fps: Fraction = Fraction(25)
    source: dict = field(default_factory=lambda: {"name": "memory"})

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> np.ndarray:
        return self.images[index]

    def matte(self, index: int) -> np.ndarray:
        return self.mattes[index]


def small_scene(frames: int = 16, size: int = 64, path: Path = Path("memory")) -> tuple[MemoryCapture, Motion, Camera, Avatar]:
    """A coloured random head that moves a little, its capture, its motion and its camera."""
    head = tiny_head(expressions=3)
    avatar = tiny_avatar(head, count=400)
    avatar.position[:] *= 0.2
    avatar.log_scale[:] = -4.3
    avatar.opacity_logit[:] = 3.0
    motion = tiny_motion(head, frames)
    for name in ("rotation", "neck_pose", "translation", "expr"):
        getattr(motion, name)[:] *= 0.15
    motion.shape[:] = avatar.shape.numpy()
    camera = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal=2.5 * size, size=(size, size))
    images, mattes = [], []
    for index in range(frames):
        drawn = draw(avatar, motion, float(index / motion.fps), camera, np.zeros(3, np.float32))
        images.append((np.clip(drawn.rgb, 0, 1) * 255).astype(np.uint8))
        mattes.append((np.clip(drawn.alpha, 0, 1) * 255).astype(np.uint8))
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(0.3 * size, 0.7 * size, (frames, 478, 3)).astype(np.float32)
    capture = MemoryCapture(np.stack(images), np.stack(mattes), landmarks, np.ones(frames, bool), size, path)
    return capture, motion, camera, avatar
