"""Frames at a steady rate while they come at another, or unsteadily."""

import threading
import time
from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from viewer.bridge.jitter_buffer import DELAY, JitterBuffer
from viewer.stream.playback import Outlet, Pace
from viewer.stream.prompt_thread import run_promptly


class SteadyOutlet:
    """Hands frames on at `fps`, drawn between those that come; see `viewer.stream.playback.Outlet`. A context manager."""

    def __init__(self, outlet: Outlet, fps: Fraction, delay: float = DELAY) -> None:
        """Args:
        outlet: where to; called from a thread of its own.
        fps: frames a second.
        delay: seconds by which frames are handed on later than they came, more than lie between two of them.
        """
        self._outlet, self._fps, self._delay = outlet, fps, delay
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._buffer = JitterBuffer(delay)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._trouble: BaseException | None = None

    def begin(self) -> None:
        """Another performance. What goes on is steady all the same, so nobody is told."""
        with self._lock:
            self._buffer = JitterBuffer(self._delay)

    def frame(self, time: float, values: Mapping[str, np.ndarray]) -> None:
        """Channels [width] at `time` seconds of the performance.

        Raises:
            UserError: what they are handed on to has failed.
        """
        with self._lock:
            self._buffer.push(time, _now(), values)
        if self._trouble is not None:
            raise self._trouble

    def sound(self, samples: np.ndarray) -> None:
        """Handed on."""
        self._outlet.sound(samples)

    def end(self, time: float) -> None:
        """The newest frame is held."""

    def __enter__(self) -> "SteadyOutlet":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # What came last is shown a delay later.
        self._stopped.wait(self._delay)
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        run_promptly()
        pace: Pace | None = None
        number = 0
        while not self._stopped.is_set():
            with self._lock:
                values = self._buffer.at(_now())
            if values is None:
                self._stopped.wait(float(1 / self._fps))
                continue
            pace = pace or Pace(self._fps)
            try:
                self._outlet.frame(float(number / self._fps), values)
            except BaseException as error:
                self._trouble = error
                return
            number += 1
            while pace.until(number) * self._fps >= 1:
                number += 1


def _now() -> float:
    return time.monotonic()
