"""Somebody's motion followed as it comes in: a phone's face, a recording of one, or the stream of another avatar3d."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from viewer.bridge.jitter_buffer import DELAY, JitterBuffer
from viewer.bridge.receiver import Assembly, faces
from viewer.bridge.recording import recorded
from viewer.bridge.rig import misfit, rig_channels
from viewer.bridge.sender import ARKIT, EYES, HEAD
from viewer.bridge.take import NO_CALM, calm_of, calmed, take_of
from viewer.stream.packets import Description, Frame, PacketError, parted

Channels = dict[str, np.ndarray]
Push = Callable[[float, float, Channels], None]
"""Takes the sender's time, the time of arrival (`time.monotonic`), and channels [width]."""


class Followed:
    """The newest motion of a source, which a thread follows. A context manager."""

    def __init__(self, source: Callable[[Push], None], delay: float = DELAY) -> None:
        """Args:
        source: pushes frames until it ends.
        delay: seconds; see `JitterBuffer`.
        """
        self._source, self._lock = source, threading.Lock()
        self.buffer = JitterBuffer(delay)
        self._delay, self._ended, self._trouble = delay, None, None
        self._left = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def at(self, now: float) -> Channels | None:
        """The channels to show at `now` (`time.monotonic`); None before the first frame.

        Raises:
            UserError: the source failed.
        """
        if self._trouble is not None:
            raise self._trouble
        with self._lock:
            return self.buffer.at(now)

    @property
    def over(self) -> bool:
        """Whether the source has ended, and all that came was shown."""
        return self._ended is not None and time.monotonic() > self._ended + 2 * self._delay

    def __enter__(self) -> "Followed":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A source that waits for what does not come is left to itself; it ends with the process, or with the next thing that comes.
        self._left = True

    def _push(self, sent: float, arrived: float, channels: Channels) -> None:
        if self._left:
            raise _Left
        with self._lock:
            self.buffer.push(sent, arrived, channels)

    def _run(self) -> None:
        try:
            self._source(self._push)
        except _Left:
            pass
        except BaseException as error:
            self._trouble = error
        self._ended = time.monotonic()


class _Left(Exception):
    """Nobody follows any more."""


def follow_faces(
    assembly: Assembly,
    datagrams: Iterator[tuple[bytes, float] | None],
    subject: str | None,
    calm: float,
    told: Callable[[str], None],
    head: HeadModel | None = None,
) -> Callable[[Push], None]:
    """A source of ARKit's channels, and of those of the rig as well while a sender has the same head.

    Args:
        assembly: of the protocol.
        datagrams: as they come.
        subject: whose face; default the first one heard.
        calm: seconds at the beginning in which the performer shows the face that shall be zero.
        told: takes a line of what happens.
        head: whose rig's channels are looked for; where the face is to be calm they are not.
    """

    def source(push: Push) -> None:
        whose, rest, early = subject, NO_CALM, []
        known: set[bool] = set()
        for face in faces(assembly, datagrams):
            if whose is None:
                whose = face.subject
                told(f"following {whose or 'the face that comes'}")
            if face.subject != whose:
                continue
            if calm > 0 and rest is NO_CALM:
                early.append(face)
                if face.time - early[0].time < calm:
                    continue
                rest = calm_of(take_of(early)[0], calm)
                told("the calm face is known")
            weights, turns = calmed(face.weights[None], face.head[None], rest)
            channels = {ARKIT: weights[0], HEAD: turns[0].astype(np.float32), EYES: face.eyes}
            if face.rig is not None and face.stream is not None and face.stream.introduction is not None and head is not None and calm <= 0:
                trouble = misfit([face], head)
                if (trouble is None) not in known:
                    known.add(trouble is None)
                    told("by the rig's own channels" if trouble is None else f"by ARKit's 52 weights and the head's turns: {trouble}")
                channels |= rig_channels(face, head) if trouble is None else {}
            push(face.time, face.arrived, channels)

    return source


def replayed(path: Path) -> Iterator[tuple[bytes, float]]:
    """The datagrams of a recording, as they passed, with the time by our clock.

    Raises:
        UserError: no such recording.
    """
    offset = None
    for passed in recorded(path):
        offset = time.monotonic() - passed.time if offset is None else offset
        ahead = passed.time + offset - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        yield passed.data, time.monotonic()


def follow_stream(address: str, head: HeadModel) -> Callable[[Push], None]:
    """A source of the rig's channels: the WebSocket of another avatar3d, whose avatar is on the same head.

    Args:
        address: ws://HOST:PORT/TOKEN/.
        head: that the channels are for.
    """
    from viewer.stream.client import packets

    def source(push: Push) -> None:
        description, began = None, 0.0
        for packet in packets(address):
            now = time.monotonic()
            if isinstance(packet, Description):
                if packet.facts.get("mesh") != "rig" or packet.facts.get("head") != head.fingerprint:
                    raise UserError(f"{address}: shows an avatar on another head than {head.name} ({head.fingerprint}); give one on the same head")
                # Another performance counts from zero again: its time goes on where we are.
                description, began = packet, now - packet.time if description is None or description.stream != packet.stream else began
            elif isinstance(packet, Frame) and description is not None and packet.stream == description.stream:
                try:
                    push(began + packet.time, now, parted(packet.values, description.channels))
                except PacketError as error:
                    raise UserError(f"{address}: {error}; is it an avatar3d of this version?") from error

    return source
