import numpy as np
import pytest

from avatar3d.errors import UserError
from driver.speech import resample, synthesize


@pytest.fixture(autouse=True)
def _espeak():
    pytest.importorskip("espeakng_loader")


def test_phones_tile_the_sound():
    said = synthesize("Bob may pay five pence.")
    assert said.rate == 16000
    assert said.phones[0].start == 0
    assert said.phones[-1].end == pytest.approx(len(said.sound) / said.rate, abs=1e-3)
    assert all(a.end == b.start for a, b in zip(said.phones, said.phones[1:], strict=False))


def test_phones_are_where_they_sound():
    """Vowels are loud and pauses are not: the times belong to the sound."""
    said = synthesize("Papa. Mama. Papa.")
    level: dict[str, list[float]] = {"vowel": [], "pause": []}
    for phone in said.phones:
        middle = slice(int((phone.start * 0.6 + phone.end * 0.4) * said.rate), int((phone.start * 0.3 + phone.end * 0.7) * said.rate))
        if phone.end - phone.start > 0.06 and ("ɑ" in phone.name or not phone.name):
            level["vowel" if phone.name else "pause"].append(float(np.abs(said.sound[middle]).mean()))
    assert len(level["vowel"]) >= 3
    assert min(level["vowel"]) > 10 * max(level["pause"])


def test_rate_makes_it_shorter():
    text = "A sentence that takes a while to say."
    assert len(synthesize(text, rate=260).sound) < 0.75 * len(synthesize(text, rate=140).sound)


def test_unknown_voice_is_named():
    with pytest.raises(UserError, match="voice klingon-x"):
        synthesize("hello", "klingon-x")


@pytest.mark.parametrize("text", ["", "  \n", "x" * 30_000])
def test_nothing_and_too_much_are_refused(text):
    with pytest.raises(UserError, match="text"):
        synthesize(text)


def test_missing_wheel_is_explained(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r"avatar3d\[tts\]"):
        synthesize("hello")


def test_resampling_keeps_a_tone():
    tone = np.sin(2 * np.pi * 300 * np.arange(22050) / 22050).astype(np.float32)
    expected = np.sin(2 * np.pi * 300 * np.arange(16000) / 16000)
    np.testing.assert_allclose(resample(tone, 22050, 16000)[200:-200], expected[200:-200], atol=5e-3)


def test_what_was_spoken_before_does_not_matter():
    alone = synthesize("Return the number of open files.", voice="en-us")
    synthesize("Something else entirely.", voice="fr+f5", rate=200)
    again = synthesize("Return the number of open files.", voice="en-us")
    assert alone.sound.tobytes() == again.sound.tobytes() and alone.phones == again.phones
