"""Every figure has a heading, and what nobody has is not shown."""

import numpy as np

from driver.figures import POOLED
from driver.table import EXPLAINED, GROUPS, LIPS, figures_of, shown, table_lines

NOTHING = float("nan")


def test_every_group_is_explained_and_every_pooled_figure_has_a_place():
    assert list(GROUPS) == list(EXPLAINED)
    placed = [name for group in GROUPS.values() for name in group]
    assert len(placed) == len(set(placed)) and set(POOLED) <= set(placed)


def test_a_figure_is_shown_with_its_interval():
    row = {"lve_mm": (1.234, 1.1, 1.5), "mod_mm": (2.0, NOTHING, NOTHING), "jaw_r": (NOTHING,) * 3, "spread": (1e-12, 0.0, 2e-12)}
    assert shown(row, "lve_mm") == "1.23 ±0.2"
    assert shown(row, "mod_mm") == "2" and shown(row, "jaw_r") == "-" and shown(row, "slcc") == "-"
    assert shown(row, "spread") == "0 ±0" and shown({"jaw_r": (1.0, 1 - 1e-16, 1.0)}, "jaw_r") == "1 ±0"


def test_a_line_for_every_driver_and_no_empty_columns():
    table = {"one": {"lve_mm": (1.0, 0.9, 1.1)}, "another": {"mod_mm": (2.0, 1.9, 2.1), "jaw_r": (NOTHING,) * 3}}
    assert list(figures_of(table, LIPS)) == ["lve_mm", "mod_mm"]
    lines = table_lines(table)
    assert lines[1] == LIPS and len(lines) == 5
    assert lines[3].split() == ["one", "1", "±0.1", "-"] and lines[4].split() == ["another", "-", "2", "±0.1"]
    assert np.ptp([len(line) for line in lines[2:]]) == 0
