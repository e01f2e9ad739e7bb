"""What is told of a source by when its pieces arrive, on a clock of the test's own."""

import pytest

from driver.arrivals import Arrivals
from driver.features import RATE

PIECE = 640
LONG = PIECE / RATE


def in_time(arrivals: Arrivals, count: int, begin: float) -> float:
    """So many pieces, each when it has sounded; when the last one did."""
    for number in range(count):
        arrivals.take(begin + (number + 1) * LONG, PIECE)
    return begin + count * LONG


def test_sound_in_time_begins_when_its_first_sample_sounds():
    arrivals = Arrivals()
    end = in_time(arrivals, 50, 3.0)
    assert arrivals.began == pytest.approx(3.0) and arrivals.last == pytest.approx(end) and arrivals.heard == 50 * PIECE
    assert arrivals.stalled == 0 and arrivals.burst == 0 and not arrivals.at_once


def test_after_a_hiccup_sound_is_in_time_again():
    arrivals = Arrivals()
    end = in_time(arrivals, 25, 3.0)
    in_time(arrivals, 25, end + 0.15)
    # What follows is due as if the sound had begun later by as much: none of it is late.
    assert arrivals.began == pytest.approx(3.15) and arrivals.stalled == pytest.approx(0.15)
    assert arrivals.burst == 0


def test_a_little_lateness_moves_nothing():
    arrivals = Arrivals()
    end = in_time(arrivals, 25, 3.0)
    arrivals.take(end + LONG + 0.03, PIECE)
    arrivals.take(end + 2 * LONG, PIECE)
    assert arrivals.began == pytest.approx(3.0) and arrivals.stalled == 0


def test_a_burst_after_a_stall_is_what_came_at_once():
    arrivals = Arrivals()
    end = in_time(arrivals, 25, 3.0)
    for _ in range(50):
        arrivals.take(end + 0.8, PIECE)
    assert arrivals.stalled == pytest.approx(0.8 - LONG) and arrivals.at_once
    # The first of them was late, and the others came before their time.
    assert arrivals.burst == pytest.approx(49 * LONG)
    # What follows is due when it comes, or a little later.
    assert -0.25 - 1e-6 <= end + 0.8 - arrivals.began - 75 * LONG <= 0
    arrivals.caught_up()
    assert not arrivals.at_once and arrivals.burst == pytest.approx(49 * LONG)
    in_time(arrivals, 25, end + 0.8)
    assert not arrivals.at_once and arrivals.burst == pytest.approx(49 * LONG)


def test_a_whole_sound_at_once_is_a_burst():
    arrivals = Arrivals()
    for _ in range(100):
        arrivals.take(5.0, PIECE)
    assert arrivals.at_once and arrivals.burst == pytest.approx(99 * LONG) and arrivals.stalled == 0
