"""What was received, as a motion: frames at a steady rate, for any head."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.arkit_file import MAX_SECONDS, RATES, ArkitTake
from avatar3d.arkit_weights import motion_of_arkit
from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from viewer.bridge.receiver import Face

GAP = 0.25
"""Seconds between two frames from which on what lies between them is not valid."""
_USUAL = (10, 12, 15, 20, *RATES)
_ALIKE = 0.04
"""Share by which frames may come faster or slower than a usual rate that they are taken to have."""


@dataclass(frozen=True, eq=False)
class Calm:
    """How a performer's face rests: what counts as zero."""

    weights: np.ndarray
    """[52]."""
    head: np.ndarray
    """[3] yaw, pitch, roll, radians."""


NO_CALM = Calm(np.zeros(52, np.float32), np.zeros(3, np.float32))


@dataclass(frozen=True, eq=False)
class Steady:
    """Moments at a steady rate, and the faces out of which they are made."""

    faces: list[Face]
    """N, one of each time."""
    times: np.ndarray
    """[N] seconds on the sender's clock, ascending."""
    moments: np.ndarray
    """[T] seconds on the same clock, none before the first face and none after the last one."""
    fps: Fraction
    valid: np.ndarray
    """[T] which moments are no guess: where the sender was silent, they are."""


def steady(heard: Sequence[Face], fps: Fraction | None = None, said: Fraction | None = None) -> Steady:
    """One subject's faces, and the moments at which a motion has frames.

    Args:
        heard: in the order of arrival.
        fps: frames a second; default the usual rate at which they came.
        said: the sender's, which is taken instead of a usual one where they came so.

    Raises:
        UserError: they are too few, or last too long.
    """
    first = {face.time: face for face in reversed(heard)}
    times = np.array(sorted(first))
    if len(times) < 2:
        raise UserError(f"received: {len(times)} frames, which are no motion; let it run longer")
    seconds = float(times[-1] - times[0])
    if seconds > MAX_SECONDS:
        raise UserError(f"received: lasts more than {MAX_SECONDS // 3600} hours; record less at once")
    rate = fps or _rate(np.diff(times), said)
    # A grid point that is a frame's time but for the last bits is that frame.
    grid = np.minimum(times[0] + np.arange(round(seconds * float(rate)) + 1) / float(rate), times[-1])
    after = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    close = np.minimum(grid - times[after - 1], times[after] - grid) < 0.5 / float(rate)
    valid = close | (times[after] - times[after - 1] <= GAP)
    return Steady([first[time] for time in times], times, grid, rate, valid)


def take_of(heard: Sequence[Face], fps: Fraction | None = None) -> tuple[ArkitTake, np.ndarray]:
    """One subject's faces at a steady rate, and [T] which frames are no guess.

    Args:
        heard: in the order of arrival.
        fps: frames a second; default the usual rate at which they came.

    Raises:
        UserError: they are too few, or last too long.
    """
    frames = steady(heard, fps)
    rows = np.stack([np.concatenate([face.weights, face.head]) for face in frames.faces]).astype(np.float64)
    rows[:, 52:] = np.unwrap(rows[:, 52:], axis=0)
    even = np.stack([np.interp(frames.moments, frames.times, column) for column in rows.T], axis=1)
    return ArkitTake(even[:, :52].astype(np.float32), even[:, 52:], frames.fps), frames.valid


def calm_of(take: ArkitTake, seconds: float) -> Calm:
    """The face of the first seconds, at which the performer looks straight ahead and does nothing."""
    count = max(1, round(seconds * float(take.fps)))
    turns = Rotation.from_euler("YXZ", take.head[:count]).mean().as_euler("YXZ")
    return Calm(np.median(take.weights[:count], axis=0), turns)


def calmed(weights: np.ndarray, head: np.ndarray, calm: Calm) -> tuple[np.ndarray, np.ndarray]:
    """Weights [T, 52] and turns of the head [T, 3] counted from a calm face: that is zero, and what was 1 still is."""
    scaled = np.clip((weights - calm.weights) / np.maximum(1 - calm.weights, 1e-3), 0, 1)
    straight = Rotation.from_euler("YXZ", calm.head).inv() * Rotation.from_euler("YXZ", head)
    return scaled.astype(np.float32), straight.as_euler("YXZ")


def motion_of_take(take: ArkitTake, head: HeadModel, valid: np.ndarray | None = None, calm: Calm = NO_CALM) -> Motion:
    """A take as a motion of a head.

    Raises:
        UserError: the head cannot be compared with ARKit's shapes.
    """
    weights, turns = calmed(take.weights, take.head, calm)
    motion = motion_of_arkit(weights, head, take.fps, turns)
    return motion if valid is None or valid.all() else replace(motion, valid=valid)


def _rate(steps: np.ndarray, said: Fraction | None) -> Fraction:
    """The rate that the sender says, where the median step is near to that; the usual one nearest to it; or that step's own where none is near."""
    rate = 1 / float(np.median(steps))
    if said is not None and 1 <= said <= 240 and abs(float(said) / rate - 1) < _ALIKE:
        return said.limit_denominator(1001)
    near = min(_USUAL, key=lambda usual: abs(usual / rate - 1))
    return Fraction(near) if abs(near / rate - 1) < _ALIKE else Fraction(min(max(rate, 1.0), 240.0)).limit_denominator(1001)
