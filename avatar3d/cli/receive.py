"""receive: a face that a phone or another program sends becomes a motion."""

import contextlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from avatar3d.cli.common import check_range, note, open_avatar, open_head, say
from avatar3d.cli.follow import instead, open_source, watched, within

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.arkit_file import ArkitTake
    from avatar3d.avatar import Avatar
    from avatar3d.head.model import HeadModel
    from avatar3d.motion import Motion
    from viewer.bridge.receiver import Assembly, Face, Listener
    from viewer.bridge.take import Calm

_TOLD_EVERY = 150
"""Frames between two remarks."""
_MOST_FRAMES = 500_000
"""Of all subjects together: more than two hours of one at 60 a second, in some 350 MB, by ue:// 600."""


def receive(
    *,
    source: Annotated[str, arg(name="from")],
    out: Annotated[Path, arg(aliases=["-o"])],
    avatar: Path | None = None,
    head: Path | None = None,
    subject: str | None = None,
    seconds: float | None = None,
    fps: int | None = None,
    calm: float = 0.0,
    record: Path | None = None,
) -> None:
    """Make a motion of a face that is sent here, until Ctrl-C; to see it live, use `avatar3d stream --from`.

    What another avatar3d sends by ue:// of the same head is that motion exactly; all else are ARKit's weights and the turns of the head.

    Args:
        source: livelink://HOST:PORT, vmc://, osc://, ifacialmocap:// or ue:// listens there, without HOST for this machine alone, with
            0.0.0.0 for phones and other machines; a .pcap file is a recording of one; a .csv file a take of Live Link Face.
        out: the motion (.npz) to write, or a CSV of Live Link Face. Several subjects become one file each, with their names.
        avatar: the .avatar file that shall perform it: the motion is for its head, and within what it has seen.
        head: file of the head that it is for, where there is no --avatar; default the embedded one.
        subject: whose face alone.
        seconds: how long, from the first frame on; default until Ctrl-C.
        fps: frames a second of the motion; default those of the sender.
        calm: for so many seconds at the beginning the performer shows a calm face straight ahead, which becomes zero.
        record: keep all that arrives in this .pcap file besides.
    """
    from avatar3d.errors import UserError
    from avatar3d.files import check_output

    if out.suffix.lower() not in (".npz", ".csv"):
        raise UserError(f"{out}: motions are written as .npz, ARKit's weights as .csv; give such a name")
    check_output(out, avatar, head, Path(source))
    check_range("--seconds", seconds, 0.1, 6 * 3600)
    check_range("--fps", fps, 1, 240)
    check_range("--calm", calm, 0, 60)
    take = Path(source).suffix.lower() == ".csv"
    if record is not None:
        if take or Path(source).suffix.lower() == ".pcap":
            raise UserError(f"--record: keeps what arrives, and {source} is a file already; leave it out")
        check_output(record, avatar, head, out, Path(source))
    if take and (subject is not None or seconds is not None):
        raise UserError(f"--from {source}: is one face's take and is read whole; leave --subject and --seconds out")
    person = None if avatar is None else open_avatar(avatar, head)
    theirs = open_head(head) if person is None else person.head
    rate = None if fps is None else Fraction(fps)
    if take:
        from avatar3d.arkit_file import read_arkit

        _write(_evenly(read_arkit(Path(source)), rate), None, theirs, person, calm, out)
    else:
        heard = _heard(source, subject, seconds, record)
        takes = _takes(heard, rate)
        for path, (name, (taken, valid)) in zip(_paths(out, list(takes)), takes.items(), strict=True):
            exact = None if path.suffix.lower() == ".csv" else _of_the_rig(heard[name], theirs, rate, calm, person is not None, path)
            if exact is None:
                _write(taken, valid, theirs, person, calm, path)
            else:
                _save(exact if person is None else within(exact, person), theirs, path)
    if record is not None:
        say(f"{record}: all that arrived; avatar3d receive --from {record} -o {out} makes the motion again")


def _heard(source: str, subject: str | None, seconds: float | None, record: Path | None) -> "dict[str, list[Face]]":
    """The faces of each subject, in the order of arrival.

    Raises:
        UserError: nothing was heard.
    """
    from avatar3d.errors import UserError

    heard: dict[str, list[Face]] = {}
    with contextlib.ExitStack() as stack:
        assembly, listener = open_source(source, stack, record)
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        for count, face in enumerate(_faces(source, assembly, listener, seconds, subject)):
            if count == _MOST_FRAMES:
                note(f"{_MOST_FRAMES} frames were received, which are as many as are kept; what came until now is written")
                break
            if subject is None or face.subject == subject:
                frames = heard.setdefault(face.subject, [])
                frames.append(face)
                if listener is not None and len(frames) % _TOLD_EVERY == 1:
                    note(f"{face.subject or 'a face'}: {len(frames)} frames")
    if not heard:
        raise UserError(f"--from {source}: no face was heard{instead(assembly, subject)}; nothing is written")
    if assembly.refused:
        note(f"{assembly.refused} of {assembly.datagrams} datagrams were passed over ({assembly.trouble})")
    return heard


def _faces(source: str, assembly: "Assembly", listener: "Listener | None", seconds: float | None, subject: str | None):
    from viewer.bridge.receiver import faces
    from viewer.bridge.recording import recorded

    if listener is not None:
        return faces(assembly, watched(source, assembly, listener, subject), seconds)
    return faces(assembly, ((passed.data, passed.time) for passed in recorded(Path(source))), seconds)


def _takes(heard: "dict[str, list[Face]]", fps: Fraction | None) -> "dict[str, tuple[ArkitTake, np.ndarray]]":
    """Each subject's take with its valid frames (`take_of`). Who is no motion, such as a stray datagram's, costs the others nothing.

    Raises:
        UserError: nobody's frames are a motion.
    """
    from avatar3d.errors import UserError
    from viewer.bridge.take import take_of

    takes, trouble = {}, None
    for name, frames in heard.items():
        try:
            takes[name] = take_of(frames, fps)
        except UserError as error:
            trouble = error
            if len(heard) > 1:
                note(f"{name or 'a face'}: is left out ({error})")
    if trouble is not None and not takes:
        raise trouble
    return takes


def _of_the_rig(heard: "list[Face]", head: "HeadModel", fps: Fraction | None, calm: float, bounded: bool, path: Path) -> "Motion | None":
    """The motion that was sent, where all its frames hold the channels of this head's rig; None where they do not, or are of another protocol.

    Which of the two it is is said for senders of the one protocol that has such channels.
    """
    from viewer.bridge.rig import misfit, rig_motion

    if all(face.rig is None for face in heard):
        return None
    trouble = misfit(heard, head) or ("--calm is counted in ARKit's weights" if calm > 0 else None)
    if trouble is not None:
        say(f"{path}: made of ARKit's 52 weights and the head's turns: {trouble}")
        return None
    say(f"{path}: made of the rig's own channels, as they were sent{', within what the avatar has seen' * bounded}")
    return rig_motion(heard, head, fps)


def _paths(out: Path, names: list[str]) -> list[Path]:
    """A file for each subject; names that would share one get a number, also where capitals are no difference to the file system."""
    if len(names) == 1:
        return [out]
    paths: list[Path] = []
    taken: set[str] = set()
    for name in names:
        stem, count = f"{out.stem}.{_in_file_names(name)}", 1
        path = out.with_name(stem + out.suffix)
        while path.name.casefold() in taken:
            count += 1
            path = out.with_name(f"{stem}-{count}{out.suffix}")
        taken.add(path.name.casefold())
        paths.append(path)
    return paths


def _evenly(take: "ArkitTake", fps: Fraction | None) -> "ArkitTake":
    """A take at another rate."""
    import numpy as np

    if fps is None or fps == take.fps:
        return take
    grid = np.arange(max(1, round(len(take.weights) * float(fps / take.fps)))) * float(take.fps / fps)
    columns = np.concatenate([take.weights, np.unwrap(take.head, axis=0)], axis=1)
    even = np.stack([np.interp(grid, np.arange(len(columns)), column) for column in columns.T], axis=1)
    return replace(take, weights=even[:, :52].astype(np.float32), head=even[:, 52:], fps=fps)


def _write(take: "ArkitTake", valid, head: "HeadModel", person: "Avatar | None", calm: float, path: Path) -> None:
    """A take as the file that `path` names."""
    from avatar3d.arkit_file import write_arkit
    from viewer.bridge.take import NO_CALM, calm_of, calmed, motion_of_take

    rest: Calm = calm_of(take, calm) if calm > 0 else NO_CALM
    if path.suffix.lower() == ".csv":
        weights, turns = calmed(take.weights, take.head, rest)
        write_arkit(path, weights, take.fps, turns)
        say(f"{path}: {_length(len(take.weights), take.fps)}")
        return
    motion = motion_of_take(take, head, valid, rest)
    if person is not None:
        motion = person.admit(replace(motion, shape=person.shape.numpy()))
    _save(motion, head, path)


def _save(motion: "Motion", head: "HeadModel", path: Path) -> None:
    """A motion as a file, and what it is."""
    from avatar3d.motion import save_motion

    save_motion(motion, path)
    guessed = "" if motion.valid is None else f"; {int((~motion.valid).sum())} bridge gaps"
    say(f"{path}: {_length(len(motion), motion.fps)}, for {head.name}{guessed}")
    say(f"next: avatar3d render ME.avatar --motion {path} -o {path.with_suffix('.mp4')}")


def _length(count: int, fps: Fraction) -> str:
    return f"{count} frames, {count / float(fps):.1f} s, {float(fps):g} a second"


def _in_file_names(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name) or "face"
