"""A fit whose footage grows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.basis_network import basis_weights
from recon.evaluation import evaluate
from recon.live_fit import LIVE, LiveFit, carried_over, warm_up
from tests.avatar3d.tiny import tiny_head
from tests.recon.memory_capture import small_scene

PRESET = replace(LIVE, gaussians=400, loose=20, bases=2, steps=60, batch=2)


@pytest.fixture
def scene(tmp_path):
    return small_scene(path=tmp_path)


@pytest.fixture
def fit(scene):
    made = LiveFit(scene[3].head, PRESET, threads=1)
    yield made
    made.close()


def _half(scene):
    """The first half of the frames, and another identity."""
    capture, motion, camera, _ = scene
    return capture, motion.frames(slice(0, 8)), camera


def test_it_learns_and_goes_on_learning_from_more(scene, fit):
    capture, motion, camera, _ = scene

    def quality() -> float:
        return evaluate(fit.avatar({}), capture, motion, camera, np.arange(16)).psnr_full

    fit.renew(*_half(scene), np.arange(8))
    fit.advance()
    first = quality()
    for _ in range(60):
        fit.advance()
    half = quality()
    fit.renew(capture, motion, camera, np.arange(16))
    assert fit.step == 61 and abs(quality() - half) < 0.5
    for _ in range(60):
        fit.advance()
    assert half > first + 1 and quality() > half
    record = fit.avatar({"subject": "she"}, holdout=0.25).metadata
    assert record["subject"] == "she" and record["fit"]["holdout"] == 0.25
    assert record["fit"]["trained_frames"] == [[0, 15]] and record["fit"]["preset"]["steps"] == 121


def test_gaussians_keep_their_places_when_identity_changes(scene, fit):
    fit.renew(*_half(scene), np.arange(8))
    for _ in range(12):
        fit.advance()
    old = fit.trainer
    motion = replace(scene[1], shape=scene[1].shape + np.float32(0.3))
    new = carried_over(old, motion, scene[2])
    np.testing.assert_array_equal(new.mesh.face, old.mesh.face)
    for name, value in old.parameters.items():
        if not name.startswith("network.0"):
            assert torch.equal(new.parameters[name], value), name
    assert not np.array_equal(new.mesh.rest_area, old.mesh.rest_area)
    assert len(new.motion) == 16 and new.step == 12


def test_what_the_network_makes_of_a_pose_survives_another_normalisation(scene, fit):
    fit.renew(*_half(scene), np.arange(8))
    for _ in range(12):
        fit.advance()
    old = fit.trainer
    new = carried_over(old, scene[1], scene[2])
    assert not torch.allclose(new.input_mean, old.input_mean)
    poses = new.inputs
    before = basis_weights(poses, old.input_mean, old.input_std, old.layers)
    torch.testing.assert_close(basis_weights(poses, new.input_mean, new.input_std, new.layers), before, atol=1e-4, rtol=1e-3)
    assert before.abs().max() > 0


def test_an_avatar_that_is_shown_does_not_change_any_more(scene, fit):
    capture, motion, camera, _ = scene
    fit.renew(capture, motion, camera, np.arange(16))
    fit.advance()
    avatar = fit.avatar({})
    kept = {name: np.array(getattr(avatar, name)) for name in ("face", "bary", "position", "colour", "log_scale", "colour_basis", "input_mean")}
    # Long enough for Gaussians to be moved to other triangles.
    for _ in range(59):
        fit.advance()
    assert not np.array_equal(fit.avatar({}).face, avatar.face)
    for name, value in kept.items():
        np.testing.assert_array_equal(np.array(getattr(avatar, name)), value)


def test_the_schedule_follows_the_time_that_is_left(scene, fit):
    fit.renew(*_half(scene), np.arange(8))
    for _ in range(3):
        fit.advance()
    fit.plan(10.0)
    long = fit.trainer.preset.steps
    fit.plan(0.001)
    assert fit.trainer.preset.steps == 4 < long


def test_the_motion_is_corrected_only_when_asked(scene, fit):
    capture, motion, camera, _ = scene
    fit.renew(capture, motion, camera, np.arange(16))
    for _ in range(3):
        fit.advance()
        fit.plan(0.001)
    assert fit.trainer.refiner is None and "pose_bias" not in fit.avatar({}).metadata["fit"]
    fit.plan(10.0, refine=True)
    for _ in range(9):
        fit.advance()
    assert fit.trainer.refiner is not None and "pose_bias" in fit.avatar({}).metadata["fit"]


def test_warming_up_needs_no_footage():
    warm_up(tiny_head(expressions=3), 64)
