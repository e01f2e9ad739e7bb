"""Reading any file of Gaussians by the ending of its name."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from avatar3d.errors import UserError
from viewer.export.ply import read_ply
from viewer.export.selection import Up
from viewer.export.splat import facts_path, read_splat
from viewer.export.splats import Splats, read_whole
from viewer.export.spz import read_spz

READERS: dict[str, Callable[[bytes, str], Splats]] = {".ply": read_ply, ".splat": read_splat, ".spz": read_spz}
AXES: dict[str, Up] = {"ply": "-y", "splat": "-y", "spz": "y"}
"""What files of each kind are in where they do not say."""


def read_splats(path: Path) -> Splats:
    """The Gaussians of a file, in its own axes and units.

    Raises:
        UserError: not there, not whole, or nothing that is read here.
    """
    if path.suffix.lower() not in READERS:
        raise UserError(f"{path}: is no file of Gaussians that is read here; give {', '.join(READERS)}")
    splats = READERS[path.suffix.lower()](read_whole(path), str(path))
    return replace(splats, facts=splats.facts or _facts_beside(path))


def _facts_beside(path: Path) -> dict[str, str]:
    """What a .splat is says a file beside it, since it has no room itself."""
    try:
        return {str(key): str(value) for key, value in json.loads(facts_path(path).read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
