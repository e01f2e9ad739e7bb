"""The simple drivers find what simple drivers can find, and fall behind in the order one expects."""

import numpy as np
import pytest

from driver.baselines import BASELINES, _loudness, hold, mean_face, rule_visemes
from driver.channels import JAW, NUM_CHANNELS, REGIONS
from driver.features import NUM_FEATURES, RATE, num_frames
from driver.speech import synthesize


@pytest.fixture(scope="module")
def takes() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Six takes whose jaw follows the loudness two frames ahead of the sound, and whose lips follow one mel band."""
    rng = np.random.default_rng(0)
    features, frames = [], []
    for _ in range(6):
        heard = np.repeat(np.repeat(rng.normal(size=(100, 1)), 3, axis=0), NUM_FEATURES, axis=1) + 0.1 * rng.normal(size=(300, NUM_FEATURES))
        motion = np.zeros((300, NUM_CHANNELS))
        motion[:, JAW] = np.roll(0.3 + 0.1 * _loudness(heard), -2)
        motion[:, 0] = 0.1 + 0.05 * np.tanh(heard[:, 10:320:80].mean(axis=1))
        features.append(heard.astype(np.float32))
        frames.append(motion.astype(np.float32))
    return features, frames


@pytest.mark.parametrize("name", BASELINES)
def test_frames_are_made_for_any_length(takes, name):
    drive = BASELINES[name](*takes)
    for length in (1, 7, 200):
        made = drive(takes[0][0][:length])
        assert made.shape == (length, NUM_CHANNELS) and np.isfinite(made).all()


def test_more_knowledge_is_less_error(takes):
    features, frames = takes
    errors = {}
    for name, fit in BASELINES.items():
        made = fit(features[:5], frames[:5])(features[5])
        errors[name] = float(np.abs(made - frames[5])[:, [0, JAW]].mean())
    assert errors["ridge"] < 0.5 * errors["mean face"]
    assert errors["retrieval"] < 0.8 * errors["mean face"]
    assert errors["loudness to jaw"] <= errors["mean face"]


def test_the_mean_face_does_not_move(takes):
    made = mean_face(*takes)(takes[0][0])
    np.testing.assert_allclose(made[0], np.concatenate(takes[1]).mean(axis=0), rtol=1e-5)
    assert (made == made[0]).all()


def test_hold_is_the_rest_pose(takes):
    assert not hold(*takes)(takes[0][0]).any()


def test_rules_move_the_mouth_where_something_is_said():
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("espeakng_loader")
    quiet = np.zeros(RATE, np.float32)
    sound = np.concatenate([quiet, synthesize("far away in the barn", voice="en-us", rate=140).sound, quiet])
    made = rule_visemes(sound)
    assert made.shape == (num_frames(len(sound)), NUM_CHANNELS)
    assert made[30:-30, JAW].max() > 0.1 > 10 * made[:15, JAW].max()
    assert not made[:, np.concatenate([REGIONS["head"], REGIONS["brows"], REGIONS["eyes"]])].any()
