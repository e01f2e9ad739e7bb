from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avatar3d.runs import ranges, runs


@given(st.lists(st.booleans(), max_size=30))
def test_runs_are_the_true_stretches_and_nothing_else(flags):
    found = runs(np.array(flags, bool))
    covered = np.zeros(len(flags), bool)
    for first, end in found:
        covered[first:end] = True
    assert np.array_equal(covered, flags)
    # No two of them touch: each is as long as can be.
    assert all(first < end for first, end in found) and all(a[1] < b[0] for a, b in pairwise(found))


@given(st.sets(st.integers(0, 40)))
def test_ranges_hold_the_frames_and_no_others(frames):
    found = ranges(np.array(sorted(frames), np.int64))
    assert [frame for first, last in found for frame in range(first, last + 1)] == sorted(frames)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(found))
