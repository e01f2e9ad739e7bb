"""Where `stream` sends a performance: a page for browsers, or another program's address, by what --to begins with."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from avatar3d.cli.common import say

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from viewer.bridge.protocols import Protocol
    from viewer.bridge.recording import Recorder
    from viewer.export.packed import Packed
    from viewer.stream.playback import Outlet
    from viewer.stream.server import StreamServer

_MOST_FPS = Fraction(30)
"""More frames a second are not sent to pages: they draw what lies between."""
_USUAL_FPS = 60
"""What Live Link Face sends."""
_HEARERS = 10.0
"""Seconds that a performance which is given only once waits, from its first viewer on, for one who has turned the sound on."""


@dataclass(frozen=True)
class Sending:
    """What goes out, and how."""

    subject: tuple[str, ...] = ()
    """whose face it is called where it arrives, one name for each motion; default the avatar's file name. With --from, whose face is followed."""
    fps: int | None = None
    """frames a second, for all but ws; default 60."""
    calm: float = 0.0
    """with --from: for so many seconds at the beginning the performer shows a calm face straight ahead, which becomes zero."""
    background: str = "#d8dce2"
    """for ws: behind the avatar, a code such as #204060 or "transparent"."""
    token: str | None = None
    """for ws and other addresses than this machine's own: what the page's address has to hold; by default something new and random."""
    record: Path | None = None
    """keep the datagrams that are sent in this .pcap file, for all but ws."""


@dataclass(frozen=True)
class Show:
    """What goes out, and to whom it may go."""

    person: "Avatar"
    track: "Mapping[str, np.ndarray]"
    """Channels [T, width] by name; of a live performance a single frame, which tells what there are."""
    fps: Fraction
    """Of the frames as they come."""
    rate: int
    """Of the sound, Hz; 0 where there is none."""
    subject: str
    parts: "dict[str, Packed] | None" = None
    """Of a page: "avatar" and "idle"."""
    background: str = ""
    """Of a page."""
    live: bool = False
    """Whether frames come when they are made, and not each when it is due."""

    @property
    def channels(self) -> tuple[tuple[str, int], ...]:
        """Names and widths."""
        return tuple((name, values.shape[1]) for name, values in self.track.items())


Opened = Callable[[Show], "contextlib.AbstractContextManager[tuple[Outlet, Callable[[bool], None]]]"]
"""Opens the way out: where frames go, and what waits until they are wanted (where the performance has no second time)."""


@dataclass(frozen=True)
class Way:
    """A way out."""

    opened: Opened
    page: bool
    """Whether the avatar itself is shown there, by channels of its rig; else its face's channels are sent."""
    several: bool
    """Whether several subjects can go there."""
    fps: Fraction | None
    """Frames a second that are sent; None for the motion's own, up to 30."""
    spelled: Callable[[str], str] = str
    """A subject's name as it arrives."""

    def rate(self, own: Fraction) -> Fraction:
        """Frames a second for a motion of `own` frames a second."""
        return self.fps or min(own, _MOST_FPS)


def way_out(to: str, token: str | None, fps: int | None, recorder: "Recorder | None") -> Way:
    """The way that --to names.

    Args:
        to: as given.
        token: of a page.
        fps: frames a second that are asked for; default the way's own.
        recorder: keeps the datagrams that are sent.

    Raises:
        UserError: there is no such way, or it cannot do what is asked for.
    """
    from avatar3d.errors import UserError
    from viewer.bridge.osc import name_in_addresses
    from viewer.bridge.protocols import PROTOCOLS

    scheme, _, rest = to.partition("://")
    if scheme == "ws":
        if fps is not None or recorder is not None:
            raise UserError(f"--to {to}: a page draws what lies between frames, and keeps nothing; leave --fps and --record out")
        return Way(_web(to, rest, token), page=True, several=False, fps=None)
    if scheme not in PROTOCOLS:
        raise UserError(f"--to {to}: is not known; write {' or '.join(f'{name}://HOST:PORT' for name in ('ws', *PROTOCOLS))}")
    if token is not None:
        raise UserError("--token: is for pages, that is for --to ws://HOST:PORT; leave it out")
    protocol, rate = PROTOCOLS[scheme], Fraction(fps or _USUAL_FPS)
    spelled = name_in_addresses if scheme == "osc" else str
    return Way(_datagrams(to, rest, protocol, rate, recorder), page=False, several=protocol.NAMED, fps=rate, spelled=spelled)


def _web(to: str, rest: str, token: str | None) -> Opened:
    """ws: a page and its WebSocket."""
    from viewer.visitors import check_listening, check_token

    host, port = address_of(to, rest, 8765)
    check_token(token)
    check_websockets("--to", to)
    check_listening(host, port)

    @contextlib.contextmanager
    def opened(show: Show) -> "Iterator[tuple[StreamServer, Callable[[bool], None]]]":
        from viewer.stream.server import SOCKET, StreamServer
        from viewer.stream.site import page_files

        assert show.parts is not None
        files, fingerprint = page_files(show.parts, show.background, SOCKET)
        facts = _facts(show, show.parts, fingerprint)
        with StreamServer(files, facts, show.channels, host=host, port=port, rate=show.rate, token=token) as server:
            say(f"open {server.address} in a browser; Ctrl-C ends it")

            def wanted(once: bool) -> None:
                server.wait(listening=False)
                if once and show.rate:
                    server.wait(listening=True, seconds=_HEARERS)

            yield server, wanted

    return opened


def _datagrams(to: str, rest: str, protocol: "Protocol", fps: Fraction, recorder: "Recorder | None") -> Opened:
    """A program that takes datagrams, whether it is there or not."""
    from viewer.bridge.sender import resolved

    host, port = address_of(to, rest, protocol.PORT)
    resolved(host, port)

    @contextlib.contextmanager
    def opened(show: Show) -> "Iterator[tuple[Outlet, Callable[[bool], None]]]":
        from viewer.bridge.sender import DatagramOutlet, Socket
        from viewer.bridge.steady import SteadyOutlet
        from viewer.visitors import endpoint

        with Socket(host, port, recorder) as line:
            outlet = DatagramOutlet(protocol, line, show.subject, fps, show.person.head.fingerprint)
            say(f"sending {show.subject} to {to.partition('://')[0]}://{endpoint(host, port)}, {float(fps):g} frames a second; Ctrl-C ends it")
            try:
                if not show.live:
                    yield outlet, lambda once: None
                    return
                # What lies between two frames can be drawn once the second one is there.
                with SteadyOutlet(outlet, fps, 1.5 / float(show.fps)) as steady:
                    yield steady, lambda once: None
            finally:
                lost = f", {line.lost} could not be sent ({line.trouble})" if line.lost else ""
                say(f"{show.subject}: {line.sent} datagrams{lost}")

    return opened


def check_websockets(option: str, address: str) -> None:
    """Refuse an address that needs a package which is not there.

    Raises:
        UserError: names the package.
    """
    from avatar3d.errors import UserError

    try:
        import websockets  # noqa: F401
    except ImportError as error:
        raise UserError(f"{option} {address}: needs the package websockets; `pip install 'avatar3d[web]'`") from error


def address_of(address: str, rest: str, port: int, option: str = "--to") -> tuple[str, int]:
    """Host and port of HOST:PORT, each of which may be left out.

    Raises:
        UserError: it is no address.
    """
    from urllib.parse import urlsplit

    from avatar3d.errors import UserError

    try:
        parts = urlsplit(f"//{rest}")
        number = parts.port
    except ValueError:
        parts, number = None, None
    if parts is None or parts.path.strip("/") or parts.query or parts.username is not None or number == 0:
        scheme = address.partition(":")[0]
        raise UserError(f"{option} {address}: is no address; write {scheme}://HOST:PORT, for instance {scheme}://127.0.0.1:{port}")
    return parts.hostname or "127.0.0.1", number or port


def _facts(show: Show, parts: "dict[str, Packed]", fingerprint: str) -> dict:
    """What the description says besides the channels."""
    header, head = parts["avatar"].header, show.person.head
    facts = {key: header[key] for key in ("subject", "consent", "licence", "synthetic", "mesh")}
    facts |= {"format": "avatar3d stream", "avatar": fingerprint, "head": head.fingerprint, "fps": [show.fps.numerator, show.fps.denominator]}
    return facts | ({"expr_names": list(head.expr_names)} if header["mesh"] == "rig" else {})
