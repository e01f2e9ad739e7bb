import pytest

from driver.letters import other_voice


@pytest.mark.parametrize(
    ("text", "voice", "other"),
    [
        ("Good morning, Мария", "en-us", None),
        ("Доброе утро", "en-us", "ru"),
        ("Доброго ранку", "uk", None),
        ("早上好", "en-gb+f2", "cmn"),
        ("早上好", "ja", None),
        ("おはよう、田中さん", "cmn", "ja"),
        ("안녕하세요", "de", "ko"),
        ("[happy 0.7] Καλημέρα", "en-us", "el"),
        ("123, 456", "en-us", None),
        ("Guten Morgen", "ru", None),
    ],
)
def test_a_voice_that_reads_the_letters(text, voice, other):
    assert other_voice(text, voice) == other
