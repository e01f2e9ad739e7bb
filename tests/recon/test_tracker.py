"""Tracking landmarks whose truth is known."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.head.similarity import fit_similarity
from avatar3d.head.store import load_head
from recon.landmark_rig import EXPR, POSITION
from recon.overlay import pose_frames
from recon.tracker import FOCAL_PRIOR, Tracking, track
from recon.tracking_prior import frame_prior
from tests.recon.known_motion import SIZE, seen_landmarks, true_camera, true_motion

FPS, T = Fraction(25), 60
HEAD = load_head()
CAMERA = true_camera(FOCAL_PRIOR * SIZE)
TRUTH = true_motion(HEAD, T, seed=1)
BLINK = HEAD.expr_names.index("eyeBlinkLeft")


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    return seen_landmarks(HEAD, TRUTH, CAMERA, noise=0.5, offset=0.0015, seed=2)


@pytest.fixture(scope="module")
def tracked(noisy) -> Tracking:
    return track(noisy, np.ones(T, bool), SIZE, FPS, HEAD)


def _face_errors(head: HeadModel, tracking: Tracking, truth, region: np.ndarray) -> tuple[np.ndarray, float]:
    """Millimetres of every tenth frame's face after similarity alignment, and the mean scale."""
    found, true = (pose_frames(head, motion, slice(0, len(truth)))[::10][:, region] for motion in (tracking.motion, truth))
    errors, scales = [], []
    for a, b in zip(found, true, strict=True):
        R, t, scale = fit_similarity(a, b)
        errors.append(np.linalg.norm(scale * a @ R.T + t - b, axis=1))
        scales.append(scale)
    return np.stack(errors) * 1e3, float(np.mean(scales))


def test_noise_free_landmarks_are_explained_and_the_head_recovered():
    tracking = track(seen_landmarks(HEAD, TRUTH, CAMERA), np.ones(T, bool), SIZE, FPS, HEAD)
    errors, scale = _face_errors(HEAD, tracking, TRUTH, HEAD.regions["face"])
    assert tracking.errors(SIZE)["mean"] < 0.3
    assert np.median(errors) < 1.2 and abs(scale - 1) < 0.03
    assert np.abs(tracking.motion.expr[:, BLINK] - TRUTH.expr[:, BLINK]).mean() < 0.1


def test_biased_noisy_landmarks_still_give_the_head(tracked):
    errors, scale = _face_errors(HEAD, tracked, TRUTH, HEAD.regions["face"])
    assert np.median(errors) < 1.5 and abs(scale - 1) < 0.05
    assert tracked.errors(SIZE)["mean"] < 1.0
    assert np.linalg.norm(tracked.offsets, axis=1).mean() > 0.0005


def test_movements_follow_the_truth(tracked):
    motion = tracked.motion
    assert np.corrcoef(motion.jaw_pose[:, 0], TRUTH.jaw_pose[:, 0])[0, 1] > 0.97
    assert np.corrcoef(motion.expr[:, BLINK], TRUTH.expr[:, BLINK])[0, 1] > 0.97
    assert motion.expr[:, BLINK].max() > 0.8
    assert np.corrcoef(motion.eyes_pose[:, 1], TRUTH.eyes_pose[:, 1])[0, 1] > 0.97
    turned = (motion.rotation - TRUTH.rotation) - (motion.rotation - TRUTH.rotation).mean(0)
    assert np.degrees(np.abs(turned)).mean() < 0.5


def test_channels_keep_to_their_ranges(tracked):
    assert tracked.motion.expr.min() > -0.1 and tracked.motion.expr.max() < 1.1
    assert tracked.motion.jaw_pose[:, 0].min() > -0.05


def test_the_same_landmarks_give_the_same_bytes(noisy, tracked):
    again = track(noisy, np.ones(T, bool), SIZE, FPS, HEAD)
    for name in ("expr", "rotation", "translation", "jaw_pose", "eyes_pose", "shape"):
        assert getattr(again.motion, name).tobytes() == getattr(tracked.motion, name).tobytes()


def test_held_out_landmarks_change_nothing_that_is_shared(noisy):
    shared = np.arange(T) < 45
    changed = noisy.copy()
    changed[45:] = changed[45:] * 1.04 + np.random.default_rng(0).normal(0, 2, changed[45:].shape)
    first, second = (track(landmarks, np.ones(T, bool), SIZE, FPS, HEAD, shared_frames=shared) for landmarks in (noisy, changed))
    assert first.shared_frames.max() < 45
    assert first.motion.shape.tobytes() == second.motion.shape.tobytes()
    assert first.offsets.tobytes() == second.offsets.tobytes()
    assert first.camera.to_json() == second.camera.to_json()
    # Held-out frames are heard through the temporal terms only, which do not reach far.
    np.testing.assert_allclose(first.motion.expr[:30], second.motion.expr[:30], atol=0.02)
    assert np.abs(first.motion.translation[45:] - second.motion.translation[45:]).max() > 0.005


def test_gaps_are_bridged_and_flagged(noisy, tracked):
    valid = np.ones(T, bool)
    valid[20:24] = False
    valid[57:] = False
    broken = noisy.copy()
    broken[~valid] = 0
    motion = track(broken, valid, SIZE, FPS, HEAD).motion
    assert motion.valid is not None and (motion.valid == valid).all()
    between = np.linspace(motion.translation[19], motion.translation[24], 6)[1:-1]
    assert np.abs(motion.translation[20:24] - between).max() < 0.002
    np.testing.assert_array_equal(motion.expr[57:], motion.expr[56:57].repeat(3, 0))
    assert np.abs(motion.rotation[valid] - tracked.motion.rotation[valid]).max() < 0.05


def test_nothing_is_smoothed_across_a_cut():
    landmarks = seen_landmarks(HEAD, TRUTH, CAMERA)
    landmarks[30:, :, 0] += 60
    smooth, cut = (track(landmarks, np.ones(T, bool), SIZE, FPS, HEAD, cuts=cuts) for cuts in ((), (30,)))
    worst = [np.nanmax(np.nanmean(tracking.residuals[28:32], axis=1)) for tracking in (smooth, cut)]
    assert worst[1] < 0.3 < worst[0]


def test_a_head_without_named_expressions_is_tracked_alike():
    rng = np.random.default_rng(5)
    blinks = [HEAD.expr_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    others = [i for i in range(HEAD.num_expr) if i not in blinks]
    mixing = torch.from_numpy(np.linalg.qr(rng.normal(size=(len(others), 40)))[0]).float()
    other = replace(
        HEAD, name="mixed", fingerprint="", expr_names=(),
        expr_basis=(HEAD.expr_basis[..., others] @ mixing * 0.5).contiguous(),
        eyelid_basis=HEAD.expr_basis[..., blinks].permute(2, 0, 1).contiguous(),
    )  # fmt: skip
    truth = true_motion(other, 40, seed=3)
    truth = replace(truth, eyelids=np.repeat(TRUTH.expr[:40, BLINK, None], 2, 1))
    tracking = track(seen_landmarks(other, truth, CAMERA, noise=0.3), np.ones(40, bool), SIZE, FPS, other)
    assert tracking.errors(SIZE)["mean"] < 0.7
    assert tracking.motion.expr.shape == (40, 40) and tracking.motion.eyelids is not None and truth.eyelids is not None
    assert np.corrcoef(tracking.motion.eyelids[:, 0], truth.eyelids[:, 0])[0, 1] > 0.97
    errors, _ = _face_errors(other, tracking, truth, HEAD.regions["face"])
    assert np.median(errors) < 1.5


def test_other_crop_sizes_give_the_same_motion(noisy, tracked):
    small = track(noisy * 0.5, np.ones(T, bool), SIZE // 2, FPS, HEAD)
    np.testing.assert_allclose(small.motion.rotation, tracked.motion.rotation, atol=0.01)
    assert abs(small.errors(SIZE // 2)["mean"] - tracked.errors(SIZE)["mean"]) < 0.05


def test_the_mean_head_is_near_the_origin_and_faces_the_camera(tracked):
    R, t = tracked.camera.T_cam_world[:3, :3], tracked.camera.T_cam_world[:3, 3]
    np.testing.assert_array_equal(R, np.diag([1.0, -1, -1]))
    assert 0.5 < t[2] < 1.5
    assert np.abs(tracked.motion.rotation.mean(0)).max() < 0.15 and np.abs(tracked.motion.translation.mean(0)).max() < 0.05


def test_a_users_focal_length_is_used(noisy):
    tracking = track(noisy, np.ones(T, bool), SIZE, FPS, HEAD, focal=1400.0)
    assert tracking.camera.fx == 1400.0 and tracking.camera.T_cam_world[2, 3] > 1.1


def test_one_frame_is_enough_and_none_is_refused(noisy):
    assert len(track(noisy[:1], np.ones(1, bool), SIZE, FPS, HEAD).motion) == 1
    with pytest.raises(UserError, match="no face"):
        track(noisy, np.ones(T, bool), SIZE, FPS, HEAD, shared_frames=np.zeros(T, bool))


def test_priors_are_proper():
    prior = frame_prior(HEAD, 25.0)
    assert torch.linalg.eigvalsh(prior.precision.double()).min() > 0
    assert (prior.lower[EXPR] == 0).all() and torch.isinf(prior.lower[POSITION]).all()


def test_better_poses_are_kept_and_the_face_follows(noisy, tracked):
    """Poses that are given stay; what the landmarks then say otherwise goes into the face."""
    given = {}

    def steady(motion, camera):
        given["before"] = motion
        given["after"] = replace(motion, rotation=motion.rotation + np.float32(0.01), translation=motion.translation - np.float32(0.002))
        return given["after"]

    found = track(noisy, np.ones(T, bool), SIZE, FPS, HEAD, steady=steady)
    np.testing.assert_allclose(given["before"].rotation, tracked.motion.rotation, atol=1e-5)
    np.testing.assert_allclose(found.motion.rotation, given["after"].rotation, atol=1e-4)
    np.testing.assert_allclose(found.motion.translation, given["after"].translation, atol=2e-5)
    assert np.abs(found.motion.expr - tracked.motion.expr).max() > 0.01
