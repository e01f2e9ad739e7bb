"""What the sliders add to a frame of motion: expressions, jaw, gaze, head, identity."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.avatar import Avatar
from avatar3d.motion import Motion
from avatar3d.statistics import relative
from viewer.live.gaze import gaze_at


@dataclass(frozen=True, eq=False)
class Adjustments:
    """Added to whatever plays; the defaults add nothing."""

    expr: Mapping[int, float] = field(default_factory=dict)
    """By index of the head's expressions."""
    jaw: tuple[float, float] = (0.0, 0.0)
    """Radians by which it opens, and goes to the subject's left."""
    head: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Radians down, to the subject's left, and tilted to the subject's right, against the torso."""
    gaze: tuple[float, float] = (0.0, 0.0)
    """Radians to the subject's left, and up."""
    follow: bool = False
    """Whether the eyes look at whoever looks."""
    lids: tuple[float, float] = (0.0, 0.0)
    """Closure of the left and right lid, on heads whose expressions have no blink."""
    shape: Mapping[int, float] = field(default_factory=dict)
    """Added to the identity, by mode."""
    within: bool = False
    """Whether what results is brought inside what the avatar has seen."""


def adjusted(frame: Motion, by: Adjustments, avatar: Avatar, eye: np.ndarray | None) -> Motion:
    """A frame of motion with the adjustments added.

    Args:
        frame: a motion of one frame.
        by: what is added.
        avatar: whose motion it is.
        eye: [3] where the onlooker is, metres, for `follow`.
    """
    values = {"expr": frame.expr.copy()}
    for index, value in by.expr.items():
        values["expr"][0, index] += value
    down, aside = by.jaw
    values["jaw_pose"] = _turned(frame.jaw_pose, (down, aside, 0.0))
    values["neck_pose"] = _turned(frame.neck_pose, by.head)
    left, up = by.gaze
    values["eyes_pose"] = np.concatenate([_turned(frame.eyes_pose[:, eye], (-up, left, 0.0)) for eye in (slice(0, 3), slice(3, 6))], axis=1)
    if frame.eyelids is not None:
        values["eyelids"] = frame.eyelids + np.array([by.lids], np.float32)
    moved = replace(frame, **values)
    if by.follow and eye is not None:
        moved = replace(moved, eyes_pose=gaze_at(avatar, moved, eye))
    if by.within:
        moved = avatar.admit(relative(moved, avatar.statistics, avatar.head))
    return moved


def _turned(pose: np.ndarray, by: tuple[float, float, float]) -> np.ndarray:
    """A rotation vector [1, 3] turned further in its own frame; untouched to the bit where there is nothing to add."""
    if not any(by):
        return pose
    return (Rotation.from_rotvec(pose) * Rotation.from_rotvec(by)).as_rotvec().astype(np.float32)


def with_identity(avatar: Avatar, shape: Mapping[int, float]) -> Avatar:
    """The avatar with other proportions: `shape` is added to its identity, by mode."""
    if not any(shape.values()):
        return avatar
    identity = avatar.shape.clone()
    for mode, value in shape.items():
        identity[mode] += value
    return replace(avatar, shape=identity)
