"""stream: an avatar performs elsewhere, while its motion is played or made here."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import note, open_avatar, say
from avatar3d.cli.direct import Directing
from avatar3d.cli.live_drive import live_stream
from avatar3d.cli.talk import Talking, check_talk, performance

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion
    from driver.live import LiveReport
    from driver.stream import Stream as DriverStream
    from viewer.export.packed import Packed
    from viewer.stream.playback import Outlet
    from viewer.stream.server import StreamServer

_MOST_FPS = Fraction(30)
"""More frames a second are not sent: receivers draw what lies between."""
_HEARERS = 10.0
"""Seconds that a performance which is given only once waits, from its first viewer on, for one who has turned the sound on."""


@dataclass(frozen=True)
class Show:
    """What goes out, and to whom it may go."""

    person: "Avatar"
    avatar: Path
    track: "Mapping[str, np.ndarray]"
    """Channels [T, width] by name; of a live performance a single frame, which tells what there are."""
    parts: "dict[str, Packed]"
    """Of the page: "avatar" and "idle"."""
    fps: Fraction
    rate: int
    """Of the sound, Hz; 0 where there is none."""
    background: str
    token: str | None

    @property
    def channels(self) -> tuple[tuple[str, int], ...]:
        """Names and widths."""
        return tuple((name, values.shape[1]) for name, values in self.track.items())


def stream(
    avatar: Positional[Path],
    /,
    to: str,
    motion: Path | None = None,
    talking: Annotated[Talking, arg(name="")] = Talking(),  # noqa: B008
    directing: Annotated[Directing, arg(name="")] = Directing(),  # noqa: B008
    background: str = "#d8dce2",
    token: str | None = None,
    head: Path | None = None,
) -> None:
    """Let an avatar perform elsewhere, live: a few parameters a frame, and the sound.

    Args:
        avatar: the .avatar file.
        to: where. ws or ws://HOST:PORT serves a page that any number of browsers can watch; without HOST for this machine alone.
        motion: a motion (.npz) to perform, instead of something to say.
        talking: what is said.
        directing: how it is performed; with --loop it is repeated until Ctrl-C.
        background: behind the avatar, a code such as #204060 or "transparent".
        token: for other addresses than this machine's own, what the page's address has to hold; by default something new and random.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.errors import UserError

    scheme, _, rest = to.partition("://")
    if scheme not in SCHEMES:
        raise UserError(f"--to {to}: is not known; write {' or '.join(f'{name}://HOST:PORT' for name in SCHEMES)}")
    opened = SCHEMES[scheme](to, rest, token)
    if motion is not None:
        _check_motion_alone(talking, directing)
    else:
        if not any((talking.audio, talking.text, talking.video, talking.idle, talking.redo, talking.live)):
            raise UserError("stream: give what is performed: --motion, --audio or --video FILE, --text WORDS, --idle SECONDS or --live SOURCE")
        check_talk(talking, directing)
    person = open_avatar(avatar, head)
    if talking.live is not None:
        _perform_live(person, avatar, talking, directing, background, token, opened)
    else:
        performed = _motion(motion, person) if motion is not None else performance(person, avatar, talking, directing)
        _perform(person, avatar, performed, directing.loop, background, token, opened)


Opened = Callable[[Show], "contextlib.AbstractContextManager[tuple[Outlet, Callable[[bool], None]]]"]
"""Opens the way out: where frames go, and what waits until they are wanted (where the performance has no second time)."""


def _web(to: str, rest: str, token: str | None) -> Opened:
    """ws: a page and its WebSocket."""
    from avatar3d.errors import UserError
    from viewer.visitors import check_token

    host, port = address_of(to, rest, 8765)
    check_token(token)
    try:
        import websockets  # noqa: F401
    except ImportError as error:
        raise UserError(f"--to {to}: needs the package websockets; `pip install 'avatar3d[web]'`") from error

    @contextlib.contextmanager
    def opened(show: Show) -> "Iterator[tuple[StreamServer, Callable[[bool], None]]]":
        from viewer.stream.server import SOCKET, StreamServer
        from viewer.stream.site import page_files

        files, fingerprint = page_files(show.parts, show.background, SOCKET)
        facts = _facts(show, fingerprint)
        with StreamServer(files, facts, show.channels, host=host, port=port, rate=show.rate, token=show.token) as server:
            say(f"open {server.address} in a browser; Ctrl-C ends it")

            def wanted(once: bool) -> None:
                server.wait(listening=False)
                if once and show.rate:
                    server.wait(listening=True, seconds=_HEARERS)

            yield server, wanted

    return opened


SCHEMES: dict[str, Callable[[str, str, str | None], Opened]] = {"ws": _web}
"""By what --to begins with: takes all of --to, what follows ://, and the token; refuses what it cannot do before any work."""


def address_of(to: str, rest: str, port: int) -> tuple[str, int]:
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
        raise UserError(f"--to {to}: is no address; write {to.partition(':')[0]}://HOST:PORT, for instance {to.partition(':')[0]}://127.0.0.1:{port}")
    return parts.hostname or "127.0.0.1", number or port


def _facts(show: Show, fingerprint: str) -> dict:
    """What the description says besides the channels."""
    header, head = show.parts["avatar"].header, show.person.head
    facts = {key: header[key] for key in ("subject", "consent", "licence", "synthetic", "mesh")}
    facts |= {"format": "avatar3d stream", "avatar": fingerprint, "head": head.fingerprint, "fps": [show.fps.numerator, show.fps.denominator]}
    return facts | ({"expr_names": list(head.expr_names)} if header["mesh"] == "rig" else {})


def _check_motion_alone(talking: Talking, directing: Directing) -> None:
    from dataclasses import replace

    from avatar3d.errors import UserError

    if talking != Talking() or replace(directing, loop=False) != Directing():
        raise UserError("--motion: is performed as it is; leave out what is said and what directs it, or leave --motion out")


def _motion(path: Path, person: "Avatar") -> "Motion":
    from avatar3d.motion import load_motion

    return load_motion(path, person.head)


def _perform(person: "Avatar", avatar: Path, motion: "Motion", loop: bool, background: str, token: str | None, opened: Opened) -> None:
    """A motion that is known beforehand."""
    from avatar3d.motion import resampled
    from viewer.export.web import page_parts
    from viewer.stream.playback import play, track_of

    motion = resampled(motion, min(motion.fps, _MOST_FPS))
    if person.head.redistributable:
        parts, track = page_parts(person, None), track_of(motion, person.head)
    else:
        parts = page_parts(person, motion)
        track = {name: parts["motion"].values(name) for name in parts["motion"].arrays}
    sound, rate = _sound(motion)
    show = Show(person, avatar, track, parts, motion.fps, rate, background, token)
    off = None
    # Whenever it comes after the address was said, Ctrl-C is the usual end.
    with contextlib.suppress(KeyboardInterrupt), opened(show) as (outlet, wanted):
        if not loop:
            wanted(True)
        off = play(track, motion.fps, outlet, sound=sound, rate=rate, loop=loop)
    if off is not None:
        say(f"{len(motion)} frames, {motion.duration:.1f} s, on time to {off:.1f} ms (99 %)")


def _sound(motion: "Motion") -> "tuple[np.ndarray | None, int]":
    """A motion's sound at the rate at which it is sent."""
    import numpy as np
    from scipy.signal import resample_poly

    if motion.sound is None or not len(motion.sound):
        return None, 0
    rate = 16_000 if motion.sound_rate <= 16_000 else 24_000
    ratio = Fraction(rate, motion.sound_rate)
    return np.asarray(resample_poly(motion.sound, ratio.numerator, ratio.denominator), np.float32), rate


def _perform_live(person: "Avatar", avatar: Path, talking: Talking, directing: Directing, background: str, token: str | None, opened: Opened) -> None:
    """A motion that is made from sound as it comes in."""
    import numpy as np
    import torch

    from avatar3d.errors import UserError
    from avatar3d.motion import rest_motion
    from driver.features import FPS, RATE
    from driver.sources import open_source
    from viewer.export.web import page_parts
    from viewer.stream.playback import track_of

    if not person.head.redistributable:
        raise UserError(
            f"{avatar}: is on head {person.head.name}, which may not be given away, and then only a motion that is known beforehand can be sent; "
            "give --motion, --audio or --text instead of --live"
        )
    assert talking.live is not None
    live = live_stream(person, avatar, talking, directing)
    source = open_source(talking.live, for_ever=True)
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))
    nothing = np.zeros(0, np.float32)
    rest = track_of(rest_motion(person.head, 1), person.head)
    show = Show(person, avatar, rest, page_parts(person, None), Fraction(FPS), RATE, background, token)
    with contextlib.suppress(KeyboardInterrupt), opened(show) as (outlet, wanted):

        def deliver(number: int, frame: np.ndarray) -> None:
            track = track_of(live.motion(frame[None], nothing, 0), person.head)
            outlet.frame(number / FPS, {name: values[0] for name, values in track.items()})

        if Path(talking.live).is_file():
            wanted(True)
        while True:
            note(f"listening to {talking.live}")
            report = _listened(source, live.fresh(), outlet, deliver, talking.live)
            outlet.end(report.frames / FPS)
            middle, slow, most = report.latency
            say(f"{report.frames} frames; sound to frame {middle:.0f} ms, 95 % within {slow:.0f}, most {most:.0f}; {report.late} too late")
            if happened := report.happened():
                say(happened)
            if not talking.live.startswith("tcp://"):
                return
            # Senders come and go; viewers stay.
            source = open_source(talking.live, for_ever=True)
            outlet.begin()


def _listened(
    source: "Iterator[np.ndarray]", state: "DriverStream", outlet: "Outlet", deliver: "Callable[[int, np.ndarray], None]", name: str
) -> "LiveReport":
    """Follow a source to its end. A sender on a socket may break off as well: that is an end like any other."""
    from avatar3d.errors import UserError
    from driver.live import perform_live

    def heard() -> "Iterator[np.ndarray]":
        for piece in source:
            outlet.sound(piece)
            yield piece

    try:
        return perform_live(heard(), state, deliver, keep=False)[1]
    except UserError as error:
        if not name.startswith("tcp://"):
            raise
        note(str(error))
        return error.performed[1]  # type: ignore[attr-defined]
