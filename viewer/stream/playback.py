"""A motion performed on a clock, frame by frame, to whatever takes frames: a WebSocket's viewers, or another program."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Protocol

import numpy as np

from avatar3d.head.model import HeadModel
from avatar3d.motion import CHANNELS, Motion

AHEAD = 0.2
"""Seconds by which sound is sent before its time, so that a receiver can lay it out without a gap."""
_SLEPT = 1.0
"""Seconds behind after which a machine has not been busy but asleep: the performance goes on where it was."""
Track = Mapping[str, np.ndarray]
"""Channels [T, width] by name."""


class Outlet(Protocol):
    """Where a performance goes. Nothing in it waits for a receiver."""

    def begin(self) -> None:
        """Another performance follows the one that has ended; its time and its sound start from 0 s."""

    def frame(self, time: float, values: Mapping[str, np.ndarray]) -> None:
        """Channels [width] at `time` seconds of the performance, when they are due."""

    def sound(self, samples: np.ndarray) -> None:
        """Mono float32 samples that follow those before; called only where the performance has sound."""

    def end(self, time: float) -> None:
        """It is over."""


def track_of(motion: Motion, head: HeadModel) -> dict[str, np.ndarray]:
    """All channels that a head has, [T, width] float32 each, those that the motion lacks being zero."""
    track = {"expr": motion.expr}
    for name, width in CHANNELS.items():
        if name == "eyelids" and head.eyelid_basis is None:
            continue
        values = getattr(motion, name)
        track[name] = np.zeros((len(motion), width), np.float32) if values is None else values
    return track


class Pace:
    """Steady frames by absolute deadlines: nothing adds up, and what is over is over."""

    def __init__(self, fps: Fraction, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        """The first frame is due at once."""
        self._fps, self._clock, self._sleep = fps, clock, sleep
        self._began = clock()

    def until(self, number: int) -> float:
        """Wait until a frame is due; how far behind it is then, seconds. A frame or more means that the next one is due as well."""
        due = float(number / self._fps)
        ahead = self._began + due - self._clock()
        if ahead > 0:
            self._sleep(ahead)
        behind = self._clock() - self._began - due
        if behind > _SLEPT:
            self._began, behind = self._began + behind, 0.0
        return behind


def play(
    track: Track,
    fps: Fraction,
    outlet: Outlet,
    *,
    sound: np.ndarray | None = None,
    rate: int = 0,
    loop: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Perform until the motion is over, or for ever.

    Args:
        track: what is performed.
        fps: frames per second.
        outlet: where to.
        sound: [samples] mono.
        rate: of the sound, Hz.
        loop: begin anew at the end; the time goes on.
        clock: seconds.
        sleep: for so many seconds.

    Returns:
        how far frames were from their due time: the 99th percentile of the last ones, milliseconds.
    """
    count = len(next(iter(track.values())))
    voice = None if sound is None else _Voice(sound, rate, float(count / fps), loop)
    late: deque[float] = deque(maxlen=500)
    pace, number = Pace(fps, clock, sleep), 0
    while loop or number < count:
        due = float(number / fps)
        behind = pace.until(number)
        if voice is not None:
            outlet.sound(voice.until(due + AHEAD))
        # A machine that was busy leaves out what is over, so that motion and sound stay together.
        if behind * fps < 1:
            outlet.frame(due, {name: values[number % count] for name, values in track.items()})
            late.append(behind)
        number += 1
    end = float(count / fps)
    if voice is not None:
        outlet.sound(voice.until(end + AHEAD))
    pace.until(count)
    outlet.end(end)
    return 1000 * float(np.quantile(list(late), 0.99)) if late else 0.0


class _Voice:
    """A sound as long as its motion, and again and again where it goes round."""

    def __init__(self, sound: np.ndarray, rate: int, seconds: float, loop: bool) -> None:
        self._sound, self._rate, self._period, self._loop = sound, rate, seconds * rate, loop
        self._given = 0

    def until(self, seconds: float) -> np.ndarray:
        """The samples from where the last call ended to `seconds`; silence where the sound is over before the motion."""
        end = max(round(seconds * self._rate), self._given)
        index = np.arange(self._given, end, dtype=np.float64)
        self._given = end
        # A round is seldom a whole number of samples: each begins with its motion all the same.
        inside = np.floor(np.mod(index, self._period) if self._loop else index).astype(np.int64)
        heard = (inside < len(self._sound)) & (inside < self._period)
        out = np.zeros(len(inside), np.float32)
        out[heard] = self._sound[inside[heard]]
        return out
