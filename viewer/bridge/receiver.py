"""Faces out of datagrams that arrive: from a phone, from another program, or from ourselves."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from avatar3d.arkit import ARKIT_INDEX, ARKIT_NAMES
from viewer.bridge.frame import FORGOTTEN, MAX_SUBJECT, DatagramError, Heard, caseless
from viewer.bridge.jitter_buffer import SenderClock
from viewer.bridge.protocols import Protocol
from viewer.bridge.recording import Recorder
from viewer.bridge.streams import Stream, Streams
from viewer.bridge.ue import Introduction
from viewer.visitors import not_listening

_MAX_STREAMS = 16
"""Senders of one name that are told apart at once."""
MAX_SUBJECTS = 32
"""At once. A further one takes the place of the one that is silent for longest, if that is for FORGOTTEN seconds; otherwise it is passed over."""
_BUFFER = 1 << 20
"""Bytes that the system keeps while we are busy."""
_PATIENCE = 0.1
"""Seconds after which a listener looks whether it shall end."""


@dataclass(frozen=True, eq=False)
class Face:
    """One subject's face at one moment."""

    subject: str
    time: float
    """Seconds on the sender's clock, which goes on where the sender begins anew (`SenderClock`)."""
    arrived: float
    """Seconds on ours."""
    weights: np.ndarray
    """[52] float32 in the order of ARKIT_NAMES, 0..1."""
    head: np.ndarray
    """[3] yaw, pitch, roll, radians."""
    eyes: np.ndarray
    """[6] of the left and the right eye."""
    rig: np.ndarray | None = None
    """Numbers [W] float32 behind the face, where the protocol has them; `stream` says what they are."""
    stream: Stream | None = None
    """Whose it is, where the protocol tells senders of one name apart. What is known of it grows with what comes after this face."""


class Assembly:
    """Puts together what datagrams say. Values that were lost stay as they were.

    A subject that returns goes on where it was, however long it was away, unless its place was needed by another one.
    Of senders that have one name and can be told apart the one that began later counts while it is heard.
    Of names that differ by the case of ASCII's letters alone the first one counts while it is heard, as in the C++ runtime (`docs/stream.md`).
    """

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._introduction: Callable[[bytes], Introduction | None] | None = getattr(protocol, "introduction", None)
        self._streams = Streams()
        self._subjects: dict[str, _Subject] = {}
        self._last: dict[str, tuple[str, float]] = {}
        """By names in small letters: the one that counts, and when it was heard last."""
        self.datagrams = self.refused = 0
        """How many there were, and how many of them were none of the protocol's, or of a name that is another's."""
        self.trouble = ""
        """What was wrong with the last one that was refused."""

    @property
    def subjects(self) -> list[str]:
        """Whose faces were there, in the order in which they came, without those whose place another one has."""
        return list(self._subjects)

    def add(self, data: bytes, arrived: float) -> Face | None:
        """The face that a datagram completes; None where it completes none."""
        self.datagrams += 1
        try:
            heard = self._protocol.decode(data)
        except DatagramError as error:
            self.refused, self.trouble = self.refused + 1, str(error)
            return None
        if heard is None:
            introduced = None if self._introduction is None else self._introduction(data)
            if introduced is not None:
                self._streams.of(_shown(introduced.subject), introduced.stream).introduce(introduced)
            return None
        name = _shown(heard.subject)
        first, when = self._last.get(caseless(name), (name, arrived))
        if first != name and arrived - when <= FORGOTTEN:
            return self._refuse(f"{name} is {first} but for capitals; give them names of their own")
        if name not in self._subjects:
            if len(self._subjects) >= MAX_SUBJECTS and not self._forget_one(arrived):
                return self._refuse(f"{MAX_SUBJECTS} subjects are there already, and {name} is one more; end some of them")
            self._subjects[name] = _Subject(name)
        self._last[caseless(name)] = name, arrived
        if heard.stream is not None and not self._subjects[name].newest(heard.stream, arrived):
            return self._refuse(f"several senders call themselves {name}, and the one that began last counts; give them names of their own")
        stream = None if heard.stream is None else self._streams.of(name, heard.stream)
        return self._subjects[name].add(heard, arrived, stream)

    def _refuse(self, trouble: str) -> None:
        self.refused, self.trouble = self.refused + 1, trouble

    def _forget_one(self, now: float) -> bool:
        """Forget the subject that is silent for longest; False where none is for long enough."""
        silent = min(self._subjects, key=lambda name: self._subjects[name].arrived)
        if now - self._subjects[silent].arrived <= FORGOTTEN:
            return False
        del self._subjects[silent]
        if self._last[caseless(silent)][0] == silent:
            del self._last[caseless(silent)]
        return True


def _shown(subject: str) -> str:
    """A name that can be printed."""
    return "".join(letter for letter in subject if letter.isprintable())[:MAX_SUBJECT]


class _Subject:
    def __init__(self, name: str) -> None:
        self._name, self._clock, self._time = name, SenderClock(), None
        self.arrived = 0.0
        """When it was heard last."""
        self._streams: dict[int, float] = {}
        """When each of its senders was heard last, in the order in which they began."""
        self._weights, self._head, self._eyes = np.zeros(len(ARKIT_NAMES), np.float32), np.zeros(3, np.float32), np.zeros(6, np.float32)

    def newest(self, stream: int, arrived: float) -> bool:
        """Whether of the senders that have this name, and were heard of late, this one began last."""
        self._streams = {each: when for each, when in self._streams.items() if arrived - when <= FORGOTTEN}
        if stream in self._streams or len(self._streams) < _MAX_STREAMS:
            self._streams[stream] = arrived
        return stream == next(reversed(self._streams))

    def add(self, heard: Heard, arrived: float, stream: Stream | None) -> Face | None:
        self.arrived = arrived
        for name, value in heard.weights.items():
            self._weights[ARKIT_INDEX[name]] = min(max(value, 0.0), 1.0)
        if heard.head is not None:
            self._head = np.array(heard.head, np.float32)
        if heard.eyes is not None:
            self._eyes = np.array(heard.eyes, np.float32)
        self._time = heard.time if heard.time is not None else self._time
        if not heard.complete:
            return None
        time, self._time = self._clock(self._time, arrived), None
        return Face(self._name, time, arrived, self._weights.copy(), self._head, self._eyes, heard.rig, stream)


class Listener:
    """Datagrams that arrive at an address of this machine."""

    def __init__(self, host: str, port: int, recorder: Recorder | None = None) -> None:
        """Args:
            host: an address of this machine; 0.0.0.0 for all of them.
            port: number; 0 for any that is free.
            recorder: keeps what arrives.

        Raises:
            avatar3d.errors.UserError: it cannot be listened on.
        """
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.bind(address)
        except (OSError, UnicodeError) as error:
            raise not_listening(host, port, error) from error
        self._socket.settimeout(_PATIENCE)
        self._recorder, self.port = recorder, self._socket.getsockname()[1]

    def __iter__(self) -> Iterator[tuple[bytes, float] | None]:
        """Each datagram with its time of arrival (`time.monotonic`), for ever; None now and then where none comes."""
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                yield None
                continue
            except OSError:
                # Some systems report here that an earlier answer of ours met nobody.
                continue
            arrived = time.monotonic()
            if self._recorder is not None:
                self._recorder.add(data, self.port)
            yield data, arrived

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def faces(assembly: Assembly, datagrams: Iterable[tuple[bytes, float] | None], seconds: float | None = None) -> Iterator[Face]:
    """The faces that datagrams complete, until they end, or for so many seconds from the first face on by their arrival."""
    end = None
    for datagram in datagrams:
        if end is not None and (time.monotonic() if datagram is None else datagram[1]) >= end:
            return
        face = None if datagram is None else assembly.add(*datagram)
        if face is not None:
            end = face.arrived + seconds if end is None and seconds is not None else end
            yield face
