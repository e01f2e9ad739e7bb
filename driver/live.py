"""Driving in real time: sound in, frames out on a steady clock. A machine that is too slow takes fewer steps and stays in time."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from driver.features import FPS, RATE
from driver.stream import HOP, Stream

DELAY = 0.25
"""Seconds by which frames are shown after their sound: what a hop, the look-ahead and their making take."""
_STEPS = (4, 2, 1)
_BUSY = 0.6
"""Share of a hop's time that its making may take."""
_TOGETHER = 8
"""Hops that are made at once at most by a machine that is behind."""
_OFF = 0.25
"""Seconds that sound may come too early or too late before the frames' time is set anew."""
_REMEMBERED = 100_000
"""Frames, an hour of them, that the report speaks of."""
_CATCHING_UP = 3
"""Hops that wait from which on one step has to do."""

Deliver = Callable[[int, np.ndarray], None]
"""Takes a frame's number and its values [NUM_CHANNELS] when it is due."""


@dataclass(frozen=True)
class LiveReport:
    """How a live performance went; times in milliseconds."""

    frames: int
    first: float
    """From the first sample to the first frame made."""
    latency: tuple[float, float, float]
    """From a frame's sound to the frame made: median, 95th percentile, most."""
    jitter: float
    """99th percentile of how far frames were from their due time when they were delivered."""
    stalled: float
    """Seconds that the sound came later than it sounds; the frames' time waits for it."""
    late: int
    """Frames that were not there when they were due, and were left out."""
    steps: dict[int, int]
    """Hops by number of steps."""

    @property
    def reproducible(self) -> bool:
        """Whether the same sound and seed give the same motion again: not where steps were saved."""
        return len(self.steps) < 2


class Pace:
    """How many steps there is time for, by how long the last ones took."""

    def __init__(self, steps: int, hop_seconds: float) -> None:
        self._most, self._budget = steps, _BUSY * hop_seconds
        self._step = 0.0

    def steps(self, waiting: int) -> int:
        """Steps for the next hop while so many wait, this one with them."""
        if waiting >= _CATCHING_UP:
            return 1
        allowed = [steps for steps in sorted({self._most, *_STEPS}, reverse=True) if steps <= self._most and steps * self._step <= self._budget]
        return allowed[0] if allowed else 1

    def took(self, steps: int, seconds: float) -> None:
        """So many steps took so long."""
        each = seconds / steps
        # Slow at once, fast again only gradually: a machine that was busy is soon busy again.
        self._step = max(each, 0.9 * self._step + 0.1 * each)


class _Clock(threading.Thread):
    """Delivers frames when they are due."""

    def __init__(self, began: float, deliver: Deliver) -> None:
        super().__init__(daemon=True)
        self.began, self._deliver = began, deliver
        self._frames: deque[np.ndarray] = deque()
        self._given = 0
        self._more = threading.Condition()
        self._ended = False
        self.jitter: deque[float] = deque(maxlen=_REMEMBERED)
        self.late = 0

    def give(self, frames: np.ndarray) -> None:
        with self._more:
            self._frames.extend(frames)
            self._more.notify()

    def end(self) -> None:
        with self._more:
            self._ended = True
            self._more.notify()
        self.join()

    def run(self) -> None:
        number = 0
        while True:
            with self._more:
                self._more.wait_for(lambda: self._frames or self._ended)
                if not self._frames:
                    return
                frame = self._frames.popleft()
            due = self.began + DELAY + number / FPS
            ahead = due - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            if ahead < -1 / FPS:
                # It would be seen after the next one is due: sound and motion stay together, and one frame is not shown.
                self.late += 1
            else:
                self.jitter.append(abs(time.monotonic() - due))
                self._deliver(number, frame)
            number += 1


def perform_live(
    source: Iterable[np.ndarray], stream: Stream, deliver: Deliver, hop: int = HOP, *, keep: bool = True
) -> tuple[np.ndarray, LiveReport]:
    """Drive live sound until it ends.

    Args:
        source: pieces of 16 kHz sound as they arrive.
        stream: fresh.
        deliver: called from a thread of its own.
        hop: of the stream.
        keep: whether the frames are returned as well; without, memory does not grow with the performance.

    Returns:
        all frames [T, NUM_CHANNELS], or without `keep` the last ones alone, and how it went. Where the source fails or the user interrupts,
        the error's attribute `performed` holds both.
    """
    pace, most = Pace(stream.steps, hop / FPS), stream.steps
    made: list[np.ndarray] = []
    latencies: deque[float] = deque(maxlen=_REMEMBERED)
    used: Counter[int] = Counter()
    began = first = stalled = 0.0
    clock: _Clock | None = None
    heard = given = 0

    def make() -> None:
        nonlocal first, given
        assert clock is not None
        waiting = stream.waiting
        steps = stream.steps = pace.steps(waiting)
        # Who is behind makes what waits at once: one long window takes hardly longer than a short one.
        hops = min(waiting, _TOGETHER) if steps == 1 and waiting > 1 else 1
        before = time.monotonic()
        number = stream.frames
        frames = stream.make(hops)
        now = time.monotonic()
        pace.took(steps, now - before)
        used[steps] += hops
        first = first or now - began
        latencies.extend(now - began - (number + index) / FPS for index in range(len(frames)))
        given += len(frames)
        if keep:
            made.append(frames)
        clock.give(frames)

    def outcome() -> tuple[np.ndarray, LiveReport]:
        stream.steps = most
        rest = stream.finish()
        if clock is not None:
            clock.give(rest)
            clock.end()
        delays = 1000 * np.array(latencies or [0.0])
        jitter = 1000 * float(np.quantile(list(clock.jitter), 0.99)) if clock is not None and clock.jitter else 0.0
        spread = (float(np.median(delays)), float(np.quantile(delays, 0.95)), float(delays.max()))
        frames = np.concatenate([*made, rest])
        return frames, LiveReport(given + len(rest), 1000 * first, spread, jitter, stalled, clock.late if clock else 0, dict(used))

    try:
        for piece in source:
            if clock is None:
                # The first piece lasted as long as it is before it was here.
                began = time.monotonic() - len(piece) / RATE
                clock = _Clock(began, deliver)
                clock.start()
            heard += len(piece)
            off = time.monotonic() - began - heard / RATE
            if abs(off) > _OFF:
                # A sender that stalled, or sent what it had kept: sound and motion stay together from here on.
                began += off
                clock.began = began
                stalled += max(off, 0.0)
            stream.hear(piece)
            while stream.waiting:
                make()
    except BaseException as error:
        error.performed = outcome()  # type: ignore[attr-defined]
        raise
    return outcome()
