"""Pictures that keep their rate."""

import pytest

from viewer.live.resolution import LEAST, Resolution


def settle(resolution: Resolution, whole: float, pictures: int = 40) -> float:
    """The share after some pictures on a machine that takes `whole` seconds for a whole one."""
    for _ in range(pictures):
        resolution.took(resolution.share, whole * resolution.share**2)
    return resolution.share


def test_a_fast_machine_draws_whole_pictures():
    assert settle(Resolution(1 / 30), 0.01) == 1.0


@pytest.mark.parametrize("whole", [0.05, 0.1, 0.3])
def test_a_slow_one_keeps_the_rate(whole):
    share = settle(Resolution(1 / 30), whole)
    assert whole * share**2 <= 1 / 30
    # And gives away less than two steps of size.
    assert whole * share**2 > 1 / 30 / 1.15**4


def test_never_smaller_than_can_be_recognised():
    assert settle(Resolution(1 / 30), 100.0) == LEAST


def test_slower_is_answered_at_once_and_faster_by_and_by():
    resolution = Resolution(1 / 30)
    large = settle(resolution, 0.02)
    resolution.took(resolution.share, 1.0)
    small = resolution.share
    assert small < large
    resolution.took(small, 0.02 * small**2)
    assert resolution.share < large
    assert settle(resolution, 0.02) == large
