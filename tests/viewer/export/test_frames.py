from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from avatar3d.head.model import ROOT
from avatar3d.head.store import load_head
from recon.bench import bench_avatar
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from tests.viewer.export.scenes import assert_close, random_gaussians, tiny_frames
from viewer.export.axes import turned
from viewer.export.frames import open_frames
from viewer.export.selection import Selection


def test_a_frame_is_the_pose_at_its_time():
    frames = tiny_frames(Selection(), up="y", frames=8)
    assert (frames.count, frames.fps, frames.duration) == (8, 25, 8 / 25)
    for index in (0, 3, 7):
        expected = turned(frames.avatar.pose(frames.motion, index / 25), "y")
        assert torch.equal(frames.gaussians(index).position, expected.position)


@pytest.mark.parametrize(
    ("selection", "indices"),
    [
        ({"every": 3}, [0, 3, 6, 9, 12, 15, 18]),
        ({"start": 0.4, "end": 0.6}, [10, 11, 12, 13, 14]),
        ({"start": 0.37, "end": 0.41}, [10]),
        ({"start": 0.4, "end": 9.0, "every": 4}, [10, 14, 18]),
    ],
)
def test_a_stretch_of_every_so_manieth_frame(selection, indices):
    frames = tiny_frames(Selection(**selection), frames=20)
    assert frames.indices.tolist() == indices
    assert frames.fps == Fraction(25, selection.get("every", 1))


def test_the_sound_is_that_of_the_stretch():
    frames = tiny_frames(Selection(start=0.08, end=0.16, every=2), frames=6)
    assert frames.motion.sound is not None and frames.sound is not None
    np.testing.assert_array_equal(frames.sound, frames.motion.sound[1280:2560])


def test_sound_that_ends_early_goes_on_as_silence():
    frames = tiny_frames(frames=6)
    assert frames.motion.sound is not None
    short = replace(frames, motion=replace(frames.motion, sound=frames.motion.sound[:100])).sound
    assert short is not None and len(short) == 6 * 640 and not short[100:].any()


def test_without_a_motion_there_is_one_frame_of_rest():
    avatar = tiny_avatar()
    frames = open_frames(avatar, None, Selection())
    assert frames.still and frames.count == 1 and frames.sound is None and torch.isfinite(frames.gaussians(0).position).all()


def test_units_and_scale_multiply():
    plain, large = tiny_frames(up="y"), tiny_frames(Selection(unit="cm", scale=2), up="y")
    assert large.factor == 200
    assert_close(turned(large.gaussians(2), "y", 1 / 200), plain.gaussians(2), position=1e-6, log_scale=1e-5)


def test_the_selection_has_the_last_word_on_axes():
    assert tiny_frames(Selection(up="z"), up="-y").up == "z" and tiny_frames(up="-y").up == "-y"


@pytest.mark.parametrize(
    ("selection", "match"),
    [
        ({"every": 0}, "--every"),
        ({"scale": 0.0}, "--scale"),
        ({"scale": float("nan")}, "--scale"),
        ({"start": 99.0}, r"^--start 99: choose a stretch of the motion, which lasts 0\.24 s"),
        ({"start": 99.0, "end": 100.0}, r"--start 99 and --end 100: choose .* lasts 0\.24 s"),
        ({"start": 0.2, "end": 0.1}, "--end"),
        ({"start": -1.0}, "--start"),
        ({"end": float("inf")}, "--end"),
        ({"start": 0.01, "end": 0.02}, "holds a frame"),
        ({"max_gaussians": 0}, "--max-gaussians"),
    ],
)
def test_what_selects_nothing_is_refused(selection, match):
    with pytest.raises(UserError, match=match):
        tiny_frames(Selection(**selection))


def test_a_stretch_of_no_motion_is_refused():
    with pytest.raises(UserError, match="--motion"):
        open_frames(tiny_avatar(), None, Selection(start=1.0))


def test_values_that_are_not_numbers_are_refused():
    avatar = tiny_avatar()
    avatar.log_scale[3, 1] = float("nan")
    with pytest.raises(UserError, match="not numbers"):
        open_frames(avatar, tiny_motion(avatar.head), Selection()).gaussians(0)


def test_no_gaussian_is_refused():
    with pytest.raises(UserError, match="no Gaussian"):
        open_frames(tiny_avatar(count=0), None, Selection())


def test_shoulders_are_what_follows_the_torso():
    avatar = bench_avatar(load_head(), 2000)
    frames = open_frames(avatar, None, Selection(crop_shoulders=True))
    weights = frames.avatar.rig.skin_weights[:, ROOT].numpy()[frames.avatar.faces[frames.avatar.face]].mean(axis=1)
    assert 500 < len(frames.avatar) < 2000 and weights.max() <= 0.5
    # Nothing of the shoulders is left: all of it turns with the head, and lies above the chest.
    assert frames.gaussians(0).position[:, 1].min() > open_frames(avatar, None, Selection()).gaussians(0).position[:, 1].min() + 0.05
    assert "follow the torso" in frames.notes[0]


def test_the_fingerprint_tells_exports_apart():
    one = tiny_frames().fingerprint()
    assert one == tiny_frames().fingerprint() and len(one) == 16
    others = [tiny_frames(Selection(scale=2)), tiny_frames(Selection(every=2)), tiny_frames(up="z"), tiny_frames(count=49), tiny_frames(sound=False)]
    assert len({one, tiny_frames().fingerprint("more"), *(frames.fingerprint() for frames in others)}) == 7


def test_a_prop_stands_beside_every_frame():
    prop = random_gaussians(7, degree=1)
    frames = tiny_frames(up="y")
    both = replace(frames, prop=prop)
    for index in (0, 5):
        seen = both.gaussians(index)
        assert len(seen) == both.num_gaussians == 57 and seen.sh.shape[1] == 4
        assert torch.equal(seen.position[:50], frames.gaussians(index).position) and torch.equal(seen.position[50:], prop.position)
        assert torch.equal(seen.sh[50:], prop.sh) and not seen.sh[:50, 1:].any()
    assert both.fingerprint() != frames.fingerprint()
