"""A performance sent as datagrams: frames go out when they are due, whether anybody receives them or not."""

import socket
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from fractions import Fraction

import numpy as np

from avatar3d.arkit_weights import arkit_of, eye_turns, head_turns
from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from viewer.bridge.frame import BridgeFrame
from viewer.bridge.protocols import Protocol
from viewer.bridge.recording import Recorder
from viewer.stream.playback import track_of
from viewer.visitors import endpoint

ARKIT, HEAD, EYES = "arkit", "head", "eyes"
"""Channels beside the rig's: the weights [52], and the turns of head [3] and eyes [6]; what has no rig has these alone."""


def face_track(motion: Motion, head: HeadModel) -> dict[str, np.ndarray]:
    """All channels of a motion [T, width] float32 by name, those of the rig and those above.

    Raises:
        UserError: the head cannot be compared with ARKit's shapes.
    """
    face = {ARKIT: arkit_of(motion, head), HEAD: head_turns(motion), EYES: eye_turns(motion)}
    return {**track_of(motion, head), **{name: np.asarray(values, np.float32) for name, values in face.items()}}


def resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple]:
    """The kind of a host's address, and the address.

    Raises:
        UserError: the host is not known.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{endpoint(host, port)}: cannot be sent to ({reason}); check the host's name") from error
    return family, address


class Socket:
    """Sends to one address. A receiver that is not there, or a network that is down for a while, is no trouble: datagrams are lost then."""

    def __init__(self, host: str, port: int, recorder: Recorder | None = None) -> None:
        """Args:
            host: name or address.
            port: number.
            recorder: keeps what is sent.

        Raises:
            UserError: the host is not known.
        """
        family, self._address = resolved(host, port)
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._recorder, self._port = recorder, port
        self.sent = self.lost = 0
        """Datagrams that went out, and that did not."""
        self.trouble = ""
        """Why the last one did not."""

    def send(self, data: bytes) -> None:
        """One datagram; it never waits."""
        if self._recorder is not None:
            self._recorder.add(data, self._port)
        try:
            self._socket.sendto(data, self._address)
            self.sent += 1
        except OSError as error:
            self.lost, self.trouble = self.lost + 1, (error.strerror or str(error)).lower()

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class DatagramOutlet:
    """Where the performance of one subject goes; see `viewer.stream.playback.Outlet`. Its sound goes nowhere: these protocols have none."""

    def __init__(
        self, protocol: Protocol, line: Socket, subject: str, fps: Fraction, fingerprint: str = "", day: Callable[[], float] | None = None
    ) -> None:
        """Args:
        protocol: how frames are written.
        line: where they go.
        subject: whose they are.
        fps: frames a second.
        fingerprint: of the head that rig channels are of.
        day: the time of day, seconds; asked once, and counted on from there.
        """
        self._protocol, self._line, self._subject, self._fps, self._fingerprint = protocol, line, subject, fps, fingerprint
        self._began = (day or _time_of_day)()
        self._clock = time.monotonic()
        self._start, self._last = Fraction(0), Fraction(0)

    def begin(self) -> None:
        """Another performance; numbers and times go on where they are."""
        passed = Fraction(round((time.monotonic() - self._clock) * self._fps)) / self._fps
        self._start = max(passed, self._last + 1 / self._fps)

    def frame(self, time: float, values: Mapping[str, np.ndarray]) -> None:
        """Send a frame of channels [width], those of `face_track`; `time` is due time in seconds, a whole number of frames."""
        number = round((Fraction(time) + self._start) * self._fps)
        self._last = number / self._fps
        since = float(self._last)
        rig = {name: value for name, value in values.items() if name not in (ARKIT, HEAD, EYES)}
        frame = BridgeFrame(
            self._subject, number, since, self._fps, values[ARKIT], values[HEAD], values[EYES], rig, self._fingerprint, self._began + since
        )
        for datagram in self._protocol.encode(frame):
            self._line.send(datagram)

    def sound(self, samples: np.ndarray) -> None:
        """Passed over."""

    def end(self, time: float) -> None:
        """The last frame stays."""


def _time_of_day() -> float:
    now = datetime.now()
    return 3600.0 * now.hour + 60.0 * now.minute + now.second + 1e-6 * now.microsecond
