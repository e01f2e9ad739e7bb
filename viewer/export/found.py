"""What reading an exported file finds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avatar3d.progress import Progress

NOWHERE = np.zeros(3)
"""Bounds of a file without Gaussians."""
AGAIN = "export it again"
"""What to do about a file that is not whole."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a file or a folder holds."""

    kind: str
    """Name of the format."""
    size: int
    """Bytes, of all files."""
    count: int
    """Gaussians of a frame; 0 where there are none."""
    low: np.ndarray
    """[3] least centre of all frames, in the file's axes and units."""
    high: np.ndarray
    """[3] greatest."""
    frames: int = 1
    fps: float = 0.0
    """0 where it does not move."""
    layout: dict[str, object] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    """What it says of itself."""
    remarks: tuple[str, ...] = ()
    """What else the user should know."""


Check = Callable[[Path, Progress], Found]
"""Reads a file or a folder to the end. Raises UserError where it is not whole."""
