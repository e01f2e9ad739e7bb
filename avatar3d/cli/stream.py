"""stream: an avatar performs elsewhere, while its motion is played, made or followed here."""

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import check_range, note, open_avatar, say
from avatar3d.cli.direct import Directing
from avatar3d.cli.live_drive import live_stream
from avatar3d.cli.shows import known_show, live_show
from avatar3d.cli.talk import Talking, check_talk, performance
from avatar3d.cli.ways import Sending, Show, Way, address_of, way_out

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion
    from driver.live import LiveReport
    from driver.stream import Stream as DriverStream
    from viewer.stream.playback import Outlet


def stream(
    avatar: Positional[Path | None] = None,
    /,
    *,
    to: str,
    motion: tuple[Path, ...] = (),
    source: Annotated[str | None, arg(name="from")] = None,
    replay: Path | None = None,
    talking: Annotated[Talking, arg(name="")] = Talking(),  # noqa: B008
    directing: Annotated[Directing, arg(name="")] = Directing(),  # noqa: B008
    sending: Annotated[Sending, arg(name="")] = Sending(),  # noqa: B008
    head: Path | None = None,
) -> None:
    """Let an avatar perform elsewhere, live: a few parameters a frame, and for pages the sound.

    Args:
        avatar: the .avatar file.
        to: where. ws or ws://HOST:PORT serves a page that any number of browsers can watch; livelink://HOST:11111 Unreal's Live Link,
            ue://HOST:11120 the plugin for Unreal, vmc://HOST:39539, osc://HOST:9000 and ifacialmocap://HOST:49983 other programs. Without
            HOST this machine.
        motion: a motion (.npz, or the CSV of Live Link Face) to perform, instead of something to say; several for several subjects.
        source: follow somebody live: livelink://HOST:PORT and the others listen for a phone or a program, FILE.pcap is a recording of
            one, ws://HOST:PORT/TOKEN/ another avatar3d.
        replay: send a .pcap file of --record again, as it is and in its time; needs no avatar.
        talking: what is said.
        directing: how it is performed; with --loop it is repeated until Ctrl-C.
        sending: what goes out, and how.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.errors import UserError
    from avatar3d.files import check_output
    from viewer.bridge.frame import caseless
    from viewer.bridge.recording import recording

    if sending.record is not None:
        check_output(sending.record, avatar, *motion, replay, talking.audio)
    check_range("--fps", sending.fps, 1, 240)
    check_range("--calm", sending.calm, 0, 60)
    with recording(sending.record) as recorder:
        way = way_out(to, sending.token, sending.fps, recorder)
        if replay is not None:
            if motion or source or talking != Talking() or directing != Directing() or sending != Sending():
                raise UserError("--replay: is sent as it was recorded; leave the other options out")
            _replay(replay, to)
            return
        if avatar is None:
            raise UserError("stream: give the avatar that performs")
        _check(motion, source, talking, directing, sending, way, to)
        person = open_avatar(avatar, head)
        note(f"{avatar}: getting ready …")
        names = sending.subject or tuple(path.stem for path in motion) if len(motion) > 1 else (sending.subject or (avatar.stem,))
        if len({caseless(way.spelled(name)) for name in names}) < len(names):
            asked = "" if way.spelled is str else f", which {to.partition(':')[0]} spells {', '.join(map(way.spelled, names))}"
            raise UserError(f"--subject: {', '.join(names)}{asked}: need a name each, and engines do not tell capitals; give other names")
        if source is not None:
            from avatar3d.cli.follow import check_apart, follow

            check_apart(source, to)
            follow(person, source, way, names[0], sending)
        elif talking.live is not None:
            _perform_live(person, avatar, talking, directing, names[0], sending.background, way)
        else:
            performed = [_motion(path, person, way) for path in motion] or [performance(person, avatar, talking, directing)]
            _perform(person, performed, names, directing.loop, sending.background, way)
    if recorder is not None:
        say(f"{sending.record}: {recorder.count} datagrams\nnext: avatar3d stream --replay {sending.record} --to {to}")


def _check(motion: tuple[Path, ...], source: str | None, talking: Talking, directing: Directing, sending: Sending, way: Way, to: str) -> None:
    """Refuse options that contradict each other, before any work."""
    from avatar3d.errors import UserError

    wanted = max(len(motion), 1)
    if wanted > 1 and not way.several:
        raise UserError(f"--motion: {wanted} motions are given, and {to} takes one; give one, or a command and a port for each")
    if sending.subject and len(sending.subject) != wanted:
        raise UserError(f"--subject: {len(sending.subject)} names for {wanted} motion{'s' * (wanted > 1)}; give one for each")
    for name in sending.subject:
        if not name.isprintable() or not 0 < len(name) <= 64:
            raise UserError(f"--subject {name[:70]!r}: takes 1 to 64 letters that can be printed")
    if sending.calm and source is None:
        raise UserError("--calm: is of a performer who is followed with --from; leave it out")
    given = any((talking.audio, talking.text, talking.video, talking.idle, talking.redo, talking.live))
    if not motion and source is None:
        if not given:
            given = "--motion, --audio or --video FILE, --text WORDS, --idle SECONDS, --live SOUND, --from SOURCE"
            raise UserError(f"stream: give what is performed: {given}")
        check_talk(talking, directing)
    elif motion and source is not None:
        raise UserError("--motion and --from contradict each other; give one of them")
    elif source is not None:
        if Path(source).suffix.lower() == ".csv":
            raise UserError(f"--from {source}: is a take, which is performed as it is; give it as --motion {source}")
        if talking != Talking() or directing != Directing():
            raise UserError("--from: is followed as it comes; leave out what is said and what directs it, or leave --from out")
    else:
        _check_motion_alone(talking, directing)


def _check_motion_alone(talking: Talking, directing: Directing) -> None:
    from dataclasses import replace

    from avatar3d.errors import UserError

    if talking != Talking() or replace(directing, loop=False) != Directing():
        raise UserError("--motion: is performed as it is; leave out what is said and what directs it, or leave --motion out")


def _replay(path: Path, to: str) -> None:
    """Send what was recorded."""
    from avatar3d.errors import UserError
    from viewer.bridge.follow import replayed
    from viewer.bridge.protocols import PROTOCOLS, protocol_of
    from viewer.bridge.recording import recorded
    from viewer.bridge.sender import Socket
    from viewer.visitors import endpoint

    scheme, _, rest = to.partition("://")
    if scheme not in PROTOCOLS:
        raise UserError(f"--replay: what was recorded are datagrams, and --to {to} takes none; follow it with --from {path} instead")
    spoken = protocol_of(passed.data for passed in recorded(path))
    if spoken is None:
        raise UserError(f"{path}: holds no face in any protocol that is sent here ({', '.join(PROTOCOLS)}); give a recording of one of them")
    if spoken != scheme:
        raise UserError(f"--to {to}: {path} speaks {spoken}; send it to {spoken}://HOST:PORT, or follow it with --from {path}")
    host, port = address_of(to, rest, PROTOCOLS[scheme].PORT)
    with Socket(host, port) as line, contextlib.suppress(KeyboardInterrupt):
        for data, _ in replayed(path):
            line.send(data)
    say(f"{line.sent} datagrams of {path} sent to {endpoint(host, port)}")


def _motion(path: Path, person: "Avatar", way: Way) -> "Motion":
    from dataclasses import replace

    from avatar3d.arkit_file import read_arkit
    from avatar3d.motion import load_motion
    from viewer.bridge.take import motion_of_take

    if path.suffix.lower() != ".csv":
        return load_motion(path, person.head)
    motion = motion_of_take(read_arkit(path), person.head)
    # Another program's face has ranges of its own; what is drawn here keeps to what the avatar has seen.
    return person.admit(replace(motion, shape=person.shape.numpy())) if way.page else motion


def _perform(person: "Avatar", motions: "list[Motion]", names: tuple[str, ...], loop: bool, background: str, way: Way) -> None:
    """Motions that are known beforehand, each of one subject."""
    stopped = threading.Event()
    off: dict[str, float] = {}
    trouble: list[BaseException] = []
    shows = [known_show(person, motion, name, background, way) for motion, name in zip(motions, names, strict=True)]

    # A search for garbage among all that was loaded so far takes longer than a frame.
    gc.collect()
    gc.freeze()

    def perform(index: int) -> None:
        off[names[index]] = _played(*shows[index], loop, way, stopped)

    def beside(index: int) -> None:
        # The end of all comes to each of them as an interruption; what goes wrong with one is told once all have ended.
        try:
            perform(index)
        except KeyboardInterrupt:
            pass
        except BaseException as error:
            trouble.append(error)
            stopped.set()

    others = [threading.Thread(target=beside, args=(index,), daemon=True) for index in range(1, len(shows))]
    # Whenever it comes after the address was said, Ctrl-C is the usual end.
    try:
        for other in others:
            other.start()
        perform(0)
        for other in others:
            other.join()
    except KeyboardInterrupt:
        pass
    finally:
        stopped.set()
        for other in others:
            other.join()
    if trouble:
        raise trouble[0]
    for (show, _), motion in zip(shows, motions, strict=True):
        if show.subject in off:
            frames = round(motion.duration * float(show.fps))
            say(f"{show.subject}: {frames} frames, {motion.duration:.1f} s, on time to {off[show.subject]:.1f} ms (99 %)")


def _played(show: Show, sound: "np.ndarray | None", loop: bool, way: Way, stopped: threading.Event) -> float:
    """Perform until the end, or until it is stopped; how far frames were off, milliseconds."""
    from viewer.stream.playback import play
    from viewer.stream.prompt_thread import run_promptly

    run_promptly()

    def sleep(seconds: float) -> None:
        if stopped.wait(seconds):
            raise KeyboardInterrupt

    with way.opened(show) as (outlet, wanted):
        if not loop:
            wanted(True)
        return play(show.track, show.fps, outlet, sound=sound, rate=show.rate, loop=loop, sleep=sleep)


def _perform_live(person: "Avatar", avatar: Path, talking: Talking, directing: Directing, name: str, background: str, way: Way) -> None:
    """A motion that is made from sound as it comes in."""
    import numpy as np
    import torch

    from driver.features import FPS, RATE
    from driver.sources import open_source
    from viewer.bridge.sender import face_track
    from viewer.stream.playback import track_of

    assert talking.live is not None
    show = live_show(person, str(avatar), Fraction(FPS), RATE, name, background, way, "give --motion, --audio or --text instead of --live")
    live = live_stream(person, avatar, talking, directing)
    source = open_source(talking.live, for_ever=True)
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))
    nothing = np.zeros(0, np.float32)
    channels = track_of if way.page else face_track
    with contextlib.suppress(KeyboardInterrupt), way.opened(show) as (outlet, wanted):

        def deliver(number: int, frame: np.ndarray) -> None:
            track = channels(live.motion(frame[None], nothing, 0), person.head)
            outlet.frame(number / FPS, {name: values[0] for name, values in track.items()})

        if Path(talking.live).is_file():
            wanted(True)
        while True:
            note(f"listening to {talking.live}")
            report = _listened(source, live.fresh(), outlet, deliver, talking.live)
            outlet.end(report.frames / FPS)
            say(f"{report.frames} frames; {report.timing()}")
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
