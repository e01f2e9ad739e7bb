"""speak, drive, render: an avatar performs."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import check_range, note, open_avatar, say
from avatar3d.cli.direct import Directing
from avatar3d.cli.live_drive import drive_live
from avatar3d.cli.talk import Talking, check_talk, performance

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion


def speak(
    avatar: Positional[Path],
    /,
    out: Annotated[Path, arg(aliases=["-o"])],
    talking: Annotated[Talking, arg(name="")] = Talking(),  # noqa: B008
    directing: Annotated[Directing, arg(name="")] = Directing(),  # noqa: B008
    camera: str = "front",
    size: int = 512,
    background: str = "#d8dce2",
    capture: Path | None = None,
    fps: int | None = None,
    head: Path | None = None,
) -> None:
    """Let an avatar say something, as a video with sound.

    Args:
        avatar: the .avatar file.
        out: the MP4 to write.
        talking: what is said.
        directing: how it is performed.
        camera: front, orbit, or a camera as JSON file.
        size: side of the picture, pixels.
        background: a colour, or "capture" for the frames of the capture with the head pasted back.
        capture: the capture folder, for --background capture.
        fps: frames per second of the video; default 25.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.errors import UserError
    from avatar3d.files import check_output

    check_output(out, avatar, *_sources(talking, directing))
    check_film(out, camera, size, background, fps)
    check_talk(talking, directing)
    if talking.live is not None:
        raise UserError("--live: makes a motion as the sound comes in; use `avatar3d drive`, then `avatar3d render`")
    person = open_avatar(avatar, head)
    _film(person, performance(person, avatar, talking, directing), out, camera, size, background, capture, fps)


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
    camera: str = "front",
    size: int = 512,
    background: str = "#d8dce2",
    capture: Path | None = None,
    fps: int | None = None,
    head: Path | None = None,
) -> None:
    """Draw an avatar performing a motion file.

    Args:
        avatar: the .avatar file.
        motion: the motion (.npz), for instance from drive or track.
        out: the MP4 to write.
        camera: front, orbit, or a camera as JSON file.
        size: side of the picture, pixels.
        background: a colour, or "capture" for the frames of the capture with the head pasted back.
        capture: the capture folder, for --background capture.
        fps: frames per second of the video; default the motion's.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.files import check_output
    from avatar3d.motion import load_motion

    check_output(out, avatar, motion)
    check_film(out, camera, size, background, fps)
    person = open_avatar(avatar, head)
    _film(person, load_motion(motion, person.head), out, camera, size, background, capture, fps)


def check_film(out: Path, camera: str, size: int, background: str, fps: int | None) -> None:
    """Refuse options of a film that cannot be met, before any work.

    Raises:
        UserError: names the option.
    """
    from avatar3d.errors import UserError

    # A device or a pipe is called as it is.
    if out.suffix.lower() != ".mp4" and (out.is_file() or not out.exists()):
        raise UserError(f"{out}: films are written as MP4; give a name that ends in .mp4")
    check_range("--size", size, 16, 4096)
    check_range("--fps", fps, 1, 240)
    if background == "capture" and (camera != "front" or size != 512):
        raise UserError("--background capture: is drawn with the capture's own camera and size; leave --camera and --size out")


def _film(person: "Avatar", motion: "Motion", out: Path, camera: str, size: int, background: str, capture: Path | None, fps: int | None) -> None:
    from avatar3d.progress import console
    from viewer.cameras import camera_path
    from viewer.film import colour_background, film

    rate = Fraction(fps) if fps else None
    with console("render") as progress:
        if background == "capture":
            from avatar3d.cli.paste import film_over_capture

            frames = film_over_capture(person, motion, out, capture, rate, progress)
        else:
            cameras = camera_path(person, camera, size)
            frames = film(person, motion, out, cameras=cameras, background=colour_background(background), fps=rate, progress=progress)
    note("")
    say(f"{out}: {frames} frames, {motion.duration:.1f} s")
