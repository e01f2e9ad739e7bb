"""What a head does while it has nothing to do: it breathes, looks about a little and blinks, in a loop without a seam."""

from fractions import Fraction

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.motion import Motion, rest_motion

SECONDS, FPS = 20, 25
_NECK = ((0, 2, 0.012), (0, 5, 0.006), (1, 1, 0.03), (1, 3, 0.012), (2, 2, 0.008))
"""Axis, whole swings in the loop and amplitude in radians: nods, turns and tilts. Whole numbers make the loop close."""
_BLINKS = (1.3, 4.9, 7.6, 11.8, 12.3, 16.1)
"""Seconds; people blink every three or four, and sometimes twice."""
_GLANCES = ((3.0, 0.05, -0.02), (6.2, -0.06, 0.0), (9.4, 0.0, 0.03), (13.5, 0.07, 0.01), (17.2, 0.0, 0.0))
"""Second, turn and nod of both eyes in radians from then on: gaze jumps and stays."""
_CLOSING, _OPENING = 0.10, 0.20
"""Seconds: a lid falls faster than it rises."""


def idle_motion(avatar: Avatar) -> Motion:
    """A loop of twenty seconds around the person's calm face; its last frame leads to its first."""
    count = SECONDS * FPS
    time = np.arange(count) / FPS
    motion = rest_motion(avatar.head, count, Fraction(FPS), avatar.shape.numpy())
    for axis, swings, size in _NECK:
        motion.neck_pose[:, axis] += size * np.sin(2 * np.pi * swings * time / SECONDS + axis + swings)
    for start, turn, nod in _GLANCES:
        motion.eyes_pose[time >= start] = (nod, turn, 0, nod, turn, 0)
    closed = np.max([_blink(time - start) for start in _BLINKS], axis=0)
    if motion.eyelids is not None:
        motion.eyelids[:] = closed[:, None]
    for lid in (i for i, name in enumerate(avatar.head.expr_names) if name.startswith("eyeBlink")):
        motion.expr[:, lid] = closed
    return avatar.admit(motion)


def _blink(time: np.ndarray) -> np.ndarray:
    """Closure 0..1 at seconds before (negative) and after the lid is down."""
    phase = np.where(time < 0, 1 + time / _CLOSING, 1 - time / _OPENING).clip(0, 1)
    return phase * phase * (3 - 2 * phase)
