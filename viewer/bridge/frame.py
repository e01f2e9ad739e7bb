"""One moment of a performance, as every protocol of the bridge takes it, and what a datagram from outside says of one.

A protocol is a module with

    PORT: int                                       where its receivers listen by custom
    NAMED: bool                                     whether datagrams say whose they are
    encode(frame: BridgeFrame) -> list[bytes]       the datagrams of a frame, in the order in which they are sent
    decode(data: bytes) -> Heard | None             what a datagram says; None where it is sound but says nothing of a face

and where frames hold more than a face

    introduction(data: bytes) -> Introduction | None    what a datagram says of the frames; None where it says nothing

`encode` keeps nothing between calls. `decode` and `introduction` neither, and they raise DatagramError for bytes that are none of the
protocol; they never raise anything else, whatever the bytes are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from avatar3d.arkit import ARKIT_NAMES

MAX_SUBJECT = 64
"""Characters of a subject's name."""
FORGOTTEN = 10.0
"""Seconds without a word of a subject after which another one may have its name in other letters."""


class DatagramError(ValueError):
    """These bytes are no datagram of the protocol."""


_LOWER = str.maketrans({chr(upper): chr(upper + 32) for upper in range(ord("A"), ord("Z") + 1)})


def caseless(subject: str) -> str:
    """What is the same of names that engines, and many file systems, take for one: they differ by the case of ASCII's letters alone."""
    return subject.translate(_LOWER)


@dataclass(frozen=True, eq=False)
class BridgeFrame:
    """A head at one moment."""

    subject: str
    """Whose head; several may be sent to one address."""
    number: int
    """Counts up by one from frame to frame of a subject, also over the rounds of a loop; a gap tells what was left out."""
    time: float
    """Seconds since the performance began; grows with `number`, also over the rounds of a loop."""
    fps: Fraction
    """Frames a second at which frames are sent."""
    arkit: np.ndarray
    """[52] float32 in the order of ARKIT_NAMES, 0..1."""
    head: np.ndarray
    """[3] yaw to the subject's left, then pitch downwards, then roll to the subject's right, radians, in the world (`arkit_weights.head_turns`)."""
    eyes: np.ndarray
    """[6] the same of the left and of the right eye in the head (`arkit_weights.eye_turns`)."""
    rig: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Channels [width] float32 by name, those of `viewer.stream.playback.track_of`: expr, jaw_pose, neck_pose, eyes_pose, rotation,
    translation, neck_translation, and eyelids where the head has them. Radians, metres."""
    head_fingerprint: str = ""
    """The head that `rig` is of."""
    seconds_of_day: float = 0.0
    """Local time of day at which the frame is due, for protocols that send a time code; grows with `time`, past midnight too."""

    def __post_init__(self) -> None:
        for name, width in (("arkit", len(ARKIT_NAMES)), ("head", 3), ("eyes", 6)):
            if getattr(self, name).shape != (width,):
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected {(width,)}")


@dataclass(frozen=True)
class Heard:
    """What one datagram says. What it does not speak of is not in `weights`, or None, and stays as it was."""

    subject: str = ""
    """Empty where the protocol has no names."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """By the names of ARKIT_NAMES."""
    head: tuple[float, ...] | None = None
    """[3] yaw, pitch, roll, radians, as in BridgeFrame; `eyes` [6] likewise."""
    eyes: tuple[float, ...] | None = None
    number: int | None = None
    """The sender's count of frames."""
    time: float | None = None
    """Seconds on the sender's clock."""
    complete: bool = True
    """Whether the frame ends with this datagram."""
    stream: int | None = None
    """Tells senders of one name apart."""
    rig: np.ndarray | None = field(default=None, compare=False)
    """Numbers [W] float32 behind the face, which the stream's introduction names."""
