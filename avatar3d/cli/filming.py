"""Films and folders of pictures, as `speak` and `render` write them."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from avatar3d.cli.common import check_range, note, say
from viewer.export.filming import Filming

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion


def check_film(out: Path, filming: Filming, fps: int | None) -> None:
    """Refuse options of a film that cannot be met, before any work.

    Raises:
        UserError: names the option.
    """
    from avatar3d.codecs import CODECS
    from avatar3d.errors import UserError
    from viewer.export.film import check_film_name
    from viewer.export.shooting import check_filming

    check_range("--fps", fps, 1, 240)
    if filming.background == "capture":
        if filming != Filming(background="capture", size=filming.size) or filming.size not in (None, 512):
            raise UserError("--background capture: is drawn with the capture's own camera and size; leave --camera, --size and the like out")
        if out.suffix.lower() != ".mp4":
            raise UserError(f"{out}: the capture's frames are written as MP4; give a name that ends in .mp4")
        return
    check_filming(filming)
    if is_folder(out):
        return
    # A device or a pipe is called as it is.
    if out.suffix.lower() not in CODECS and (out.is_file() or not out.exists()):
        raise UserError(f"{out}: films are written as {', '.join(CODECS)}; end the name so, or give the name of a folder for pictures")
    check_film_name(out, filming)


def is_folder(out: Path) -> bool:
    """Whether pictures are written there, one for each frame."""
    return out.is_dir() or (not out.exists() and not out.suffix)


def film_person(person: "Avatar", motion: "Motion", out: Path, filming: Filming, capture: Path | None, fps: int | None) -> None:
    """Draw a motion and write it.

    Raises:
        UserError: it cannot be written.
    """
    from avatar3d.motion import resampled
    from avatar3d.progress import console
    from viewer.export.film import players, shoot
    from viewer.export.frames import open_frames
    from viewer.export.pictures import shoot_pictures
    from viewer.export.selection import Selection
    from viewer.export.shooting import shooting

    rate = Fraction(fps) if fps else None
    with console("render") as progress:
        if filming.background == "capture":
            from avatar3d.cli.paste import film_over_capture

            told = f"{out}: {film_over_capture(person, motion, out, capture, rate, progress)} frames, {motion.duration:.1f} s"
        else:
            frames, shot = open_frames(person, motion if rate is None else resampled(motion, rate), Selection()), shooting(person, filming)
            if is_folder(out):
                told = shoot_pictures(frames, out, shot, progress)
            else:
                shoot(frames, out, shot, progress)
                told = f"{out}: {len(frames)} frames, {frames.duration:.1f} s{players(out, shot)}"
    note("")
    say(told)
