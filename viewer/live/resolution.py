"""How large a picture may be so that pictures keep coming."""

import math

LEAST = 0.2
"""Of the canvas's height, at least."""
_STEP = 1.15
"""Sizes lie this factor apart, so that the picture does not breathe with every millisecond."""


class Resolution:
    """The share of the canvas's height at which to draw, by how long the last pictures took.

    Args:
        seconds: that a picture may take while things move.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._of_whole: float | None = None

    @property
    def share(self) -> float:
        """Of the height, `LEAST`..1; 1 before anything was drawn would stall a slow machine, so it begins at a half."""
        if self._of_whole is None:
            return 0.5
        wanted = math.sqrt(self.seconds / self._of_whole)
        stepped = _STEP ** math.floor(math.log(max(wanted, 1e-3)) / math.log(_STEP))
        return min(max(stepped, LEAST), 1.0)

    def took(self, share: float, seconds: float) -> None:
        """A picture at `share` of the height took so long; the cost is taken to grow with the area."""
        whole = max(seconds, 1e-4) / share**2
        # Slower at once, faster by and by: a picture that comes late is seen, one that could be sharper hardly.
        self._of_whole = whole if self._of_whole is None else max(0.7 * self._of_whole + 0.3 * whole, min(whole, 2 * self._of_whole) * 0.8)
