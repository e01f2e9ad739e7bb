"""The window of a capture."""

import numpy as np
import pytest

from recon.crop import Crop, choose_crop
from recon.landmarks import CHIN, FOREHEAD


def face(x: float, y: float, height: float) -> np.ndarray:
    """[478, 3] a face of that height centred on (x, y)."""
    angle = np.linspace(0, 2 * np.pi, 478)
    points = np.stack([x + 0.4 * height * np.sin(angle), y - 0.5 * height * np.cos(angle), np.zeros(478)], axis=1)
    points[FOREHEAD], points[CHIN] = (x, y - height / 2, 0), (x, y + height / 2, 0)
    return points.astype(np.float32)


@pytest.mark.parametrize("crop", [Crop(10, 20, 100, 50), Crop(-7, 3, 60, 128), Crop(0, 0, 64, 64)])
def test_points_go_there_and_back(crop):
    points = np.random.default_rng(0).uniform(0, 100, (9, 3))
    assert np.allclose(crop.to_source(crop.to_crop(points)), points)
    assert np.allclose(crop.to_crop(np.array([crop.x, crop.y], float)), 0)
    assert np.allclose(crop.to_crop(np.array([crop.x + crop.side] * 2, float))[0], crop.size)


def test_a_pixel_lands_where_its_point_does():
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[60:64, 80:84] = 255
    crop = Crop(20, 10, 100, 50)
    rows, columns = np.nonzero(crop.cut(picture)[..., 0] > 128)
    expected = crop.to_crop(np.array([82.0, 62.0]))
    assert np.allclose([columns.mean() + 0.5, rows.mean() + 0.5], expected, atol=0.5)


@pytest.mark.parametrize("crop", [Crop(20, 10, 100, 100), Crop(20, 10, 100, 50), Crop(20, 10, 100, 200), Crop(-30, -10, 150, 75)])
def test_paste_undoes_cut(crop):
    y, x = np.mgrid[:120, :160].astype(np.float32)
    picture = np.stack([x, y, x + y], axis=2).clip(0, 255).astype(np.uint8)
    pasted = crop.paste(picture, crop.cut(picture), np.ones((crop.size, crop.size), np.float32))
    inner = np.abs(pasted.astype(int) - picture)[14:105, 24:115]
    assert inner.max() <= 4


def test_paste_shows_the_background_where_alpha_is_zero():
    picture = np.full((120, 160, 3), 90, np.uint8)
    crop = Crop(20, 10, 100, 50)
    alpha = np.zeros((50, 50), np.uint8)
    alpha[:, :25] = 255
    pasted = crop.paste(picture, np.full((50, 50, 3), 200, np.uint8), alpha)
    assert (pasted[:, 75:] == 90).all() and (pasted[:, :19] == 90).all()
    assert (pasted[12:108, 22:65] == 200).all()


def test_outside_of_the_picture_is_black():
    cut = Crop(-20, 0, 60, 60).cut(np.full((60, 60, 3), 255, np.uint8))
    assert (cut[:, :20] == 0).all() and (cut[:, 20:] == 255).all()


def test_window_holds_head_and_bust():
    crop = choose_crop(np.stack([face(900 + 10 * i, 400, 200) for i in range(5)]), 1920, 1080)
    head = crop.to_crop(face(920, 400, 200))
    assert 0.3 * 512 < head[CHIN, 1] - head[FOREHEAD, 1] < 0.45 * 512
    assert 0.5 * 512 < head[CHIN, 1] < 0.75 * 512
    assert abs(head[:, 0].mean() - 256) < 20
    hair = head[CHIN, 1] - 1.45 * (head[CHIN, 1] - head[FOREHEAD, 1])
    assert hair > 0.03 * 512


def test_window_follows_a_head_that_wanders():
    faces = np.stack([face(x, 400, 200) for x in np.linspace(500, 1100, 9)])
    crop = choose_crop(faces, 1920, 1080)
    points = crop.to_crop(faces[..., :2])
    assert points.min() >= 0 and points.max() <= 512


@pytest.mark.parametrize(("width", "height"), [(256, 256), (720, 1280), (1280, 720)])
def test_small_picture_is_used_whole(width, height):
    crop = choose_crop(face(width / 2, height / 2, 0.55 * min(width, height))[None], width, height)
    assert crop.side == min(width, height)
    assert 0 <= crop.x <= width - crop.side and 0 <= crop.y <= height - crop.side


def test_head_larger_than_the_narrow_side_gets_a_margin():
    crop = choose_crop(face(240, 500, 480)[None], 480, 1000)
    assert crop.side > 480
    assert abs(crop.x - (480 - crop.side) / 2) <= 1
