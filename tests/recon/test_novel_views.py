"""Defects with known areas, and views of a tiny avatar."""

from dataclasses import replace

import numpy as np
import pytest

from avatar3d.drawing import draw
from recon.novel_views import NovelView, find_defects, novel_views, rest_frame, summary
from tests.recon.memory_capture import small_scene

SIZE = 512
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE] + 0.5


def disc(radius: float, row: float = 256, column: float = 256) -> np.ndarray:
    return np.hypot(ROWS - row, COLUMNS - column) < radius


BODY = disc(150)


def test_a_closed_surface_has_no_defect():
    defects, marks = find_defects(BODY.astype(np.float32), BODY)
    assert (defects.holes, defects.see_through, defects.floaters, defects.spikes) == (0, 0, 0, 0)
    assert not marks.any()


def test_a_hole_counts_by_its_area():
    alpha = (BODY & ~disc(20, 230, 280)).astype(np.float32)
    defects, marks = find_defects(alpha, BODY)
    assert defects.holes == pytest.approx(20**2 / 150**2, rel=0.02)
    assert defects.see_through == pytest.approx(20**2 / 146**2, rel=0.02)
    assert (marks == 1).sum() == (disc(20, 230, 280)).sum()


def test_a_missing_rim_is_no_hole():
    assert find_defects(disc(147).astype(np.float32), BODY)[0].holes == 0


def test_half_transparent_is_see_through_but_no_hole():
    defects, _ = find_defects(BODY * np.float32(0.7), BODY)
    assert defects.holes == 0
    assert defects.see_through == pytest.approx(0.3, abs=1e-3)


def test_what_hangs_on_nothing_is_a_floater():
    alpha = (BODY | disc(10, 60, 60) | disc(5, 450, 450)).astype(np.float32)
    defects, marks = find_defects(alpha, BODY)
    assert defects.floater_count == 2
    assert defects.floaters == pytest.approx((10**2 + 5**2) / 150**2, rel=0.05)
    assert set(np.unique(marks)) == {0, 2}


def test_hair_that_hangs_together_with_the_head_is_no_floater():
    hair = disc(60, 120, 256)
    defects, _ = find_defects((BODY | hair).astype(np.float32), BODY)
    assert (defects.floater_count, defects.spike_count) == (0, 0)


def test_a_needle_is_a_spike_and_a_stump_is_not():
    needle = (abs(ROWS - 256) < 2) & (COLUMNS > 256) & (COLUMNS < 256 + 190)
    stump = (abs(COLUMNS - 256) < 12) & (ROWS < 256) & (ROWS > 256 - 190)
    defects, marks = find_defects((BODY | needle | stump).astype(np.float32), BODY)
    assert defects.spike_count == 1
    assert set(np.unique(marks)) == {0, 3}
    beyond = needle & ~disc(156)
    assert (marks == 3).sum() == pytest.approx(beyond.sum(), rel=0.1)


def test_the_rim_is_as_wide_as_it_is_made():
    soft = np.clip((155 - np.hypot(ROWS - 256, COLUMNS - 256)) / 10, 0, 1).astype(np.float32)
    # Eight of the ten pixels of the ramp lie between a tenth and nine tenths; a discrete outline is shorter than the circle.
    assert find_defects(soft, BODY)[0].edge_px == pytest.approx(8 * np.pi / (2 * np.sqrt(2)), rel=0.05)


def test_shares_do_not_depend_on_the_size_of_the_picture():
    alpha = (BODY & ~disc(20, 230, 280) | disc(10, 60, 60)).astype(np.float32)
    large, small = find_defects(alpha, BODY)[0], find_defects(alpha[::2, ::2].copy(), BODY[::2, ::2].copy())[0]
    assert small.holes == pytest.approx(large.holes, rel=0.05)
    assert small.floaters == pytest.approx(large.floaters, rel=0.1)


def test_straight_ahead_is_what_the_capture_sees():
    _, motion, camera, avatar = small_scene()
    frame = motion.frames(slice(3, 4))
    views = novel_views(avatar, frame, camera, (0, 90), background=0.0)
    expected = draw(avatar, frame, 0.0, camera, np.zeros(3, np.float32)).rgb
    np.testing.assert_allclose(views[0].rgb, np.clip(expected, 0, 1), atol=1e-4)
    assert np.abs(views[1].rgb - views[0].rgb).mean() > 0.01


def test_the_rest_frame_is_the_most_usual_one():
    motion = small_scene()[1]
    for name in ("expr", "jaw_pose", "eyes_pose", "neck_pose", "rotation"):
        getattr(motion, name)[7] = np.median(getattr(motion, name), axis=0)
    np.testing.assert_array_equal(rest_frame(motion, np.arange(16)).expr[0], motion.expr[7])


def test_the_summary_is_over_the_judged_views():
    clean, holed = find_defects(BODY.astype(np.float32), BODY), find_defects((BODY & ~disc(20)).astype(np.float32), BODY)
    base = NovelView(0, np.zeros((SIZE, SIZE, 3), np.float32), *clean, BODY)
    views = [replace(base, yaw=0, defects=holed[0]), replace(base, yaw=30, defects=holed[0]), replace(base, yaw=60)]
    assert summary(views)["novel_holes"] == pytest.approx(holed[0].holes / 2)
    assert summary(views[:1]) == {}
