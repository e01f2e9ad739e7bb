"""One stretch of sound and what a face does to it: generated speech with exact phoneme times, or a recording with its transcript.

Nothing is downloaded: the text is the prose in the docstrings of Python's standard library, spoken by espeak-ng in many
voices. Of recordings with transcripts the phonemes are found by forced alignment.
"""

import ast
import hashlib
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from driver import augment
from driver.alignment import align, read_recording
from driver.behaviour import Prosody, behave, listening, silent
from driver.channels import EXPR
from driver.coarticulation import articulate
from driver.features import FPS, RATE, features, framed, num_frames
from driver.languages import LANGUAGE_OF, UNSPELT, random_words
from driver.manner import Habits, Manner, draw_habits, draw_manner, face_of
from driver.phones import VOWELS, Segment, segments
from driver.speech import Phone, Speech, resample, synthesize

VOICES: tuple[tuple[str, float], ...] = (
    ("en-us", 0.23), ("en-gb-x-rp", 0.09), ("en-gb-scotland", 0.07), ("en-029", 0.05), ("en-us-nyc", 0.06), ("en-gb-x-gbclan", 0.06),
    ("en-gb-x-gbcwmd", 0.05), ("de", 0.08), ("fr", 0.08), ("es", 0.04), ("es-419", 0.03), ("it", 0.07), ("ja", 0.06), ("cmn", 0.07),
)  # fmt: skip
_ENGLISH_SHARE = 0.15
"""How often a voice of another language reads English all the same: an accent."""
VARIANTS: tuple[str, ...] = (
    "", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+m8", "+f1", "+f2", "+f3", "+f4", "+f5", "+Andy", "+Annie", "+Gene", "+Jacky",
    "+Michael", "+Mike", "+Alex", "+Alicia", "+adam", "+belinda", "+david", "+edward", "+linda", "+steph", "+travis", "+quincy", "+klatt2",
    "+klatt4", "+iven", "+max", "+paul", "+victor",
)  # fmt: skip
_LISTENING, _IDLE = 0.1, 0.06
"""Shares of the generated takes in which another one speaks, and in which nobody does and nobody is spoken to."""


@dataclass(frozen=True, eq=False)
class Take:
    """One stretch of sound and what the face does to it."""

    sound: np.ndarray
    """[samples] 16 kHz, as the microphone hears it."""
    features: np.ndarray
    """[T, NUM_FEATURES]."""
    frames: np.ndarray
    """[T, NUM_CHANNELS]."""
    viseme: np.ndarray
    """[T] index into VISEME_NAMES of what is heard."""
    closed: np.ndarray
    """[T] 0..1 lips must meet."""
    controls: np.ndarray
    """What one would ask for to get this take, see `Manner.controls`."""


@cache
def sentences() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Training and held-out sentences from the standard library's docstrings, in a fixed order."""
    found: dict[str, None] = {}
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if {"site-packages", "test", "tests", "idlelib"} & set(path.parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError, OSError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found.update(dict.fromkeys(_clean(ast.get_docstring(node) or "")))
    ordered = sorted(found)
    held = [int(hashlib.sha256(text.encode()).hexdigest(), 16) % 20 == 0 for text in ordered]
    return tuple(t for t, h in zip(ordered, held, strict=True) if not h), tuple(t for t, h in zip(ordered, held, strict=True) if h)


def _clean(text: str) -> list[str]:
    """Sentences of prose: words and simple punctuation only."""
    flat = re.sub(r"\s+", " ", text)
    word = re.compile(r"[A-Za-z][a-z']*[,;:]?")
    kept = []
    for sentence in re.split(r"(?<=[.?!]) ", flat):
        words = sentence[:-1].split(" ")
        if 4 <= len(words) <= 25 and sentence[0].isupper() and sentence[-1] in ".?!" and all(map(word.fullmatch, words)):
            kept.append(sentence)
    return kept


def speak_in(voice: str, text: str, words_a_minute: int, pitch: int, melody: int, warp: float) -> Speech:
    """Speech with a vocal tract `1 / warp` times as long: played faster or slower, the phonemes' times with it."""
    speech = synthesize(text, voice, words_a_minute, pitch, melody)
    sound, scale = warped(speech.sound, warp)
    return Speech(sound, RATE, tuple(Phone(p.name, p.start * scale, p.end * scale) for p in speech.phones))


def generated_take(pool: tuple[str, ...], rng: np.random.Generator, degrade: bool = True, habits: Habits | None = None) -> Take:
    """A random voice speaking one to three sentences with pauses, or (now and then) sound without speech.

    Args:
        pool: sentences.
        rng: of everything random.
        degrade: as a microphone in a room hears it, by all sorts of speakers; else a clean voice of the usual manner.
        habits: the person's; None for the usual ones.
    """
    mode = "speak" if not degrade else str(rng.choice(["listen", "idle", "speak"], p=[_LISTENING, _IDLE, 1 - _LISTENING - _IDLE]))
    manner = Manner() if not degrade else draw_manner(habits or Habits(), mode, rng)
    if mode == "idle" or (degrade and rng.random() < 1 / 16):
        return quiet_take(rng, manner)
    names, weights = zip(*VOICES, strict=True)
    voice = str(rng.choice(names, p=np.array(weights) / sum(weights))) + str(rng.choice(VARIANTS))
    warp = float(np.clip(rng.normal(1, 0.09), 0.82, 1.2))
    settings = (int(np.clip(rng.normal(165 / warp, 28), 100, 280)), int(rng.uniform(10, 90)), int(rng.uniform(30, 95)), warp)
    parts, found = [_pause(rng.uniform(0.1, 1.0))], [Segment("sil", 0.0, 0.0, 1.0)]
    for _ in range(int(rng.integers(1, 4))):
        speech = speak_in(voice, _text(voice, pool, rng), *settings)
        offset = sum(map(len, parts)) / RATE
        found += [Segment(s.viseme, s.start + offset, s.end + offset, s.stress) for s in segments(speech.phones)]
        parts += [speech.sound, _pause(min(rng.lognormal(-0.9, 0.9), 3.0))]
    sound = np.concatenate(parts)
    found = tile(found, len(sound) / RATE)
    sound = sound * augment.loudness_contour(len(sound), rng)
    return _take(sound, augment.degrade(sound, rng) if degrade else sound, found, rng, manner)


def _text(voice: str, pool: tuple[str, ...], rng: np.random.Generator) -> str:
    """Something to say for an espeak-ng voice: one of the English sentences, or words of its language."""
    language = LANGUAGE_OF.get(voice.partition("+")[0])
    foreign = language is not None and (language in UNSPELT or rng.random() >= _ENGLISH_SHARE)
    return random_words(language, rng) if language is not None and foreign else str(rng.choice(pool))


def quiet_take(rng: np.random.Generator, manner: Manner) -> Take:
    """Four to ten seconds of sound in which nobody speaks."""
    sound = augment.no_speech(int(rng.uniform(4, 10) * RATE), rng)
    return _take(sound, sound, [Segment("sil", 0.0, len(sound) / RATE, 1.0)], rng, manner)


def recorded_takes(path: Path, text: str, copies: int, seed: int) -> Iterator[Take]:
    """A recording with its transcript, once as it is, then by longer and shorter vocal tracts and degraded; nothing where they do not fit."""
    sound = read_recording(path)
    found = align(sound, text)
    if found is None:
        return
    habits = draw_habits(np.random.default_rng(seed))
    for copy in range(copies):
        rng = np.random.default_rng([seed, copy])
        spoken, scale = warped(sound, float(np.clip(rng.normal(1, 0.09), 0.82, 1.2))) if copy else (sound, 1.0)
        timed = tile([Segment(s.viseme, s.start * scale, s.end * scale, s.stress) for s in found], len(spoken) / RATE)
        yield _take(spoken, augment.degrade(spoken, rng) if copy else spoken, timed, rng, draw_manner(habits, "speak", rng))


def warped(sound: np.ndarray, warp: float) -> tuple[np.ndarray, float]:
    """A 16 kHz sound as of a vocal tract about `1 / warp` times as long, played faster or slower, and by what its times are to be multiplied."""
    played_at = round(RATE * warp / 160) * 160
    return resample(sound, played_at, RATE), RATE / played_at


def _pause(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), np.float32)


def tile(found: list[Segment], duration: float) -> list[Segment]:
    """Segments without gaps from 0 to `duration`, neighbouring pauses joined."""
    result: list[Segment] = []
    for segment, following in zip(found, [*found[1:], None], strict=True):
        end = duration if following is None else following.start
        if segment.viseme == "sil" and result and result[-1].viseme == "sil":
            result[-1] = Segment("sil", result[-1].start, end, 1.0)
        else:
            result.append(Segment(segment.viseme, segment.start, end, segment.stress))
        if following is None and segment.viseme != "sil" and duration > segment.end + 0.01:
            result[-1] = Segment(segment.viseme, segment.start, segment.end, segment.stress)
            result.append(Segment("sil", segment.end, duration, 1.0))
    return result


def _take(clean: np.ndarray, heard: np.ndarray, found: list[Segment], rng: np.random.Generator, manner: Manner) -> Take:
    """Features of the sound as heard, and a face that follows the clean one."""
    T = num_frames(len(clean))
    prosody = prosody_of(found, features(clean)[:, -1]) if any(s.viseme != "sil" for s in found) else silent(T)
    amplitude = manner.mouth * float(np.clip(rng.normal(1, 0.08), 0.8, 1.2))
    mouth = articulate(found, T, relative_loudness(clean, found), amplitude, 2.0**manner.habits.jaw)
    if manner.mode == "listen":
        # The sound is another's: what it says is still heard, the own mouth rests.
        prosody = listening(prosody, rng)
        mouth = replace(mouth, frames=np.zeros_like(mouth.frames), closed=np.zeros_like(mouth.closed))
    frames = behave(prosody, rng, manner) + mouth.frames + face_of(manner, T, mouth.closed, rng)
    frames[:, EXPR] = np.clip(frames[:, EXPR], 0, 1)
    return Take(heard, features(heard), frames, mouth.viseme, mouth.closed, manner.controls())


def relative_loudness(sound: np.ndarray, found: list[Segment]) -> np.ndarray:
    """Level [T] of a 16 kHz sound, dB against the median level of its vowels."""
    rows = framed(sound)
    level = 10 * np.log10(gaussian_filter1d((rows**2).mean(1), 1.5) + 1e-9)
    vowels = [min(len(rows) - 1, int((s.start + s.end) / 2 * FPS)) for s in found if s.viseme in VOWELS]
    usual = np.median(level[vowels]) if vowels else -20.0
    return np.clip(level - usual, -20, 15)


def prosody_of(found: list[Segment], pitch: np.ndarray) -> Prosody:
    """Prosody of timed segments and the pitch [T] of their sound."""
    T = len(pitch)
    speaking = np.zeros(T)
    accents, pauses = [], []
    for segment in found:
        first = min(T - 1, int(segment.start * FPS))
        if segment.viseme != "sil":
            speaking[first : int(segment.end * FPS) + 1] = 1
        elif segment.end - segment.start > 0.25:
            pauses.append(first)
        if segment.viseme in VOWELS and (segment.stress > 1.1 or segment.end - segment.start > 0.16):
            accents.append(first)
    return Prosody(gaussian_filter1d(speaking, 3, mode="nearest"), pitch, np.array(accents, np.int64), np.array(pauses, np.int64))
