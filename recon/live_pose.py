"""Poses that were tracked as they came, as a later and better tracking of the same frames has them."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from recon.neck import compose, decompose


@dataclass(frozen=True, eq=False)
class Alignment:
    """What two trackings of the same head differ by, and where the torso is. The causal tracker knows another camera and identity, and no torso."""

    turn: Rotation
    """From the one head's rotation to the other's, in world space."""
    shift: np.ndarray
    """[3] metres by which the middle of the face moves."""
    middle: np.ndarray
    """[3] of the face on the neutral head."""
    torso_R: np.ndarray
    """[3, 3] of the last frame."""
    torso_t: np.ndarray
    """[3]."""
    joints: np.ndarray
    """[5, 3] of the identity that poses are for."""
    shape: np.ndarray
    """[S] that identity."""


def alignment(live: dict[int, Motion], numbers: np.ndarray, tracked: Motion, head: HeadModel) -> Alignment:
    """How to show live poses on an avatar whose frames were tracked anew.

    Args:
        live: single frames by number, their necks straight.
        numbers: [T] of the frames of `tracked`; at least one is in `live`.
        tracked: the new motion.
        head: the rig.
    """
    rows = [row for row, number in enumerate(numbers) if int(number) in live]
    frames = [live[int(numbers[row])] for row in rows]
    middle = head.template[head.regions["face"]].double().numpy().mean(axis=0) if "face" in head.regions else head.template.double().numpy().mean(0)
    joints = head.joints(torch.from_numpy(tracked.shape)).double().numpy()
    new_R, new_t, torso_R, torso_t = decompose(tracked.rotation, tracked.translation, tracked.neck_pose, tracked.neck_translation, joints)
    old = [_head_of(frame, head) for frame in frames]
    old_R, old_t = np.stack([R for R, _ in old]), np.stack([t for _, t in old])
    turns = Rotation.from_matrix(new_R[rows] @ np.swapaxes(old_R, 1, 2))
    shift = np.median(new_R[rows] @ middle + new_t[rows] - (old_R @ middle + old_t), axis=0)
    return Alignment(turns.mean(), shift, middle, torso_R[-1], torso_t[-1], joints, tracked.shape)


def aligned(frame: Motion, by: Alignment, head: HeadModel) -> Motion:
    """A live frame as the avatar's own tracking would have it, the torso where it was last."""
    R, t = _head_of(frame, head)
    turned = by.turn.as_matrix() @ R
    place = R @ by.middle + t + by.shift - turned @ by.middle
    rotation, translation, neck_pose, neck_translation = compose(turned[None], place[None], by.torso_R[None], by.torso_t[None], by.joints)
    return replace(
        frame, rotation=rotation, translation=translation, neck_pose=neck_pose, neck_translation=neck_translation, shape=by.shape.copy(), valid=None
    )


def _head_of(frame: Motion, head: HeadModel) -> tuple[np.ndarray, np.ndarray]:
    """The head's rigid motion [3, 3], [3] of a single frame."""
    joints = head.joints(torch.from_numpy(frame.shape)).double().numpy()
    R, t, _, _ = decompose(frame.rotation, frame.translation, frame.neck_pose, frame.neck_translation, joints)
    return R[0], t[0]
