import numpy as np
import pytest
import torch

from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion
from recon.bench import bench_avatar, bench_motion
from viewer.export.frames import open_frames
from viewer.export.pruning import most_important, subset
from viewer.export.selection import Selection


@pytest.fixture(scope="module")
def avatar():
    made = bench_avatar(load_head(), 1500)
    # A third can hardly be seen.
    made.opacity_logit[::3] = -8.0
    return made


def test_what_cannot_be_seen_goes_first(avatar):
    pruned = most_important(avatar, rest_motion(avatar.head, 1), [0.0], 1000)
    assert len(pruned.avatar) == 1000 and (pruned.avatar.opacity_logit > 0).all()
    assert pruned.psnr > 45


def test_it_costs_less_than_leaving_out_anything(avatar):
    motion = bench_motion(avatar.head, 10)
    times = [index / 25 for index in range(10)]
    pruned = most_important(avatar, motion, times, 600)
    chance = np.sort(np.random.default_rng(0).choice(len(avatar), 600, replace=False))
    from viewer.export.pruning import _cameras, _psnr

    assert pruned.psnr > _psnr(avatar, subset(avatar, chance), motion, times[:2], _cameras(avatar)) + 3


def test_the_count_is_the_same_in_all_frames(avatar):
    frames = open_frames(avatar, bench_motion(avatar.head, 4), Selection(max_gaussians=700))
    assert [len(frames.gaussians(index)) for index in range(4)] == [700] * 4
    assert "700 of 1500" in frames.notes[0] and "dB" in frames.notes[0]


def test_enough_room_changes_nothing(avatar):
    frames = open_frames(avatar, None, Selection(max_gaussians=1500))
    assert frames.avatar is avatar and not frames.notes


def test_a_subset_poses_as_it_did_before(avatar):
    kept, motion = np.array([1, 5, 700]), bench_motion(avatar.head, 3)
    whole, some = avatar.pose(motion, 0.05), subset(avatar, kept).pose(motion, 0.05)
    for name in ("position", "rotation", "log_scale", "opacity_logit", "sh"):
        assert torch.allclose(getattr(some, name), getattr(whole, name)[kept], atol=1e-6), name
