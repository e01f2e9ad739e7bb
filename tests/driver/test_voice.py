import numpy as np
import pytest

from avatar3d.errors import UserError
from driver.voice import check_speech

RATE = 16000


def _noise(seconds: float, level: float) -> np.ndarray:
    return np.random.default_rng(0).normal(size=int(RATE * seconds), scale=level).astype(np.float32)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(RATE * 3, np.float32),
        _noise(3, 0.1),
        np.sin(2 * np.pi * 150 * np.arange(RATE * 3) / RATE).astype(np.float32),
        np.zeros(100, np.float32),
    ],
    ids=["silence", "noise", "hum", "too short"],
)
def test_sound_without_speech_is_refused(sound):
    with pytest.raises(UserError, match=r"a\.wav: no speech"):
        check_speech(sound, RATE, "a.wav")


def test_spoken_words_pass():
    speech = pytest.importorskip("driver.speech")
    pytest.importorskip("espeakng_loader")
    spoken = speech.synthesize("Hello there, good to see you.")
    check_speech(spoken.sound, spoken.rate, "a.wav")


def test_real_recordings_pass(shared_data):
    from avatar3d.sound import read_sound

    for path in [*sorted((shared_data / "speech" / "test").glob("*.flac")), shared_data / "speech" / "jfk.flac"]:
        check_speech(read_sound(path, RATE), RATE, path)
