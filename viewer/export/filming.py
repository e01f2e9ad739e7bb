"""How an avatar is filmed. Imports nothing heavy: the command line shows these fields as options."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Filming:
    """From where, how large, before what, and what of it is shown."""

    camera: str = "front"
    """front (as filmed), orbit, stereo (two eyes, for 3D screens and headsets), vr180 (the half sphere before two eyes, for headsets), or a
    camera as JSON file."""
    size: int | None = None
    """side of the picture, of one eye's picture in stereo, pixels; default 512, for vr180 2048. A camera file keeps its own."""
    background: str = "#d8dce2"
    """behind the avatar: a code such as #204060, in films also a name such as white; "transparent" is the same as --alpha."""
    alpha: bool = False
    """nothing behind the avatar: straight alpha in .mov (ProRes 4444), .webm (VP9) or a folder of PNG."""
    show: Literal["colour", "depth", "normals"] = "colour"
    """what the pictures hold: depth (millimetres, a folder of 16-bit PNG or of EXR) or normals (of the camera: x right, y up, z towards it)."""
    layout: Literal["side-by-side", "over-under"] = "side-by-side"
    """stereo, vr180: how the eyes share the picture, the left one left or above."""
    eye_distance: float = 63.0
    """stereo, vr180: between the pupils, millimetres."""
    distance: float | None = None
    """stereo, vr180: from the eyes to the head, metres; default 0.75, in stereo the camera's own where that is more."""
    exr: bool = False
    """a folder's pictures as EXR with 32-bit numbers: colour linear and multiplied by alpha, depth in millimetres, normals -1 to 1."""
