from pathlib import Path

import numpy as np
import pytest
import soundfile

from avatar3d.errors import UserError
from driver import augment
from driver.channels import INDEX, JAW, NUM_CHANNELS, REGIONS
from driver.corpus import build, generated_take, held_out_takes, relative_loudness, sentences, speak_in
from driver.features import FPS, NUM_FEATURES, RATE
from driver.phones import Segment
from driver.speech import synthesize


def test_sentences_are_prose_and_split_cleanly():
    training, held = sentences()
    assert len(training) > 2000
    assert 50 < len(held) < 0.1 * len(training)
    assert not set(training) & set(held)
    assert all(text[0].isupper() and text[-1] in ".?!" and "_" not in text for text in training)


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


def test_the_corpus_is_cached(tmp_path: Path, monkeypatch):
    pytest.importorskip("espeakng_loader")
    monkeypatch.setattr("driver.corpus.sentences", lambda: (("Bob may pay five pence for a map.",), ()))
    first = build(tmp_path, 0.01, seed=1, say=lambda _: None)
    assert first.starts[-1] == len(first.frames) >= 0.01 * 3600 * FPS
    folder = next(tmp_path.iterdir())
    stamp = (folder / "frames.npy").stat().st_mtime_ns
    again = build(tmp_path, 0.01, seed=1, say=lambda _: None)
    assert (folder / "frames.npy").stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(first.starts, again.starts)


def test_held_out_takes_are_clean_and_reproducible_in_motion():
    pytest.importorskip("espeakng_loader")
    one = held_out_takes(1)[0]
    assert (one.closed > 0.9).any()
    assert np.minimum(one.frames[:, INDEX["eyeBlinkLeft"]], 1).min() >= 0


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch) -> Path:
    """Two recordings, of which one is trained on."""
    pytest.importorskip("espeakng_loader")
    pytest.importorskip("pocketsphinx")
    monkeypatch.setattr("driver.corpus.sentences", lambda: (("Bob may pay five pence for a map.",), ()))
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in "ab":
        soundfile.write(folder / f"{name}.wav", synthesize("my mother saw a blue moon", rate=140).sound, RATE)
    (folder / "transcripts.tsv").write_text("a\tMY MOTHER SAW A BLUE MOON\nb\tMY MOTHER SAW A BLUE MOON\n")
    return folder


def test_changed_recordings_make_another_corpus(recorded, tmp_path):
    lines: list[str] = []
    people = [build(tmp_path / "cache", 0.001, 0, recorded, say=lines.append).person.max()]
    (recorded / "transcripts.tsv").write_text("a\tMY MOTHER\nb\tELEPHANTS NEVER EVER FORGET WHAT THEY HAVE BEEN TOLD\n")
    people.append(build(tmp_path / "cache", 0.001, 0, recorded, say=lines.append).person.max())
    # The one that is trained on fits no more, which is said.
    assert people[1] == people[0] - 1
    assert [line for line in lines if "left out" in line] == ["corpus: 1 recordings left out, whose transcripts do not fit them"]


def test_a_single_recording_is_refused(recorded, tmp_path):
    (recorded / "transcripts.tsv").write_text("a\tMY MOTHER SAW A BLUE MOON\n")
    with pytest.raises(UserError, match="holds one recording"):
        build(tmp_path / "cache", 0.001, 0, recorded)
