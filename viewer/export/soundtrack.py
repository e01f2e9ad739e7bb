"""The sound of an export as a WAV file that says what it is, and files that lie beside another without taking the place of somebody's own."""

from pathlib import Path

import numpy as np
import soundfile

from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from viewer.export.frames import Frames
from viewer.export.provenance import Provenance

_MARK = b"made with avatar3d"
"""Stands in every file that an export puts beside another, as a part of what it says of itself."""
_LOOKED_AT = 1 << 16
"""Bytes at the beginning and at the end of a file that are searched for the mark."""


def write_soundtrack(path: Path, frames: Frames, told: Provenance) -> None:
    """The sound from the first frame on, as long as the frames, 16-bit PCM.

    Raises:
        UserError: it cannot be written.
    """
    assert frames.sound is not None
    with atomic_path(path) as temporary, soundfile.SoundFile(temporary, "w", frames.sound_rate, 1, "PCM_16", format="WAV") as stream:
        stream.title, stream.comment, stream.software = told.title, told.sentence, told.generator
        stream.write(np.clip(frames.sound, -1, 1))


def has_beside(path: Path) -> bool:
    """Whether other files may lie beside `path`: not beside a device or a pipe."""
    return path.is_file() or not path.exists()


def name_beside(path: Path, suffix: str) -> str:
    """Name of a file that belongs to `path`: not NAME.wav, which may be the very sound that the motion was made from."""
    return path.name + suffix


def check_beside(path: Path, *names: str) -> None:
    """Refuse to put files beside `path` in the place of others that no export made.

    Raises:
        UserError: names the file that would be lost.
    """
    for name in names:
        other = path.with_name(name)
        if other.exists() and not _ours(other):
            raise UserError(f"{other}: is in the way of what belongs beside {path}, and would be lost; choose another output name")


def _ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        start = stream.read(_LOOKED_AT)
        stream.seek(max(path.stat().st_size - _LOOKED_AT, 0))
        return _MARK in start or _MARK in stream.read(_LOOKED_AT)
