"""A film that needs no face: a bright disc that wanders before a wall."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIZE, FRAMES = 256, 24
RIM = 6
"""Pixels by which the mattes are too large."""


@dataclass
class FilmedDisc:
    """What `recon.wall` and `recon.matte_agreement` ask of a capture."""

    path: Path = Path("filmed")
    size: int = SIZE
    shake: int = 0
    """Pixels a frame by which the wall moves."""
    bitten: frozenset[int] = frozenset()
    """Frames whose matte lacks a piece of the disc."""
    rim: int = RIM
    wall: np.ndarray = field(default_factory=lambda: cv2.resize(np.random.default_rng(0).integers(0, 90, (16, 16, 3), np.uint8), (SIZE, SIZE)))
    landmarks: np.ndarray = field(default_factory=lambda: np.zeros((FRAMES, 478, 3), np.float32))
    valid: np.ndarray = field(default_factory=lambda: np.zeros(FRAMES, bool))

    def __len__(self) -> int:
        return FRAMES

    def centre(self, index: int) -> tuple[int, int]:
        return 100 + 2 * index, 128

    def disc(self, index: int, radius: int) -> np.ndarray:
        return cv2.circle(np.zeros((SIZE, SIZE), np.uint8), self.centre(index), radius, (255,), -1)

    def true_matte(self, index: int) -> np.ndarray:
        return self.disc(index, 50)

    def bite(self, index: int) -> np.ndarray:
        x, y = self.centre(index)
        return cv2.circle(np.zeros((SIZE, SIZE), np.uint8), (x, y - 50), 6, (255,), -1)

    def image(self, index: int) -> np.ndarray:
        wall = np.roll(self.wall, (index * self.shake) % 50, axis=1)
        return np.where(self.true_matte(index)[..., None] > 0, np.array([220, 180, 160], np.uint8), wall).astype(np.uint8)

    def matte(self, index: int) -> np.ndarray:
        written = self.path / "mattes" / f"{index:05d}.png"
        if written.is_file():
            return cv2.imread(str(written), cv2.IMREAD_GRAYSCALE)
        matte = self.disc(index, 50 + self.rim)
        return np.where(self.bite(index) > 0, 0, matte).astype(np.uint8) if index in self.bitten else matte


def filmed_disc(**changes: Any) -> Any:
    return FilmedDisc(**changes)
