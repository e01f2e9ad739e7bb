import numpy as np
import pytest

from driver.behaviour import blink_shape
from driver.blinks import lid_closure, whole_blinks, without_blinks
from driver.channels import LIDS, NUM_CHANNELS
from driver.evaluate import blinks_per_minute
from driver.features import FPS
from driver.pins import Pins


def lids(*blinks: tuple[float, float], open_lid: float = 0.0) -> np.ndarray:
    """Ten seconds with blinks that begin at some second and are so deep."""
    frames = np.zeros((10 * FPS, NUM_CHANNELS), np.float32)
    closure = np.sum([depth * blink_shape(np.arange(len(frames)) / FPS - onset) for onset, depth in blinks], axis=0)
    frames[:, LIDS] = (open_lid + (1 - open_lid) * closure)[:, None]
    return frames


def peak(frames: np.ndarray, onset: float) -> float:
    first = round(onset * FPS)
    return float(lid_closure(frames)[first : first + 9].max())


def test_lids_close_wholly_or_not_at_all():
    frames = lids((1, 1.0), (3, 0.62), (5, 0.25), (7, 0.9), (7.32, 0.6))
    made = whole_blinks(frames)
    assert min(peak(made, onset) for onset in (1, 3, 7, 7.32)) > 0.95 and peak(made, 5) <= 0.1 + 1e-6
    assert blinks_per_minute([made]) == pytest.approx(blinks_per_minute([frames]), abs=6)
    assert made.max() <= 1
    others = np.setdiff1d(np.arange(NUM_CHANNELS), LIDS)
    np.testing.assert_array_equal(made[:, others], frames[:, others])


def test_lids_that_are_lowered_or_wink_or_are_given_stay():
    frames = lids((1, 0.7), (5, 0.6))
    frames[75:110, LIDS] = 0.6
    frames[160:166, LIDS[0]] = 0.6
    known = np.zeros(frames.shape, bool)
    known[130, LIDS] = True
    made = whole_blinks(frames, Pins(frames, known))
    np.testing.assert_array_equal(made[60:], frames[60:])
    assert peak(made, 1) > 0.95


def test_an_own_drivers_blinks_come_to_the_persons_depth():
    frames = lids((1, 0.5), (3, 0.35), (5, 0.49), open_lid=0.2)
    deepest = lid_closure(frames).max()
    made = whole_blinks(frames, own=True)
    assert [peak(made, onset) for onset in (1, 3, 5)] == pytest.approx([deepest] * 3, abs=0.01)


def test_no_blink_is_left_where_none_shall_be():
    assert lid_closure(without_blinks(lids((1, 1.0), (5, 0.5)))).max() == 0
