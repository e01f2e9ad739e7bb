"""One moment of an avatar's performance as a picture."""

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.gaussians import Gaussians
from avatar3d.motion import Motion
from avatar3d.render.cpu import Pictures, Workspace, render_arrays


def draw(
    avatar: Avatar, motion: Motion, time: float, camera: Camera, background: np.ndarray, *, threads: int = 1, workspace: Workspace | None = None
) -> Pictures:
    """Pose an avatar at `time` seconds of a motion and draw it on the CPU.

    Args:
        avatar: who.
        motion: what it does.
        time: when, seconds.
        camera: from where.
        background: [3] or [H, W, 3] float32 sRGB.
        threads: that draw.
        workspace: buffers to reuse; the pictures are then overwritten by the next frame.
    """
    return draw_gaussians(avatar.pose(motion, time), camera, background, threads=threads, workspace=workspace)


def draw_gaussians(gaussians: Gaussians, camera: Camera, background: np.ndarray, *, threads: int = 1, workspace: Workspace | None = None) -> Pictures:
    """Draw Gaussians on the CPU without gradients."""
    g = gaussians
    return render_arrays(
        g.position.numpy(), g.rotation.numpy(), g.log_scale.numpy(), g.opacity_logit.numpy(), g.sh.numpy(),
        camera, background, threads=threads, workspace=workspace,
    )  # fmt: skip


def as_bytes(values: np.ndarray) -> np.ndarray:
    """Numbers 0..1 as uint8 0..255, rounded; what lies beyond is clipped."""
    return (np.clip(values, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
