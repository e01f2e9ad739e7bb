"""Somebody who moves an avatar live, from a phone or another program: where the motion comes from, and how it becomes the avatar's."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from avatar3d.cli.common import note, say
from avatar3d.cli.shows import live_show
from avatar3d.cli.ways import Sending, Way, address_of, check_websockets

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion
    from viewer.bridge.follow import Push
    from viewer.bridge.receiver import Assembly, Listener

_FPS = Fraction(30)
"""Frames a second of a page."""
_TOLD_EVERY = 10.0
"""Seconds between two remarks on nothing being heard."""


def follow(person: "Avatar", source: str, way: Way, name: str, sending: Sending) -> None:
    """Let an avatar do what somebody does, until they end or Ctrl-C.

    Raises:
        UserError: the source or the way cannot be used, or the source ended and was not heard.
    """
    from avatar3d.errors import UserError
    from viewer.bridge.follow import Followed, follow_stream
    from viewer.stream.playback import Pace
    from viewer.stream.prompt_thread import run_promptly

    run_promptly()
    fps = way.rate(_FPS)
    show = live_show(person, "the avatar", fps, 0, name, sending.background, way, "send it elsewhere, or record it with `avatar3d receive`")
    # Frames are handed on when they are due, so nothing has to be made steady once more.
    show = replace(show, live=False)
    made = channels_of(person, way)
    with contextlib.ExitStack() as stack:
        whose, assembly = sending.subject[0] if sending.subject else None, None
        if source.startswith(("ws://", "wss://")):
            check_websockets("--from", source)
            pushing = follow_stream(source, person.head)
        else:
            pushing, assembly = _faces(source, whose, sending.calm, person, stack)
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        outlet, _ = stack.enter_context(way.opened(show))
        followed = stack.enter_context(Followed(pushing))
        pace, number, heard, told = Pace(fps), 0, False, time.monotonic()
        while not followed.over:
            channels = followed.at(time.monotonic())
            if channels is not None:
                heard = True
                outlet.frame(float(number / fps), made(channels))
            elif assembly is None and time.monotonic() - told > _TOLD_EVERY:
                told = time.monotonic()
                note(f"nothing was heard yet on {source}")
            number += 1
            while pace.until(number) * fps >= 1:
                number += 1
        outlet.end(float(number / fps))
        if not heard:
            raise UserError(f"--from {source}: no face was heard{instead(assembly, whose)}")
        buffer = followed.buffer
        say(f"{number} frames; {buffer.twice} came twice, {buffer.late} too late, and {buffer.held} times the last one was held")


def _faces(source: str, whose: str | None, calm: float, person: "Avatar", stack: contextlib.ExitStack) -> "tuple[Callable[[Push], None], Assembly]":
    """A source that speaks one of the bridge's protocols, and what puts its faces together."""
    from viewer.bridge.follow import follow_faces, replayed

    assembly, listener = open_source(source, stack)
    datagrams = replayed(Path(source)) if listener is None else watched(source, assembly, listener, whose)
    return follow_faces(assembly, datagrams, whose, calm, note, person.head), assembly


def watched(source: str, assembly: "Assembly", listener: "Listener", whose: str | None) -> "Iterator[tuple[bytes, float] | None]":
    """What a listener hears; until it is a face, of `whose` where that is given, it is said now and then what came instead."""
    told = time.monotonic()
    for datagram in listener:
        yield datagram
        if time.monotonic() - told > _TOLD_EVERY and not (whose in assembly.subjects if whose is not None else assembly.subjects):
            told = time.monotonic()
            note(f"no face was heard yet on {source}{instead(assembly, whose)}")


def instead(assembly: "Assembly | None", whose: str | None) -> str:
    """Whose face was not heard, and what was."""
    wanted = f" of {whose}" if whose else ""
    if assembly is None:
        return wanted
    others = f"; heard were {', '.join(name or 'faces without a name' for name in assembly.subjects)}" if assembly.subjects else ""
    strange = f"; {assembly.refused} datagrams were passed over ({assembly.trouble})" if assembly.refused else ""
    return wanted + others + strange


def check_apart(source: str, to: str) -> None:
    """Refuse to send to where we listen: the head would follow itself.

    Raises:
        UserError: --from and --to meet.
    """
    import socket

    from avatar3d.errors import UserError
    from viewer.bridge.protocols import PROTOCOLS
    from viewer.bridge.sender import resolved

    (scheme, _, rest), (way, _, there) = source.partition("://"), to.partition("://")
    if scheme not in PROTOCOLS or way not in PROTOCOLS:
        return
    heard, sent = address_of(source, rest, PROTOCOLS[scheme].PORT, "--from"), address_of(to, there, PROTOCOLS[way].PORT)
    if heard[1] != sent[1]:
        return
    family, address = resolved(*sent)
    # Whatever can be listened on is this machine's own.
    with socket.socket(family, socket.SOCK_DGRAM) as own:
        try:
            own.bind((address[0], 0, *address[2:]))
        except OSError:
            return
    if heard[0] in ("0.0.0.0", "::") or resolved(*heard)[1] == address:
        raise UserError(f"--to {to}: is where --from {source} listens, so that the head would follow itself; give one of them another port")


def open_source(source: str, stack: contextlib.ExitStack, record: Path | None = None) -> "tuple[Assembly, Listener | None]":
    """What puts a source's faces together, and what listens for them; None where it is a recording.

    Args:
        source: PROTOCOL://HOST:PORT, or a .pcap file.
        stack: keeps open what is opened.
        record: file that keeps the datagrams.

    Raises:
        UserError: there is no such source.
    """
    from avatar3d.errors import UserError
    from viewer.bridge.protocols import PROTOCOLS, protocol_of
    from viewer.bridge.receiver import Assembly, Listener
    from viewer.bridge.recording import recorded, recording
    from viewer.visitors import endpoint

    scheme, mark, rest = source.partition("://")
    if not mark and Path(source).suffix.lower() == ".pcap":
        spoken = protocol_of(passed.data for passed in recorded(Path(source)))
        if spoken is None:
            raise UserError(f"{source}: holds no face in any protocol that is read here ({', '.join(PROTOCOLS)}); give a recording of one of them")
        return Assembly(PROTOCOLS[spoken]), None
    if scheme not in PROTOCOLS:
        raise UserError(f"--from {source}: is not known; write {' or '.join(f'{name}://HOST:PORT' for name in PROTOCOLS)}, or a .pcap file")
    host, port = address_of(source, rest, PROTOCOLS[scheme].PORT, "--from")
    recorder = stack.enter_context(recording(record))
    listener = stack.enter_context(Listener(host, port, recorder))
    note(f"listening on {scheme}://{endpoint(host, listener.port)}; Ctrl-C ends it")
    return Assembly(PROTOCOLS[scheme]), listener


def channels_of(person: "Avatar", way: Way) -> "Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]":
    """What makes channels to send of those that were followed; all [width]. Whatever it needs for that it has beforehand."""
    import numpy as np

    from avatar3d.arkit_file import ArkitTake
    from avatar3d.motion import rest_motion
    from viewer.bridge.sender import ARKIT, EYES, HEAD, face_track
    from viewer.bridge.take import motion_of_take
    from viewer.stream.playback import track_of

    shape, rest = person.shape.numpy(), rest_motion(person.head, 1)

    def made(channels: "dict[str, np.ndarray]") -> "dict[str, np.ndarray]":
        face = {name: channels[name] for name in (ARKIT, HEAD, EYES) if name in channels}
        sent = {name: value[None] for name, value in channels.items() if name not in face}
        if not face:
            motion = replace(rest, **sent)
            track = track_of(motion, person.head) if way.page else face_track(motion, person.head)
            return {name: values[0] for name, values in track.items()}
        if sent:
            motion = within(replace(rest, **sent), person) if way.page else replace(rest, **sent)
        else:
            motion = motion_of_take(ArkitTake(face[ARKIT][None], face[HEAD][None], _FPS), person.head)
            motion = person.admit(replace(motion, shape=shape)) if way.page else motion
        rig = {name: values[0] for name, values in track_of(motion, person.head).items()}
        # Other programs get the face as it came.
        return rig if way.page else {**rig, **face}

    # The map between heads is made now, because there is no time for that between two frames.
    made({name: np.zeros(width, np.float32) for name, width in ((ARKIT, 52), (HEAD, 3), (EYES, 6))})
    return made


def within(motion: "Motion", person: "Avatar") -> "Motion":
    """A motion of the avatar's rig within what the avatar has seen. Its zero is the rig's, and so nothing of the avatar's own rest is added."""
    from avatar3d.statistics import relative

    whole = replace(motion, shape=person.shape.numpy())
    return person.admit(relative(whole, person.statistics, person.head, own=True), own=True)
