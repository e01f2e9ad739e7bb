"""Options of single formats. Imports nothing heavy: the command line shows these fields as options, `formats` says which format takes which."""

from dataclasses import dataclass
from typing import Literal

from viewer.export.filming import Filming


@dataclass(frozen=True)
class FormatOptions(Filming):
    """What some formats may be told beyond the selection."""

    speech: bool = False
    """web: the page itself speaks sound files and what the microphone hears; adds 9 MB."""
    sh_degree: Literal[0, 1, 2, 3] = 3
    """ply: harmonics are padded or cut to this degree; old readers demand 3, 0 is 180 bytes a Gaussian less."""
    normals: bool = True
    """ply: zeros where old readers demand normals."""
    spz_version: Literal[3, 4] = 3
    """spz: 4 packs twice as fast, and fewer programs read it."""
    mesh: bool = True
    """usd: the head's textured mesh with its rig, hidden beside the Gaussians."""
