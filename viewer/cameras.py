"""Where an avatar is seen from: one camera per moment."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera, look_at, orbit
from avatar3d.errors import UserError
from avatar3d.motion import Motion, rest_motion

CameraPath = Callable[[float], Camera]
"""Camera at a time in seconds."""

ORBIT_YAW = math.radians(22)
ORBIT_PITCH = math.radians(5)
"""As far as a video of somebody talking usually shows a head; beyond, a fit has nothing to go by."""
ORBIT_PERIOD = 6.0
"""Seconds for one swing from side to side and back."""
_FRONT_DISTANCE = 0.8
_FRONT_HEIGHT = 0.42
"""Metres of the scene that fill the height of a picture where the avatar does not say how it was filmed."""


def camera_path(avatar: Avatar, camera: str, size: int) -> CameraPath:
    """The camera that a user names: `front`, `orbit`, or a JSON file.

    Args:
        avatar: gives the camera it was filmed with and where its head is.
        camera: "front" (as filmed), "orbit" (swings from side to side), or the path of a JSON file as `Camera.to_json` writes it.
        size: side of the square picture for front and orbit, pixels; a file keeps its own size.

    Raises:
        UserError: neither a known name nor a readable camera file.
    """
    if camera == "front":
        front = front_camera(avatar, size)
        return lambda time: front
    if camera == "orbit":
        front, pivot = front_camera(avatar, size), head_centre(avatar)

        def swing(time: float) -> Camera:
            phase = 2 * math.pi * time / ORBIT_PERIOD
            return orbit(front, pivot, ORBIT_YAW * math.sin(phase), ORBIT_PITCH * math.sin(2 * phase))

        return swing
    path = Path(camera)
    try:
        fixed = Camera.from_json(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise UserError(f"{camera}: no such camera; choose front, orbit or a JSON file with fx, fy, cx, cy, width, height, T_cam_world") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{camera}: is not a camera file ({error}); it needs fx, fy, cx, cy, width, height, T_cam_world") from error
    return lambda time: fixed


def front_camera(avatar: Avatar, size: int) -> Camera:
    """The camera of the capture at another size, or one in front of the face where there was no capture."""
    record = avatar.metadata.get("camera")
    if record:
        try:
            return Camera.from_json(record).resized(size, size)
        except (KeyError, ValueError, TypeError):
            pass
    centre = head_centre(avatar)
    focal = size * _FRONT_DISTANCE / _FRONT_HEIGHT
    return look_at(centre + np.array([0.0, 0.0, _FRONT_DISTANCE]), centre, focal=focal, size=(size, size))


def at_rest(avatar: Avatar) -> Motion:
    """One frame: the person as calm as they were filmed."""
    return avatar.admit(rest_motion(avatar.head, 1, shape=avatar.shape.numpy()))


def head_centre(avatar: Avatar) -> np.ndarray:
    """[3] middle of the head at the person's usual place, metres: what an orbit turns around."""
    rest = avatar.statistics.rest
    ids = avatar.head.regions.get("face", np.arange(avatar.head.num_vertices))
    centre = avatar.rest[ids].mean(axis=0)
    return centre + rest.get("translation", np.zeros(3)) - np.array([0.0, 0.0, 0.03])
