"""Following the bust through shots, and the torso's motion that it stands for."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avatar3d.camera import look_at
from recon.bust import Placement
from recon.torso import BustMotion, choose_reference, follow_bust, torso_motion
from tests.recon.moved_bust import CAMERA, SIZE, bust_picture, bust_relief, chest_error, filmed, moved


def _follow(pictures, cuts=(), valid=None, learn=None) -> BustMotion:
    T = len(pictures)
    landmarks = np.repeat(bust_picture()[2][None], T, 0)
    valid = np.ones(T, bool) if valid is None else valid
    learn = np.ones(T, bool) if learn is None else learn
    return follow_bust(lambda index: pictures[index], lambda frame: bust_relief(), landmarks, valid, learn, CAMERA, 25.0, cuts)


def _errors(bust: BustMotion, places: list[Placement], frames) -> list[float]:
    """Missed pixels, relative to frame 0: the reference may be any."""
    relative = [Placement(R, t) for R, t in zip(bust.R, bust.t, strict=True)]
    zero = Placement(relative[0].R.T, -relative[0].R.T @ relative[0].t)
    return [chest_error(relative[k].after(zero), places[k]) for k in frames]


@pytest.fixture(scope="module")
def lean() -> list[Placement]:
    return [moved((0.4 * k, 0.6 * k, 0.2 * k), (0.003 * k, -0.001 * k, 0.002 * k)) for k in range(8)]


@pytest.fixture(scope="module")
def leaning(lean):
    return [filmed(place, seed) for seed, place in enumerate(lean)]


def test_turns_and_shifts_are_followed(lean, leaning):
    bust = _follow(leaning)
    assert bust.valid.all() and len(np.unique(bust.reference)) == 1
    assert max(_errors(bust, lean, range(8))) < 0.4
    turn = Rotation.from_matrix(bust.R[0].T @ bust.R[7]).as_rotvec(degrees=True)
    np.testing.assert_allclose(turn, (2.8, 4.2, 1.4), atol=0.5)


def test_after_a_cut_a_far_jump_is_found(lean, leaning):
    places = [*lean[:5], *(moved((0, 0, 2), (-0.04, 0.012, -0.02 - 0.001 * k)) for k in range(4))]
    bust = _follow(leaning[:5] + [filmed(place) for place in places[5:]], cuts=(5,))
    assert len(np.unique(bust.reference)) == 1
    assert max(_errors(bust, places, range(9))) < 0.6


def test_a_lost_frame_borrows_from_its_neighbours(lean, leaning):
    valid = np.arange(8) != 3
    bust = _follow(leaning, valid=valid)
    np.testing.assert_array_equal(bust.valid, valid)
    assert max(_errors(bust, lean, range(8))) < 0.6


def test_an_unrelated_picture_counts_as_lost(leaning):
    stripes = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8), 16, 0), 16, 1)
    pictures = [leaning[0]] * 6
    pictures[2] = (stripes, np.full((SIZE, SIZE), 255, np.uint8))
    bust = _follow(pictures)
    np.testing.assert_array_equal(bust.valid, np.arange(6) != 2)
    np.testing.assert_allclose(bust.t[2], bust.t[0], atol=1e-3)


def test_hair_that_sweeps_over_the_chest_takes_nothing_along():
    pictures = [filmed(moved(), seed=k) for k in range(10)]
    for k, (grey, _) in enumerate(pictures[5:]):
        strands = np.arange(60 + 24 * k, 160 + 24 * k)
        grey[320:, strands] = (40 + 25 * np.sin(np.arange(100) / 3)).astype(np.uint8)
    bust = _follow(pictures)
    assert bust.valid.sum() > 5
    assert max(_errors(bust, [moved()] * 10, range(10))) < 2.0


def test_other_clothes_are_another_bust(lean, leaning):
    others = [(255 - grey, matte) for grey, matte in leaning[:4]]
    bust = _follow(leaning[:4] + others, cuts=(4,))
    assert bust.valid.all()
    assert len(np.unique(bust.reference[:4])) == 1 and len(np.unique(bust.reference[4:])) == 1
    assert bust.reference[0] < 4 <= bust.reference[4]


def test_held_out_shots_are_followed_by_what_was_learned(lean, leaning):
    bust = _follow(leaning, cuts=(5,), learn=np.arange(8) < 5)
    assert bust.valid.all() and bust.reference.max() < 5
    assert max(_errors(bust, lean, range(8))) < 0.5


def test_standing_still_does_not_tremble():
    bust = _follow([filmed(moved(), seed, noise=6.0) for seed in range(8)])
    turns = Rotation.from_matrix(bust.R).as_rotvec(degrees=True)
    assert np.abs(np.diff(turns, n=2, axis=0)).max() < 0.05
    assert np.abs(np.diff(bust.t, n=2, axis=0)).max() < 2e-4


def test_without_a_bust_nothing_moves():
    grey, _, _ = bust_picture()
    bust = _follow([(grey, np.zeros((SIZE, SIZE), np.uint8))] * 2)
    assert not bust.valid.any()
    np.testing.assert_array_equal(bust.R, np.tile(np.eye(3), (2, 1, 1)))
    np.testing.assert_array_equal(bust.t, 0)


def test_the_reference_is_the_usual_place():
    landmarks = np.random.default_rng(0).normal(0, 1, (9, 478, 3)) + np.array([0, 0, 0, 40, 0, 0, 0, 0, -40])[:, None, None]
    usable = np.ones(9, bool)
    assert choose_reference(landmarks, usable) not in (3, 8)
    usable[:8] = False
    assert choose_reference(landmarks, usable) == 8


def _still(places: list[Placement], reference: list[int]) -> BustMotion:
    count = len(places)
    return BustMotion(np.stack([p.R for p in places]), np.stack([p.t for p in places]), np.zeros(count), np.ones(count, bool), np.array(reference))


def test_the_motion_in_the_picture_becomes_the_torsos_in_the_world():
    camera = look_at(np.array([0.05, 0.1, 0.9]), np.array([0.0, 0, 0]), focal=900, size=(SIZE, SIZE))
    place = moved((2, -3, 1), (0.01, 0.02, 0.03))
    # The head keeps still against the bust in the first frame, so there the torso's motion must be the head's.
    torso_R, torso_t = torso_motion(
        _still([moved(), place], [0, 0]), camera, np.repeat(np.eye(3)[None], 2, 0), np.zeros((2, 3)), np.array([True, False])
    )
    np.testing.assert_allclose(torso_R[0], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(torso_t[0], 0, atol=1e-9)
    points = np.random.default_rng(0).normal(0, 0.1, (5, 3))
    R_cw, t_cw = camera.T_cam_world[:3, :3], camera.T_cam_world[:3, 3]
    np.testing.assert_allclose((points @ torso_R[1].T + torso_t[1]) @ R_cw.T + t_cw, (points @ R_cw.T + t_cw) @ place.R.T + place.t, atol=1e-9)


def test_the_torso_rests_where_the_head_is_on_average():
    camera = look_at(np.array([0.0, 0, 0.9]), np.array([0.0, 0, 0]), focal=900, size=(SIZE, SIZE))
    turns = np.array([-0.2, 0.1, 0.1])
    head_R = Rotation.from_rotvec(turns[:, None] * [0, 1, 0]).as_matrix()
    torso_R, _ = torso_motion(_still([moved()] * 3, [0, 0, 0]), camera, head_R, np.zeros((3, 3)), np.ones(3, bool))
    np.testing.assert_allclose(torso_R, np.eye(3)[None].repeat(3, 0), atol=1e-3)


def test_busts_that_cannot_be_joined_each_rest_where_their_head_is():
    camera = look_at(np.array([0.0, 0, 0.9]), np.array([0.0, 0, 0]), focal=900, size=(SIZE, SIZE))
    head_R = Rotation.from_rotvec(np.array([0.0, 0.0, 0.3, 0.3])[:, None] * [0, 1, 0]).as_matrix()
    torso_R, _ = torso_motion(_still([moved()] * 4, [0, 0, 2, 2]), camera, head_R, np.zeros((4, 3)), np.array([True, True, False, False]))
    np.testing.assert_allclose(torso_R, head_R, atol=1e-9)
