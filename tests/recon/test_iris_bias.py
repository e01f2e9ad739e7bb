"""The commonest gaze meets the camera."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from avatar3d.head.store import load_head
from recon.face_regions import LEFT_IRIS, RIGHT_IRIS
from recon.tracker import FOCAL_PRIOR, track
from recon.truth_errors import tracking_errors
from tests.recon.known_motion import SIZE, seen_landmarks, true_camera, true_motion

HEAD, T = load_head(), 80
CAMERA = true_camera(FOCAL_PRIOR * SIZE)


def gaze_errors(looking: float, shift: tuple[float, float]) -> dict[str, float]:
    """Errors for somebody who looks so many degrees beside the camera, whose irises are found so many pixels off."""
    motion = true_motion(HEAD, T, seed=2)
    eyes = np.zeros((T, 6), np.float32)
    for first in range(5, T, 20):
        eyes[first : first + 5, [1, 4]] = 0.2
    # The eyes stay on the camera, which is lower than they are, or beside it, whatever the head does.
    for eye in (0, 3):
        eyes[:, eye], eyes[:, eye + 1] = 0.05 - motion.rotation[:, 0], eyes[:, eye + 1] - motion.rotation[:, 1] + np.radians(looking)
    motion = replace(motion, eyes_pose=eyes)
    landmarks = seen_landmarks(HEAD, motion, CAMERA, noise=0.2, seed=3)
    landmarks[:, LEFT_IRIS + RIGHT_IRIS, :2] += shift
    tracked = track(landmarks, np.ones(T, bool), SIZE, Fraction(25), HEAD)
    return tracking_errors(tracked.motion, tracked.camera, motion, CAMERA, HEAD)[0]


def test_irises_that_are_found_beside_their_place_are_put_right():
    found = gaze_errors(0.0, (-1.0, 1.5))
    assert abs(found["gaze_bias_side_deg"]) < 1.2 and abs(found["gaze_bias_down_deg"]) < 1.5
    assert found["eye_yaw_gain"] == pytest.approx(1, abs=0.15)


def test_who_looks_past_the_camera_is_mostly_left_to():
    assert abs(gaze_errors(16.0, (0.0, 0.0))["gaze_bias_side_deg"]) < 11.0
