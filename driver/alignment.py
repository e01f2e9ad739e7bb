"""When each phoneme of a recording is spoken, with pocketsphinx: by forced alignment with its transcript, or by recognition without one."""

import re
from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from driver.features import RATE
from driver.phones import Segment
from driver.speech import synthesize

_ARPABET: dict[str, tuple[str, ...]] = {
    "AA": ("aa",), "AE": ("ae",), "AH": ("ah",), "AO": ("ao",), "AW": ("aa", "uw"), "AY": ("aa", "iy"), "B": ("pbm",), "CH": ("sh",),
    "D": ("td",), "DH": ("th",), "EH": ("eh",), "ER": ("er",), "EY": ("eh", "iy"), "F": ("fv",), "G": ("kg",), "HH": ("h",), "IH": ("ih",),
    "IY": ("iy",), "JH": ("sh",), "K": ("kg",), "L": ("l",), "M": ("pbm",), "N": ("td",), "NG": ("kg",), "OW": ("ow", "uw"), "OY": ("ao", "iy"),
    "P": ("pbm",), "R": ("r",), "S": ("sz",), "SH": ("sh",), "T": ("td",), "TH": ("th",), "UH": ("uh",), "UW": ("uw",), "V": ("fv",),
    "W": ("w",), "Y": ("y",), "Z": ("sz",), "ZH": ("sh",),
}  # fmt: skip
_FRAME = 0.01
SUFFIXES = (".flac", ".wav")
"""Of sound files in a folder of recordings, in small letters."""
_WORDS_A_SECOND, _LONGEST_WORD = 8, 50
"""More words, or letters in a word, than are spoken: such a text is not looked at further."""
_PIECE, _LONGEST_PIECE = 30, 60
"""Seconds after which a long sound is cut at the next pause, and at the next word at the latest: finding phones needs memory that grows with the
square of the length."""
_LEAST_SCORE = -45.0
"""Mean log likelihood of a step, in the decoder's units, below which a text is another one: right transcripts had -5 to -22 on 40 recordings,
-39 at worst with noise or synthetic voices; wrong ones that could be aligned at all -35 to -72."""
_FROM_IPA: dict[str, str] = {
    "tʃ": "CH", "dʒ": "JH", "eɪ": "EY", "aɪ": "AY", "aʊ": "AW", "ɔɪ": "OY", "oʊ": "OW",
    "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "ɡ": "G", "f": "F", "v": "V", "θ": "TH", "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH",
    "h": "HH", "m": "M", "n": "N", "ŋ": "NG", "l": "L", "ɹ": "R", "w": "W", "j": "Y", "ɾ": "D", "ʔ": "T",
    "i": "IY", "ɪ": "IH", "ɛ": "EH", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɑ": "AA", "ɔ": "AO", "o": "AO", "ʊ": "UH", "u": "UW",
    "ɚ": "ER", "ɜ": "ER", "a": "AE", "e": "EH", "ᵻ": "IH",
}  # fmt: skip


def align(sound: np.ndarray, text: str) -> list[Segment] | None:
    """Segments that tile a 16 kHz sound [samples] in which `text` is spoken; None where text and sound do not meet.

    Words that the dictionary lacks are pronounced as espeak-ng does.

    Raises:
        UserError: pocketsphinx or espeak-ng is not installed.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise UserError("words: to find them in a sound needs pocketsphinx; `pip install 'avatar3d[align]'`, or leave them out") from error
    decoder = Decoder(lm=None, loglevel="FATAL", bestpath=False)
    words = re.findall(r"'*[a-z][a-z']*", text.lower())
    if not words or len(words) > _WORDS_A_SECOND * (1 + len(sound) / RATE) or max(map(len, words)) > _LONGEST_WORD:
        return None
    for word in set(words):
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, pronunciation(word), True)
    found, score = [], 0.0
    try:
        for first, last, said in _pieces(decoder, sound, words):
            # The first pass finds the words, the second the phones inside them.
            piece = sound[round(first * _FRAME * RATE) : round(last * _FRAME * RATE)]
            decoder.set_align_text(" ".join(said))
            _decode(decoder, piece)
            decoder.set_alignment()
            _decode(decoder, piece)
            for word in decoder.get_alignment():
                score += word.score
                found += [segment for phone in word for segment in _segments(phone.name, first + phone.start, phone.duration)]
    except RuntimeError:
        return None
    return found if found and score >= _LEAST_SCORE * len(sound) / RATE / _FRAME else None


def _pieces(decoder, sound: np.ndarray, words: list[str]) -> list[tuple[int, float, list[str]]]:
    """First and last + 1 step of pieces of a sound and the words in each; one piece where the sound is short.

    Raises:
        RuntimeError: the words are not found in it.
    """
    steps = len(sound) / RATE / _FRAME
    if steps * _FRAME <= _LONGEST_PIECE:
        return [(0, steps, words)]
    decoder.set_align_text(" ".join(words))
    _decode(decoder, sound)
    pieces, first, said = [], 0, []
    for segment in decoder.seg() or ():
        length = (segment.start_frame - first) * _FRAME
        word = re.sub(r"\(\d+\)$", "", segment.word)
        pause = word[0] in "<["
        if said and length > (_PIECE if pause else _LONGEST_PIECE):
            border = (segment.start_frame + segment.end_frame + 1) // 2 if pause else segment.start_frame
            pieces.append((first, border, said))
            first, said = border, []
        said = said if pause else [*said, word]
    return [*pieces, (first, steps, said)] if said else pieces


def recognise(sound: np.ndarray) -> list[Segment]:
    """Segments of a 16 kHz sound [samples] of which no text is known: the phones that an English recogniser hears, whole utterance at a time.

    It weighs the phones' language model as pocketsphinx's manual advises for phone recognition. A sound in which nothing
    is heard is one pause.

    Raises:
        UserError: pocketsphinx is not installed.
    """
    try:
        from pocketsphinx import Decoder, get_model_path
    except ImportError as error:
        raise UserError("phones: recognising them needs pocketsphinx; `pip install 'avatar3d[align]'`") from error
    decoder = Decoder(lm=None, allphone=get_model_path("en-us/en-us-phone.lm.bin"), lw=2.0, beam=1e-20, pbeam=1e-20, loglevel="FATAL")
    _decode(decoder, sound)
    found = [_segments(phone.word, phone.start_frame, phone.end_frame + 1 - phone.start_frame) for phone in decoder.seg() or ()]
    return [segment for phone in found for segment in phone] or [Segment("sil", 0.0, len(sound) / RATE, 1.0)]


def _segments(name: str, start: int, length: int) -> list[Segment]:
    """Segments of one ARPAbet phone from step `start` on: two for a diphthong, a pause for what is no phone."""
    visemes = _ARPABET.get(name, ("sil",))
    cuts = [_FRAME * (start + length * k / len(visemes)) for k in range(len(visemes) + 1)]
    return [Segment(viseme, begin, end, 1.0) for viseme, begin, end in zip(visemes, cuts, cuts[1:], strict=False)]


def pronunciation(word: str) -> str:
    """ARPAbet of a word by espeak-ng's rules ("avonlea" -> "AE V AA N L IY")."""
    names: list[str] = []
    for phone in synthesize(word).phones:
        letters = phone.name.strip("ˈˌ")
        position = 0
        while position < len(letters):
            size = 2 if letters[position : position + 2] in _FROM_IPA else 1
            name = _FROM_IPA.get(letters[position : position + size])
            names += [name] if name else []
            position += size
    return " ".join(names) or "AH"


def _decode(decoder, sound: np.ndarray) -> None:
    pcm = (np.clip(sound, -1, 1) * 32767).astype(np.int16).tobytes()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def recordings(folder: Path) -> list[tuple[Path, str]]:
    """Recordings of a folder and their transcripts, from its `transcripts.tsv` (name, tab, text).

    Raises:
        UserError: the folder has no readable transcripts, or none of them has a sound file.
    """
    table = folder / "transcripts.tsv"
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{table}: cannot be read; give a folder with sound files and a transcripts.tsv (name, tab, text)") from error
    pairs = [line.split("\t", 1) for line in lines if "\t" in line]
    sounds = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES}
    found = [(sounds[name], text) for name, text in pairs if name in sounds]
    if not found:
        raise UserError(f"{table}: names no sound that lies beside it as .flac or .wav; write name, tab and text in each line")
    return found


def read_recording(path: Path) -> np.ndarray:
    """A recording as 16 kHz mono [samples].

    Raises:
        UserError: it cannot be read, holds nothing, or is longer than two minutes.
    """
    import soundfile

    from driver.features import as_mono16k

    try:
        sound, rate = soundfile.read(path, dtype="float32")
    except (OSError, soundfile.SoundFileError) as error:
        raise UserError(f"{path}: is no sound that can be read ({error}); record or convert it again") from error
    if not len(sound):
        raise UserError(f"{path}: holds no samples; record it again or leave it out")
    sound = as_mono16k(sound, rate, path)
    if len(sound) > 120 * RATE:
        raise UserError(f"{path}: is longer than two minutes; cut it into utterances")
    return sound
