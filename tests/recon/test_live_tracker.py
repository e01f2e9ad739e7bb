"""Tracking frame by frame, against the batch tracker and the truth."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avatar3d.head.store import load_head
from avatar3d.motion import Motion
from recon.live_tracker import KEPT, LiveState, learn_identity, learning_due, start_tracking, track_frame
from recon.tracker import FOCAL_PRIOR, track
from tests.recon.known_motion import SIZE, seen_landmarks, true_camera, true_motion

FPS, T, SETTLED = Fraction(25), 90, 40
HEAD = load_head()
CAMERA = true_camera(FOCAL_PRIOR * SIZE)
TRUTH = true_motion(HEAD, T, seed=3)


@pytest.fixture(scope="module")
def landmarks() -> np.ndarray:
    return seen_landmarks(HEAD, TRUTH, CAMERA, noise=0.4, seed=4)


def _run(landmarks, state: LiveState | None = None) -> tuple[LiveState, list[Motion]]:
    state, motions = start_tracking(HEAD, SIZE, FPS) if state is None else state, []
    for frame in landmarks:
        state, motion = track_frame(state, frame)
        motions.append(motion)
    return state, motions


@pytest.fixture(scope="module")
def live(landmarks):
    return _run(landmarks)


def _channel(motions: list[Motion], name: str) -> np.ndarray:
    return np.concatenate([getattr(motion, name) for motion in motions])


def _turns(motion_rotation: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(motion_rotation).as_euler("YXZ", degrees=True)


def _lag(late: np.ndarray, early: np.ndarray) -> float:
    """Frames by which one signal comes after another: where their velocities match best, between frames by a parabola."""
    a, b = np.diff(late), np.diff(early)
    reach = 4
    match = [float(np.corrcoef(a[reach:-reach], b[reach - k : len(b) - reach - k])[0, 1]) for k in range(-reach, reach + 1)]
    best = int(np.clip(np.argmax(match), 1, 2 * reach - 1))
    before, at, after = match[best - 1 : best + 2]
    return best - reach + 0.5 * (before - after) / (before - 2 * at + after)


def test_it_agrees_with_the_batch_tracker(landmarks, live):
    batch, (state, motions) = track(landmarks, np.ones(T, bool), SIZE, FPS, HEAD).motion, live
    between = Rotation.from_rotvec(_channel(motions, "rotation")) * Rotation.from_rotvec(batch.rotation).inv()
    # What identity explains of a pose is constant; what moves must move alike.
    assert np.median(between.magnitude()[SETTLED:]) < np.radians(1.5)
    assert between[SETTLED:].as_rotvec(degrees=True).std(0).max() < 0.5
    jaw = _channel(motions, "jaw_pose")[SETTLED:, 0] - batch.jaw_pose[SETTLED:, 0]
    assert np.abs(jaw).mean() < np.radians(0.7)
    assert np.abs(_channel(motions, "expr") - batch.expr)[SETTLED:].mean() < 0.03
    moved = _channel(motions, "translation")[SETTLED:] - batch.translation[SETTLED:]
    assert (moved - moved.mean(0)).std(0).max() < 0.003
    assert state.faces == T


def test_it_is_not_late(live):
    turns, true = _turns(_channel(live[1], "rotation")), _turns(TRUTH.rotation)
    for axis in range(3):
        assert abs(_lag(turns[SETTLED:, axis], true[SETTLED:, axis])) < 0.4
    assert abs(_lag(_channel(live[1], "jaw_pose")[SETTLED:, 0], TRUTH.jaw_pose[SETTLED:, 0])) < 0.3


def test_fast_motion_keeps_its_extent(live):
    turns, true = _turns(_channel(live[1], "rotation")), _turns(TRUTH.rotation)
    speed, expected = np.diff(turns[SETTLED:], axis=0), np.diff(true[SETTLED:], axis=0)
    fast = np.abs(expected) > np.percentile(np.abs(expected), 80)
    assert 0.85 < float(speed[fast] @ expected[fast] / (expected[fast] @ expected[fast])) < 1.2


def test_states_are_values(landmarks):
    state, _ = _run(landmarks[:6])
    (after, motion), (again, same) = track_frame(state, landmarks[6]), track_frame(state, landmarks[6])
    assert state.faces == 6 and after.faces == again.faces == 7
    np.testing.assert_array_equal(motion.expr, same.expr)
    np.testing.assert_array_equal(motion.rotation, same.rotation)


def test_without_a_face_the_last_one_stays(landmarks):
    state, motions = _run(landmarks[:10])
    state, missing = track_frame(state, None)
    assert missing.valid is not None and not missing.valid[0] and len(missing) == 1
    np.testing.assert_array_equal(missing.rotation, motions[-1].rotation)
    state, back = track_frame(state, landmarks[11])
    assert back.valid is not None and back.valid[0] and state.faces == 11
    close = Rotation.from_rotvec(back.rotation[0]) * Rotation.from_rotvec(TRUTH.rotation[11]).inv()
    assert close.magnitude() < np.radians(3)


def test_before_any_face_there_is_a_head_at_rest():
    state, motion = track_frame(start_tracking(HEAD, SIZE, FPS), None)
    assert state.faces == 0 and not motion.expr.any() and motion.valid is not None and not motion.valid[0]


def test_a_cut_is_not_smoothed_over(landmarks):
    turned = replace(TRUTH, rotation=TRUTH.rotation + np.array([0, 0.7, 0], np.float32))
    after = seen_landmarks(HEAD, turned, CAMERA, noise=0.4, seed=4)
    _, motions = _run(np.concatenate([landmarks[:30], after[30:33]]))
    turns = _turns(_channel(motions, "rotation"))[:, 0]
    assert turns[30] - turns[29] > np.degrees(0.6)


def test_identity_is_learned_ever_more_rarely(live):
    state = live[0]
    due = [faces for faces in range(1, 2000) if learning_due(replace(state, faces=faces))]
    assert due[:5] == [1, 2, 4, 8, 16] and due[-2:] == [512, 1024]
    assert state.kept is not None and len(state.kept.params) == KEPT
    assert state.shape is not None and float(state.shape.norm()) > 0.3


def test_learning_can_be_left_to_the_caller(landmarks):
    state = start_tracking(HEAD, SIZE, FPS)
    for frame in landmarks[:4]:
        state, _ = track_frame(state, frame, learn=False)
    assert state.shape is not None and not state.shape.any()
    learned = learn_identity(state)
    assert learned.shape is not None and learned.shape.any() and learned.params is state.params
