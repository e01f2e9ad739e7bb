"""export: an avatar for other programs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import note, open_avatar, say

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion
    from viewer.export.packed import Packed


def export(
    avatar: Positional[Path],
    /,
    out: Annotated[Path, arg(aliases=["-o"])],
    format: str = "web",
    motion: Path | None = None,
    background: str = "#d8dce2",
    speech: bool = False,
    head: Path | None = None,
) -> None:
    """Write an avatar, and a motion it performs, for other programs.

    Args:
        avatar: the .avatar file.
        out: what to write; for web, a folder or a name that ends in .html.
        format: web, a page that plays in any browser.
        motion: the motion (.npz) it performs, for instance from drive; without one it idles.
        background: behind the avatar, a code such as #204060 or "transparent".
        speech: the page itself speaks sound files and what the microphone hears; adds 9 MB.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.errors import UserError
    from avatar3d.files import check_output
    from avatar3d.motion import load_motion

    if format not in FORMATS:
        raise UserError(f"--format {format}: is not known; choose {' or '.join(FORMATS)}")
    check_output(out, avatar, motion)
    person = open_avatar(avatar, head)
    performed = None if motion is None else load_motion(motion, person.head)
    say(FORMATS[format](person, performed, out, background, avatar if speech else None))


def _web(person: "Avatar", motion: "Motion | None", out: Path, background: str, speaker: Path | None) -> str:
    from avatar3d.errors import UserError
    from viewer.export.web import export_web

    if out.suffix and out.suffix.lower() not in {".html", ".htm"} and not out.is_dir():
        raise UserError(f"{out}: is no name for a page; end it in .html, or give a folder without {out.suffix}")
    sizes = export_web(person, motion, out, background=background, driver=None if speaker is None else _packed_driver(person, speaker))
    parts = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in sizes.items())
    page = out if out.suffix.lower() in {".html", ".htm"} else out / "index.html"
    opened = "open it in a browser" if page == out else f"serve the folder, for instance with `python -m http.server --directory {out}`"
    return f"{page}: {parts}\nnext: {opened}"


def _packed_driver(person: "Avatar", avatar: Path) -> "Packed":
    """The driver that this avatar speaks with, as pages carry it."""
    from avatar3d.cli.common import open_driver
    from driver.onnx_export import portable
    from viewer.export.packed import Packed
    from viewer.export.web import check_may_speak

    check_may_speak(person)
    note("speech: the driver becomes ONNX, which takes half a minute")
    made = portable(open_driver(avatar)[0], person.head, bits=8)
    return Packed(made.header, dict(made.arrays))


FORMATS: dict[str, Callable[["Avatar", "Motion | None", Path, str, Path | None], str]] = {"web": _web}
"""Writes a person, perhaps with a motion, to a path before a background; where it shall speak, with the driver of an avatar file. Returns what
to tell the user."""
