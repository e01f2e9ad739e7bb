import numpy as np
import pytest

from driver.channels import INDEX, NUM_CHANNELS
from driver.features import RATE
from driver.listener_table import answered, listening_figures, nods


def test_nods_are_counted_and_slow_sway_is_not():
    frames = np.zeros((500, NUM_CHANNELS), np.float32)
    frames[:, INDEX["neck_pose_0"]] = np.radians(0.5) * np.sin(np.arange(500) / 40)
    assert len(nods(frames)) == 0
    for start in (100, 300):
        frames[start : start + 12, INDEX["neck_pose_0"]] += np.radians(4) * np.sin(np.pi * np.arange(12) / 12)
    np.testing.assert_allclose(nods(frames), [106, 306], atol=1)


def test_pauses_are_answered_by_nods_soon_after():
    assert answered(np.array([35, 200]), np.array([20, 100])) == 0.5
    assert np.isnan(answered(np.array([35]), np.array([], int)))


def test_the_figures_are_there(tiny_net, lips, babble):
    figures = listening_figures([babble[: 3 * RATE]], tiny_net, lips, steps=1)
    assert set(figures) >= {"listening_nods_min", "pauses_answered_by_chance", "idle_lips_mm"}
    assert figures["listening_lips_mm"] == pytest.approx(figures["listening_lips_mm"])
