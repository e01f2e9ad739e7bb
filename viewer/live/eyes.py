"""Where a browser looks from: its camera as ours, and the places it can be put."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera, look_at, orbit
from viewer.cameras import at_rest, front_camera, head_centre
from viewer.export.framing import head_points

ROOM_HIGH = 1.4
"""Heights of the head, with its hair, that fill the height of a page: some of the shoulders is seen."""
ROOM_WIDE = 1.45
"""Widths of the head from the front that a page's width shows at least."""
CLOSE = 1.15
"""Heights and widths of the face that fill a page from nearby."""
_OUTER = (0.004, 0.996)
"""Quantiles between which a head lies: single Gaussians stand off it."""
_RAISED = 0.14
"""Of the height: how far above the middle the head is in a page twice as high as wide. A telephone's has the panel at its foot."""
PRESETS = {
    "left": (-70.0, 0.0), "¾ left": (-30.0, 0.0), "¾ right": (30.0, 0.0), "right": (70.0, 0.0),
    "front": (0.0, 0.0), "above": (0.0, 25.0), "below": (0.0, -20.0), "close": (0.0, 0.0),
}  # fmt: skip
"""Degrees to the viewer's right and up around the head; `close` is framed by the face instead of the head."""
_NEAREST = 0.02
"""Metres before the eye that count as such."""
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
    yaw, pitch = (math.radians(angle) for angle in PRESETS[name])
    if name == "close":
        return _framed(_face_points(avatar), _turned(avatar, yaw, pitch), head_centre(avatar), CLOSE, CLOSE, aspect)
    return turned_eye(avatar, yaw, pitch, aspect=aspect)


def turned_eye(avatar: Avatar, yaw: float, pitch: float, seen: float = 1.0, aspect: float = 1.0) -> Eye:
    """The front turned around the head by yaw to the viewer's right and pitch upwards, radians, the head as it is seen from there in the middle.

    Args:
        avatar: whose head.
        yaw: to the right.
        pitch: upwards.
        seen: how much of the scene is seen against the usual.
        aspect: width of the picture by its height.
    """
    return _framed(head_points(avatar), _turned(avatar, yaw, pitch), head_centre(avatar), seen * ROOM_HIGH, seen * ROOM_WIDE, aspect)


def _turned(avatar: Avatar, yaw: float, pitch: float) -> np.ndarray:
    """[3] the front camera's place turned around the head."""
    T_cam_world = orbit(front_camera(avatar, 512), head_centre(avatar), yaw, -pitch).T_cam_world
    return -T_cam_world[:3, :3].T @ T_cam_world[:3, 3]


def _face_points(avatar: Avatar) -> np.ndarray:
    """[M, 3] vertices of the face at rest, metres."""
    return avatar.vertices(at_rest(avatar))[avatar.head.regions.get("face", np.arange(avatar.head.num_vertices))]


def _framed(points: np.ndarray, position: np.ndarray, centre: np.ndarray, high: float, wide: float, aspect: float) -> Eye:
    """An eye at `position` [3], near whose middle of the picture `centre` [3] is, that has what it sees of `points` [M, 3] exactly there, with a
    picture `high` times as high and at least `wide` times as wide as they are."""
    axes = look_at(position, centre, focal=1.0, size=(1, 1)).T_cam_world[:3, :3]
    right_of, down, depth = axes @ (points - position).T
    (left, top), (right, bottom) = np.quantile(np.stack([right_of, down]) / np.maximum(depth, _NEAREST), _OUTER, axis=1)
    tall = max(high * (bottom - top), wide * (right - left) / aspect)
    lower = _RAISED * tall * min(max(1 / aspect - 1, 0.0), 1.0)
    middle = np.array([(left + right) / 2, (top + bottom) / 2 + lower, 1.0]) @ axes
    return Eye(position, position + middle * np.linalg.norm(centre - position), 2 * math.atan(tall / 2))


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
