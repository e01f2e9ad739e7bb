"""Driving in real time: sound in, frames out on a steady clock. A machine that is too slow takes fewer steps and stays in time."""

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from driver.arrivals import Arrivals
from driver.features import FPS, SAMPLES
from driver.stream import HOP, Stream

DELAY = 0.25
"""Seconds by which frames are shown after their sound: what they hear beyond it, and what making them takes."""
_STEPS = (4, 2, 1)
_BUSY = 0.8
"""Share of a hop's time that its making may take."""
_TOGETHER = 24
"""Frames that are made at once at most by a machine that is behind."""
_QUEUED = 3000
"""Pieces of sound that may wait to be heard; a source that sends more is not read further."""
_CATCHING_UP = 4
"""Frames that wait from which on they are made at once, with one step."""
_WORTH_A_WORD = 0.2
"""Seconds by which a source is late or early that are told."""
_REMEMBERED = 100_000
"""Frames, an hour of them, that the report speaks of."""

Deliver = Callable[[int, np.ndarray], None]
"""Takes a frame's number and its values [NUM_CHANNELS] when it is due."""


@dataclass(frozen=True)
class LiveReport:
    """How a live performance went; times in milliseconds."""

    frames: int
    first: float | None
    """From the first sample to the first frame made; None where its sound came in a burst."""
    latency: tuple[float, float, float] | None
    """From a frame's sound to the frame made: median, 95th percentile, most. What a frame hears beyond itself is counted as if it came at its own
    speed, and frames whose sound came in a burst are not counted: this is the machine's share, whatever the source does. None where no frame
    counts."""
    measured: int
    """Frames that count for `latency`."""
    jitter: float | None
    """99th percentile of how far frames were from their due time when they were delivered; None where no frame counts, as for `latency`."""
    stalled: float
    """Seconds that the sound came later than it sounds; the frames' time waits for it."""
    burst: float
    """Seconds of sound that came at once before their time, as from a sender that sends what it has kept."""
    late: int
    """Frames that the machine had not made when they were due, and that were left out."""
    skipped: int
    """Frames that were due before their sound was here, in a burst, and were left out."""
    steps: dict[int, int]
    """Frames by number of steps."""
    together: int
    """Frames that were made several at once, to catch up."""
    busy: int
    """Frames that took fewer steps, or were made several at once, since the machine was too slow for sound that came in time."""
    hurried: int
    """The same, since their sound came in a burst."""

    @property
    def reproducible(self) -> bool:
        """Whether the same sound and seed give the same motion again: not where steps were saved, or frames made at once."""
        return len(self.steps) < 2 and not self.together

    def timing(self) -> str:
        """How fast frames followed their sound, in one line that holds only what was measured."""
        told = [] if self.first is None else [f"first frame after {self.first:.0f} ms"]
        if self.latency is None:
            told.append("no frame's sound came at its own speed, which leaves no time from sound to frame to measure")
        else:
            middle, slow, most = self.latency
            few = f" (of the {self.measured} frames in {self.frames} whose sound came at its own speed)" if 2 * self.measured < self.frames else ""
            told.append(f"sound to frame {middle:.0f} ms, 95 % within {slow:.0f}, most {most:.0f}{few}")
        if self.jitter is not None:
            told.append(f"frames on time to {self.jitter:.1f} ms (99 %), {self.late} too late")
        elif self.late:
            told.append(f"{self.late} frames too late")
        return "; ".join(told)

    def happened(self) -> str:
        """What went otherwise than it should, and whose doing it was; empty where nothing did."""
        told = []
        if self.stalled >= _WORTH_A_WORD:
            told.append(f"the sound came {self.stalled:.1f} s late, and the motion waited for it")
        if self.burst >= _WORTH_A_WORD or self.hurried:
            told.append(
                f"{self.burst:.1f} s of sound came at once: {self.hurried} frames were made with fewer steps or several at once, and {self.skipped} "
                "were over before they could be shown"
            )
        if self.busy:
            told.append(f"the machine was busy, and {self.busy} frames were made with fewer steps or several at once")
        if not self.reproducible:
            told.append("this motion cannot be made again from its sound and seed")
        return "; ".join(told)


class Pace:
    """How many steps there is time for, by how long the last ones took."""

    def __init__(self, steps: int, hop: int) -> None:
        self._most, self._hop, self._budget = steps, hop, _BUSY * hop / FPS
        self._step = 0.0

    def steps(self, waiting: int) -> int:
        """Steps for a hop's plan while so many frames wait; its other frames take one each."""
        if waiting >= _CATCHING_UP:
            return 1
        choices = [steps for steps in sorted({self._most, *_STEPS}, reverse=True) if steps <= self._most]
        return next((steps for steps in choices if (steps + self._hop - 1) * self._step <= self._budget), 1)

    def took(self, steps: int, seconds: float) -> None:
        """So many steps took so long."""
        each = seconds / steps
        # Slow at once, fast again only gradually: a machine that was busy is soon busy again.
        self._step = max(each, 0.9 * self._step + 0.1 * each)


class _Reader(threading.Thread):
    """Takes pieces of sound in when they arrive, however busy the making is."""

    def __init__(self, source: Iterable[np.ndarray]) -> None:
        super().__init__(daemon=True)
        self._source = source
        self._arrived: queue.Queue[tuple[float, np.ndarray | BaseException | None]] = queue.Queue(_QUEUED)
        self.ended = 0.0
        """When the source ended, if it has."""

    def run(self) -> None:
        end: BaseException | None = None
        try:
            for piece in self._source:
                self._arrived.put((time.monotonic(), piece))
        except BaseException as error:
            end = error
        self.ended = time.monotonic()
        self._arrived.put((self.ended, end))

    @property
    def more(self) -> bool:
        """Whether a piece is here that was not given out yet."""
        return not self._arrived.empty()

    def pieces(self) -> Iterator[tuple[float, np.ndarray]]:
        """When each piece arrived, and the piece; raises what the source does."""
        while True:
            when, piece = self._arrived.get()
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                return
            yield when, piece


class _Clock(threading.Thread):
    """Delivers frames when they are due."""

    def __init__(self, began: float, deliver: Deliver) -> None:
        super().__init__(daemon=True)
        self.began, self._deliver = began, deliver
        self._frames: deque[tuple[np.ndarray, bool]] = deque()
        self._given = 0
        self._more = threading.Condition()
        self._ended = False
        self.jitter: deque[float] = deque(maxlen=_REMEMBERED)
        self.late = self.skipped = 0

    def give(self, frames: np.ndarray, burst: bool = False) -> None:
        """Frames to deliver; those of a burst of sound are over when they are made, which is not the machine's fault."""
        with self._more:
            self._frames.extend((frame, burst) for frame in frames)
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
                (frame, burst), newest = self._frames.popleft(), not self._frames
            due = self.began + DELAY + number / FPS
            ahead = due - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            if ahead < -1 / FPS and not newest:
                # The next one is due as well: sound and motion stay together, and one frame is not shown.
                self.late, self.skipped = self.late + (not burst), self.skipped + burst
            else:
                if not burst:
                    self.jitter.append(abs(time.monotonic() - due))
                self._deliver(number, frame)
            number += 1


class _Performance:
    """What is heard, what is made of it, and the account of both."""

    def __init__(self, stream: Stream, deliver: Deliver, hop: int, keep: bool) -> None:
        self._stream, self._deliver, self._keep = stream, deliver, keep
        self._pace, self._most = Pace(stream.steps, hop), stream.steps
        self._clock: _Clock | None = None
        self._arrivals = Arrivals()
        self._heard = deque[tuple[int, float]]()
        """Samples up to the end of each piece, and when it arrived."""
        self._made: list[np.ndarray] = []
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)
        self._used: Counter[int] = Counter()
        self._first: float | None = None
        self._given = self._together = self._busy = self._hurried = self._measured = 0

    def hear(self, arrived: float, piece: np.ndarray) -> None:
        """A piece of sound, and when it arrived."""
        self._arrivals.take(arrived, len(piece))
        self._heard.append((self._arrivals.heard, arrived))
        if self._clock is None:
            self._clock = _Clock(self._arrivals.began, self._deliver)
            self._clock.start()
        self._clock.began = self._arrivals.began
        self._stream.hear(piece)

    def make(self, over: bool = False) -> None:
        """Make what there is time for, in one unit or many; `over` is what was over before it could be made, whatever the machine does."""
        assert self._clock is not None
        stream, waiting = self._stream, self._stream.waiting
        behind = waiting >= _CATCHING_UP
        if not behind:
            self._arrivals.caught_up()
        hurried = self._arrivals.at_once
        planning, number = stream.plans or behind, stream.frames
        if planning:
            stream.steps = self._pace.steps(waiting)
        # Who is behind makes what waits at once: one long window takes hardly longer than a short one.
        count = min(waiting, _TOGETHER) if behind else 1
        before = time.monotonic()
        frames = stream.make(count)
        self._pace.took(stream.steps if planning else 1, time.monotonic() - before)
        self._used[stream.steps] += len(frames)
        self._together += len(frames) if count > 1 else 0
        saved = len(frames) if count > 1 or stream.steps < self._most else 0
        self._busy, self._hurried = self._busy + (0 if hurried else saved), self._hurried + (saved if hurried else 0)
        waited = [stream.reach / FPS + self._since_heard(number + index) for index in range(len(frames))]
        if not hurried and not over:
            self._first = waited[0] if number == 0 else self._first
            self._latencies.extend(waited)
            self._measured += len(waited)
        self._given += len(frames)
        if self._keep:
            self._made.append(frames)
        self._clock.give(frames, hurried or over)

    def outcome(self, ended: float) -> tuple[np.ndarray, LiveReport]:
        """All frames, or without `keep` the last ones, and how it went; the source ended at `ended`."""
        # What is left when the source ends is over before it is shown where all came at once, or where nothing came for long before the end: both
        # are the source's doing. However much it is, it is caught up with as in the middle.
        over = self._arrivals.at_once or ended - self._arrivals.last > DELAY
        while self._stream.waiting:
            self.make(over)
        self._stream.steps = self._most
        rest, clock = self._stream.finish(), self._clock
        if clock is not None:
            clock.give(rest, over)
            clock.end()
        delays = 1000 * np.array(self._latencies)
        report = LiveReport(
            self._given + len(rest),
            None if self._first is None else 1000 * self._first,
            (float(np.median(delays)), float(np.quantile(delays, 0.95)), float(delays.max())) if len(delays) else None,
            self._measured,
            1000 * float(np.quantile(list(clock.jitter), 0.99)) if clock is not None and clock.jitter else None,
            stalled=self._arrivals.stalled,
            burst=self._arrivals.burst,
            late=0 if clock is None else clock.late,
            skipped=0 if clock is None else clock.skipped,
            steps=dict(self._used),
            together=self._together,
            busy=self._busy,
            hurried=self._hurried,
        )
        return np.concatenate([*self._made, rest]), report

    def _since_heard(self, number: int) -> float:
        """Seconds since all was here that a frame is made of."""
        while len(self._heard) > 1 and self._heard[0][0] < (number + self._stream.reach) * SAMPLES:
            self._heard.popleft()
        return time.monotonic() - self._heard[0][1]


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
    performance, reader = _Performance(stream, deliver, hop, keep), _Reader(source)
    try:
        reader.start()
        for arrived, piece in reader.pieces():
            performance.hear(arrived, piece)
            # What was sent at once is heard before it is made, but for what would be made in several windows anyway: memory stays bounded.
            while stream.waiting and (not reader.more or stream.waiting >= _TOGETHER):
                performance.make()
    except BaseException as error:
        error.performed = performance.outcome(reader.ended)  # type: ignore[attr-defined]
        raise
    return performance.outcome(reader.ended)
