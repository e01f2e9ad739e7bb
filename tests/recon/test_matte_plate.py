"""A rim of wall comes off the matte; the person stays."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recon.matte_plate import clean_mattes, cleaned, learn_background

SIZE = 256


@dataclass
class Filmed:
    """A bright disc that wanders before a patterned wall, with mattes that are six pixels too large."""

    path: Path = Path("filmed")
    size: int = SIZE
    shake: int = 0
    wall: np.ndarray = field(default_factory=lambda: cv2.resize(np.random.default_rng(0).integers(0, 90, (16, 16, 3), np.uint8), (SIZE, SIZE)))

    def __len__(self) -> int:
        return 24

    def _disc(self, index: int, radius: int) -> np.ndarray:
        return cv2.circle(np.zeros((SIZE, SIZE), np.uint8), (100 + 2 * index, 128), radius, (255,), -1)

    def true_matte(self, index: int) -> np.ndarray:
        return self._disc(index, 50)

    def image(self, index: int) -> np.ndarray:
        wall = np.roll(self.wall, (index * self.shake) % 50, axis=1)
        return np.where(self.true_matte(index)[..., None] > 0, np.array([220, 180, 160], np.uint8), wall).astype(np.uint8)

    def matte(self, index: int) -> np.ndarray:
        return self._disc(index, 56)


def filmed(**changes: Any) -> Any:
    return Filmed(**changes)


def test_the_rim_comes_off_where_the_wall_was_seen():
    film = filmed()
    background = learn_background(film, 0, len(film))
    assert background is not None
    clean = cleaned(film.matte(12), film.image(12), background)
    truth = film.true_matte(12)
    before, after = ((matte.astype(int) - truth) for matte in (film.matte(12), clean))
    assert (np.abs(after) > 100).sum() < 0.5 * (np.abs(before) > 100).sum()
    inner = film._disc(12, 47) > 0
    assert clean[inner].min() > 240


def test_what_is_unknown_stays():
    film = filmed()
    background = learn_background(film, 0, len(film))
    assert background is not None
    background.known[:] = 0
    assert np.abs(cleaned(film.matte(3), film.image(3), background).astype(int) - film.matte(3)).max() < 140
    assert (cleaned(film.matte(3), film.image(3), background) > 0).sum() == (film.matte(3) > 0).sum()


def test_a_camera_that_moves_has_no_background():
    assert learn_background(filmed(shake=7), 0, 24) is None


def test_mattes_are_rewritten_shot_by_shot(tmp_path):
    (tmp_path / "mattes").mkdir()
    film = filmed(path=tmp_path)
    seen = []
    clean_mattes(film, [(0, 12), (12, 24)], progress=lambda done, total, **_: seen.append(done))
    assert len(list((tmp_path / "mattes").iterdir())) == 24 and seen[-1] == 24
