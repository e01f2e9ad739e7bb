"""Comparing a tracked motion with the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from avatar3d.camera import look_at
from avatar3d.errors import UserError
from avatar3d.head.model import ROOT
from avatar3d.head.similarity import fit_similarity
from avatar3d.head.store import load_head
from avatar3d.motion import Motion, rest_motion
from recon import truth
from recon.crop import Crop
from recon.truth import compare_with_truth, cropped_camera, mouth_opening


@pytest.fixture(scope="module")
def motion() -> Motion:
    """Eight frames in which everything moves."""
    rng = np.random.default_rng(0)
    head = load_head()
    moving = rest_motion(head, 8, shape=rng.normal(size=head.num_shape, scale=0.5))
    moving.expr[:] = rng.uniform(0, 0.3, moving.expr.shape)
    moving.jaw_pose[:, 0] = np.linspace(0, 0.2, 8)
    for name, size in (("neck_pose", 0.2), ("rotation", 0.05), ("translation", 0.01), ("eyes_pose", 0.1)):
        getattr(moving, name)[:] = rng.normal(size=getattr(moving, name).shape, scale=size)
    return moving


@pytest.fixture(scope="module")
def camera():
    return look_at(np.array([0.0, 0.0, 0.9]), np.zeros(3), focal=1000.0, size=(512, 512))


def moved(motion: Motion, turn: np.ndarray, shift: np.ndarray) -> Motion:
    """The same performance elsewhere in the world: the root turned and shifted."""
    head = load_head()
    root = head.joints(torch.from_numpy(motion.shape)).numpy()[ROOT]
    R = Rotation.from_rotvec(turn)
    rotation = (R * Rotation.from_rotvec(motion.rotation)).as_rotvec().astype(np.float32)
    translation = (R.apply(root + motion.translation) + shift - root).astype(np.float32)
    return replace(motion, rotation=rotation, translation=translation)


def test_identical_motions_differ_by_nothing(motion, camera):
    report = compare_with_truth(motion, camera, motion, camera, load_head())
    assert report.vertex_p90 < 1e-4
    assert report.rigid_p90 < 1e-4
    assert report.landmark_error < 1e-6
    assert report.scale == pytest.approx(1, abs=1e-7)
    assert all(curve.correlation > 0.9999 and curve.rms < 1e-5 for curve in report.curves)


def test_vertex_error_does_not_depend_on_where_the_world_is(motion, camera):
    elsewhere = moved(motion, np.array([0.3, -0.5, 0.2]), np.array([0.4, -0.1, 0.7]))
    report = compare_with_truth(elsewhere, camera, motion, camera, load_head())
    assert report.vertex_p90 < 1e-2
    assert report.landmark_error > 50


def test_a_head_of_another_size_is_scaled(motion, camera):
    head = load_head()
    names = ("template", "shape_basis", "expr_basis", "pose_basis", "joint_template", "joint_shape_basis")
    large = replace(head, **{name: getattr(head, name) * 1.25 for name in names})
    grown = replace(motion, translation=motion.translation * np.float32(1.25))
    # Posed by the large rig, then compared as if by the same one: only the scale may remain.
    a, b = truth.posed(large, grown).reshape(-1, 3), truth.posed(head, motion).reshape(-1, 3)
    R, t, scale = fit_similarity(a, b)
    assert scale == pytest.approx(0.8, abs=1e-5)
    assert np.abs(scale * a @ R.T + t - b).max() < 1e-5


def test_a_known_displacement_is_measured(motion, camera):
    off = replace(motion, translation=motion.translation.copy())
    off.translation[:4, 0] += 0.003
    off.translation[4:, 0] -= 0.003
    report = compare_with_truth(off, camera, motion, camera, load_head())
    assert report.vertex_median == pytest.approx(3, abs=0.15)
    # The one scale of the whole capture takes up a little of the displacement.
    assert report.rigid_median < 0.2
    assert report.sideways_median == pytest.approx(3, abs=0.2)
    assert report.depth_median < 0.6
    assert report.vertex_by_frame.shape == (8,)


def test_the_jaw_curve_is_the_jaw(motion, camera):
    stiff = replace(motion, jaw_pose=np.zeros_like(motion.jaw_pose))
    report = compare_with_truth(stiff, camera, motion, camera, load_head())
    jaw = next(curve for curve in report.curves if curve.name == "jaw angle")
    np.testing.assert_allclose(jaw.true, np.degrees(np.linspace(0, 0.2, 8)), atol=1e-4)
    assert jaw.correlation == 0.0


def test_the_turn_curve_is_the_turn_against_the_camera(motion, camera):
    still = replace(motion, neck_pose=np.zeros_like(motion.neck_pose), rotation=np.zeros_like(motion.rotation))
    turned = replace(still, neck_pose=still.neck_pose + np.array([0, 0.3, 0], np.float32))
    report = compare_with_truth(still, camera, turned, camera, load_head())
    turn = next(curve for curve in report.curves if curve.name == "turn")
    np.testing.assert_allclose(turn.true, np.degrees(0.3), atol=1e-3)
    np.testing.assert_allclose(turn.tracked, 0, atol=1e-3)


def test_bridged_frames_are_left_out(motion, camera):
    valid = np.array([True] * 6 + [False] * 2)
    wrong = replace(motion, valid=valid, translation=motion.translation.copy())
    wrong.translation[6:] += 0.5
    report = compare_with_truth(wrong, camera, motion, camera, load_head())
    assert report.frames.tolist() == [0, 1, 2, 3, 4, 5]
    assert report.vertex_p90 < 1e-2


def test_another_head_is_refused(motion, camera):
    with pytest.raises(UserError, match="was made for head 123"):
        compare_with_truth(replace(motion, head_fingerprint="123"), camera, motion, camera, load_head())


def test_the_mouth_opens_with_the_jaw(motion):
    opening = mouth_opening(replace(motion, expr=np.zeros_like(motion.expr)), load_head())
    assert (np.diff(opening) > 0).all()


def test_a_cropped_camera_sees_what_the_crop_shows(camera):
    crop = Crop(x=40, y=-30, side=300, size=512)
    points = np.random.default_rng(2).normal(size=(20, 3), scale=0.1)
    np.testing.assert_allclose(cropped_camera(camera, crop).project(points), crop.to_crop(camera.project(points)), atol=1e-9)
