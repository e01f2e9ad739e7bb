"""A steady motion out of frames that come when they come: late, twice, in another order, or not at all.

A sender's clock is laid onto ours by the quickest of the last frames; everything is shown a fixed time after that, and what lies between two
frames is drawn between them. Where frames stop, the last one is held.
"""

import bisect
from collections import deque
from collections.abc import Mapping

import numpy as np

from avatar3d.motion import ROTATIONS, between

DELAY = 0.06
"""Seconds after the quickest frames at which a frame is shown; later ones are drawn over."""
_REMEMBERED = 4.0
"""Seconds of frames of which the quickest is the measure, so that two clocks that drift apart stay together."""
_KEPT = 256
"""Frames that are kept at most, and that the quickest is looked for among."""
ANEW = 1.0
"""Seconds that a sender's clock may go back or jump before it counts as another performance's."""


class SenderClock:
    """A sender's times as one clock that goes on where the sender begins anew, passes midnight, or says no time at all.

    A sender is not believed that more time has passed since its first frame than on our clock, by ANEW at most: small jumps would add up.
    """

    def __init__(self) -> None:
        self._offset = 0.0
        self._ahead: float | None = None
        self._last: tuple[float, float] | None = None

    def __call__(self, time: float | None, arrived: float) -> float:
        """Seconds on that clock of what arrived at `arrived` on ours and is of `time` by the sender's."""
        expected = arrived if self._last is None else self._last[0] + arrived - self._last[1]
        out = expected if time is None else time + self._offset
        if time is not None and self._last is not None and abs(out - expected) > ANEW:
            self._offset, out = expected - time, expected
        if self._ahead is None:
            self._ahead = out - arrived + ANEW
        if out > arrived + self._ahead:
            self._offset -= out - (arrived + self._ahead)
            out = arrived + self._ahead
        if self._last is None or out >= self._last[0]:
            self._last = (out, arrived)
        return out


class JitterBuffer:
    """Frames of one sender, by its clock."""

    def __init__(self, delay: float = DELAY) -> None:
        self._delay = delay
        self._times: list[float] = []
        self._frames: list[Mapping[str, np.ndarray]] = []
        self._offsets: deque[tuple[float, float]] = deque()
        self.twice = self.late = self.held = 0
        """Frames that came twice, frames that came after their moment, and moments at which the newest frame was held."""
        self.shown = -np.inf
        """The sender's time of what was shown last."""

    def push(self, time: float, arrived: float, values: Mapping[str, np.ndarray]) -> None:
        """A frame of channels [width] with the sender's time (`SenderClock`), when it arrived on our clock; seconds."""
        if time <= self.shown:
            self.late += 1
        at = bisect.bisect_left(self._times, time)
        if at < len(self._times) and self._times[at] == time:
            self.twice += 1
            return
        self._times.insert(at, time)
        self._frames.insert(at, values)
        self._offsets.append((arrived, arrived - time))
        while self._offsets[0][0] < arrived - _REMEMBERED or len(self._offsets) > _KEPT:
            self._offsets.popleft()
        if len(self._times) > _KEPT:
            del self._times[0], self._frames[0]

    def at(self, now: float) -> dict[str, np.ndarray] | None:
        """The channels to show at `now` on our clock; None before the first frame."""
        if not self._times:
            return None
        time = now - self._offset() - self._delay
        self.shown = max(self.shown, time)
        after = bisect.bisect_right(self._times, time)
        if after == 0:
            return dict(self._frames[0])
        if after == len(self._times):
            self.held += time > self._times[-1]
            return dict(self._frames[-1])
        # Frames before the pair are over.
        first, last = self._times[after - 1], self._times[after]
        share = np.array([[(time - first) / (last - first)]], np.float32)
        before, behind = self._frames[after - 1], self._frames[after]
        # Of what one of the two lacks nothing is known between them.
        both = [name for name in before if name in behind]
        shown = {name: between(before[name][None], behind[name][None], share, name in ROTATIONS)[0] for name in both}
        del self._times[: after - 1], self._frames[: after - 1]
        return shown

    def _offset(self) -> float:
        return min(offset for _, offset in self._offsets)
