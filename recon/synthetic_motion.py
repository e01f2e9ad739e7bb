"""What a synthetic person does to be measured by: strong turns, nods, blinks of every depth, winks, jumps of the eyes, shut lips.

Everything happens at known times, one thing after another where it matters, with stillness before, between and after.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.ndimage import gaussian_filter1d

from avatar3d.arkit import LOOK_ANGLE
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion, rest_motion

FPS = 25
FRAMES = 320
STILL = ((4, 36), (296, 320))
"""First frame and the one after the last of segments in which nothing but what `BLINKS` lists moves; the second looks aside."""
TURNS = ((40, 86, 1, 57.0), (88, 134, 1, -57.0), (138, 158, 0, 26.0), (160, 180, 0, -24.0), (182, 196, 2, 16.0))
"""First and last frame, axis (0 nod, 1 turn, 2 tilt) and degrees."""
NODS = (198, 222, 8.0, 8)
"""First and last frame, degrees, and frames of a period: three a second."""
BLINKS = (
    (14, "both", 1.0), (26, "both", 0.75), (47, "both", 1.0), (110, "both", 1.0), (146, "both", 1.0), (172, "both", 0.8), (187, "left", 1.0),
    (193, "right", 1.0), (212, "both", 1.0), (224, "both", 1.0), (262, "both", 0.6), (284, "left", 1.0), (290, "right", 0.8),
)  # fmt: skip
"""Frame of the deepest closure, which eye, and how deep."""
GAZES = ((28, 0, 0), (68, 0, 12), (118, 0, -12), (150, -8, 0), (182, 0, 0), (226, 0, 22), (232, 0, -22), (238, 13, 0), (244, -13, 0), (250, 9, 18),
         (256, -9, -18), (262, 0, 0), (270, 0, 28), (277, 0, -28), (284, 0, 0), (294, 0, 14))  # fmt: skip
"""From this frame on: degrees down and to the subject's left against the head."""
MOUTH = ((50, "a"), (56, "m"), (62, "o"), (68, "p"), (74, "i"), (96, "a"), (102, "m"), (108, "u"), (116, "m"), (124, "a"), (142, "a"), (148, "m"),
         (164, "a"), (170, "m"), (200, "o"), (205, "m"), (210, "a"), (215, "m"), (226, "a"), (230, "p"), (234, "i"), (238, "m"), (242, "o"),
         (246, "m"), (250, "A"), (256, "m"), (264, "s"), (270, "m"), (276, "u"), (282, "m"))  # fmt: skip
"""Frame at which a mouth shape is reached."""
SHAPES: dict[str, dict[str, float]] = {
    "a": {"jaw": 0.34, "mouthLowerDownLeft": 0.15, "mouthLowerDownRight": 0.15, "mouthUpperUpLeft": 0.08, "mouthUpperUpRight": 0.08},
    "A": {"jaw": 0.62, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2, "mouthStretchLeft": 0.2, "mouthStretchRight": 0.2},
    "o": {"jaw": 0.20, "mouthPucker": 0.45, "mouthFunnel": 0.35},
    "u": {"jaw": 0.08, "mouthPucker": 0.75, "mouthFunnel": 0.2},
    "i": {"jaw": 0.10, "mouthSmileLeft": 0.35, "mouthSmileRight": 0.35, "mouthStretchLeft": 0.2, "mouthStretchRight": 0.2, "mouthLowerDownLeft": 0.2,
          "mouthLowerDownRight": 0.2, "mouthUpperUpLeft": 0.15, "mouthUpperUpRight": 0.15},
    "s": {"jaw": 0.03, "mouthStretchLeft": 0.3, "mouthStretchRight": 0.3, "mouthLowerDownLeft": 0.35, "mouthLowerDownRight": 0.35,
          "mouthUpperUpLeft": 0.2, "mouthUpperUpRight": 0.2},
    "m": {"jaw": 0.06, "mouthClose": 0.06, "mouthPressLeft": 0.15, "mouthPressRight": 0.15, "mouthRollLower": 0.06, "mouthRollUpper": 0.05},
    "p": {"jaw": 0.09, "mouthClose": 0.09, "mouthPressLeft": 0.2, "mouthPressRight": 0.2, "mouthPucker": 0.1},
}  # fmt: skip
"""Fraction of the jaw's opening, and expressions."""
CLOSED = ("m", "p")


@dataclass(frozen=True, eq=False)
class Exercise:
    """A motion and what happens in it."""

    motion: Motion
    still: np.ndarray
    """[T] bool: the head, the mouth and the gaze rest."""
    closed: np.ndarray
    """[T] bool: the lips are meant to touch."""


def exercise(head: HeadModel, shape: np.ndarray, frames: int = FRAMES) -> Exercise:
    """The whole programme, or its first frames.

    Args:
        head: the embedded head, whose expressions are named.
        shape: [S] identity.
        frames: T.
    """
    time = np.arange(FRAMES, dtype=np.float64)
    motion = rest_motion(head, FRAMES, Fraction(FPS), shape=shape)
    columns = {name: index for index, name in enumerate(head.expr_names)}
    _mouth(motion, head, columns, time)
    for first, last, axis, degrees in TURNS:
        motion.neck_pose[:, axis] += np.radians(degrees) * _hill(time, first, last)
    first, last, degrees, period = NODS
    swing = np.sin(2 * np.pi * (time - first) / period) * ((time >= first) & (time <= last))
    motion.neck_pose[:, 0] += np.radians(degrees) * gaussian_filter1d(swing, 0.7)
    gaze = _gaze(time)
    for eye, side in enumerate(("Left", "Right")):
        motion.eyes_pose[:, 3 * eye : 3 * eye + 2] = gaze
        closure = np.max([depth * _blink(time - peak) for peak, which, depth in BLINKS if which in ("both", side.lower())], axis=0)
        motion.expr[:, columns[f"eyeBlink{side}"]] = closure
        outward = gaze[:, 1] * (1 if side == "Left" else -1)
        for name, angle in (("Down", gaze[:, 0]), ("Up", -gaze[:, 0]), ("Out", outward), ("In", -outward)):
            motion.expr[:, columns[f"eyeLook{name}{side}"]] = np.clip(angle / LOOK_ANGLE, 0, 1)
    brows = 0.5 * _hill(time, 60, 76) + 0.6 * _hill(time, 240, 256)
    for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"):
        motion.expr[:, columns[name]] = brows
    # The shoulders give way a little when the head turns far, and breathe.
    calm = _hill(time, 40, 296, ramp=20)
    motion.rotation[:, 1] = 0.06 * motion.neck_pose[:, 1]
    motion.rotation[:, 2] = np.radians(0.8) * np.sin(time / 21) * calm
    motion.translation[:, 0] = 0.006 * np.sin(time / 27) * calm
    motion.translation[:, 1] = 0.0008 * np.sin(2 * np.pi * time / 90) * calm
    motion.translation[:, 2] = 0.012 * np.sin(time / 33) * calm
    still = np.zeros(FRAMES, bool)
    for first, last in STILL:
        still[first:last] = True
    reached = {frame: shape_name for frame, shape_name in MOUTH}
    closed = np.array([any(reached.get(frame + d) in CLOSED for d in (-1, 0, 1)) for frame in range(FRAMES)])
    return Exercise(motion.frames(slice(0, frames)), still[:frames], closed[:frames])


def _mouth(motion: Motion, head: HeadModel, columns: dict[str, int], time: np.ndarray) -> None:
    rest = {"jaw": 0.0}
    keys = [(0, rest), (44, rest), *((frame, SHAPES[name]) for frame, name in MOUTH), (290, rest), (FRAMES - 1, rest)]
    # Shapes are held for a frame before and after: lips that meet stay together for a tenth of a second.
    held = [(frame + shift, value) for frame, value in keys for shift in (-1, 0, 1)]
    for name in sorted({name for shape in SHAPES.values() for name in shape}):
        curve = np.interp(time, [frame for frame, _ in held], [value.get(name, 0.0) for _, value in held])
        if name == "jaw":
            motion.jaw_pose[:, 0] = curve * head.jaw_open_angle
        else:
            motion.expr[:, columns[name]] = curve


def _gaze(time: np.ndarray) -> np.ndarray:
    """[T, 2] radians: jumps that take a frame in between."""
    before, way = np.zeros(2), np.zeros((len(time), 2))
    for frame, *target in GAZES:
        share = np.clip((time - frame + 2) / 2, 0, 1)[:, None]
        way += share * (np.array(target) - before)
        before = np.array(target, np.float64)
    return np.radians(way)


def _hill(time: np.ndarray, first: float, last: float, ramp: float | None = None) -> np.ndarray:
    """[T] from 0 at `first` to 1, and back to 0 at `last`; the slopes are smooth and take `ramp` frames, at most half the time."""
    ramp = 0.42 * (last - first) if ramp is None else ramp
    level = np.clip(np.minimum(time - first, last - time) / ramp, 0, 1)
    return level**3 * (10 - 15 * level + 6 * level**2)


def _blink(since: np.ndarray) -> np.ndarray:
    """[T] closure so many frames from the deepest point: down within 3 frames, up within 6."""
    level = np.clip(np.where(since < 0, 1 + (since + 0.5) / 3, 1 - (since - 0.5) / 6), 0, 1)
    return level * level * (3 - 2 * level)
