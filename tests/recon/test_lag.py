"""The lag between lips and sound."""

from fractions import Fraction

import numpy as np
import pytest

from recon.lag import estimate_lag
from recon.landmarks import CHIN, FOREHEAD, LOWER_LIP, LandmarkDetector
from recon.video import read_aligned_sound, read_frames

RATE = 16000


def talk(lag: float, seconds: float = 12.0, fps: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks [T, 478, 3] whose mouth opens as the sound is loud, `lag` seconds before it."""
    rng = np.random.default_rng(3)
    knots = np.arange(0, seconds + 1, 0.12)
    loud = rng.uniform(0, 1, len(knots)) ** 2
    times = np.arange(int(seconds * fps)) / fps
    points = np.zeros((len(times), 478, 3), np.float32)
    points[:, CHIN, 1], points[:, FOREHEAD, 1] = 100, -100
    points[:, LOWER_LIP, 1] = 20 * np.interp(times + lag, knots, loud)
    heard = np.arange(int(seconds * RATE)) / RATE
    return points, (np.interp(heard, knots, loud) * rng.standard_normal(len(heard)) * 0.2).astype(np.float32)


@pytest.mark.parametrize("lag", [-0.2, 0.0, 0.1])
def test_lag_is_found(lag):
    points, sound = talk(lag)
    found = estimate_lag(points, np.ones(len(points), bool), Fraction(30), sound, RATE)
    assert found is not None
    assert found[0] == pytest.approx(lag, abs=0.025)
    assert found[1] > 0.5


def test_frames_without_a_face_do_not_count():
    points, sound = talk(0.1)
    valid = np.ones(len(points), bool)
    valid[60:120] = False
    points[60:120] = 0
    found = estimate_lag(points, valid, Fraction(30), sound, RATE)
    assert found is not None and found[0] == pytest.approx(0.1, abs=0.03)


def test_unrelated_sound_has_no_lag():
    points, sound = talk(0.0, 24)
    assert estimate_lag(points, np.ones(len(points), bool), Fraction(30), sound[::-1].copy(), RATE) is None


def test_silence_and_still_lips_have_no_lag():
    points, sound = talk(0.0)
    valid = np.ones(len(points), bool)
    assert estimate_lag(points, valid, Fraction(30), np.zeros_like(sound), RATE) is None
    assert estimate_lag(points[:1].repeat(len(points), 0), valid, Fraction(30), sound, RATE) is None
    assert estimate_lag(points[:20], valid[:20], Fraction(30), sound, RATE) is None


def test_lips_of_the_shared_clip_lead(shared_data):
    video = shared_data / "video" / "weekly_address_256p_30s.mp4"
    with LandmarkDetector() as detector:
        found = [detector.detect(rgb) for rgb in read_frames(video)]
    points = np.stack([p for p in found if p is not None])
    sound = read_aligned_sound(video, RATE)
    assert sound is not None and len(points) == 902
    lag = estimate_lag(points, np.ones(902, bool), Fraction(30), sound, RATE)
    assert lag is not None and lag[0] == pytest.approx(0.1, abs=0.05)
