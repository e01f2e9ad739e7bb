import numpy as np

from recon.plate import background_plate, scene_without_person
from tests.recon.memory_capture import small_scene


def _person_before_a_wall():
    """A square person walks before a wall with a gradient."""
    capture = small_scene(frames=12, size=64)[0]
    wall = np.broadcast_to(np.linspace(40, 220, 64)[None, :, None], (64, 64, 3)).astype(np.uint8)
    images, mattes = np.stack([wall] * 12), np.zeros((12, 64, 64), np.uint8)
    for i in range(12):
        images[i, 20:, 3 * i : 3 * i + 20] = (255, 0, 0)
        mattes[i, 20:, 3 * i : 3 * i + 20] = 255
    capture.images, capture.mattes = images, mattes
    return capture, wall


def test_the_plate_is_the_wall():
    capture, wall = _person_before_a_wall()
    assert np.abs(background_plate(capture).astype(int) - wall).max() <= 3


def test_what_nobody_ever_saw_is_painted_in():
    capture, wall = _person_before_a_wall()
    capture.images[:, 30:40, 30:40], capture.mattes[:, 30:40, 30:40] = (255, 0, 0), 255
    assert np.abs(background_plate(capture).astype(int) - wall).max() < 40


def test_the_person_leaves_the_scene_and_the_rest_stays():
    capture, wall = _person_before_a_wall()
    empty = scene_without_person(capture.images[0], capture.mattes[0], wall)
    assert np.abs(empty.astype(int) - wall).max() <= 8
