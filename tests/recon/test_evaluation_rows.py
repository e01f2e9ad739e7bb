"""Which frames are measured, and what a whole evaluation says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from recon.evaluation_frames import choose_frames, trained_frames
from recon.evaluation_rows import assess
from recon.evaluation_transfer import carried_over
from recon.occlusion import Occlusions, save_occlusions
from recon.overlay import pose_frames
from recon.tracking_files import TrackedCapture
from tests.recon.memory_capture import small_scene


@pytest.fixture
def scene(tmp_path):
    """Sixteen frames, of which the avatar was trained on the first twelve; capture, tracking, avatar."""
    capture, motion, camera, avatar = small_scene(path=tmp_path)
    fit = {"trained_frames": [[0, 5], [6, 11]], "frames": 16, "seconds": 3.5, "holdout": 0.25}
    avatar = replace(avatar, metadata={"source": "memory", "camera": {"width": 64}, "fit": fit})
    return capture, TrackedCapture(motion, camera, {"learned_before": 12}), avatar


def chosen(scene, choice: str) -> dict[str, list[int]]:
    capture, tracking, avatar = scene
    return {name: frames.tolist() for name, frames in choose_frames(choice, avatar, capture, tracking.motion).frames.items()}


def test_held_out_frames_stand_beside_a_sample_of_the_trained_ones(scene):
    assert chosen(scene, "held-out") == {"held out": [12, 13, 14, 15], "trained": list(range(12))}


def test_a_range_is_divided_by_what_was_trained(scene):
    assert chosen(scene, "10:14") == {"held out": [12, 13], "trained": [10, 11]}
    assert chosen(scene, ":3") == {"trained": [0, 1, 2]}


def test_frames_without_a_face_are_left_out(scene):
    scene[0].valid[13] = False
    assert chosen(scene, "held-out")["held out"] == [12, 14, 15]


def test_a_long_training_is_sampled_in_triples(scene, monkeypatch):
    monkeypatch.setattr("recon.evaluation_frames.TRAIN_SAMPLE", 6)
    sample = chosen(scene, "held-out")["trained"]
    assert sample == [0, 1, 2, 9, 10, 11]


@pytest.mark.parametrize(
    "change",
    [
        {"source": "other.mp4"},
        {"camera": {"width": 128}},
        {"fit": {"frames": 17, "trained_frames": [[0, 3]]}},
        {"fit": {"frames": 16}},
        {"fit": None},
    ],
    ids=["name", "size", "frames", "no ranges", "no fit"],
)
def test_what_was_trained_on_is_unknown_for_another_capture(scene, change):
    capture, tracking, avatar = scene
    avatar = replace(avatar, metadata=avatar.metadata | change)
    assert trained_frames(avatar, capture) is None
    assert chosen((capture, tracking, avatar), "held-out") == {"training unknown": [13, 14, 15]}


@pytest.mark.parametrize("choice", ["some", "5:2", "a:b", "7", "40:50", "-3:4"])
def test_other_choices_are_refused(scene, choice):
    with pytest.raises(UserError, match="--frames"):
        chosen(scene, choice)


def test_an_evaluation_states_tracked_refined_and_trained_figures(scene):
    capture, tracking, avatar = scene
    wrong = replace(tracking, motion=replace(tracking.motion, translation=tracking.motion.translation + np.float32(0.004)))
    groups = choose_frames("held-out", avatar, capture, wrong.motion)
    found = assess({"": avatar}, capture, wrong, groups, refine=lambda avatar, motion, frames, progress: tracking.motion, landmarks=False)
    figures = found.to_json()
    assert (figures["group"], figures["frames"], figures["train_frames"]) == ("held_out", 4, 12)
    assert (figures["gaussians"], figures["seconds_fit"]) == (400, 3.5)
    assert figures["refined_psnr_full"] > figures["psnr_full"] + 3
    assert figures["gap_full"] == pytest.approx(figures["train_psnr_full"] - figures["psnr_full"], abs=1e-4)
    assert {"psnr_head", "psnr_mouth", "psnr_eyes", "ssim_full", "flicker_ratio", "novel_holes", "novel_floaters", "novel_spikes"} <= figures.keys()
    assert "still_frames" not in figures and found.remarks == []


def test_other_avatars_get_rows_of_their_own_and_a_remark_where_they_saw_more(scene):
    capture, tracking, avatar = scene
    all_seen = avatar.metadata["fit"] | {"trained_frames": [[0, 15]]}
    other = replace(avatar, colour=avatar.colour * 0.8, metadata=avatar.metadata | {"fit": all_seen})
    found = assess({"": avatar, "dark": other}, capture, tracking, choose_frames("held-out", avatar, capture, tracking.motion), landmarks=False)
    figures = found.to_json()
    assert figures["dark_psnr_full"] < figures["psnr_full"]
    assert "dark_gap_full" in figures and "dark_novel_holes" in figures
    assert found.remarks == ["dark was trained on 4 of the held-out frames"]


def test_a_tracker_that_learned_from_held_out_frames_is_told(scene):
    capture, tracking, avatar = scene
    loose = replace(tracking, report={"learned_before": 16})
    found = assess({"": avatar}, capture, loose, choose_frames("held-out", avatar, capture, loose.motion), landmarks=False)
    assert len(found.remarks) == 1 and "track with --holdout" in found.remarks[0]


def test_frames_with_something_before_the_face_are_counted(scene):
    capture, tracking, avatar = scene
    masks = np.ones((2, 64, 64), bool)
    save_occlusions(Occlusions(np.array([3, 13], np.int32), masks, np.array([0.5, 0.5], np.float32)), capture.path)
    found = assess({"": avatar}, capture, tracking, choose_frames("held-out", avatar, capture, tracking.motion), landmarks=False)
    assert [remark[:23] for remark in found.remarks] == ["in 1 of the 4 measured "]


def test_a_motion_of_another_identity_puts_the_head_where_it_was_seen():
    _, motion, camera, avatar = small_scene()
    head = replace(avatar.head, skin_weights=torch.tensor([[0.0, 1, 0, 0, 0]]).repeat(avatar.head.num_vertices, 1))
    avatar = replace(avatar, head=head, shape=torch.zeros(4), vertex_offset=0.3 * head.template)
    moved = carried_over(replace(motion, shape=np.full(4, 1e-3, np.float32)), camera, avatar)
    seen, own = pose_frames(head, motion, slice(0, 4)), [avatar.vertices(moved.frames(slice(i, i + 1)))[: head.num_vertices] for i in range(4)]
    for i in range(4):
        before, after = camera.project(seen[i].astype(np.float64)), camera.project(own[i].astype(np.float64))
        np.testing.assert_allclose(after.mean(axis=0), before.mean(axis=0), atol=0.5)
        assert after.std() == pytest.approx(before.std(), rel=0.1)


def test_a_motion_of_the_same_identity_is_left_alone():
    _, motion, camera, avatar = small_scene()
    assert carried_over(motion, camera, avatar) is motion
