"""What a workbench may ask of whoever turns words and sound into motion; a driver is handed to it in this shape."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from avatar3d.motion import Motion


@dataclass(frozen=True)
class Wish:
    """What shall be said, and how; the defaults direct nothing."""

    text: str | None = None
    """Words for the built-in voice."""
    audio: Path | None = None
    """Or speech as a sound file."""
    voice: str = "en-us"
    """Of the built-in voice."""
    seed: int = 0
    """Another seed, other blinks, brows and head."""
    emotion: Mapping[str, float] = field(default_factory=dict)
    """Level 0..1 by name."""
    gaze: str = "free"
    """free, camera, or two angles X,Y in degrees."""
    blink_rate: float | None = None
    """A minute; None as usual."""
    head_amount: float = 1.0
    brow_amount: float = 1.0
    mouth_amount: float = 1.0
    """Times as much as usual, 0..2."""
    style: Path | None = None
    """A clip of somebody whose manner is taken."""
    own_driver: bool = True
    """Whether the avatar's own driver is used where it has one."""


class Performer(Protocol):
    """Makes motions of one avatar. Every method may take long, and raises UserError where it cannot be done."""

    @property
    def emotions(self) -> tuple[str, ...]:
        """Names of the moods that it knows."""
        ...

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices that speak typed words; none where it has no voice."""
        ...

    @property
    def has_own(self) -> bool:
        """Whether the avatar has a driver of its own."""
        ...

    def warm(self) -> None:
        """Load now what the first motion would have to wait for."""
        ...

    def speak(self, wish: Wish) -> Motion:
        """The motion of saying it, with its sound."""
        ...

    def listen(self, wish: Wish, stop: threading.Event, deliver: Callable[[Motion], None]) -> Motion:
        """Follow the microphone until `stop` is set, delivering frames as they are due; the whole motion with its sound."""
        ...
