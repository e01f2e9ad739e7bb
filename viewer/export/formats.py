"""Every file format that an avatar can be exported to, by name."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

from avatar3d.errors import UserError
from avatar3d.progress import Progress
from viewer.export.a3d_bundle import write_a3d
from viewer.export.bvh import write_bvh
from viewer.export.film import write_film
from viewer.export.filming import Filming
from viewer.export.frames import Frames
from viewer.export.glb import write_splats_glb
from viewer.export.gsd import write_gsd
from viewer.export.motion_files import write_arkit_csv, write_motion_json, write_motion_npz
from viewer.export.options import FormatOptions
from viewer.export.pictures import write_pictures
from viewer.export.rig_glb import write_rig_glb
from viewer.export.selection import Selection, Up
from viewer.export.sequence import write_ply_sequence, write_splat_sequence, write_spz_sequence
from viewer.export.stills import write_ply, write_splat, write_spz
from viewer.export.unreal import write_unreal
from viewer.export.usd import write_usd
from viewer.export.vhap import write_vhap
from viewer.export.viser_page import write_viser_page

ALL = frozenset(field.name for field in fields(Selection))
"""Every field of the selection: what formats of posed Gaussians heed."""
STRETCH = frozenset({"every", "start", "end"})
"""Which frames: what formats of motions and films heed."""
STILL = ALL - {"every", "end"}
"""What a format of one moment heeds; that moment is the beginning."""

DRAWN = STRETCH | {"crop_shoulders", "max_gaussians"}
"""What films and pictures heed: frames and Gaussians."""
FILMED = frozenset(field.name for field in fields(Filming))
"""Options of films and pictures."""


class Writer(Protocol):
    """Writes the frames of an export."""

    def __call__(self, frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
        """Write to `path`, under a temporary name first, and return what to tell the user.

        Raises:
            UserError: these frames cannot be written so, or not there.
        """
        ...


@dataclass(frozen=True)
class Format:
    """One format."""

    what: str
    """It is, in a few words."""
    suffixes: tuple[str, ...]
    """That the name may end in; "" stands for a folder."""
    write: Writer
    selects: frozenset[str] = ALL
    """Fields of the selection that it heeds."""
    takes: frozenset[str] = frozenset()
    """Fields of the options that it heeds."""
    up: Up = "y"
    """The axes that its readers expect."""


_PLY, _SPZ = frozenset({"sh_degree", "normals"}), frozenset({"spz_version"})
FORMATS: dict[str, Format] = {
    "ply": Format("one moment as Gaussians, as most programs read them", (".ply",), write_ply, STILL, _PLY, "-y"),
    "splat": Format("one moment as Gaussians of 32 bytes, for web viewers", (".splat",), write_splat, STILL, up="-y"),
    "spz": Format("one moment as compressed Gaussians", (".spz",), write_spz, STILL, _SPZ),
    "ply-seq": Format("a PLY for each frame, and the sound", ("",), write_ply_sequence, takes=_PLY, up="-y"),
    "splat-seq": Format("a .splat for each frame, and the sound", ("",), write_splat_sequence, up="-y"),
    "spz-seq": Format("an SPZ for each frame, and the sound", ("",), write_spz_sequence, takes=_SPZ),
    "gsd": Format("all frames in one file for Unreal, and the sound", (".gsd",), write_gsd, up="-y"),
    "glb": Format("one moment as Gaussians, in glTF", (".glb",), write_splats_glb, STILL - {"up", "unit"}),
    "rig-glb": Format("a textured mesh with morphs, skeleton and animation", (".glb",), write_rig_glb, STRETCH | {"scale"}),
    "usd": Format("a motion as Gaussians over time, with camera, sound and rig", (".usdc", ".usdz"), write_usd, ALL, frozenset({"mesh"})),
    "mp4": Format("a film", (".mp4", ".mov", ".webm"), write_film, DRAWN, FILMED),
    "png-seq": Format("a folder of pictures", ("",), write_pictures, DRAWN, FILMED),
    "viser-html": Format("a page recorded with viser", (".html", ".htm"), write_viser_page),
    "arkit-csv": Format("a take of Live Link Face", (".csv",), write_arkit_csv, STRETCH),
    "bvh": Format("a skeleton in motion", (".bvh",), write_bvh, STRETCH | {"scale", "up", "unit"}),
    "motion-npz": Format("a motion, as drive writes it", (".npz",), write_motion_npz, STRETCH),
    "motion-json": Format("a motion as text", (".json",), write_motion_json, STRETCH),
    "a3d": Format("an avatar that programs of your own pose, and its motion", (".a3d",), write_a3d, DRAWN),
    "unreal": Format("a folder with the plugin for Unreal, the avatar and its motion", ("",), write_unreal, DRAWN),
    "vhap": Format("a folder as VHAP and GaussianAvatars have it", ("",), write_vhap, DRAWN, frozenset({"camera", "size", "background"})),
}


def find_format(name: str, formats: dict[str, Format]) -> Format:
    """The format of that name.

    Raises:
        UserError: there is none; all names are listed.
    """
    if name not in formats:
        raise UserError(f"--format {name}: is not known; choose one of {', '.join(formats)}")
    return formats[name]


def check_request(name: str, formats: dict[str, Format], path: Path, selection: Selection, options: FormatOptions) -> None:
    """Refuse a file name or options that do not go with a format, before any work.

    Raises:
        UserError: names the option, and the formats that take it.
    """
    format = find_format(name, formats)
    for given, usual, heeded in ((selection, Selection(), "selects"), (options, FormatOptions(), "takes")):
        for field in fields(given):
            if getattr(given, field.name) != getattr(usual, field.name) and field.name not in getattr(format, heeded):
                others = [other for other, candidate in formats.items() if field.name in getattr(candidate, heeded)]
                raise UserError(f"--{field.name.replace('_', '-')}: means nothing to --format {name}; leave it out (it is for {', '.join(others)})")
    _check_name(name, format, path)


def _check_name(name: str, format: Format, path: Path) -> None:
    named = [suffix for suffix in format.suffixes if suffix]
    # A device or a pipe is called as it is.
    if path.exists() and not path.is_file() and not path.is_dir():
        return
    if path.suffix.lower() in named or ("" in format.suffixes and (not path.suffix or path.is_dir())):
        return
    ways = ([f"a name that ends in {' or '.join(named)}"] if named else []) + (["the name of a folder"] if "" in format.suffixes else [])
    raise UserError(f"{path}: --format {name} writes {format.what}; give {' or '.join(ways)}")
