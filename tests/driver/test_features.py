import numpy as np
import pytest

from avatar3d.errors import UserError
from driver.features import FPS, LOOKAHEAD, NUM_FEATURES, RATE, SAMPLES, FeatureStream, as_mono16k, features, fractions, framed, num_frames, silence


def test_one_row_per_motion_frame(babble):
    assert features(babble).shape == (len(babble) * FPS // RATE, NUM_FEATURES)


def test_a_started_frame_is_completed(babble):
    assert len(features(babble[: 10 * 640 + 1])) == 11


@pytest.mark.parametrize("piece", [1, 333, 640, 5000])
def test_a_stream_gives_what_a_file_gives(babble, piece):
    sound = babble[: RATE * 2]
    stream = FeatureStream()
    parts = [stream.push(sound[start : start + piece]) for start in range(0, len(sound), piece)]
    np.testing.assert_allclose(np.concatenate(parts), features(sound), atol=2e-5)


def test_same_sound_same_bytes(babble):
    assert features(babble).tobytes() == features(babble).tobytes()


def test_later_sound_changes_no_earlier_row(babble):
    """Causal: with the network's two frames the look-ahead is 80 ms and no more."""
    changed = babble.copy()
    changed[100 * 640 :] = 0.3
    np.testing.assert_allclose(features(changed)[:100], features(babble)[:100], atol=2e-5)
    assert LOOKAHEAD / FPS <= 0.08


def test_level_hardly_matters(babble):
    """A quieter recording is heard alike once the running level has settled."""
    loud, quiet = features(babble), features(babble * 0.3)
    settled = slice(4 * FPS, None)
    voiced = loud[settled, -2] > 0.5
    difference = np.abs(loud[settled, :320] - quiet[settled, :320])[voiced]
    assert difference.mean() < 0.25


def test_pitch_is_heard():
    time = np.arange(4 * RATE) / RATE
    frequency = np.where(time < 2, 110.0, 165.0)
    sound = 0.1 * sum(np.sin(2 * np.pi * k * np.cumsum(frequency) / RATE) for k in range(1, 8)).astype(np.float32)
    voicing, pitch = features(sound)[:, -2:].T
    assert np.delete(voicing, [50, 51])[10:].min() > 0.8
    rise = pitch[52:55].mean() - pitch[40:48].mean()
    assert rise == pytest.approx(np.log2(1.5), abs=0.12)


def test_silence_is_finite_and_steady():
    rows = features(np.zeros(RATE, np.float32))
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(rows[5:], silence(len(rows) - 5), atol=1e-6)


def test_stereo_and_other_rates_are_taken():
    time = np.arange(44100) / 44100
    tone = 0.2 * np.sin(2 * np.pi * 200 * time)
    mono = as_mono16k(np.stack([tone, tone], axis=1), 44100)
    assert mono.shape == (RATE,)
    expected = 0.2 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(mono[500:-500], expected[500:-500], atol=2e-3)


@pytest.mark.parametrize("sound", [np.zeros(0), np.zeros((0, 2)), np.full(100, np.nan)])
def test_no_sound_is_refused(sound):
    with pytest.raises(UserError, match="sound"):
        as_mono16k(sound, RATE)


def test_frames_cover_the_sound():
    assert [num_frames(n) for n in (1, 640, 641, 16000)] == [1, 1, 2, 25]


def test_framed_sound_is_the_sound_with_silence_after_it():
    sound = np.arange(1, 1001, dtype=np.float32)
    whole, short, long = framed(sound), framed(sound, 1), framed(sound, 3)
    assert whole.shape == (2, SAMPLES) and np.array_equal(whole.ravel()[:1000], sound) and not whole.ravel()[1000:].any()
    assert np.array_equal(short, whole[:1]) and np.array_equal(long[:2], whole) and not long[2].any()


@pytest.mark.parametrize("gain", [0.008, 0.02, 40.0, 32767.0], ids=["very quiet", "quiet", "loud", "whole numbers"])
def test_a_file_is_brought_to_a_level_that_was_learned(babble, gain):
    made = as_mono16k(babble * np.float32(gain), RATE)
    assert -33 < 20 * np.log10(made.std()) < -13
    np.testing.assert_allclose(made / made.std(), babble / babble.std(), atol=1e-2)


def test_a_usual_level_is_left_as_it_is(babble):
    assert as_mono16k(babble, RATE).tobytes() == babble.tobytes()


def test_a_constant_offset_is_not_heard(babble):
    np.testing.assert_allclose(as_mono16k(babble + np.float32(0.4), RATE), as_mono16k(babble, RATE), atol=2e-3)
    assert not as_mono16k(np.full(RATE, 0.4, np.float32), RATE).any()
    assert not as_mono16k(np.zeros(RATE, np.float32), RATE).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_sound_are_refused_by_name(babble, value):
    broken = babble.copy()
    broken[100] = value
    with pytest.raises(UserError, match=r"a\.wav: holds samples that are not finite"):
        as_mono16k(broken, RATE, "a.wav")


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "uint8", "uint16"])
def test_whole_numbers_are_fractions_of_their_type(kind):
    info = np.iinfo(kind)
    ends = fractions(np.array([info.min, info.max], kind))
    assert ends.dtype == np.float32 and ends == pytest.approx([-1, 1], abs=0.01)
    with pytest.raises(ValueError, match="complex"):
        fractions(np.zeros(3, complex))
