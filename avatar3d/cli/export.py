"""export: an avatar for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import note, open_avatar, say
from viewer.export.options import FormatOptions
from viewer.export.selection import Selection

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from avatar3d.progress import Progress
    from viewer.export.formats import Format
    from viewer.export.frames import Frames
    from viewer.export.packed import Packed


def export(
    avatar: Positional[Path],
    /,
    out: Annotated[Path, arg(aliases=["-o"])],
    format: str = "web",
    motion: Path | None = None,
    selection: Annotated[Selection, arg(name="")] = Selection(),  # noqa: B008
    options: Annotated[FormatOptions, arg(name="")] = FormatOptions(),  # noqa: B008
    head: Path | None = None,
) -> None:
    """Write an avatar, and a motion it performs, for other programs.

    Args:
        avatar: the .avatar file.
        out: what to write; for web, a folder or a name that ends in .html.
        format: web (a page that plays in any browser), ply, splat, spz, glb (one moment as Gaussians), ply-seq, splat-seq, spz-seq, gsd, usd (a
            motion as Gaussians), rig-glb (a motion as a textured mesh with its rig), mp4 (a film, also .mov and .webm), png-seq (a folder of
            pictures), viser-html (a page of viser's), arkit-csv, bvh, motion-npz, motion-json (the motion alone), a3d (the avatar itself, for
            programs in C++), unreal (a folder with it and the plugin for Unreal), vhap (a folder for GaussianAvatars).
        motion: the motion (.npz) it performs, for instance from drive; without one it idles in web, and is at rest elsewhere.
        selection: what is written.
        options: of single formats.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.files import check_output
    from avatar3d.motion import load_motion
    from avatar3d.progress import console
    from viewer.export.formats import check_request, find_format
    from viewer.export.frames import open_frames
    from viewer.export.props import read_prop

    formats = all_formats(avatar)
    find_format(format, formats)
    check_output(out, avatar, motion)
    check_request(format, formats, out, selection, options)
    person = open_avatar(avatar, head)
    performed = None if motion is None else load_motion(motion, person.head)
    prop = None if selection.prop is None else read_prop(selection.prop)
    frames = open_frames(person, performed, selection, formats[format].up, prop)
    for line in frames.notes:
        note(line)
    with console("export") as progress:
        told = formats[format].write(frames, out, options, progress)
    say(told)


def all_formats(avatar: Path) -> "dict[str, Format]":
    """Every format by name; the web page's is made here, since it may carry a driver: that of the file `avatar`."""
    from viewer.export.formats import FORMATS, Format

    def write(frames: "Frames", path: Path, options: FormatOptions, progress: "Progress") -> str:
        return _web(frames, path, options, avatar)

    web = Format("a page that plays in any browser", (".html", ".htm", ""), write, frozenset(), frozenset({"background", "speech"}))
    return {"web": web} | FORMATS


def _web(frames: "Frames", out: Path, options: FormatOptions, avatar: Path) -> str:
    from viewer.export.web import export_web

    person, motion = frames.avatar, None if frames.still else frames.motion
    driver = _packed_driver(person, avatar) if options.speech else None
    sizes = export_web(person, motion, out, background=options.background, driver=driver)
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
