"""The table and the curves of what tracking gets wrong."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar3d.camera import look_at
from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from recon.synthetic_motion import exercise
from recon.truth_bench import plot_curves, table_lines, truth_bench
from recon.truth_errors import tracking_errors


def test_the_table_has_a_column_per_person_and_a_dash_where_nothing_was_measured():
    lines = table_lines({"one": {"turn_deg": 1.25, "lid_mm": 0.5}, "two": {"turn_deg": 2.5, "lip_mm": float("nan")}})
    assert [line.split() for line in lines] == [["one", "two"], ["turn_deg", "1.250", "2.500"], ["lid_mm", "0.500", "-"], ["lip_mm", "-", "-"]]


def test_curves_are_drawn(tmp_path: Path):
    head = load_head()
    motion = exercise(head, np.zeros(head.num_shape, np.float32), 60).motion
    camera = look_at(np.array([0.0, 0.0, 0.9]), np.zeros(3), focal=1000.0, size=(512, 512))
    plot_curves(tracking_errors(motion, camera, motion, camera, head)[1], tmp_path / "curves.png")
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture is not None and picture.std() > 5


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path):
    (tmp_path / "adorned").write_text("a file", encoding="utf-8")
    with pytest.raises(UserError):
        truth_bench(tmp_path, load_head())
