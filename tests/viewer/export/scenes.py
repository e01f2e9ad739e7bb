"""Gaussians and frames for tests of exported files."""

from dataclasses import replace

import numpy as np
import torch

from avatar3d.bench import head_camera
from avatar3d.drawing import draw_gaussians
from avatar3d.gaussians import Gaussians
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.export.axes import turned
from viewer.export.frames import Frames, open_frames
from viewer.export.selection import Selection, Up


def random_gaussians(count: int = 200, degree: int = 0, seed: int = 0) -> Gaussians:
    """Unit quaternions, places and sizes as on a head, colours that no format clamps."""
    rng = np.random.default_rng(seed)
    rotation = rng.normal(size=(count, 4))
    sh = rng.uniform(-0.6, 0.6, (count, (degree + 1) ** 2, 3))
    sh[:, 0] = rng.uniform(-1.6, 1.6, (count, 3))
    arrays = {
        "position": rng.uniform(-0.12, 0.12, (count, 3)),
        "rotation": rotation / np.linalg.norm(rotation, axis=1, keepdims=True),
        "log_scale": rng.uniform(-6.5, -4, (count, 3)),
        "opacity_logit": rng.uniform(-3, 4, count),
        "sh": sh,
    }
    return Gaussians(**{name: torch.from_numpy(value.astype(np.float32)) for name, value in arrays.items()})


def tiny_frames(selection: Selection | None = None, up: Up = "-y", frames: int = 6, count: int = 50, sound: bool = True) -> Frames:
    """A tiny avatar performing a motion with sound."""
    avatar = tiny_avatar(count=count)
    motion = tiny_motion(avatar.head, frames)
    tone = 0.1 * np.sin(np.arange(640 * frames) / 8).astype(np.float32)
    return open_frames(avatar, replace(motion, sound=tone, sound_rate=16000) if sound else motion, selection or Selection(), up)


def decibels(a: Gaussians, b: Gaussians, up: Up = "y") -> float:
    """PSNR of pictures of `b`, in the axes `up` (of which "-y" and "y" are their own inverses), against pictures of `a` in ours."""
    pictures = []
    for gaussians in (a, turned(b, up)):
        pictures.append(np.clip(draw_gaussians(gaussians, head_camera(256), np.full(3, 0.5, np.float32)).rgb, 0, 1).copy())
    return float(-10 * np.log10(max(np.square(pictures[0] - pictures[1]).mean(), 1e-15)))


def assert_close(a: Gaussians, b: Gaussians, *, position=0.0, rotation=0.0, log_scale=0.0, opacity=0.0, colour=0.0) -> None:
    """Largest differences: of centres, of quaternions up to sign, of log-scales, of opacities, of colours (without harmonics above degree 0)."""
    assert len(a) == len(b)
    turn = torch.minimum((a.rotation - b.rotation).abs().amax(1), (a.rotation + b.rotation).abs().amax(1))
    differences = {
        "position": (a.position - b.position).abs().max(),
        "rotation": turn.max(),
        "log_scale": (a.log_scale - b.log_scale).abs().max(),
        "opacity": (torch.sigmoid(a.opacity_logit) - torch.sigmoid(b.opacity_logit)).abs().max(),
        "colour": 0.2820948 * (a.sh[:, 0] - b.sh[:, 0]).abs().max(),
    }
    allowed = {"position": position, "rotation": rotation, "log_scale": log_scale, "opacity": opacity, "colour": colour}
    for name, difference in differences.items():
        assert difference <= allowed[name] + 1e-6, (name, float(difference))
