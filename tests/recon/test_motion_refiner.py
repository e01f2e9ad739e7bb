"""Correcting a motion step by step, from gradients of its vertices."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.camera import Camera, look_at
from avatar3d.carriers import with_carriers
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from recon.motion_refiner import MotionRefiner
from tests.avatar3d.tiny import tiny_head, tiny_motion

T = 12
NOISE = {"expr": 0.1, "neck_pose": 0.02, "rotation": 0.01, "translation": 0.003, "jaw_pose": 0.05}


@pytest.fixture(scope="module")
def scene() -> tuple[HeadModel, Motion, Motion, Camera]:
    """A rig, a true motion, one that is a little off in every frame but not on average, and a camera."""
    head = tiny_head()
    rig, true = with_carriers(head), tiny_motion(head, T)
    rng = np.random.default_rng(0)
    off = {}
    for name, size in NOISE.items():
        noise = rng.normal(size=getattr(true, name).shape, scale=size)
        off[name] = (getattr(true, name) + noise - noise.mean(axis=0)).astype(np.float32)
    camera = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal=500.0, size=(256, 256))
    return rig, true, replace(true, **off), camera


def _refiner(scene: tuple[HeadModel, Motion, Motion, Camera], frames: np.ndarray) -> tuple[MotionRefiner, np.ndarray]:
    """A refiner that starts off, and the true vertices [T, V, 3]."""
    rig, true, off, camera = scene
    truth = MotionRefiner(true, rig, camera, np.arange(T)).vertices(np.arange(T))
    return MotionRefiner(off, rig, camera, frames), truth


def _visit(refiner: MotionRefiner, truth: np.ndarray, frames: np.ndarray, rate: float = 1.0) -> None:
    # Every vertex is pulled to its true place with the same force, as an absolute difference of pixels would.
    difference = refiner.vertices(frames) - truth[frames]
    refiner.apply(frames, difference / np.maximum(np.linalg.norm(difference, axis=-1, keepdims=True), 1e-6), rate)


def _distance(refiner: MotionRefiner, truth: np.ndarray) -> float:
    return float(np.linalg.norm(refiner.vertices(np.arange(T)) - truth, axis=-1).mean())


def test_comes_close_to_the_truth_in_a_few_dozen_visits(scene: tuple[HeadModel, Motion, Motion, Camera]) -> None:
    refiner, truth = _refiner(scene, np.arange(T))
    before = _distance(refiner, truth)
    rng = np.random.default_rng(1)
    for step in range(120):
        _visit(refiner, truth, rng.choice(T, 4, replace=False), 0.05 ** (step / 120))
    assert _distance(refiner, truth) < 0.5 * before


def test_touches_only_its_own_frames_that_show_a_face(scene: tuple[HeadModel, Motion, Motion, Camera]) -> None:
    rig, true, off, camera = scene
    off = replace(off, valid=np.arange(T) != 3)
    refiner, truth = _refiner((rig, true, off, camera), np.arange(6))
    _visit(refiner, truth, np.array([1, 2, 3, 8]))
    changed = (refiner.motion().neck_pose != off.neck_pose).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [0, 1, 2, 4, 5]


def test_what_the_pose_foretells_holds_for_frames_that_were_never_visited(scene: tuple[HeadModel, Motion, Motion, Camera]) -> None:
    rig, _, _, camera = scene
    true, train, unseen = tiny_motion(tiny_head(), 60), np.arange(50), np.arange(50, 60)
    # As with a wrong focal length: the farther the head is turned, the farther it seems to the side.
    rotation = np.random.default_rng(0).normal(size=(60, 3), scale=0.2).astype(np.float32)
    true = replace(true, rotation=rotation - rotation.mean(axis=0))
    truth = MotionRefiner(true, rig, camera, train).vertices(np.arange(60))
    refiner = MotionRefiner(replace(true, translation=true.translation + 0.02 * true.rotation[:, [1, 0, 2]]), rig, camera, np.arange(60))
    before = np.linalg.norm(refiner.vertices(unseen) - truth[unseen], axis=-1).mean()
    rng = np.random.default_rng(1)
    for step in range(300):
        _visit(refiner, truth, rng.choice(train, 4, replace=False), 0.05 ** (step / 300))
    assert np.linalg.norm(refiner.vertices(unseen) - truth[unseen], axis=-1).mean() < 0.5 * before


def test_what_all_frames_agree_on_is_left_to_the_gaussians(scene: tuple[HeadModel, Motion, Motion, Camera]) -> None:
    _, true, _, _ = scene
    refiner, truth = _refiner(scene, np.arange(T))
    truth = truth + np.array([0.01, 0.0, 0.0], np.float32)
    for _ in range(10):
        _visit(refiner, truth, np.arange(T))
    found = refiner.motion()
    np.testing.assert_allclose(found.translation.mean(axis=0), true.translation.mean(axis=0), atol=1e-6)


def test_goes_on_from_a_checkpoint_as_if_never_stopped(scene: tuple[HeadModel, Motion, Motion, Camera]) -> None:
    refiner, truth = _refiner(scene, np.arange(T))
    other, _ = _refiner(scene, np.arange(T))
    for _ in range(3):
        _visit(refiner, truth, np.array([0, 4, 5]))
    other.restore(refiner.state())
    for each in (refiner, other):
        _visit(each, truth, np.array([4, 7]))
    for name in ("expr", "rotation", "neck_pose", "translation"):
        np.testing.assert_array_equal(getattr(refiner.motion(), name), getattr(other.motion(), name))
    with pytest.raises(ValueError, match="shape"):
        other.restore(refiner.state() | {"refiner.correction": torch.zeros(2, 3)})
