"""Which voice reads a text, by the script in which most of its letters are written."""

import re
import unicodedata
from collections import Counter

_READERS: dict[str, tuple[str, ...]] = {
    "CYRILLIC": ("ru", "uk", "be", "bg", "mk", "sr", "kk", "ky", "tt", "ba", "cv", "nog"),
    "CJK": ("cmn", "yue", "hak", "ja"),
    "HIRAGANA": ("ja",),
    "KATAKANA": ("ja",),
    "HANGUL": ("ko",),
    "GREEK": ("el", "grc"),
    "ARABIC": ("ar", "fa", "ur", "sd", "ug"),
    "HEBREW": ("he",),
    "DEVANAGARI": ("hi", "mr", "ne", "kok"),
    "BENGALI": ("bn", "as", "bpy"),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "KANNADA": ("kn",),
    "MALAYALAM": ("ml",),
    "GUJARATI": ("gu",),
    "GURMUKHI": ("pa",),
    "SINHALA": ("si",),
    "THAI": ("th",),
    "MYANMAR": ("my",),
    "GEORGIAN": ("ka",),
    "ARMENIAN": ("hy", "hyw"),
    "ETHIOPIC": ("am", "ti"),
}
"""Scripts as Unicode names them, and the languages of espeak-ng that are written in each, the most common first. Every voice reads Latin letters."""


def other_voice(text: str, voice: str) -> str | None:
    """A voice for a text of which `voice` cannot read most letters; None where it can.

    Args:
        text: with or without marks in brackets.
        voice: of espeak-ng, such as en-us or ja+f2.
    """
    letters = [letter for letter in re.sub(r"\[[^\]]*\]", "", text) if letter.isalpha()]
    scripts = Counter(re.split(r"[ -]", unicodedata.name(letter, "LATIN"))[0] for letter in letters)
    language = re.split(r"[-+]", voice.lower())[0]
    foreign = Counter({script: count for script, count in scripts.items() if script in _READERS and language not in _READERS[script]})
    if 2 * foreign.total() <= len(letters):
        return None
    # Japanese is mostly written in Chinese characters, but never without kana.
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    return "ja" if kana and language != "ja" else _READERS[foreign.most_common(1)[0][0]][0]
