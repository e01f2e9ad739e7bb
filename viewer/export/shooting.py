"""From the words of a user to the pictures of an export: which view is meant, and what it shows of each frame."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.spherical import Stereo
from viewer.cameras import camera_path, head_centre
from viewer.export.filming import Filming
from viewer.export.frames import Frames
from viewer.export.framing import with_soft_hem
from viewer.film import colour_background
from viewer.half_sphere import half_sphere_view
from viewer.normals import camera_normals, nearest, surface_normals, with_normals
from viewer.straight_alpha import straight_rgba
from viewer.views import COMFORTABLE, Brush, Layer, View, flat_view, stereo_view

_SIZE, _HALF_SPHERE_SIZE = 512, 2048
_MAX_SIDE = 8192
_SOLID = 0.5
"""Alpha from which a pixel has a depth."""
_FAINT = 0.02
"""Alpha below which a surface is not seen."""


@dataclass(frozen=True, eq=False)
class Shooting:
    """How the frames of an export become pictures."""

    view: View
    filming: Filming
    background: np.ndarray | None
    """[3] float32 sRGB; None for alpha."""
    opacity_logit: torch.Tensor
    """[N] of the avatar's Gaussians: its own, or less where the view shows the torso to where it ends in rags."""

    @property
    def stereo(self) -> Stereo | None:
        """What players must know of it."""
        return None if self.view.layout is None else Stereo(self.view.layout == "over-under", self.view.half_sphere)

    def layer(self, frames: Frames, index: int, brush: Brush) -> Layer:
        """What is seen of a frame: colours, or normals."""
        time = frames.time(index)
        gaussians = replace(frames.gaussians(index), opacity_logit=self.opacity_logit)
        whole = self.view.draw(gaussians, time, brush)
        if self.filming.show == "colour":
            return whole
        T = self.view.camera(time).T_cam_world
        eye, normal = -T[:3, :3].T @ T[:3, 3], surface_normals(gaussians, frames.avatar, frames.motion, time)
        coloured = with_normals(gaussians, normal, eye)
        surface = self.view.draw(nearest(coloured, normal, eye), time, brush)
        hole = (surface.alpha < _FAINT) & (whole.alpha >= _FAINT)
        if hole.any():
            # The inside of an open end is all that is seen there.
            inside = self.view.draw(coloured, time, brush)
            surface = Layer(*(_where(hole, getattr(inside, name), getattr(surface, name)) for name in ("rgb", "alpha", "depth")))
        if self.filming.show == "normals":
            return camera_normals(surface, whole.alpha, T[:3, :3])
        return replace(whole, depth=surface.depth)

    def picture(self, layer: Layer) -> np.ndarray:
        """[H, W, 3] over the background, or [H, W, 4] with straight alpha; float32, 0..1."""
        return straight_rgba(layer) if self.background is None else np.clip(layer.over(self.background), 0, 1)

    def depth(self, layer: Layer) -> np.ndarray:
        """[H, W] float32 millimetres; 0 where there is nothing solid."""
        return np.where(layer.alpha >= _SOLID, 1000 * layer.depth, 0).astype(np.float32)

    def record(self) -> dict:
        """JSON-ready: what somebody who uses the pictures must know."""
        eyes = {"layout": self.view.layout, "eye_distance": self.filming.eye_distance / 1000} if self.view.layout else {}
        lens = "half sphere, equirectangular, longitude and latitude -90 to 90 degrees" if self.view.half_sphere else "perspective"
        return {"projection": lens, **eyes, "path": self.filming.camera, "camera": self.view.camera(0.0).to_json()}


def _where(mask: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pixels of the first picture where the mask [H, W] is set, of the second elsewhere."""
    return np.where(mask if first.ndim == 2 else mask[..., None], first, second)


def shooting(avatar: Avatar, filming: Filming) -> Shooting:
    """The view that a user means.

    Raises:
        UserError: names the option that makes no sense.
    """
    check_filming(filming)
    vr180 = filming.camera == "vr180"
    size = filming.size or (_HALF_SPHERE_SIZE if vr180 else _SIZE)
    cameras = camera_path(avatar, "front" if filming.camera in ("stereo", "vr180") else filming.camera, size)
    pivot, apart = head_centre(avatar), filming.eye_distance / 1000
    if vr180:
        view = half_sphere_view(cameras, pivot, size, filming.layout, apart, filming.distance or COMFORTABLE)
    elif filming.camera == "stereo":
        view = stereo_view(cameras, pivot, filming.layout, apart, filming.distance)
    else:
        view = flat_view(cameras)
    if max(view.size) > _MAX_SIDE:
        raise UserError(f"--size {size}: the pictures of both eyes together are {view.size[0]} x {view.size[1]}; choose {_MAX_SIDE // 2} or less")
    nothing = filming.show == "depth" or has_alpha(filming)
    opacity_logit = (with_soft_hem(avatar) if vr180 else avatar).opacity_logit
    return Shooting(view, filming, None if nothing else _behind(filming), opacity_logit)


def _behind(filming: Filming) -> np.ndarray:
    """[3] what lies behind the avatar; where there is no surface a normal is zero."""
    return np.full(3, 0.5, np.float32) if filming.show == "normals" else colour_background(filming.background)(0)


def has_alpha(filming: Filming) -> bool:
    """Whether nothing lies behind the avatar."""
    return filming.alpha or filming.background == "transparent"


def check_filming(filming: Filming) -> None:
    """Refuse options out of range or without a meaning, before any work.

    Raises:
        UserError: names the option.
    """
    usual = Filming()
    ranges = (("--size", filming.size, 16, _MAX_SIDE), ("--eye-distance", filming.eye_distance, 0, 200), ("--distance", filming.distance, 0.3, 10))
    for option, value, low, high in ranges:
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            raise UserError(f"{option} {value}: choose {low} to {high}")
    if filming.show != "colour" and filming.background not in (usual.background, "transparent"):
        raise UserError(f"--background: lies behind colours, and --show {filming.show} has none; leave it out")
    if filming.camera not in ("stereo", "vr180"):
        for name in ("layout", "eye_distance", "distance"):
            if getattr(filming, name) != getattr(usual, name):
                raise UserError(f"--{name.replace('_', '-')}: is for two eyes; give --camera stereo or --camera vr180 too")
