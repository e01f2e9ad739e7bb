import numpy as np
import pytest

from driver import augment
from driver.features import RATE


def test_added_noise_has_the_asked_power():
    assert augment.noise(8000, np.random.default_rng(0)).std() == pytest.approx(1)


def test_degrading_keeps_time_and_range():
    time = np.arange(RATE) / RATE
    sound = np.where((time > 0.5) & (time < 0.6), np.sin(2 * np.pi * 400 * time), 0).astype(np.float32)
    for seed in range(20):
        worse = augment.degrade(sound, np.random.default_rng(seed))
        assert worse.shape == sound.shape
        assert np.abs(worse).max() <= 1
        level = np.convolve(worse**2, np.ones(800) / 800, mode="same")
        assert 0.5 < np.argmax(level) / RATE < 0.65
