import numpy as np
import pytest

from driver.features import RATE
from driver.pitch import WINDOW, f0_and_periodicity

_HOP = 640


def _tone(frequency: float, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * frequency * time).astype(np.float32)


@pytest.mark.parametrize("frequency", [70.0, 123.4, 220.0, 480.0])
def test_the_pitch_of_a_tone(frequency):
    f0, periodicity = f0_and_periodicity(_tone(frequency), RATE, _HOP)
    np.testing.assert_allclose(f0, frequency, rtol=0.015)
    assert periodicity.min() > 0.97


def test_noise_is_not_periodic():
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    assert np.median(f0_and_periodicity(noise, RATE, _HOP)[1]) < 0.5


def test_silence_is_finite():
    for values in f0_and_periodicity(np.zeros(RATE, np.float32), RATE, _HOP):
        assert np.isfinite(values).all()


def test_one_estimate_a_hop():
    assert len(f0_and_periodicity(np.zeros(WINDOW + 3 * _HOP, np.float32), RATE, _HOP)[0]) == 4


def test_it_is_librosas_yin(babble):
    """The driver learnt from librosa's figures. Of speech a frame in a hundred may differ: ties between octaves fall by rounding."""
    librosa = pytest.importorskip("librosa")
    reference = librosa.yin(babble, fmin=65, fmax=500, sr=RATE, frame_length=WINDOW, hop_length=_HOP, center=False)
    ours = f0_and_periodicity(babble, RATE, _HOP)[0]
    assert np.mean(np.abs(np.log2(ours / reference)) < 1e-3) > 0.99
