"""What of posed Gaussians is seen: through one camera, or through one for each eye."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from avatar3d.camera import Camera
from avatar3d.drawing import draw_gaussians
from avatar3d.gaussians import Gaussians
from avatar3d.render.cpu import Workspace
from viewer.cameras import CameraPath

Layout = Literal["side-by-side", "over-under"]
EYE_DISTANCE = 0.063
"""Metres between the pupils of most people."""
COMFORTABLE = 0.75
"""Metres; what is nearer strains the eyes of a headset's wearer, whose lenses focus on one or two metres whatever they see."""
_BLACK = np.zeros(3, np.float32)


@dataclass(frozen=True)
class Layer:
    """A picture that has no background yet; float32."""

    rgb: np.ndarray
    """[H, W, 3] sRGB multiplied by alpha."""
    alpha: np.ndarray
    """[H, W]."""
    depth: np.ndarray
    """[H, W] metres: along the optical axis of a flat picture, from the eye in a half sphere; 0 where nothing was drawn."""

    def over(self, background: np.ndarray) -> np.ndarray:
        """The picture [H, W, 3] over a background [3] or [H, W, 3]."""
        return self.rgb + (1 - self.alpha[..., None]) * background


@dataclass(frozen=True)
class Brush:
    """What draws: one for each thread that draws."""

    threads: int = 1
    workspace: Workspace = field(default_factory=Workspace)
    """Layers lie in it until the next is drawn."""


@dataclass(frozen=True)
class View:
    """A way to look."""

    draw: Callable[[Gaussians, float, Brush], Layer]
    """What is seen at a time in seconds."""
    camera: CameraPath
    """The camera between the eyes over time; its axes are those of normals."""
    size: tuple[int, int]
    """Width and height of the pictures, pixels."""
    layout: Layout | None = None
    """How two eyes share the picture."""
    half_sphere: bool = False
    """Whether the picture of each eye is the half of a sphere."""


def flat_view(cameras: CameraPath) -> View:
    """One camera over time, whose size does not change."""
    return View(lambda gaussians, time, brush: _seen(gaussians, cameras(time), brush), cameras, _size(cameras(0.0)))


def stereo_view(
    cameras: CameraPath, pivot: np.ndarray, layout: Layout = "side-by-side", eye_distance: float = EYE_DISTANCE, distance: float | None = None
) -> View:
    """One picture for each eye, left eye first, for flat stereo screens and for the virtual ones of headsets.

    The eyes look in parallel with their pictures shifted, so that what is as far as `pivot` lies on the screen and nothing differs in height,
    as it would if the eyes were turned towards each other.

    Args:
        cameras: between the eyes.
        pivot: [3] what lies on the screen, metres.
        layout: side by side, or left above right.
        eye_distance: metres.
        distance: of the eyes to the pivot, metres; a camera at another distance is moved and its lens changed, so that the pivot keeps its
            size. Default: the camera's own, at least COMFORTABLE.
    """

    def middle(time: float) -> Camera:
        camera = cameras(time)
        depth = _depth(camera, pivot)
        return _moved(camera, depth, distance or max(depth, COMFORTABLE))

    def both(gaussians: Gaussians, time: float, brush: Brush) -> Layer:
        return joined([_seen(gaussians, eye, brush) for eye in eye_cameras(middle(time), eye_distance, _depth(middle(time), pivot))], layout)

    return View(both, middle, joined_size(*_size(cameras(0.0)), layout), layout)


def eye_cameras(camera: Camera, eye_distance: float, screen: float = math.inf) -> tuple[Camera, Camera]:
    """The left and right eye of a camera between them, their pictures shifted so that things at the depth `screen` coincide."""
    eyes = []
    for side in (-0.5, 0.5):
        T = camera.T_cam_world.copy()
        T[0, 3] -= side * eye_distance
        eyes.append(replace(camera, cx=camera.cx + camera.fx * side * eye_distance / screen, T_cam_world=T))
    return eyes[0], eyes[1]


def joined(eyes: list[Layer], layout: Layout) -> Layer:
    """The pictures of both eyes as one."""
    axis = 1 if layout == "side-by-side" else 0
    return Layer(*(np.concatenate([getattr(eye, name) for eye in eyes], axis=axis) for name in ("rgb", "alpha", "depth")))


def joined_size(width: int, height: int, layout: Layout) -> tuple[int, int]:
    """Width and height of the pictures of both eyes together."""
    return (2 * width, height) if layout == "side-by-side" else (width, 2 * height)


def _seen(gaussians: Gaussians, camera: Camera, brush: Brush) -> Layer:
    """Over black, which leaves the colours multiplied by alpha."""
    drawn = draw_gaussians(gaussians, camera, _BLACK, threads=brush.threads, workspace=brush.workspace)
    return Layer(drawn.rgb.copy(), drawn.alpha.copy(), drawn.depth.copy())


def _size(camera: Camera) -> tuple[int, int]:
    return camera.width, camera.height


def _depth(camera: Camera, point: np.ndarray) -> float:
    return float((camera.T_cam_world[:3, :3] @ point + camera.T_cam_world[:3, 3])[2])


def _moved(camera: Camera, depth: float, wanted: float) -> Camera:
    """The camera moved along its axis so that what was at `depth` is at `wanted`, and as large as before."""
    if not depth > 0:
        return camera
    T = camera.T_cam_world.copy()
    T[2, 3] += wanted - depth
    return replace(camera, fx=camera.fx * wanted / depth, fy=camera.fy * wanted / depth, T_cam_world=T)
