"""What the mouth does for each phoneme: the viseme table, and reading espeak-ng's IPA by it.

The targets follow the tables of JALI (Edwards et al. 2016) and of Cohen and Massaro (1993), in the units of
`coarticulation`.
"""

import unicodedata
from dataclasses import dataclass, replace
from functools import cache

from driver.speech import Phone


@dataclass(frozen=True)
class Viseme:
    """Targets of one mouth shape, and how strongly they win over the neighbours'."""

    jaw: float
    """Opening, 1 = the widest vowel of normal speech."""
    lip: float = 0.0
    """-1 rounded .. +1 spread."""
    funnel: float = 0.0
    """Lips pushed forward and flared (sh, ch)."""
    show: float = 0.0
    """Lower lip drawn down and upper lip up, so that the teeth show."""
    jaw_weight: float = 0.5
    """Dominance over the neighbours for the jaw."""
    lip_weight: float = 0.3
    """Dominance for the lips."""
    close: float = 0.0
    """1: the lips must meet (p, b, m)."""
    bite: float = 0.0
    """1: the lower lip must touch the upper teeth (f, v)."""


VISEMES: dict[str, Viseme] = {
    "sil": Viseme(0.0, jaw_weight=0.35, lip_weight=0.3),
    "pbm": Viseme(0.06, jaw_weight=1.2, lip_weight=0.25, close=1.0),
    "fv": Viseme(0.12, 0.05, show=0.1, jaw_weight=1.0, lip_weight=0.6, bite=1.0),
    "th": Viseme(0.2, 0.05, show=0.25, jaw_weight=0.55, lip_weight=0.3),
    "td": Viseme(0.15, 0.1, show=0.25, jaw_weight=0.5, lip_weight=0.12),
    "l": Viseme(0.3, 0.05, show=0.25, jaw_weight=0.35, lip_weight=0.12),
    "kg": Viseme(0.3, 0.05, show=0.1, jaw_weight=0.3, lip_weight=0.08),
    "sz": Viseme(0.06, 0.4, show=0.5, jaw_weight=1.0, lip_weight=0.45),
    "sh": Viseme(0.14, -0.45, funnel=0.8, show=0.4, jaw_weight=1.0, lip_weight=0.9),
    "w": Viseme(0.12, -1.0, funnel=0.1, jaw_weight=0.8, lip_weight=1.0),
    "r": Viseme(0.22, -0.5, funnel=0.35, show=0.1, jaw_weight=0.5, lip_weight=0.6),
    "y": Viseme(0.15, 0.6, show=0.2, jaw_weight=0.5, lip_weight=0.4),
    "h": Viseme(0.4, 0.0, jaw_weight=0.12, lip_weight=0.05),
    "aa": Viseme(1.0, 0.05, show=0.25, jaw_weight=0.85, lip_weight=0.35),
    "ae": Viseme(0.9, 0.45, show=0.4, jaw_weight=0.85, lip_weight=0.4),
    "ah": Viseme(0.65, 0.0, show=0.25, jaw_weight=0.7, lip_weight=0.3),
    "ao": Viseme(0.8, -0.5, funnel=0.35, jaw_weight=0.8, lip_weight=0.6),
    "eh": Viseme(0.58, 0.45, show=0.4, jaw_weight=0.7, lip_weight=0.4),
    "er": Viseme(0.4, -0.3, funnel=0.25, show=0.1, jaw_weight=0.6, lip_weight=0.45),
    "ih": Viseme(0.34, 0.5, show=0.35, jaw_weight=0.6, lip_weight=0.4),
    "iy": Viseme(0.2, 0.9, show=0.35, jaw_weight=0.7, lip_weight=0.6),
    "uh": Viseme(0.34, -0.5, funnel=0.2, jaw_weight=0.6, lip_weight=0.5),
    "uw": Viseme(0.22, -1.0, funnel=0.15, jaw_weight=0.7, lip_weight=0.9),
    "ow": Viseme(0.55, -0.8, funnel=0.2, jaw_weight=0.75, lip_weight=0.7),
    "ax": Viseme(0.38, 0.0, show=0.15, jaw_weight=0.3, lip_weight=0.12),
}
VISEME_NAMES: tuple[str, ...] = tuple(VISEMES)
VISEME_INDEX: dict[str, int] = {name: index for index, name in enumerate(VISEME_NAMES)}
UNKNOWN = -1
"""Viseme index of a frame of which nobody said what is heard."""
VOWELS = frozenset(("aa", "ae", "ah", "ao", "eh", "er", "ih", "iy", "uh", "uw", "ow", "ax"))

_GROUPS: dict[str, str] = {
    "pbm": "pbmɓɱ", "fv": "fvɸβʋ", "th": "θð", "td": "tdnɾɗʈɖɳɲ", "l": "lɫɭʎɬ", "kg": "kɡgŋxɣqɢχʁʔħʕɴ", "sz": "szcɟ",
    "sh": "ʃʒɕʑʂʐç", "w": "wʍɥ", "r": "rɹɻʀɽ", "y": "jʝ", "h": "hɦ",
    "aa": "ɑa", "ae": "æ", "ah": "ʌɐɒ", "ao": "ɔ", "eh": "ɛ", "er": "ɜɚɝœ", "ih": "ɪɘ", "iy": "ie", "uh": "ʊɵø", "uw": "uyʉɯʏ", "ow": "o",
    "ax": "əɨɤ",
}  # fmt: skip
_OF_SYMBOL: dict[str, str] = {symbol: name for name, symbols in _GROUPS.items() for symbol in symbols}
# Two letters that are one sound: the first would otherwise be read as a stop or a pure vowel of its own.
_PAIRS: dict[str, tuple[str, ...]] = {
    "tʃ": ("sh",), "dʒ": ("sh",), "tɕ": ("sh",), "dʑ": ("sh",), "tʂ": ("sh",), "ts": ("td", "sz"), "dz": ("td", "sz"), "eɪ": ("eh", "iy"),
    "pf": ("pbm", "fv"),
}  # fmt: skip


@dataclass(frozen=True)
class Segment:
    """A stretch of sound with one mouth shape."""

    viseme: str
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    stress: float
    """1.15 stressed, 1.0 secondary, 0.85 unstressed; 1 for consonants and pauses."""


@cache
def visemes_of(ipa: str) -> tuple[str, ...]:
    """Viseme names of one IPA phoneme in order: two for a diphthong, none for an unknown or silent mark."""
    letters = "".join(c for c in unicodedata.normalize("NFD", ipa) if not unicodedata.combining(c))
    if letters.startswith("("):
        return ()
    names: list[str] = []
    position = 0
    while position < len(letters):
        pair = _PAIRS.get(letters[position : position + 2])
        if pair:
            names += pair
            position += 2
            continue
        name = _OF_SYMBOL.get(letters[position])
        if name and (not names or names[-1] != name):
            names.append(name)
        position += 1
    return tuple(names)


def segments(phones: tuple[Phone, ...]) -> list[Segment]:
    """Segments that tile the phones' time: pauses become "sil", diphthongs are split, equal neighbours merged."""
    result: list[Segment] = []
    for phone in phones:
        names = visemes_of(phone.name) if phone.name else ("sil",)
        if not names:
            # A language switch or an unknown sign: the mouth stays as it is.
            if result:
                result[-1] = replace(result[-1], end=phone.end)
                continue
            names = ("sil",)
        cuts = [phone.start + (phone.end - phone.start) * k / len(names) for k in range(len(names) + 1)]
        if "ˈ" in phone.name:
            stress = 1.15
        elif "ˌ" in phone.name:
            stress = 1.0
        else:
            stress = 0.85
        for name, start, end in zip(names, cuts, cuts[1:], strict=False):
            value = stress if name in VOWELS else 1.0
            if result and result[-1].viseme == name and name not in VOWELS:
                result[-1] = Segment(name, result[-1].start, end, 1.0)
            else:
                result.append(Segment(name, start, end, value))
    return result
