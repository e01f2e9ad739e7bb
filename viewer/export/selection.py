"""What of a performance is exported, and in which axes and units. Imports nothing heavy: the command line shows these fields as options."""

from dataclasses import dataclass
from typing import Literal

Up = Literal["y", "z", "-y"]
"""Axes of a file: y, ours and glTF's (x the subject's left, y up, z out of the face); z, Blender's (x the subject's left, z up, the face looks along
-y); -y, those of 3D Gaussian splatting files (x the subject's left, y down, z into the face)."""
Unit = Literal["m", "cm"]


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
    """a file of Gaussians (.ply, .splat, .spz) that stands still beside the avatar, FILE or FILE@x,y,z for where, metres."""
    max_gaussians: int | None = None
    """keep as many, those that matter most to the picture; says what it costs."""
