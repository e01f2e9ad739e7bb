"""Errors of a tracked motion: nothing where nothing is wrong, and what was put in where something is."""

from dataclasses import replace

import numpy as np
import pytest

from avatar3d.camera import look_at
from avatar3d.head.store import load_head
from avatar3d.motion import Motion
from recon.synthetic_motion import exercise
from recon.truth_errors import tracking_errors

HEAD = load_head()
CAMERA = look_at(np.array([0.0, 0.0, 0.9]), np.zeros(3), focal=1000.0, size=(512, 512))
PERFORMED = exercise(HEAD, np.random.default_rng(1).normal(size=HEAD.num_shape, scale=0.5).astype(np.float32))


def errors(tracked: Motion, **options) -> dict[str, float]:
    return tracking_errors(tracked, CAMERA, PERFORMED.motion, CAMERA, HEAD, still=PERFORMED.still, **options)[0]


@pytest.fixture(scope="module")
def perfect() -> dict[str, float]:
    return errors(PERFORMED.motion)


def test_the_truth_itself_has_no_errors(perfect):
    for name in ("vertex_mm", "face_mm", "turn_deg", "sideways_mm", "depth_mm", "torso_deg", "torso_mm", "lid_mm", "lip_mm", "jaw_deg", "gaze_deg"):
        assert perfect[name] < 2e-2, name
    for name in ("scale", "blink_recall", "blink_precision", "lip_recall", "jaw_gain", "lip_gain", "eye_yaw_gain", "eye_pitch_gain", "speed_gain"):
        assert perfect[name] == pytest.approx(1, abs=1e-4), name
    assert {"face_mm@0", "turn_deg@15", "gaze_deg@30", "lid_mm@45"} <= perfect.keys()


def test_what_a_camera_cannot_tell_is_forgiven():
    motion = PERFORMED.motion
    shifted = replace(motion, translation=motion.translation + np.array([0.02, 0.01, 0.1], np.float32))
    assert errors(shifted)["vertex_mm"] < 0.5 and errors(shifted)["depth_mm"] < 0.5


def test_a_turned_gaze_is_told_in_degrees():
    motion = PERFORMED.motion
    eyes = motion.eyes_pose.copy()
    eyes[:, [1, 4]] += np.radians(3)
    found = errors(replace(motion, eyes_pose=eyes))
    assert found["gaze_bias_side_deg"] == pytest.approx(3, abs=0.3) and found["gaze_left_deg"] == pytest.approx(3, abs=0.3)
    assert found["eye_yaw_gain"] == pytest.approx(1, abs=0.02)


def test_half_a_blink_and_half_a_jaw_are_noticed(perfect):
    motion = PERFORMED.motion
    expr = motion.expr.copy()
    expr[:, [k for k, name in enumerate(HEAD.expr_names) if name.startswith("eyeBlink")]] *= 0.5
    found = errors(replace(motion, expr=expr, jaw_pose=0.5 * motion.jaw_pose))
    assert found["blink_recall"] < 0.2 and found["blink_shut"] == pytest.approx(0.5, abs=0.02)
    assert found["jaw_gain"] == pytest.approx(0.5, abs=1e-3) and found["lip_gain"] < 0.75 and found["lid_mm"] > 1


def test_noise_at_rest_and_lag_are_measured(perfect):
    motion = PERFORMED.motion
    rng = np.random.default_rng(0)
    noisy = replace(motion, neck_pose=motion.neck_pose + np.radians(rng.normal(0, 0.1, motion.neck_pose.shape)).astype(np.float32))
    assert errors(noisy)["noise_turn_deg"] == pytest.approx(0.1 * 3**0.5 * 6**0.5, rel=0.25)
    assert perfect["noise_turn_deg"] < 0.02
    late = replace(motion, neck_pose=np.roll(motion.neck_pose, 2, axis=0))
    assert errors(late)["speed_gain"] < 0.75


def test_covered_and_bridged_frames_are_left_out():
    motion = PERFORMED.motion
    jaw = motion.jaw_pose.copy()
    jaw[:10] += 0.3
    jaw[10:20] += 0.3
    skip, valid = np.zeros(len(motion), bool), np.ones(len(motion), bool)
    skip[:10], valid[10:20] = True, False
    assert errors(replace(motion, jaw_pose=jaw, valid=valid), skip=skip)["jaw_deg"] < 1e-3
