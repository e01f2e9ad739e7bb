"""Mattes on which frames agree: no rim of wall, no bite, and the twin of the kernel."""

import numpy as np
import pytest

from recon import matte_agreement
from recon.matte_agreement import Asked, Views, agreed, clean_mattes
from tests.recon.filmed_disc import FRAMES, filmed_disc


@pytest.fixture
def cleaned(tmp_path):
    def clean(**changes):
        (tmp_path / "mattes").mkdir(exist_ok=True)
        film = filmed_disc(path=tmp_path, **changes)
        before = [film.matte(i) for i in range(FRAMES)]
        clean_mattes(film, [(0, FRAMES)])
        return film, before, [film.matte(i) for i in range(FRAMES)]

    return clean


def test_the_rim_comes_off_where_the_wall_was_seen(cleaned):
    film, before, after = cleaned()
    truth = film.true_matte(12).astype(int)
    wrong = [(np.abs(mattes[12] - truth) > 100).sum() for mattes in (before, after)]
    assert wrong[1] < 0.3 * wrong[0]
    assert after[12][film.disc(12, 47) > 0].min() > 240


def test_a_bite_of_one_frame_is_filled_by_the_others(cleaned):
    film, before, after = cleaned(bitten=frozenset({12}), rim=0)
    bite = (film.bite(12) > 0) & (film.disc(12, 47) > 0)
    assert before[12][bite].max() == 0
    assert after[12][bite].min() > 200


def test_where_the_camera_moves_nothing_is_lost(cleaned):
    film, _, after = cleaned(shake=7)
    assert after[12][film.disc(12, 47) > 0].min() > 240


def test_threads_change_nothing(tmp_path):
    mattes = []
    for threads in (1, 3):
        (tmp_path / str(threads) / "mattes").mkdir(parents=True)
        film = filmed_disc(path=tmp_path / str(threads), bitten=frozenset({3, 7}))
        clean_mattes(film, [(0, 10), (10, FRAMES)], threads=threads)
        mattes.append([film.matte(i).tobytes() for i in range(FRAMES)])
    assert mattes[0] == mattes[1]


def test_progress_counts_every_frame(tmp_path):
    (tmp_path / "mattes").mkdir()
    seen = []
    clean_mattes(filmed_disc(path=tmp_path), [(0, 12), (12, FRAMES)], progress=lambda done, total, **_: seen.append((done, total)))
    assert seen[-1] == (FRAMES, FRAMES) and len(seen) == FRAMES


def _slow_votes(y: int, x: int, look: np.ndarray, views: Views, asked: Asked) -> float:
    """The share of votes for the person at one pixel, step by step."""

    def alike(colour: np.ndarray) -> float:
        distance = np.square(colour.astype(float) - look[y, x, :3].astype(float)).sum()
        return max(0.0, 1 - distance / matte_agreement.COLOUR**2) ** 2

    height, width = look.shape[:2]
    votes = [(matte_agreement.OWN * look[y, x, 4], float(look[y, x, 3]))]
    for row, warp, below in zip(asked.rows, asked.warps, asked.below, strict=True):
        u, v = warp @ np.array([x + 0.5, y + 0.5, 1]) - 0.5
        if y >= below or not (0 <= u <= width - 1 and 0 <= v <= height - 1):
            continue
        nearest = views.looks[row, int(v + 0.5), int(u + 0.5)]
        i, j = min(int(v), height - 2), min(int(u), width - 2)
        corners = views.looks[row, i : i + 2, j : j + 2, 3].astype(float)
        matte = np.array([1 - (v - i), v - i]) @ corners @ np.array([1 - (u - j), u - j])
        votes.append((alike(nearest[:3]) * nearest[4], matte))
    if views.wall[y, x, 3]:
        votes.append((255 * matte_agreement.WALL * alike(views.wall[y, x, :3]), 0.0))
    weights, values = np.array(votes).T
    return float((weights * values).sum() / weights.sum())


def test_the_kernel_counts_votes_as_the_slow_twin():
    rng = np.random.default_rng(0)
    size = 40
    looks = rng.integers(0, 256, (3, size, size, 5)).astype(np.uint8)
    looks[..., :3] = 100 + looks[..., :3] // 16
    look = looks[0].copy()
    wall = np.dstack([looks[1][..., :3], 255 * rng.integers(0, 2, (size, size))]).astype(np.uint8)
    views = Views(np.arange(3), looks, wall)
    warps = np.array([[[1, 0.1, -2], [-0.1, 1, 3.3]], np.eye(2, 3)], np.float32)
    asked = Asked(np.array([1, 2]), warps, np.array([25, size]))
    rows, columns = (grid.ravel() for grid in np.mgrid[0:size:3, 0:size:3])
    found = np.empty(len(rows), np.float32)
    matte_agreement._votes(
        rows, columns, look, looks, asked.rows, asked.warps, asked.below, wall,
        np.float32(matte_agreement.COLOUR), np.float32(matte_agreement.OWN), np.float32(255 * matte_agreement.WALL), found,
    )  # fmt: skip
    slow = [_slow_votes(y, x, look, views, asked) for y, x in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(found, slow, atol=0.05)


def test_what_nobody_else_sees_stays():
    """A frame that asks nobody keeps its matte, but for the sharper edge."""
    look = np.zeros((64, 64, 5), np.uint8)
    look[16:48, 16:48, 3] = 255
    look[..., 4] = 255
    views = Views(np.arange(1), look[None].copy(), np.zeros((64, 64, 4), np.uint8))
    alone = agreed(look, views, Asked(np.zeros(0, np.int64), np.zeros((0, 2, 3), np.float32), np.zeros(0, np.int64)))
    np.testing.assert_allclose(alone.astype(int), look[..., 3], atol=100)
    assert (np.abs(alone.astype(int) - look[..., 3]) > 40).sum() <= 4
