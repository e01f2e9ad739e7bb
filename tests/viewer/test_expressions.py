"""Expressions in groups."""

from avatar3d.arkit import EXPR_NAMES
from viewer.expressions import grouped, readable


def test_every_expression_is_in_one_group():
    groups = grouped(EXPR_NAMES, len(EXPR_NAMES))
    assert sorted(entry.index for entries in groups.values() for entry in entries) == list(range(len(EXPR_NAMES)))
    assert list(groups)[:2] == ["Brows", "Eyes"] and "Other" not in groups


def test_left_and_right_know_each_other():
    entries = {entry.name: entry for group in grouped(EXPR_NAMES, len(EXPR_NAMES)).values() for entry in group}
    for entry in entries.values():
        sided = entry.name.endswith(("Left", "Right"))
        # jawLeft and jawRight are no pair: a jaw cannot go both ways.
        if entry.name in ("mouthLeft", "mouthRight", "jawLeft", "jawRight"):
            assert entry.partner is None
        elif sided:
            assert entry.partner is not None
            assert entries[EXPR_NAMES[entry.partner]].partner == entry.index
        else:
            assert entry.partner is None


def test_eyes_look_the_same_way():
    entries = {entry.name: entry for entry in grouped(EXPR_NAMES, len(EXPR_NAMES))["Eyes"]}
    for left, right in (("eyeLookInLeft", "eyeLookOutRight"), ("eyeLookUpLeft", "eyeLookUpRight")):
        assert EXPR_NAMES[entries[left].partner] == right and EXPR_NAMES[entries[right].partner] == left


def test_a_head_without_names_has_components():
    ((title, entries),) = grouped((), 3).items()
    assert title == "Expression components" and [entry.name for entry in entries] == ["component 1", "component 2", "component 3"]


def test_names_are_read_as_words():
    assert readable("mouthSmileLeft") == "smile left" and readable("browInnerUp") == "inner up" and readable("component 2") == "component 2"
