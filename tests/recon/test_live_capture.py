"""A capture that grows while it is filmed."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from avatar3d.data import data_path
from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from recon.capture import load_capture
from recon.live_capture import LiveCapture, live_crop
from recon.live_source import LiveSource
from recon.person import find_person
from recon.video import read_frames

FRAMES, EVERY, SIZE = 40, 4, 192


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """The head turns."""
    return [rgb.copy() for rgb in itertools.islice(read_frames(data_path("demo", "demo.mp4")), 60, 60 + FRAMES)]


@pytest.fixture(scope="module")
def source() -> LiveSource:
    return LiveSource("camera 0", 512, 512, Fraction(25), (frame for frame in ()), None)


@pytest.fixture(scope="module")
def person(pictures):
    found = find_person(pictures[:9:3])
    assert found is not None
    return found


@pytest.fixture(scope="module")
def grown(tmp_path_factory, pictures, source, person):
    """Forty pictures, of which every fourth was looked at while it was new."""
    folder = tmp_path_factory.mktemp("live")
    with LiveCapture(folder, source, person, live_crop(person, source, SIZE), load_head()) as capture:
        motions = {}
        for rgb in pictures:
            index, crop = capture.record(rgb)
            if index % EVERY == 0:
                motions[index] = capture.look(index, crop)
        pools = {"all": capture.pool(100), "thinned": capture.pool(4), "before": capture.pool(100, before=20)}
        seen, poses = capture.seen(), capture.head_poses(np.arange(9))
        whole = capture.finish()
    return capture, motions, pools, seen, poses, whole


def test_every_picture_is_kept_and_some_are_looked_at(grown):
    capture, motions, *_ = grown
    assert capture.recorded == FRAMES and capture.looked == capture.faces == FRAMES // EVERY
    assert all(motion is not None and len(motion) == 1 for motion in motions.values())


def test_the_pool_is_a_capture_of_what_was_looked_at(grown):
    pool, whole = grown[2]["all"], grown[5]
    np.testing.assert_array_equal(pool.numbers, np.arange(0, FRAMES, EVERY))
    assert pool.fps == Fraction(25, EVERY) and len(pool) == FRAMES // EVERY and pool.valid.all()
    np.testing.assert_array_equal(pool.image(3), whole.image(12))
    np.testing.assert_array_equal(pool.landmarks[3], whole.landmarks[12])


def test_a_large_pool_is_thinned_evenly(grown):
    pool = grown[2]["thinned"]
    np.testing.assert_array_equal(pool.numbers, [0, 12, 24, 36])
    assert pool.fps == Fraction(25, 12)


def test_held_out_frames_are_in_no_pool(grown):
    assert grown[2]["before"].numbers.max() == 16


def test_coaching_knows_how_often_was_looked(grown):
    seen = grown[3]
    assert len(seen.yaw) == len(seen.landmarks) == FRAMES // EVERY
    assert abs(seen.fps - 25 / EVERY) < 1
    assert set(grown[4]) == {0, 4, 8}


def test_what_was_passed_over_is_made_up_for(grown):
    whole = grown[5]
    assert len(whole) == FRAMES and whole.valid.all() and whole.fps == 25
    assert all(whole.matte(i).max() == 255 for i in range(FRAMES))
    assert whole.source["name"] == "camera 0" and whole.sound is None
    assert len(load_capture(whole.path)) == FRAMES


def test_the_window_has_room_to_move_in(person, source):
    crop = live_crop(person, source, SIZE)
    assert crop.size == SIZE and crop.side <= 512
    points = crop.to_crop(person.landmarks[0][:, :2])
    assert points.min() > 0.1 * SIZE and points.max() < 0.9 * SIZE


def test_too_short_a_film(tmp_path, pictures, source, person):
    with LiveCapture(tmp_path, source, person, live_crop(person, source, SIZE), load_head()) as capture:
        for rgb in pictures[:4]:
            capture.record(rgb)
        with pytest.raises(UserError, match="camera 0: a face was seen in 4 of 4 frames"):
            capture.finish()
