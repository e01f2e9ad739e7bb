"""Two rigid motions, of torso and head, as the rig's root and neck, and back."""

import numpy as np
from scipy.spatial.transform import Rotation


def compose(
    head_R: np.ndarray, head_t: np.ndarray, torso_R: np.ndarray, torso_t: np.ndarray, joints: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The rig's channels under which head and torso move as given.

    What the neck joint moves goes x -> head_R x + head_t, what the root moves x -> torso_R x + torso_t, for rest-pose
    points x. A ball joint cannot do that; the rest is the joint's own translation.

    Args:
        head_R: [T, 3, 3].
        head_t: [T, 3] metres.
        torso_R: [T, 3, 3].
        torso_t: [T, 3] metres.
        joints: [5, 3] rest positions of this identity's joints, root and neck first.

    Returns:
        rotation, translation, neck_pose, neck_translation, each [T, 3] float32 (see `avatar3d.motion.Motion`).
    """
    root, neck = np.asarray(joints[0], np.float64), np.asarray(joints[1], np.float64)
    torso_R, head_R = np.asarray(torso_R, np.float64), np.asarray(head_R, np.float64)
    back = np.swapaxes(torso_R, 1, 2)
    translation = torso_t - root + torso_R @ root
    neck_place = (back @ (head_t + head_R @ neck - torso_t)[..., None])[..., 0]
    rotvecs = Rotation.from_matrix(np.concatenate([torso_R, back @ head_R])).as_rotvec()
    rotation, neck_pose = rotvecs[: len(torso_R)], rotvecs[len(torso_R) :]
    return tuple(np.ascontiguousarray(x, dtype=np.float32) for x in (rotation, translation, neck_pose, neck_place - neck))  # pyright: ignore


def decompose(
    rotation: np.ndarray, translation: np.ndarray, neck_pose: np.ndarray, neck_translation: np.ndarray | None, joints: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The inverse of `compose`: head_R [T, 3, 3], head_t [T, 3], torso_R, torso_t."""
    root, neck = np.asarray(joints[0], np.float64), np.asarray(joints[1], np.float64)
    torso_R = Rotation.from_rotvec(np.asarray(rotation, np.float64)).as_matrix()
    head_R = torso_R @ Rotation.from_rotvec(np.asarray(neck_pose, np.float64)).as_matrix()
    torso_t = translation + root - torso_R @ root
    place = neck if neck_translation is None else neck + neck_translation
    head_t = (torso_R @ np.broadcast_to(place, torso_t.shape)[..., None])[..., 0] + torso_t - head_R @ neck
    return head_R, head_t, torso_R, torso_t
