"""A motion as ARKit's 52 weights, and back, for any head: others than ARKit's go by way of the embedded one."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.arkit import ARKIT_INDEX, ARKIT_NAMES, EXPR_NAMES, LOOK_ANGLE
from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.head.retarget import fit_retarget, retarget
from avatar3d.head.store import load_head
from avatar3d.motion import Motion, check_head, rest_motion

STRAIGHT = 1e-3
"""Radians of the jaw's yaw and roll that nobody sees."""
_EXPR = [ARKIT_INDEX[name] for name in EXPR_NAMES]
_JAW_OPEN = ARKIT_INDEX["jawOpen"]
_LOOKS = (("Left", "Out", "In"), ("Right", "In", "Out"))
"""Each eye's side, and which way it looks towards the subject's left and right."""


def arkit_of(motion: Motion, head: HeadModel) -> np.ndarray:
    """ARKit's weights [T, 52] of a motion, in the order of ARKIT_NAMES, 0..1.

    The jaw is jawOpen, its sideways motion jawLeft and jawRight; eyeLook... is the gaze, as in ARKit, where the embedded head's
    expressions of these names move the lids alone.

    Args:
        motion: of `head`.
        head: any head with landmarks.

    Raises:
        UserError: the motion is of another head, or the head cannot be compared with the embedded one.
    """
    check_head(motion.head_fingerprint, head, "motion")
    if head.expr_names != EXPR_NAMES or abs(motion.jaw_pose[:, 1:]).max(initial=0.0) > STRAIGHT:
        embedded = load_head()
        motion, head = retarget(motion, fit_retarget(head, embedded, hinge=True)), embedded
    weights = np.zeros((len(motion), len(ARKIT_NAMES)), np.float32)
    weights[:, _EXPR] = motion.expr
    weights[:, _JAW_OPEN] = motion.jaw_pose[:, 0] / head.jaw_open_angle
    for eye, (side, left, right) in enumerate(_LOOKS):
        down, leftwards = motion.eyes_pose[:, 3 * eye], motion.eyes_pose[:, 3 * eye + 1]
        for direction, angle in (("Down", down), ("Up", -down), (left, leftwards), (right, -leftwards)):
            weights[:, ARKIT_INDEX[f"eyeLook{direction}{side}"]] = angle / LOOK_ANGLE
    return np.clip(weights, 0, 1)


def motion_of_arkit(weights: np.ndarray, head: HeadModel, fps: Fraction = Fraction(25), turns: np.ndarray | None = None) -> Motion:
    """The motion of ARKit's weights on a head; the gaze goes to eyes and lids.

    Args:
        weights: [T, 52] in the order of ARKIT_NAMES.
        head: any head with landmarks.
        fps: of the frames.
        turns: [T, 3] yaw, pitch and roll of the head, radians (see `head_turns`), all of it done by the neck; default none.

    Raises:
        UserError: the weights are not [T, 52] numbers, or the head cannot be compared with the embedded one.
    """
    weights = np.asarray(weights, np.float32)
    if weights.ndim != 2 or weights.shape[1] != len(ARKIT_NAMES) or not len(weights) or not np.isfinite(weights).all():
        raise UserError(f"ARKit weights {list(weights.shape)}: expected one or more rows of {len(ARKIT_NAMES)} numbers")
    carrier = head if head.expr_names == EXPR_NAMES else load_head()
    motion = rest_motion(carrier, len(weights), fps)
    motion.expr[:] = weights[:, _EXPR]
    motion.jaw_pose[:, 0] = weights[:, _JAW_OPEN] * carrier.jaw_open_angle
    for eye, (side, left, right) in enumerate(_LOOKS):
        for axis, (positive, negative) in enumerate((("Down", "Up"), (left, right))):
            ahead, back = (weights[:, ARKIT_INDEX[f"eyeLook{direction}{side}"]] for direction in (positive, negative))
            motion.eyes_pose[:, 3 * eye + axis] = LOOK_ANGLE * (ahead - back)
    if turns is not None:
        motion = replace(motion, neck_pose=Rotation.from_euler("YXZ", turns).as_rotvec().astype(np.float32))
    return motion if carrier is head else retarget(motion, fit_retarget(carrier, head))


def head_turns(motion: Motion) -> np.ndarray:
    """Turns of the head in the world [T, 3], radians: yaw to the subject's left, then pitch downwards, then roll to the subject's right."""
    skull = Rotation.from_rotvec(motion.rotation) * Rotation.from_rotvec(motion.neck_pose)
    return skull.as_euler("YXZ")


def eye_turns(motion: Motion) -> np.ndarray:
    """Yaw, pitch and roll of the left, then of the right eye in the head [T, 6], radians."""
    eyes = Rotation.from_rotvec(motion.eyes_pose.reshape(-1, 3))
    return eyes.as_euler("YXZ").reshape(len(motion), 6)
