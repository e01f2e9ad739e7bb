"""speak, drive, render: an avatar performs."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import open_avatar, say
from avatar3d.cli.direct import Directing
from avatar3d.cli.filming import check_film, film_person
from avatar3d.cli.live_drive import drive_live
from avatar3d.cli.talk import Talking, check_talk, performance
from viewer.export.filming import Filming


def speak(
    avatar: Positional[Path],
    /,
    out: Annotated[Path, arg(aliases=["-o"])],
    talking: Annotated[Talking, arg(name="")] = Talking(),  # noqa: B008
    directing: Annotated[Directing, arg(name="")] = Directing(),  # noqa: B008
    filming: Annotated[Filming, arg(name="")] = Filming(),  # noqa: B008
    capture: Path | None = None,
    fps: int | None = None,
    head: Path | None = None,
) -> None:
    """Let an avatar say something, as a film with sound.

    Args:
        avatar: the .avatar file.
        out: the film to write: .mp4, .mov, .webm, or a folder for pictures.
        talking: what is said.
        directing: how it is performed.
        filming: from where and before what; --background capture is the frames of the capture with the head pasted back.
        capture: the capture folder, for --background capture.
        fps: frames per second of the video; default 25.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.errors import UserError
    from avatar3d.files import check_output

    check_output(out, avatar, *_sources(talking, directing))
    check_film(out, filming, fps)
    check_talk(talking, directing)
    if talking.live is not None:
        raise UserError("--live: makes a motion as the sound comes in; use `avatar3d drive`, then `avatar3d render`")
    person = open_avatar(avatar, head)
    film_person(person, performance(person, avatar, talking, directing), out, filming, capture, fps)


def drive(
    avatar: Positional[Path],
    /,
    out: Annotated[Path, arg(aliases=["-o"])],
    talking: Annotated[Talking, arg(name="")] = Talking(),  # noqa: B008
    directing: Annotated[Directing, arg(name="")] = Directing(),  # noqa: B008
    head: Path | None = None,
) -> None:
    """Turn speech into a motion file for an avatar.

    Args:
        avatar: the .avatar file.
        out: the motion (.npz) to write.
        talking: what is said.
        directing: how it is performed.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.errors import UserError
    from avatar3d.files import check_output
    from avatar3d.motion import save_motion

    if out.suffix != ".npz":
        raise UserError(f"{out}: motions are written as .npz; give such a name, or make a film with `avatar3d speak`")
    # A stretch of a motion may be made anew in its place.
    check_output(out, avatar, *(path for path in _sources(talking, directing) if path != talking.redo))
    check_talk(talking, directing)
    person = open_avatar(avatar, head)
    if talking.live is not None:
        drive_live(person, avatar, out, talking, directing)
    else:
        motion = performance(person, avatar, talking, directing)
        save_motion(motion, out)
        say(f"{out}: {len(motion)} frames, {motion.duration:.1f} s")
    say(f"next: avatar3d render {avatar} --motion {out} -o {out.with_suffix('.mp4')}")


def _sources(talking: Talking, directing: Directing) -> list[Path]:
    """Files that are read, and must not be written."""
    named = [talking.audio, talking.transcript, talking.video, talking.redo, directing.style, directing.head_pose, directing.keyframes]
    return [path for path in (*named, *(path for _, path in directing.keep)) if path is not None]


def render(
    avatar: Positional[Path],
    /,
    motion: Path,
    out: Annotated[Path, arg(aliases=["-o"])],
    filming: Annotated[Filming, arg(name="")] = Filming(),  # noqa: B008
    capture: Path | None = None,
    fps: int | None = None,
    head: Path | None = None,
) -> None:
    """Draw an avatar performing a motion file.

    Args:
        avatar: the .avatar file.
        motion: the motion (.npz), for instance from drive or track.
        out: the film to write: .mp4, .mov, .webm, or a folder for pictures.
        filming: from where and before what; --background capture is the frames of the capture with the head pasted back.
        capture: the capture folder, for --background capture.
        fps: frames per second of the video; default the motion's.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.files import check_output
    from avatar3d.motion import load_motion

    check_output(out, avatar, motion)
    check_film(out, filming, fps)
    person = open_avatar(avatar, head)
    film_person(person, load_motion(motion, person.head), out, filming, capture, fps)
