import numpy as np
import pytest

from driver.languages import LANGUAGE_OF, SENTENCES, VOICES_OF, random_words
from driver.takes import VOICES


@pytest.mark.parametrize("language", VOICES_OF)
def test_every_language_has_words_and_sentences_that_its_voice_can_say(language: str):
    pytest.importorskip("espeakng_loader")
    from driver.phones import visemes_of
    from driver.speech import synthesize

    for text in (SENTENCES[language][0], random_words(language, np.random.default_rng(1))):
        for voice in VOICES_OF[language]:
            names = [phone.name for phone in synthesize(text, voice).phones if phone.name]
            assert len(names) > 8
            assert not [name for name in names if not visemes_of(name)]


def test_random_words_follow_the_generator_and_vary():
    rng = np.random.default_rng(0)
    texts = [random_words("German", rng) for _ in range(20)]
    assert texts[0] == random_words("German", np.random.default_rng(0)) and len(set(texts)) == 20
    assert all(text[-1] in ".?" and 3 <= len(text.split()) <= 12 for text in texts)


def test_languages_without_spaces_are_written_without():
    assert " " not in random_words("Mandarin", np.random.default_rng(0)) and " " in random_words("Japanese", np.random.default_rng(0))


def test_training_speaks_every_language():
    spoken = dict(VOICES)
    assert set(LANGUAGE_OF) <= set(spoken)
    assert 0.5 < sum(share for voice, share in VOICES if voice not in LANGUAGE_OF) / sum(spoken.values()) < 0.65
