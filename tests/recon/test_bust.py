"""Aligning a template of the bust to pictures that were moved by known rigid motions."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.bust import AT_REST, Placement, Template, align, picture, placement, pose_vector
from recon.bust_template import average, bust_depth, make_template
from tests.recon.moved_bust import CAMERA, CENTRE, SIZE, bust_picture, bust_relief, chest_error, filmed, moved


@pytest.fixture(scope="module")
def template() -> Template:
    grey, matte, landmarks = bust_picture()
    made = make_template(grey, matte, landmarks, bust_relief(), CAMERA, np.ones_like(matte))
    assert made is not None
    return made


def _angle(a: Placement, b: Placement) -> float:
    return float(np.degrees(Rotation.from_matrix(a.R.T @ b.R).magnitude()))


MOTIONS = {
    "sideways": ((0, 0, 0), (0.02, -0.01, 0)),
    "tilt": ((0, 0, 4), (0, 0, 0)),
    "nearer": ((0, 0, 0), (0, 0, 0.05)),
    "turn": ((0, 6, 0), (0, 0, 0)),
    "bow": ((-4, 0, 0), (0, 0, 0)),
    "all": ((2, -4, 1), (0.01, 0, 0.02)),
}


@pytest.mark.parametrize("degrees, metres", MOTIONS.values(), ids=MOTIONS.keys())
def test_a_rigid_motion_is_found(template, degrees, metres):
    true = moved(degrees, metres)
    place, fit = align(template, picture(*filmed(true), bust_picture()[2]), AT_REST)
    assert chest_error(place, true) < 0.25
    assert _angle(place, true) < 0.5
    assert fit.residual < 6


@pytest.mark.parametrize("shift", [0.0, 0.0003, 0.0007, 0.0011])
def test_places_are_found_to_a_twentieth_of_a_pixel(template, shift):
    true = moved((0, 0, 0), (shift, 0, 0))
    place, _ = align(template, picture(*filmed(true, noise=1.0), bust_picture()[2]), AT_REST)
    assert chest_error(place, true) < 0.05


def test_a_change_of_exposure_is_no_motion(template):
    true = moved((0, 0, 1), (0.005, 0, 0))
    place, fit = align(template, picture(*filmed(true, gain=0.8), bust_picture()[2]), AT_REST)
    assert place.gain == pytest.approx(0.8, abs=0.03)
    assert chest_error(place, true) < 0.25 and fit.residual < 6


def test_what_hides_a_part_is_ignored(template):
    true = moved((0, 3, 0), (0.01, 0, 0))
    grey, matte = filmed(true)
    grey[380:, 60:190] = 160
    place, _ = align(template, picture(grey, matte, bust_picture()[2]), AT_REST)
    assert chest_error(place, true) < 1.0


def test_information_says_that_places_are_known_better_than_turns(template):
    _, fit = align(template, picture(*filmed(AT_REST), bust_picture()[2]), AT_REST)
    spread = np.sqrt(np.diag(np.linalg.inv(fit.information)))
    assert spread[3] * CAMERA.fx / 0.9 < 0.2 and spread[1] * 0.1 > spread[3]


def test_without_a_bust_there_is_no_template():
    grey, matte, landmarks = bust_picture()
    low = landmarks + np.array([0, 190, 0], np.float32)
    assert make_template(grey, matte, low, bust_relief(), CAMERA, np.ones_like(matte)) is None
    assert make_template(grey, np.zeros_like(matte), landmarks, bust_relief(), CAMERA, np.ones_like(matte)) is None


def test_pose_vectors_are_undone():
    place = moved((3, -2, 5), (0.01, 0.02, -0.03))
    again = placement(pose_vector(place, CENTRE), CENTRE)
    np.testing.assert_allclose(again.R, place.R, atol=1e-12)
    np.testing.assert_allclose(again.t, place.t, atol=1e-12)
    np.testing.assert_allclose(pose_vector(place, CENTRE)[3:], (0.01, 0.02, -0.03), atol=1e-12)


def test_the_average_is_the_template_with_less_noise():
    grey, _, landmarks = bust_picture()
    places = [moved((0, a, 0), (a / 400, 0, 0)) for a in (-3.0, -1.0, 1.0, 3.0)]
    pictures = [(*filmed(place, seed, noise=8.0), landmarks) for seed, place in enumerate(places)]
    mean, matte, known = average(pictures, places, bust_relief(), CAMERA)
    inside = np.zeros((SIZE, SIZE), bool)
    inside[400:480, 150:360] = True
    assert known[inside].all() and matte[inside].min() > 200
    assert np.abs(mean[inside].astype(float) - grey[inside]).mean() < 4.5
    assert not known[200, 256], "the head hides what is behind it"


def test_depth_goes_on_where_the_mesh_ends():
    seen = np.zeros((SIZE, SIZE), bool)
    seen[300:400, 100:400] = True
    depth = np.where(seen, np.float32(0.9), np.float32(np.inf))
    depth[300:400, 250:400] = 1.0
    filled = bust_depth(seen, depth, SIZE)
    assert filled[500, 120] == pytest.approx(0.9, abs=1e-3) and filled[350, 500] == pytest.approx(1.0, abs=1e-3)
    assert np.isfinite(filled).all()
