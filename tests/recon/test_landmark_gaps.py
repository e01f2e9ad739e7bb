"""Openings of lids and lips as a biased detector gives them, and what the tracker makes of them."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from avatar3d.head.store import load_head
from avatar3d.motion import Motion
from recon.face_regions import LEFT_EYE, LOWER_EDGES, RIGHT_EYE, UPPER_EDGES
from recon.landmark_gaps import LIP_BIAS, learn_gaps
from recon.tracker import FOCAL_PRIOR, Tracking, track
from recon.truth_errors import tracking_errors
from tests.recon.known_motion import SIZE, seen_landmarks, true_camera, true_motion

HEAD, FPS, T = load_head(), Fraction(25), 100
CAMERA = true_camera(FOCAL_PRIOR * SIZE)
LIDS = [(u, low) for u, low in zip(UPPER_EDGES, LOWER_EDGES, strict=True) if u in LEFT_EYE + RIGHT_EYE]
LIPS = [(u, low) for u, low in zip(UPPER_EDGES, LOWER_EDGES, strict=True) if u not in LEFT_EYE + RIGHT_EYE]


@pytest.fixture(scope="module")
def truth() -> Motion:
    """The mouth is shut for a second, and speaks; blinks."""
    motion = true_motion(HEAD, T, seed=4)
    expr, jaw = motion.expr.copy(), motion.jaw_pose.copy()
    for name in ("mouthPucker", "mouthSmileLeft", "mouthSmileRight"):
        expr[:, HEAD.expr_names.index(name)] *= 0.5
    jaw[:25] = 0
    return replace(motion, expr=expr, jaw_pose=jaw)


def biased(landmarks: np.ndarray, pairs: list[tuple[int, int]], share: float, apart: float) -> np.ndarray:
    """Openings `share` times as wide and `apart` pixels wider; their middles stay."""
    changed = landmarks.copy()
    for upper, lower in pairs:
        gap = landmarks[:, lower, 1] - landmarks[:, upper, 1]
        wider = 0.5 * ((share - 1) * gap + apart)
        changed[:, upper, 1] -= wider
        changed[:, lower, 1] += wider
    return changed


@pytest.fixture(scope="module")
def seen(truth) -> np.ndarray:
    landmarks = seen_landmarks(HEAD, truth, CAMERA, noise=0.3, offset=0.001, seed=1)
    return biased(biased(landmarks, LIDS, 0.6, 4.5), LIPS, 1.0, 2.5)


@pytest.fixture(scope="module")
def tracked(seen) -> Tracking:
    return track(seen, np.ones(T, bool), SIZE, FPS, HEAD)


@pytest.fixture(scope="module")
def errors(tracked, truth) -> dict[str, float]:
    return tracking_errors(tracked.motion, tracked.camera, truth, CAMERA, HEAD)[0]


def test_lids_that_a_detector_keeps_apart_close(tracked, truth, errors):
    blink = HEAD.expr_names.index("eyeBlinkLeft")
    assert tracked.motion.expr[truth.expr[:, blink] > 0.95, blink].min() > 0.8
    assert errors["blink_recall"] == 1 and errors["blink_precision"] == 1
    assert np.corrcoef(tracked.motion.expr[:, blink], truth.expr[:, blink])[0, 1] > 0.97


def test_lips_that_a_detector_keeps_apart_touch(errors):
    assert errors["lip_shut_mm"] < 1.2 and errors["lip_overlap_mm"] < 0.15
    assert errors["lip_gain"] == pytest.approx(1, abs=0.15)
    assert abs(errors["jaw_bias_deg"]) < 1.5


def test_biases_do_not_count_as_misses(tracked):
    assert tracked.errors(SIZE)["lips"] < 0.8 and tracked.errors(SIZE)["eyes"] < 0.8


def test_who_never_shuts_the_mouth_has_it_open(truth):
    wide = replace(truth, jaw_pose=truth.jaw_pose + np.array([0.25, 0, 0], np.float32))
    motion = track(seen_landmarks(HEAD, wide, CAMERA, noise=0.3), np.ones(T, bool), SIZE, FPS, HEAD).motion
    found = tracking_errors(motion, CAMERA, wide, CAMERA, HEAD)[1]
    assert found["lip_tracked"].min() > 0.9 * (found["lip_true"].min() - 1e3 * LIP_BIAS)
    assert motion.jaw_pose[:, 0].min() > 0.08


def test_nothing_but_the_given_frames_is_learned_from(seen):
    import torch

    from recon.landmark_frames import first_poses, place_camera, start_params, targets_of, view_of
    from recon.landmark_rig import landmark_rig

    rig = landmark_rig(HEAD, 10)
    first = np.arange(60)
    other = seen.copy()
    other[60:] = biased(seen, LIDS + LIPS, 0.5, 9.0)[60:]
    learned = []
    for landmarks in (seen, other):
        points = torch.from_numpy(landmarks)
        rotations, centres = first_poses(rig, points, FOCAL_PRIOR * SIZE, SIZE)
        view = view_of(place_camera(rig, centres, FOCAL_PRIOR * SIZE, SIZE))
        learned.append(learn_gaps(rig, view, targets_of(rig, points), start_params(rig, view, rotations, centres), first, 25.0))
    torch.testing.assert_close(learned[0].shut, learned[1].shut, atol=2e-3, rtol=0.02)
    torch.testing.assert_close(learned[0].usual, learned[1].usual, atol=2e-3, rtol=0.02)
