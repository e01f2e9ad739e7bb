"""What sliders do to a frame, on the head that ships."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.avatar import Avatar
from avatar3d.head.model import LEFT_EYE
from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion
from recon.bench import bench_avatar
from viewer.cameras import front_camera, head_centre
from viewer.live.adjustments import Adjustments, adjusted, with_identity
from viewer.live.gaze import LARGEST


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return bench_avatar(load_head(), 300)


@pytest.fixture(scope="module")
def rest(avatar):
    return avatar.admit(rest_motion(avatar.head, 1, shape=avatar.shape.numpy()))


def test_nothing_is_added_to_the_bit(avatar, rest):
    same = adjusted(rest, Adjustments(), avatar, None)
    for name in ("expr", "jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation"):
        assert np.array_equal(getattr(same, name), getattr(rest, name))


def test_an_expression_is_added_and_the_motion_stays(avatar, rest):
    before = rest.expr.copy()
    moved = adjusted(rest, Adjustments(expr={3: 0.4}), avatar, None)
    assert moved.expr[0, 3] == pytest.approx(before[0, 3] + 0.4)
    assert np.array_equal(rest.expr, before)


def moves(avatar, rest, region: str, **by) -> np.ndarray:
    """[3] mean displacement of a region, metres."""
    ids = avatar.head.regions[region]
    return (avatar.vertices(adjusted(rest, Adjustments(**by), avatar, None)) - avatar.vertices(rest))[ids].mean(axis=0)


def test_the_jaw_opens_downwards(avatar, rest):
    assert moves(avatar, rest, "lower_teeth", jaw=(0.3, 0.0))[1] < -0.005


def test_the_head_turns_left_looks_down_and_tilts_right(avatar, rest):
    assert moves(avatar, rest, "lower_teeth", head=(0, 0.3, 0))[0] > 0.005
    assert moves(avatar, rest, "lower_teeth", head=(0.3, 0, 0))[1] < -0.005
    assert moves(avatar, rest, "scalp", head=(0, 0, 0.3))[0] < -0.005


def gaze_of(avatar, frame) -> np.ndarray:
    """[3] direction in which the left eye looks, in the head's frame."""
    from avatar3d.head.model import axis_angle_to_matrix

    return axis_angle_to_matrix(torch.from_numpy(frame.eyes_pose[:, :3]))[0, :, 2].numpy()


def test_gaze_goes_to_the_subjects_left_and_up(avatar, rest):
    moved = gaze_of(avatar, adjusted(rest, Adjustments(gaze=(0.2, 0.1)), avatar, None)) - gaze_of(avatar, rest)
    assert moved[0] > 0.1 and moved[1] > 0.05


def test_eyes_follow_whoever_looks(avatar, rest):
    front = front_camera(avatar, 64).T_cam_world
    lens = -front[:3, :3].T @ front[:3, 3]
    by = Adjustments(follow=True)
    straight = adjusted(rest, by, avatar, lens)
    np.testing.assert_allclose(straight.eyes_pose, rest.eyes_pose, atol=1e-5)
    to_the_left = lens + np.array([0.3, 0.1, 0.0])
    moved = gaze_of(avatar, adjusted(rest, by, avatar, to_the_left)) - gaze_of(avatar, straight)
    assert moved[0] > 0.1 and moved[1] > 0.05
    # A head that turns away keeps its eyes there.
    turned = adjusted(rest, replace(by, head=(0.0, 0.2, 0.0)), avatar, lens)
    assert gaze_of(avatar, turned)[0] < gaze_of(avatar, straight)[0] - 0.1


def test_eyes_do_not_turn_into_the_head(avatar, rest):
    behind = head_centre(avatar) + np.array([0.5, 0.0, -1.0])
    pose = adjusted(rest, Adjustments(follow=True), avatar, behind).eyes_pose
    assert np.linalg.norm(pose[0, :3] - rest.eyes_pose[0, :3]) < LARGEST[0] + 0.1
    assert LEFT_EYE == 3 and math.isfinite(float(pose.sum()))


def test_within_what_was_filmed(avatar, rest):
    wild = Adjustments(jaw=(1.5, 0.0), head=(0.0, 1.0, 0.0))
    held = adjusted(rest, replace(wild, within=True), avatar, None)
    free = adjusted(rest, wild, avatar, None)
    assert held.jaw_pose[0, 0] < free.jaw_pose[0, 0] - 0.2
    np.testing.assert_allclose(adjusted(rest, Adjustments(within=True), avatar, None).expr, rest.expr, atol=0.02)


def test_identity_changes_the_proportions_and_nothing_else(avatar, rest):
    other = with_identity(avatar, {0: 2.0})
    assert other is not avatar and with_identity(avatar, {0: 0.0}) is avatar
    assert np.abs(other.vertices(rest) - avatar.vertices(rest)).max() > 1e-3
    assert torch.equal(other.position, avatar.position) and float(other.shape[0] - avatar.shape[0]) == 2.0
