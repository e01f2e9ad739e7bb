"""What of a performance is exported, and in which axes and units. Imports nothing heavy: the command line shows these fields as options."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

from avatar3d.errors import UserError

Up = Literal["y", "z", "-y"]
"""Axes of a file: y, ours and glTF's (x the subject's left, y up, z out of the face); z, Blender's (x the subject's left, z up, the face looks along
-y); -y, those of 3D Gaussian splatting files (x the subject's left, y down, z into the face)."""
Unit = Literal["m", "cm"]
_MAX_SCALE = 1e6


@dataclass(frozen=True)
class Selection:
    """Which frames and which Gaussians, in which axes and units."""

    every: int = 1
    """every how manieth frame of the motion."""
    start: float | None = None
    """of what is exported, seconds of the motion; default its beginning."""
    end: float | None = None
    """of what is exported, seconds of the motion; default its end."""
    scale: float = 1.0
    """makes everything as many times as large."""
    up: Up | None = None
    """the axis that points up; default what the format's readers expect."""
    unit: Unit = "m"
    """of lengths."""
    crop_shoulders: bool = False
    """leave out what moves with the torso, below the neck."""
    prop: str | None = None
    """a file of Gaussians (.ply, .splat, .spz, .glb) that stands still beside the avatar, FILE or FILE@x,y,z for where, metres."""
    max_gaussians: int | None = None
    """keep as many, those that matter most to the picture; says what it costs."""


def check_selection(selection: Selection) -> None:
    """Refuse what no motion and no avatar could give.

    Raises:
        UserError: names the option.
    """
    if not (isfinite(selection.scale) and 1 / _MAX_SCALE <= selection.scale <= _MAX_SCALE):
        raise UserError(f"--scale {selection.scale}: choose {1 / _MAX_SCALE} to {_MAX_SCALE:.0f}")
    if selection.every < 1:
        raise UserError(f"--every {selection.every}: choose 1 or more")
    if selection.max_gaussians is not None and selection.max_gaussians < 1:
        raise UserError(f"--max-gaussians {selection.max_gaussians}: choose 1 or more")
    for name, value in (("start", selection.start), ("end", selection.end)):
        if value is not None and not (isfinite(value) and value >= 0):
            raise UserError(f"--{name} {value}: choose seconds of the motion, 0 or more")
    if selection.end is not None and selection.end <= (selection.start or 0):
        raise UserError(f"--end {selection.end:g}: choose one later than {selection.start or 0:g}, where the export begins")
