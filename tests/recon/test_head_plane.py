import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.head_plane import head_planes

_FRAMES = 4


@pytest.fixture
def moved():
    """A head-like cloud of landmarks, turned, scaled and shifted in known ways; its middle lies at the origin."""
    rng = np.random.default_rng(1)
    points = rng.normal(size=(478, 3)) * [70, 90, 20] - [0, 0, 75]
    # The width and the height of the face, by which the middle is found.
    points[234], points[454], points[10], points[152] = [-70, 0, -75], [70, 0, -75], [0, -90, -75], [0, 90, -75]
    turns = Rotation.from_euler("yxz", [[0, 0, 0], [10, 0, 0], [0, -8, 0], [5, 5, 20]], degrees=True)
    scales, shifts = np.array([1, 1.1, 0.9, 1.0]), np.array([[250, 250, 0], [260, 240, 9], [200, 230, 0], [255, 251, 3]])
    seen = scales[:, None, None] * np.stack([turn.apply(points) for turn in turns]) + shifts[:, None]
    return seen.astype(np.float32), turns, scales


def test_turn_and_scale_are_found(moved):
    seen, turns, scales = moved
    planes = head_planes(seen, np.ones(_FRAMES, bool))
    np.testing.assert_allclose(planes.R, (turns * turns[0].inv()).as_matrix(), atol=1e-4)
    np.testing.assert_allclose(planes.scale, scales, rtol=1e-4)
    np.testing.assert_allclose(planes.turn(0, np.array([1])), np.cos(np.radians(10)), atol=1e-4)


def test_a_frame_goes_to_itself_unchanged(moved):
    planes = head_planes(moved[0], np.ones(_FRAMES, bool))
    np.testing.assert_allclose(planes.warp(2, 2), np.eye(2, 3), atol=1e-4)


def test_the_middle_goes_with_the_head_and_back(moved):
    planes = head_planes(moved[0], np.ones(_FRAMES, bool))
    for a, b in ((0, 3), (1, 2)):
        there = planes.warp(a, b) @ np.append(planes.middle[a], 1)
        np.testing.assert_allclose(there, planes.middle[b], atol=1e-2)


def test_frames_without_a_face_have_no_plane(moved):
    planes = head_planes(moved[0], np.array([True, False, True, True]))
    assert np.isnan(planes.turn(0, np.array([1, 2]))).tolist() == [True, False]
    assert np.isnan(head_planes(moved[0], np.zeros(_FRAMES, bool)).scale).all()
