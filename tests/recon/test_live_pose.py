"""Live poses on an avatar that was tracked anew."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from avatar3d.head.store import load_head
from avatar3d.motion import Motion, rest_motion
from recon.live_pose import aligned, alignment
from recon.neck import compose, decompose

HEAD = load_head()
T = 5


@pytest.fixture
def live() -> Motion:
    """Heads that turn, necks straight."""
    still = rest_motion(HEAD, T, Fraction(25))
    turns = np.linspace(-0.3, 0.3, T)[:, None] * np.array([[0.1, 1.0, 0.0]])
    return replace(still, rotation=turns.astype(np.float32), translation=np.array([[0.01 * i, 0, 0] for i in range(T)], np.float32))


def _heads(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    joints = HEAD.joints(torch.from_numpy(motion.shape)).double().numpy()
    R, t, _, _ = decompose(motion.rotation, motion.translation, motion.neck_pose, motion.neck_translation, joints)
    return R, t


def _moved(live: Motion) -> Motion:
    """The same heads as a tracker with another camera has them, over a torso that stays."""
    joints = HEAD.joints(torch.from_numpy(live.shape)).double().numpy()
    R, t = _heads(live)
    turn, torso = Rotation.from_rotvec([0.02, -0.03, 0.01]).as_matrix(), np.tile(np.eye(3), (T, 1, 1))
    names = ("rotation", "translation", "neck_pose", "neck_translation")
    middle = HEAD.template[HEAD.regions["face"]].double().numpy().mean(axis=0)
    place = R @ middle + t + np.array([0.0, 0.004, 0.03]) - turn @ R @ middle
    return replace(live, **dict(zip(names, compose(turn @ R, place, torso, np.zeros((T, 3)), joints), strict=True)))


def test_a_constant_difference_is_found_and_undone(live):
    tracked = _moved(live)
    by = alignment({10 * i: live.frames(slice(i, i + 1)) for i in range(T)}, 10 * np.arange(T), tracked, HEAD)
    for i in range(T):
        R, t = _heads(aligned(live.frames(slice(i, i + 1)), by, HEAD))
        wanted_R, wanted_t = _heads(tracked.frames(slice(i, i + 1)))
        np.testing.assert_allclose(R, wanted_R, atol=1e-5)
        np.testing.assert_allclose(t, wanted_t, atol=1e-5)


def test_the_torso_stays_while_the_head_turns(live):
    by = alignment({0: live.frames(slice(0, 1))}, np.arange(T), _moved(live), HEAD)
    shown = [aligned(live.frames(slice(i, i + 1)), by, HEAD) for i in range(T)]
    assert max(np.abs(frame.rotation).max() for frame in shown) < 1e-5
    assert np.ptp([frame.neck_pose[0, 1] for frame in shown]) > 0.5


def test_the_face_is_left_as_it_is(live):
    smile = replace(live, expr=live.expr + np.float32(0.2))
    by = alignment({0: live.frames(slice(0, 1))}, np.arange(T), _moved(live), HEAD)
    np.testing.assert_array_equal(aligned(smile.frames(slice(1, 2)), by, HEAD).expr, smile.expr[1:2])
