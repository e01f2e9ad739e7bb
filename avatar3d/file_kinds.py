"""What a file of ours is, by its table of contents alone: one that was given in another's place is called by its name, and at once."""

import json
import zipfile
import zlib
from pathlib import Path

from avatar3d.errors import UserError

AVATAR, MOTION, HEAD = "an avatar", "a motion", "a head model"
_SIGNS = {
    AVATAR: {"avatar.json", "avatar.safetensors"},
    MOTION: {"expr.npy", "jaw_pose.npy", "fps.npy"},
    HEAD: {"template.npy", "shape_basis.npy", "joint_template.npy"},
}  # fmt: skip
"""Members that each kind of zip has."""
_REMEDIES = {
    AVATAR: "give the .avatar file, which `avatar3d fit VIDEO -o ME.avatar` makes",
    MOTION: "give a motion (.npz), which `avatar3d drive` and `avatar3d track` make",
    HEAD: "give a head model (.npz, or FLAME's .pkl)",
}
_MOST_RECORD = 16 << 20
"""Bytes of `avatar.json`: no avatar's is as large."""
_BROKEN = (OSError, EOFError, ValueError, KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def kind_of(path: Path | str) -> str | None:
    """One of the kinds above, None for whatever else a path is."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except _BROKEN:
        return None
    return next((kind for kind, signs in _SIGNS.items() if signs <= names), None)


def check_kind(path: Path | str, wanted: str) -> None:
    """Refuse a file that is known to be of another kind; says nothing about others.

    Raises:
        UserError: names what it is, and what to give instead.
    """
    kind = kind_of(path)
    if kind not in (None, wanted):
        raise UserError(f"{path}: is {kind}, not {wanted}; {_REMEDIES[wanted]}")


def check_avatar_file(path: Path) -> None:
    """Refuse what is no whole avatar, without reading what is in it: before a page is opened that would have to be closed again.

    Raises:
        UserError: missing, a folder, of another kind, or damaged.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file; make an avatar with `avatar3d fit VIDEO -o {path.name}`")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give the .avatar file")
    check_kind(path, AVATAR)
    damaged = f"{path}: is not an avatar or is damaged; {_REMEDIES[AVATAR]}"
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("avatar.json").file_size > _MOST_RECORD or archive.testzip() is not None:
                raise UserError(damaged)
            json.loads(archive.read("avatar.json"))
    except _BROKEN as error:
        raise UserError(damaged) from error
