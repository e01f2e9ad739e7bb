from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from avatar3d.cli.inspect import _describe
from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from avatar3d.motion import CHANNELS, load_motion, resampled, rest_motion, save_motion
from tests.avatar3d.tiny import tiny_head, tiny_motion


def test_a_motion_survives_its_file(tmp_path):
    head = tiny_head()
    motion = replace(tiny_motion(head), sound=np.linspace(-1, 1, 100, dtype=np.float32), sound_rate=16000, fps=Fraction(30000, 1001))
    save_motion(motion, tmp_path / "m.npz")
    again = load_motion(tmp_path / "m.npz", head)
    assert again.fps == motion.fps and again.sound_rate == 16000 and again.head_fingerprint == head.fingerprint
    for name in ("expr", "shape", "sound", *CHANNELS):
        np.testing.assert_array_equal(getattr(again, name), getattr(motion, name))


def test_a_note_survives_the_file_and_is_said(tmp_path):
    path = tmp_path / "motion.npz"
    save_motion(replace(tiny_motion(tiny_head()), note="made in a hurry"), path)
    assert load_motion(path).note == "made in a hurry"
    assert "made in a hurry" in "\n".join(_describe(path))


def test_the_file_has_the_names_that_vhap_uses(tmp_path):
    save_motion(tiny_motion(tiny_head()), tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as archive:
        assert {"expr", "jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation", "shape"} <= set(archive.files)
        assert archive["expr"].dtype == np.float32


def test_another_head_is_refused_by_both_names(tmp_path):
    save_motion(tiny_motion(tiny_head(seed=0)), tmp_path / "m.npz")
    other = tiny_head(seed=1)
    with pytest.raises(UserError) as error:
        load_motion(tmp_path / "m.npz", other)
    assert tiny_head(seed=0).fingerprint in str(error.value) and other.fingerprint in str(error.value)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_what_is_not_a_motion_is_refused(tmp_path, content):
    (tmp_path / "m.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"m\.npz"):
        load_motion(tmp_path / "m.npz")


def test_an_array_file_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "m.npz", numbers=np.zeros(3))
    with pytest.raises(UserError, match="not a complete motion"):
        load_motion(tmp_path / "m.npz")


@given(st.floats(-1, 2, allow_nan=False))
def test_between_two_frames_a_rotation_takes_the_shorter_arc(time):
    motion = tiny_motion(tiny_head())
    frame = motion.at(time)
    position = np.clip(time * 25, 0, len(motion) - 1)
    first = min(int(position), len(motion) - 2)
    before, after = (Rotation.from_rotvec(motion.rotation[i]) for i in (first, first + 1))
    here = Rotation.from_rotvec(frame.rotation[0])
    whole = (before.inv() * after).magnitude()
    assert abs((before.inv() * here).magnitude() - (position - first) * whole) < 1e-3


def test_at_a_frame_the_motion_is_that_frame():
    motion = tiny_motion(tiny_head())
    np.testing.assert_array_equal(motion.at(4 / 25).expr[0], motion.expr[4])
    np.testing.assert_array_equal(motion.at(99.0).rotation[0], motion.rotation[-1])


def test_a_motion_of_one_frame_stands_still():
    motion = tiny_motion(tiny_head(), frames=1)
    np.testing.assert_array_equal(motion.at(0.7).expr, motion.expr)


def test_a_resampled_motion_is_at_every_time_what_it_was():
    rng = np.random.default_rng(0)
    motion = replace(rest_motion(load_head(), 20), expr=rng.random((20, 51), np.float32), neck_pose=rng.normal(0, 0.5, (20, 3)).astype(np.float32))
    other = resampled(motion, Fraction(60))
    assert len(other) == 48 and other.fps == 60 and resampled(motion, Fraction(25)) is motion
    for frame in (0, 7, 30, 44):
        expected = motion.at(frame / 60)
        np.testing.assert_allclose(other.expr[frame], expected.expr[0], atol=1e-5)
        np.testing.assert_allclose(other.neck_pose[frame], expected.neck_pose[0], atol=1e-5)
