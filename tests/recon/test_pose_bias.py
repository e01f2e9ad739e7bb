"""What poses foretell of a tracker's errors."""

import json
from dataclasses import replace

import numpy as np
import pytest

from avatar3d.errors import UserError
from avatar3d.motion import Motion
from recon.channel_layout import Layout
from recon.pose_bias import FLOORS, PoseBias, as_fitted, learn_pose_bias
from tests.avatar3d.tiny import tiny_head, tiny_motion

T = 240


@pytest.fixture
def motion() -> Motion:
    """A head that turns this way and that."""
    plain = tiny_motion(tiny_head(), T)
    rng = np.random.default_rng(0)
    return replace(plain, rotation=rng.normal(size=(T, 3), scale=0.2).astype(np.float32))


def _biased(motion: Motion) -> tuple[Layout, np.ndarray, np.ndarray]:
    """Channels, and corrections that follow the turn of the head, beside noise."""
    layout = Layout.of(motion)
    tracked = layout.tracks(motion)
    corrections = np.random.default_rng(1).normal(size=tracked.shape, scale=1e-4)
    corrections[:, layout.slices["translation"]] += 0.01 * motion.rotation
    return layout, tracked, corrections


def test_finds_what_depends_on_the_pose(motion: Motion) -> None:
    layout, tracked, corrections = _biased(motion)
    bias = learn_pose_bias(layout, tracked[:200], corrections[:200])
    left = (corrections - bias.of(layout, tracked))[200:, layout.slices["translation"]]
    assert left.std() < 0.3 * corrections[200:, layout.slices["translation"]].std()


def test_foretells_nothing_of_a_head_that_holds_still(motion: Motion) -> None:
    layout, tracked, _ = _biased(motion)
    still = np.repeat(tracked[:1], T, axis=0)
    noise = np.random.default_rng(2).normal(size=tracked.shape)
    assert np.abs(learn_pose_bias(layout, still, noise).of(layout, still)).max() < 1e-9


def test_grows_no_further_beyond_what_was_seen(motion: Motion) -> None:
    layout, tracked, corrections = _biased(motion)
    bias = learn_pose_bias(layout, tracked, corrections)
    far, farther = (tracked[:1] + step * layout.spread(dict.fromkeys(layout.slices, 1.0)) for step in (100, 200))
    np.testing.assert_array_equal(bias.of(layout, far), bias.of(layout, farther))


def test_leaves_frames_without_a_face(motion: Motion) -> None:
    layout, tracked, corrections = _biased(motion)
    gappy = replace(motion, valid=np.arange(T) != 3)
    corrected = learn_pose_bias(layout, tracked, corrections).corrected(gappy)
    np.testing.assert_array_equal(corrected.translation[3], motion.translation[3])
    assert (corrected.translation[4] != motion.translation[4]).any()


def test_survives_json(motion: Motion) -> None:
    layout, tracked, corrections = _biased(motion)
    bias = learn_pose_bias(layout, tracked, corrections)
    again = as_fitted(motion, json.loads(json.dumps({"pose_bias": bias.to_json()})))
    np.testing.assert_array_equal(again.translation, bias.corrected(motion).translation)
    assert as_fitted(motion, {}) is motion


@pytest.mark.parametrize("record", [{}, [], {"mean": 1, "deviation": 2, "matrix": 3}, {"mean": ["x"]}])
def test_refuses_a_damaged_record(motion: Motion, record: object) -> None:
    with pytest.raises(UserError, match="damaged"):
        PoseBias.from_json(record, motion)


def test_refuses_numbers_that_are_none(motion: Motion) -> None:
    layout, tracked, corrections = _biased(motion)
    record = learn_pose_bias(layout, tracked, corrections).to_json()
    record["matrix"][0][0] = float("nan")
    with pytest.raises(UserError, match="damaged"):
        PoseBias.from_json(record, motion)
    assert len(record["mean"]) == len(layout.columns([name for name in FLOORS if name in layout.slices]))
