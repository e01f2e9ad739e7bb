"""A text with marks: words, pauses and moods, as `[pause 0.5]`, `[happy 0.7]` and `[neutral]` between the words."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from avatar3d.errors import UserError
from driver.conditions import EMOTIONS
from driver.features import FPS, RATE, num_frames
from driver.speech import Phone, Speech, resample, synthesize
from driver.words import phones_of_speech

LONGEST_PAUSE = 10.0
"""Seconds."""
_COMING = 0.25
"""Seconds over which a mood comes and goes (standard deviation)."""


@dataclass(frozen=True)
class Line:
    """Words in one mood, or a pause."""

    words: str
    """Empty for a pause."""
    pause: float
    """Seconds of silence, where there are no words."""
    mood: tuple[float, ...] | None
    """[EMOTIONS] intensities; None where no mark has named one yet."""


@dataclass(frozen=True, eq=False)
class Performed:
    """A spoken script."""

    sound: np.ndarray
    """[samples] at `RATE`."""
    rate: int
    asked: dict[str, np.ndarray]
    """By slot of the driver (`driver.conditions`), one row a frame: the phones where they are known, the emotion where it is marked."""


def read_script(text: str) -> tuple[Line, ...]:
    """The lines of a text.

    Raises:
        UserError: a mark means nothing or is out of range, or nothing is left to say.
    """
    lines: list[Line] = []
    mood: tuple[float, ...] | None = None
    for part in re.split(r"(\[[^\]]*\])", text):
        if not re.fullmatch(r"[^\[\]]*|\[[^\[\]]*\]", part):
            raise UserError(f"speech from text: {part.strip()[:40]!r} has a bracket without its other one; write marks as [pause 0.5]")
        if not part.startswith("["):
            if part.strip():
                lines.append(Line(part.strip(), 0.0, mood))
            continue
        name, _, number = part[1:-1].strip().lower().partition(" ")
        value = _value(part, number)
        if name == "pause":
            if not 0 < value <= LONGEST_PAUSE:
                raise UserError(f"speech from text: {part} lasts {value:g} s; choose up to {LONGEST_PAUSE:g}")
            lines.append(Line("", value, mood))
        elif name == "neutral":
            if number.strip():
                raise UserError(f"speech from text: {part} has a level; write [neutral], or [NAME LEVEL] of a mood")
            mood = (0.0,) * len(EMOTIONS)
        elif name in EMOTIONS:
            if not 0 <= value <= 1:
                raise UserError(f"speech from text: {part} has level {value:g}; choose 0 to 1")
            mood = tuple(value if emotion == name else 0.0 for emotion in EMOTIONS)
        else:
            raise UserError(f"speech from text: {part} means nothing; there are [pause SECONDS], [neutral] and [NAME LEVEL] of {', '.join(EMOTIONS)}")
    if not any(line.words for line in lines):
        raise UserError("speech from text: the text is empty; give some words")
    return tuple(lines)


def _value(mark: str, number: str) -> float:
    try:
        return float(number) if number.strip() else 1.0
    except ValueError as error:
        raise UserError(f"speech from text: {mark}: {number!r} is no number") from error


def perform_script(script: Sequence[Line], voice: str) -> Performed:
    """A script spoken by espeak-ng, with the times of its phones.

    Raises:
        UserError: as of `synthesize`.
    """
    return performed(script, lambda words: synthesize(words, voice))


def performed(script: Sequence[Line], say: Callable[[str], Speech]) -> Performed:
    """A script spoken by `say`, which may know phones or not; the phones are known where they are in every line."""
    pieces, phones, moods, known, samples = [], [], [], True, 0
    for line in script:
        speech = say(line.words) if line.words else Speech(np.zeros(round(line.pause * RATE), np.float32), RATE, (Phone("", 0.0, line.pause),))
        sound = resample(speech.sound, speech.rate, RATE)
        known &= bool(speech.phones)
        phones += [Phone(phone.name, phone.start + samples / RATE, phone.end + samples / RATE) for phone in speech.phones]
        moods.append((samples, line.mood))
        pieces.append(sound)
        samples += len(sound)
    sound = np.concatenate(pieces)
    asked = {"phones": phones_of_speech(Speech(sound, RATE, tuple(phones)))} if known else {}
    if any(mood is not None for _, mood in moods):
        asked["emotion"] = _mood_rows(moods, num_frames(samples))
    return Performed(sound, RATE, asked)


def _mood_rows(moods: list[tuple[int, tuple[float, ...] | None]], frames: int) -> np.ndarray:
    """Intensities [frames, EMOTIONS] that change over softly."""
    rows = np.zeros((frames, len(EMOTIONS)), np.float32)
    for start, mood in moods:
        rows[start * FPS // RATE :] = 0.0 if mood is None else mood
    return gaussian_filter1d(rows, _COMING * FPS, axis=0, mode="nearest")
