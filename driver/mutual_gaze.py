"""Where two who talk with each other look: at the other, with glances away, as people do (`driver.behaviour.gaze_angles`)."""

from dataclasses import replace

import numpy as np

from avatar3d.arkit import EXPR_INDEX
from avatar3d.motion import Motion
from avatar3d.statistics import Meant
from driver.behaviour import EYE_LIMIT, Prosody, gaze_angles
from driver.conditions import MODES

_HEAD_SHARE = 0.4
"""Of the way to the other, what the head turns: eyes alone would look askance."""
_LOOKS = (("Down", "Up", "Down", "Up", 30.0), ("Out", "In", "In", "Out", 35.0))
"""By axis: what the left lids do when the eyes look down (or to their left) and when they do not, the same of the right ones, and the degrees of
a whole look."""


def meant_towards(right: float) -> Meant:
    """How far beyond what was filmed of a person they turn to somebody who sits beside them: who looked straight ahead on film would else stare
    at the end of what their eyes and head did.

    Args:
        right: degrees, as the viewer sees it, at which the other is.
    """
    head, eyes = np.radians(_HEAD_SHARE * right), np.radians((1 - _HEAD_SHARE) * right)
    return Meant({"neck_pose": np.array([0, head, 0], np.float32), "eyes_pose": np.array([0, eyes, 0, 0, eyes, 0], np.float32)})


def turned_to(motion: Motion, rows: np.ndarray, right: float, seed: int, *, lids: bool = True) -> Motion:
    """A driver's motion whose eyes, and the head in part, are on somebody, with glances away: a speaker's about every three seconds, a listener's
    half as often and shorter. The eyes keep their target while the head moves under them.

    Args:
        motion: as made, zero being straight ahead.
        rows: [T, MODES] of what the face does (`driver.turns.modes`).
        right: degrees, as the viewer sees it, at which the other is.
        seed: of when it glances where.
        lids: whether the head has ARKit's expressions, in which the lids go with the eyes.
    """
    T = len(motion)
    speaking, nothing = rows[np.minimum(np.arange(T), len(rows) - 1), MODES.index("speak")], np.zeros(0, np.int64)
    gaze, _ = gaze_angles(Prosody(speaking, np.zeros(T), nothing, nothing), np.random.default_rng([seed, 2]), (0.0, right))
    neck, eyes, expr = motion.neck_pose.copy(), motion.eyes_pose.copy(), motion.expr.copy()
    neck[:, 1] += np.radians(_HEAD_SHARE * right)
    look = np.clip(gaze - np.degrees(neck[:, :2] + motion.rotation[:, :2]), -EYE_LIMIT, EYE_LIMIT)
    change = look - np.degrees(eyes[:, :2])
    for axis in (0, 1):
        eyes[:, [axis, 3 + axis]] = np.radians(look[:, axis, None])
    for axis, (left_more, left_less, right_more, right_less, whole) in enumerate(_LOOKS if lids else ()):
        for side, more, less in (("Left", left_more, left_less), ("Right", right_more, right_less)):
            rises, falls = EXPR_INDEX[f"eyeLook{more}{side}"], EXPR_INDEX[f"eyeLook{less}{side}"]
            # A lid that is closed covers the eye wherever it looks.
            open_lid = 1 - np.clip(expr[:, EXPR_INDEX[f"eyeBlink{side}"]], 0, 1)
            turned = expr[:, rises] - expr[:, falls] + change[:, axis] / whole * open_lid
            expr[:, rises], expr[:, falls] = np.clip(turned, 0, 1), np.clip(-turned, 0, 1)
    return replace(motion, expr=expr, neck_pose=neck, eyes_pose=eyes)
