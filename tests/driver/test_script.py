import numpy as np
import pytest

from avatar3d.errors import UserError
from driver.conditions import EMOTIONS
from driver.features import RATE, num_frames
from driver.phones import VISEME_INDEX
from driver.script import perform_script, performed, read_script
from driver.speech import Speech


def test_a_script_is_words_pauses_and_moods():
    first, pause, glad, calm = read_script("Hello. [pause 0.5] [Happy 0.7]I am glad.[neutral] Bye.")
    assert (first.words, first.mood) == ("Hello.", None)
    assert (pause.words, pause.pause) == ("", 0.5)
    assert glad.words == "I am glad." and glad.mood is not None and glad.mood[EMOTIONS.index("happy")] == 0.7
    assert calm.mood == (0.0,) * len(EMOTIONS)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[sing] la", r"\[sing\] means nothing"),
        ("Hi [pause]", None),
        ("Hi [pause 60]", "lasts 60 s"),
        ("Hi [pause -1]", "choose up to"),
        ("Hi [happy 2] you", "level 2"),
        ("Hi [happy very] you", "'very' is no number"),
        ("[pause 1]", "text is empty"),
        ("  ", "text is empty"),
        ("Hi [happy nan] you", "level nan"),
        ("Hi [happy you", "bracket without its other one"),
        ("Hi happy] you", "bracket without its other one"),
        ("Hi [[happy]] you", "bracket without its other one"),
        ("Hi [neutral 0.5] you", r"\[neutral 0.5\] has a level"),
    ],
)
def test_marks_that_mean_nothing_are_one_clear_line(text, match):
    if match is None:
        assert read_script(text)[1].pause == 1.0
        return
    with pytest.raises(UserError, match=match):
        read_script(text)


def test_moods_come_softly_where_their_words_are_and_pauses_are_silent():
    pytest.importorskip("espeakng_loader")
    made = perform_script(read_script("One two three four. [pause 1] [sad] Five six seven eight."), "en-us")
    T = num_frames(len(made.sound))
    assert made.asked["phones"].shape[0] == made.asked["emotion"].shape[0] == T
    sad = made.asked["emotion"][:, EMOTIONS.index("sad")]
    assert sad[0] < 0.01 and sad[-1] > 0.99 and np.diff(sad).max() < 0.2
    quiet = made.asked["phones"][:, VISEME_INDEX["sil"]]
    assert quiet.sum() >= 25


def test_a_script_without_marks_asks_for_no_emotion():
    pytest.importorskip("espeakng_loader")
    assert set(perform_script(read_script("Hello."), "en-us").asked) == {"phones"}


def test_phones_are_left_open_where_the_voice_does_not_tell_them():
    made = performed(read_script("Hello. [happy] There."), lambda words: Speech(np.zeros(RATE, np.float32), RATE, ()))
    assert set(made.asked) == {"emotion"} and len(made.sound) == 2 * RATE
