"""Arrivals: when live sound came, against when it sounds."""

from driver.features import RATE

_EARLY, _LATE = 0.25, 0.04
"""Seconds that sound may come too early or too late before the frames' time is set anew: as long as it stays late, so would every frame be."""
_BURST = 0.1
"""Seconds of sound that come before their time and are taken for a source that sent what it had kept, and not for a slow machine."""


class Arrivals:
    """What is told of a source by when its pieces arrive; times in seconds on one clock, whichever."""

    def __init__(self) -> None:
        self.began = self.last = 0.0
        """When the first sample sounds, so that what arrives is in time, and when the last piece came."""
        self.heard = 0
        """Samples."""
        self.stalled = 0.0
        """Seconds that the sound came later than it sounds."""
        self._burst = self._early = 0.0

    def take(self, arrived: float, samples: int) -> None:
        """A piece of so many samples arrived."""
        if not self.heard:
            # The first piece lasted as long as it is before it was here.
            self.began = self.last = arrived - samples / RATE
        self.heard += samples
        # How far the sound is before its time, counted anew from where the making has caught up with it.
        ahead = samples / RATE - (arrived - self.last)
        self._early, self.last = max(self._early + ahead, 0.0), arrived
        off = arrived - self.began - self.heard / RATE
        if not -_EARLY <= off <= _LATE:
            # A sender that stalled, or sent what it had kept: sound and motion stay together from here on.
            self.began += off
            self.stalled += max(off, 0.0)

    def caught_up(self) -> None:
        """All that came was made."""
        self._burst, self._early = self.burst, 0.0

    @property
    def at_once(self) -> bool:
        """Whether what is made next is late since it came in a burst."""
        return self._early > _BURST

    @property
    def burst(self) -> float:
        """Seconds of sound that came at once before their time."""
        return self._burst + (self._early if self.at_once else 0.0)
