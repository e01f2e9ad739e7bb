"""Eyes that look at a point in space."""

import math

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from avatar3d.avatar import Avatar
from avatar3d.head.model import LEFT_EYE, NECK, RIGHT_EYE, axis_angle_to_matrix, joint_transforms
from avatar3d.motion import Motion
from viewer.cameras import at_rest, front_camera

LARGEST = (math.radians(30), math.radians(12))
"""As far as eyes turn to the side and up or down before a head would. Lids go along with eyes that look up or down, and the avatar has
hardly seen them do it beyond."""


def gaze_at(avatar: Avatar, frame: Motion, point: np.ndarray) -> np.ndarray:
    """Pose of the eyes [1, 6] that look at `point` [3].

    At rest, filmed from the front, the eyes are taken to look into the camera: what an eye turns from there is what the
    direction to the point, seen from the head, differs from that to the camera.
    """
    poses, rest = [], at_rest(avatar)
    usual = rest.eyes_pose
    camera = front_camera(avatar, 64).T_cam_world
    lens = -camera[:3, :3].T @ camera[:3, 3]
    for joint, columns in ((LEFT_EYE, slice(0, 3)), (RIGHT_EYE, slice(3, 6))):
        turn = _between(_direction(avatar, rest, joint, lens), _direction(avatar, frame, joint, point))
        poses.append((turn * Rotation.from_rotvec(usual[0, columns])).as_rotvec())
    return np.concatenate(poses)[None].astype(np.float32)


def _direction(avatar: Avatar, frame: Motion, joint: int, point: np.ndarray) -> np.ndarray:
    """Unit vector [3] from an eye to a point, in the head's frame."""
    poses = [frame.rotation, frame.neck_pose, frame.jaw_pose, frame.eyes_pose[:, :3], frame.eyes_pose[:, 3:]]
    rotations = axis_angle_to_matrix(torch.from_numpy(np.concatenate(poses)))[None]
    shift = None if frame.neck_translation is None else torch.from_numpy(frame.neck_translation)
    joints = avatar.rig.joints(avatar.shape)
    transform = joint_transforms(rotations, joints[None], torch.from_numpy(frame.translation), shift, avatar.rig.parents)[0, NECK].numpy()
    away = transform[:, :3].T @ (point - transform[:, 3]) - joints[joint].numpy()
    return away / max(float(np.linalg.norm(away)), 1e-9)


def _between(start: np.ndarray, end: np.ndarray) -> Rotation:
    """The turn of an eye from one unit vector to another, at most `LARGEST`."""
    (aside, up), (wanted_aside, wanted_up) = _angles(start), _angles(end)
    aside_by = min(max(wanted_aside - aside, -LARGEST[0]), LARGEST[0])
    up_by = min(max(wanted_up - up, -LARGEST[1]), LARGEST[1])
    return _looking(aside + aside_by, up + up_by) * _looking(aside, up).inv()


def _angles(direction: np.ndarray) -> tuple[float, float]:
    """Radians to the subject's left and upwards."""
    x, y, z = direction
    return math.atan2(x, z), math.atan2(y, math.hypot(x, z))


def _looking(aside: float, up: float) -> Rotation:
    return Rotation.from_euler("YX", [aside, -up])
