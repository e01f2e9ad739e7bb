"""Where in a motion we are: a clock that plays, pauses, scrubs, loops and runs at any speed."""

import threading
import time
from collections.abc import Callable

from avatar3d.motion import Motion

SPEEDS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0)
"""Times the real one that can be chosen."""


class Player:
    """A motion and a position in it that moves with a clock while it plays. Every method may be called from any thread.

    Args:
        motion: what is played first; it rests at its beginning.
        clock: seconds that never go back.
    """

    def __init__(self, motion: Motion, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.RLock()
        self._motion, self._speed, self._loop = motion, 1.0, False
        self._since: float | None = None
        self._from = 0.0

    @property
    def motion(self) -> Motion:
        return self._motion

    @property
    def end(self) -> float:
        """Seconds at which the motion is over."""
        return self._motion.duration

    @property
    def speed(self) -> float:
        """Times the real one."""
        return self._speed

    @property
    def loop(self) -> bool:
        """Whether it begins again at the end."""
        return self._loop

    @property
    def position(self) -> float:
        """Seconds into the motion, now."""
        with self._lock:
            if self._since is None:
                return self._from
            reached = self._from + (self._clock() - self._since) * self._speed
            if self._loop:
                return reached % self.end
            if reached >= self.end:
                self._from, self._since = self.end, None
            return min(reached, self.end)

    @property
    def playing(self) -> bool:
        """Whether it moves; a motion that has reached its end does not."""
        with self._lock:
            # Asking for the position notices that the end was reached.
            _ = self.position
            return self._since is not None

    def play(self) -> None:
        """Go on, or begin again where the end was reached."""
        with self._lock:
            here = self.position
            self._from = 0.0 if here >= self.end - 0.5 / float(self._motion.fps) else here
            self._since = self._clock()

    def pause(self) -> None:
        """Stay where it is."""
        with self._lock:
            self._from, self._since = self.position, None

    def seek(self, position: float) -> None:
        """Go to `position` seconds, held to the motion, playing or not as before."""
        with self._lock:
            playing = self.playing
            self._from = min(max(position, 0.0), self.end)
            self._since = self._clock() if playing else None

    def step(self, frames: int) -> None:
        """Pause, and go to the frame that is so many further on."""
        with self._lock:
            self.pause()
            fps, last = float(self._motion.fps), len(self._motion) - 1
            self.seek(min(max(round(self._from * fps) + frames, 0), last) / fps)

    def set_speed(self, speed: float) -> None:
        """Run at `speed` times the real one from here on."""
        with self._lock:
            self.seek(self.position)
            self._speed = speed

    def set_loop(self, loop: bool) -> None:
        """Begin again at the end, or stop there."""
        with self._lock:
            self.seek(self.position)
            self._loop = loop

    def load(self, motion: Motion) -> None:
        """Another motion, at rest at its beginning."""
        with self._lock:
            self._motion, self._from, self._since = motion, 0.0, None
