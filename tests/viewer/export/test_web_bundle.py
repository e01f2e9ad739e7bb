from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from tests.avatar3d.tiny import tiny_avatar, tiny_head, tiny_motion
from viewer.export.packed import read_packed, write_packed
from viewer.export.web_bundle import pack_avatar, unpack_avatar, used_vertices


def _through_the_file(avatar):
    return unpack_avatar(read_packed(write_packed(pack_avatar(avatar))))


def test_the_file_poses_as_the_avatar():
    avatar = tiny_avatar()
    motion = tiny_motion(avatar.head)
    read = _through_the_file(avatar)
    for time in (0.0, 0.13, 0.4):
        a, b = avatar.pose(motion, time), read.pose(motion, time)
        assert (a.position - b.position).abs().max() < 1e-4
        assert (a.log_scale - b.log_scale).abs().max() < 1e-3
        assert (a.sh - b.sh).abs().max() < 0.02
        assert (a.opacity_logit - b.opacity_logit).abs().max() < 1e-3
        turned = torch.nn.functional.normalize(a.rotation, dim=1) - torch.nn.functional.normalize(b.rotation, dim=1)
        assert turned.abs().max() < 0.01


def test_lids_are_carried():
    head = tiny_head()
    lids = torch.from_numpy(np.random.default_rng(1).normal(size=(2, head.num_vertices, 3), scale=0.004).astype(np.float32))
    avatar = tiny_avatar(replace(head, eyelid_basis=lids))
    # The network of the tiny avatar was made for a motion without lids, so that only the vertices are compared.
    motion = replace(tiny_motion(avatar.head), eyelids=np.full((12, 2), 0.7, np.float32)).frames(slice(0, 1))
    vertices, _, _ = used_vertices(avatar)
    read = _through_the_file(avatar)
    assert np.abs(avatar.vertices(motion)[vertices] - read.vertices(motion)[: len(vertices)]).max() < 1e-5


def test_vertices_that_nothing_needs_are_left_out():
    avatar = tiny_avatar(count=2)
    vertices, faces, face = used_vertices(avatar)
    assert len(vertices) <= 6 and len(faces) <= 2 and face.max() < len(faces)
    np.testing.assert_array_equal(vertices[faces[face]], avatar.faces[avatar.face])


def test_the_same_avatar_gives_the_same_bytes():
    assert write_packed(pack_avatar(tiny_avatar())) == write_packed(pack_avatar(tiny_avatar()))


def test_it_says_what_it_is():
    avatar = replace(tiny_avatar(), metadata={"subject": "Ann", "consent": "for this test", "source": "/home/ann/me.mp4"})
    packed = pack_avatar(avatar)
    assert packed.header["subject"] == "Ann" and packed.header["consent"] == "for this test"
    assert "not a recording" in packed.header["synthetic"]
    # Where the video lay is nobody's business.
    assert b"/home/ann" not in write_packed(packed)


def test_a_head_that_may_not_be_given_away_leaves_nothing_of_its_rig():
    avatar = tiny_avatar(replace(tiny_head(), redistributable=False))
    packed = pack_avatar(avatar)
    assert set(packed.arrays).isdisjoint({"rest", "joints", "skin_weights", "expr_offset", "pose_offset", "eyelids_offset", "network.0.weight"})
    with pytest.raises(UserError, match="with a rig"):
        unpack_avatar(packed)


@pytest.mark.parametrize("missing", ["faces", "basis", "rest", "skin_weights", "splat_face", "expr_start"])
def test_a_file_that_lacks_something_is_refused(missing):
    packed = pack_avatar(tiny_avatar())
    del packed.arrays[missing]
    with pytest.raises(UserError, match=r"here\.bin: is damaged"):
        unpack_avatar(packed, "here.bin")
