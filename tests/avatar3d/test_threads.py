"""Cores of this process, on systems that know them and on others."""

import os

import pytest

from avatar3d.threads import in_order, num_cores


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert num_cores() == 3


@pytest.mark.parametrize(("count", "expected"), [(8, 8), (None, 1)])
def test_systems_without_affinity_use_all_cores(monkeypatch, count, expected):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert num_cores() == expected


def test_pieces_come_in_order_and_the_first_error_ends_them():
    def make(index):
        if index == 70:
            raise ValueError("no")
        return index * index

    pieces = in_order(make, 100)
    assert [next(pieces) for _ in range(60)] == [index * index for index in range(60)]
    with pytest.raises(ValueError, match="no"):
        list(pieces)
    assert list(in_order(make, 0)) == []
