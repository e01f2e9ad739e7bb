import numpy as np
import pytest

from driver.channels import JAW, NUM_CHANNELS, REGIONS
from driver.features import FPS, NUM_FEATURES, RATE
from driver.phones import Segment
from driver.takes import generated_take, relative_loudness, sentences, speak_in


def test_sentences_are_prose_and_split_cleanly():
    training, held = sentences()
    assert len(training) > 2000
    assert 50 < len(held) < 0.1 * len(training)
    assert not set(training) & set(held)
    assert all(text[0].isupper() and text[-1] in ".?!" and "_" not in text for text in training)


def test_relative_loudness_follows_the_level():
    sound = np.concatenate([np.full(RATE, 0.1), np.full(RATE, 0.03)]).astype(np.float32)
    segments = [Segment("aa", 0, 1, 1.0), Segment("td", 1, 2, 1.0)]
    level = relative_loudness(sound, segments)
    assert abs(level[5:20]).max() < 0.5
    assert level[30:45].mean() == pytest.approx(20 * np.log10(0.3), abs=0.5)


@pytest.fixture(scope="module")
def take():
    pytest.importorskip("espeakng_loader")
    return generated_take(sentences()[0], np.random.default_rng(3), degrade=False)


def test_a_take_is_one_face_for_one_sound(take):
    T = len(take.frames)
    assert -(-len(take.sound) * FPS // RATE) == T
    assert take.frames.shape == (T, NUM_CHANNELS)
    assert take.features.shape == (T, NUM_FEATURES)
    assert take.viseme.shape == take.closed.shape == (T,)
    assert np.isfinite(take.frames).all()
    for rows in REGIONS.values():
        assert take.frames[:, rows].any()


def test_the_mouth_opens_with_the_voice(take):
    loud = take.features[:, 400]
    assert np.corrcoef(loud, take.frames[:, JAW])[0, 1] > 0.3


def test_a_stretched_voice_keeps_its_times():
    pytest.importorskip("espeakng_loader")
    long, short = (speak_in("en-us", "Papa may bake a map.", 165, 50, 50, warp) for warp in (0.8, 1.25))
    for said in (long, short):
        assert said.phones[-1].end == pytest.approx(len(said.sound) / RATE, abs=2e-3)
    assert len(long.sound) > 1.4 * len(short.sound)
