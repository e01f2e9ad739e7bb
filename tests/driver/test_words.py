import numpy as np
import pytest

from avatar3d.errors import UserError
from driver.features import FPS, num_frames
from driver.phones import VISEME_INDEX, VISEME_NAMES, segments
from driver.speech import Speech
from driver.words import phones_of_speech, phones_of_transcript

TEXT = "bob put the big book on the table and left for home and put the big map on the table"


@pytest.fixture(scope="module")
def spoken() -> Speech:
    pytest.importorskip("espeakng_loader")
    from driver.speech import synthesize

    return synthesize(TEXT, voice="en-us+f2", rate=140)


def test_phones_of_synthesized_speech_are_where_they_sound(spoken):
    rows = phones_of_speech(spoken)
    assert rows.shape == (num_frames(len(spoken.sound)), len(VISEME_NAMES)) and (rows.sum(axis=1) == 1).all()
    long = [segment for segment in segments(spoken.phones) if segment.end - segment.start > 0.08]
    told = [VISEME_NAMES[rows[int((segment.start + segment.end) / 2 * FPS)].argmax()] for segment in long]
    assert len(long) > 20 and told == [segment.viseme for segment in long]


def test_every_closure_has_a_frame(spoken):
    rows = phones_of_speech(spoken)
    closures = [segment for segment in segments(spoken.phones) if segment.viseme == "pbm"]
    assert len(closures) >= 8
    for closure in closures:
        near = rows[max(0, int(closure.start * FPS) - 1) : int(closure.end * FPS) + 2]
        assert near[:, VISEME_INDEX["pbm"]].any()


def test_phones_of_a_transcript_are_found_in_the_sound(spoken):
    pytest.importorskip("pocketsphinx")
    exact, found = phones_of_speech(spoken), phones_of_transcript(spoken.sound, spoken.rate, TEXT)
    assert found.shape == exact.shape
    same = (exact.argmax(axis=1) == found.argmax(axis=1)).mean()
    # Half a second late, they are as different as chance makes them.
    assert same > 0.6 > 0.3 > (np.roll(exact, FPS // 2, axis=0).argmax(axis=1) == found.argmax(axis=1)).mean()


@pytest.mark.parametrize(
    "text",
    ["", "' ' '", "你好世界", "nobody said anything comparable about elephants", "bob", "word " * 10_000, "a" * 1000],
    ids=["empty", "apostrophes", "chinese", "other words", "one of the words", "too many", "no word"],
)
def test_a_transcript_that_does_not_fit_is_refused(spoken, text):
    pytest.importorskip("pocketsphinx")
    with pytest.raises(UserError, match=r"said\.txt: does not fit the sound"):
        phones_of_transcript(spoken.sound, spoken.rate, text, "said.txt")


def test_the_aligner_is_asked_about_16_khz(spoken):
    """The same words, heard at another rate and in two channels, lie where they were."""
    pytest.importorskip("pocketsphinx")
    stereo = np.repeat(spoken.sound, 3)[:, None] * np.array([0.3, 0.2], np.float32)
    one, other = phones_of_transcript(spoken.sound, spoken.rate, TEXT), phones_of_transcript(stereo, 3 * spoken.rate, TEXT)
    assert (one.argmax(axis=1) == other.argmax(axis=1)).mean() > 0.9
