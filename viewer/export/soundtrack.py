"""The sound of an export as a WAV file that says what it is."""

from pathlib import Path

import numpy as np
import soundfile

from avatar3d.files import atomic_path
from viewer.export.frames import Frames
from viewer.export.provenance import Provenance


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
