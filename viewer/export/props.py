"""Props: Gaussians of any program's that stand still beside an avatar."""

import math
from dataclasses import fields, replace
from pathlib import Path

import torch

from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from viewer.export.axes import turned_back
from viewer.export.selection import Up
from viewer.export.splat_files import AXES, read_splats
from viewer.export.splats import Splats


def read_prop(text: str) -> Gaussians:
    """The Gaussians that `FILE` or `FILE@x,y,z` means, in our axes and metres.

    A file says itself in which axes and units it is where avatar3d wrote it; others are taken to be in metres and in the axes of their kind.

    Raises:
        UserError: no such file, not Gaussians, bound to a mesh, or no place.
    """
    name, _, place = text.rpartition("@") if "@" in text and not Path(text).exists() else (text, "", "")
    try:
        where = [float(word) for word in place.split(",")] if place else [0.0, 0.0, 0.0]
        if len(where) != 3 or not all(math.isfinite(x) for x in where):
            raise ValueError
    except ValueError:
        raise UserError(f"--prop {text}: give FILE or FILE@x,y,z, three numbers in metres") from None
    splats = read_splats(Path(name))
    if splats.binding is not None:
        raise UserError(f"--prop {name}: its Gaussians are bound to the triangles of a mesh, not places in space; save it posed")
    up, factor = _space(splats)
    gaussians = turned_back(splats.gaussians, up, factor)
    return replace(gaussians, position=gaussians.position + torch.tensor(where))


def _space(splats: Splats) -> tuple[Up, float]:
    try:
        factor = float(splats.facts.get("units_per_metre", 1))
    except ValueError:
        factor = 1.0
    known: dict[str, Up] = {"y": "y", "z": "z", "-y": "-y"}
    up = known.get(splats.facts.get("up", ""), AXES[splats.kind])
    return up, factor if math.isfinite(factor) and factor > 0 else 1.0


def together(first: Gaussians, second: Gaussians) -> Gaussians:
    """Both, with the harmonics of the one that has more."""
    bands = max(first.sh.shape[1], second.sh.shape[1])
    padded = [replace(each, sh=torch.nn.functional.pad(each.sh, (0, 0, 0, bands - each.sh.shape[1]))) for each in (first, second)]
    return Gaussians(**{field.name: torch.cat([getattr(each, field.name) for each in padded]) for field in fields(Gaussians)})
