"""Fewer Gaussians: without the shoulders, or only those that the picture needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera, orbit
from avatar3d.drawing import draw_gaussians
from avatar3d.gaussians import SH_C0
from avatar3d.head.model import ROOT
from avatar3d.motion import Motion
from avatar3d.render.cpu import Gradients, Workspace, backward_arrays, render_arrays
from viewer.cameras import front_camera, head_centre

SIZE = 384
"""Side of the pictures that are looked at, pixels."""
_VIEWS = ((0.0, 0.0), (-0.7, 0.0), (0.7, 0.0), (0.0, 0.5), (0.0, -0.4), (-1.5, 0.1), (1.5, 0.1), (3.14, 0.1))
"""Yaw and pitch from the camera of the capture, radians: all around, as one looks at a head in a headset."""
_MOMENTS = 6
_BACKGROUND = np.full(3, 0.5, np.float32)


@dataclass(frozen=True, eq=False)
class Pruned:
    """An avatar with fewer Gaussians."""

    avatar: Avatar
    psnr: float
    """Of pictures of the kept ones against pictures of all, dB, over moments and views."""


def without_torso(avatar: Avatar) -> Avatar:
    """The avatar without what follows the torso: Gaussians whose triangle has more than half its skinning weight on the root joint."""
    on_root = avatar.rig.skin_weights[:, ROOT].numpy()[avatar.faces[avatar.face]].mean(axis=1)
    return subset(avatar, np.flatnonzero(on_root <= 0.5))


def most_important(avatar: Avatar, motion: Motion, times: Sequence[float], count: int) -> Pruned:
    """The avatar with its `count` Gaussians of most importance, the same ones in all frames.

    A Gaussian's importance is how much of the pictures of some moments and views it colours: opacity times projected area, as far as nothing hides
    it. Without regard to what hides what, the same number of Gaussians loses 10 dB more.

    Args:
        avatar: whom to thin out.
        motion: what it performs.
        times: moments of it, seconds.
        count: how many are kept.
    """
    moments = [times[int(i)] for i in np.linspace(0, len(times) - 1, min(_MOMENTS, len(times))).round()]
    cameras = _cameras(avatar)
    importance = np.zeros(len(avatar), np.float32)
    workspace = Workspace()
    for time in moments:
        for camera in cameras:
            importance += _weights(avatar, motion, time, camera, workspace)
    kept = np.sort(np.argsort(-importance, kind="stable")[:count])
    fewer = subset(avatar, kept)
    return Pruned(fewer, _psnr(avatar, fewer, motion, moments, cameras))


def subset(avatar: Avatar, kept: np.ndarray) -> Avatar:
    """The avatar with some of its Gaussians only.

    Args:
        avatar: whose.
        kept: [M] indices.
    """
    per_gaussian = ("position", "rotation", "log_scale", "opacity_logit", "colour")
    values = {name: getattr(avatar, name)[kept].contiguous() for name in per_gaussian}
    values |= {name: getattr(avatar, name)[:, kept].contiguous() for name in ("position_basis", "rotation_basis", "colour_basis")}
    return replace(avatar, face=avatar.face[kept], bary=np.ascontiguousarray(avatar.bary[kept]), **values)


def _cameras(avatar: Avatar) -> list[Camera]:
    front, pivot = front_camera(avatar, SIZE), head_centre(avatar)
    return [orbit(front, pivot, yaw, pitch) for yaw, pitch in _VIEWS]


def _weights(avatar: Avatar, motion: Motion, time: float, camera: Camera, workspace: Workspace) -> np.ndarray:
    """[N] pixels that each Gaussian colours: the gradient of the picture's sum with respect to the colour."""
    g = avatar.pose(motion, time)
    shape = (g.position.numpy(), g.rotation.numpy(), g.log_scale.numpy(), g.opacity_logit.numpy())
    # Grey, since colours below zero are clamped and would get no gradient.
    grey = np.zeros_like(g.sh.numpy())
    render_arrays(*shape, grey, camera, _BACKGROUND, threads=1, workspace=workspace)
    gradients = Gradients(*(np.zeros_like(array) for array in (*shape, grey)))
    backward_arrays(workspace, np.full((camera.height, camera.width, 3), 1 / 3, np.float32), threads=1, out=gradients)
    return gradients.sh[:, 0].sum(axis=1) / np.float32(SH_C0)


def _psnr(whole: Avatar, fewer: Avatar, motion: Motion, moments: Sequence[float], cameras: Sequence[Camera]) -> float:
    errors = []
    for time in moments:
        pair = [avatar.pose(motion, time) for avatar in (whole, fewer)]
        for camera in cameras:
            a, b = (np.clip(draw_gaussians(g, camera, _BACKGROUND).rgb, 0, 1) for g in pair)
            errors.append(np.square(a - b).mean())
    return float(-10 * np.log10(max(float(np.mean(errors)), 1e-12)))
