"""Where a browser looks from: its camera as ours, and the places it can be put."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera, orbit
from viewer.cameras import front_camera, head_centre

HEAD_HEIGHT = 0.36
"""Metres that fill the height of the page at first: a head with some of its shoulders."""
HEAD_WIDTH = 0.27
"""Metres that its width shows at least."""
_RAISED = 0.14
"""Of the height: how far above the middle the head is in a page twice as high as wide. A telephone's has the panel at its foot."""
PRESETS = {
    "left": (-70.0, 0.0, 1.0), "¾ left": (-30.0, 0.0, 1.0), "¾ right": (30.0, 0.0, 1.0), "right": (70.0, 0.0, 1.0),
    "front": (0.0, 0.0, 1.0), "above": (0.0, 25.0, 1.0), "below": (0.0, -20.0, 1.0), "close": (0.0, 0.0, 0.5),
}  # fmt: skip
"""Degrees to the viewer's right and up around the head, and how much of the scene is seen against the usual."""
_SIZES = range(1, 8193)


@dataclass(frozen=True, eq=False)
class Eye:
    """A point of view on the head."""

    position: np.ndarray
    """[3] metres."""
    look_at: np.ndarray
    """[3] metres."""
    fov: float
    """Radians from top to bottom."""


def front_eye(avatar: Avatar, aspect: float = 1.0) -> Eye:
    """Where the page begins: as far from the head as it was filmed, in front of it, the head filling a picture of an `aspect` (width by height)."""
    return turned_eye(avatar, 0.0, 0.0, aspect=aspect)


def preset_eye(avatar: Avatar, name: str, aspect: float = 1.0) -> Eye:
    """One of `PRESETS`."""
    yaw, pitch, seen = PRESETS[name]
    return turned_eye(avatar, math.radians(yaw), math.radians(pitch), seen, aspect)


def turned_eye(avatar: Avatar, yaw: float, pitch: float, seen: float = 1.0, aspect: float = 1.0) -> Eye:
    """The front turned around the head by yaw to the viewer's right and pitch upwards, radians; `seen` as in `PRESETS`."""
    front, centre = front_camera(avatar, 512), head_centre(avatar)
    camera = orbit(front, centre, yaw, -pitch).T_cam_world
    position = -camera[:3, :3].T @ camera[:3, 3]
    distance = max(float(np.linalg.norm(position - centre)), 0.05)
    height = seen * max(HEAD_HEIGHT, HEAD_WIDTH / aspect)
    lower = _RAISED * height * min(max(1 / aspect - 1, 0.0), 1.0)
    return Eye(position, centre - np.array([0.0, lower, 0.0]), 2 * math.atan(0.5 * height / distance))


def camera_of(wxyz: np.ndarray, position: np.ndarray, fov: float, size: tuple[int, int]) -> Camera:
    """viser's camera as ours.

    Args:
        wxyz: [4] rotation from camera (OpenCV's axes) to world.
        position: [3] metres.
        fov: radians from top to bottom.
        size: (width, height) of the browser's canvas, pixels.

    Raises:
        ValueError: numbers from which nothing can be drawn.
    """
    width, height = (int(side) for side in size)
    numbers = np.concatenate([wxyz, position, [fov]])
    if not (np.isfinite(numbers).all() and np.linalg.norm(wxyz) > 1e-6 and 1e-3 < fov < math.pi - 1e-3 and width in _SIZES and height in _SIZES):
        raise ValueError("the browser's camera cannot be drawn from")
    w, x, y, z = wxyz
    T_cam_world = np.eye(4)
    T_cam_world[:3, :3] = Rotation.from_quat([x, y, z, w]).as_matrix().T
    T_cam_world[:3, 3] = -T_cam_world[:3, :3] @ position
    focal = height / 2 / math.tan(fov / 2)
    return Camera(focal, focal, width / 2, height / 2, width, height, T_cam_world)
