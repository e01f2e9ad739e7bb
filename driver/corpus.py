"""The training corpus: generated speech with exact phoneme times, what a face would do to it, and its features.

Nothing is downloaded: the text is the prose in the docstrings of Python's standard library, spoken by espeak-ng in many
voices. Recordings with transcripts can be added; their phonemes are found by forced alignment.
"""

import ast
import hashlib
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from avatar3d.files import atomic_folder
from driver import augment
from driver.alignment import align, read_recording, recordings
from driver.behaviour import Prosody, behave, silent
from driver.coarticulation import articulate
from driver.features import FPS, RATE, features, num_frames
from driver.phones import VOWELS, Segment, segments
from driver.speech import Phone, Speech, resample, synthesize

VERSION = 1
"""Raised when the corpus changes for the same settings, so that a cached one is made again."""
VOICES: tuple[tuple[str, float], ...] = (
    ("en-us", 0.34), ("en-gb-x-rp", 0.14), ("en-gb-scotland", 0.1), ("en-029", 0.07), ("en-us-nyc", 0.08), ("en-gb-x-gbclan", 0.08),
    ("en-gb-x-gbcwmd", 0.07), ("de", 0.04), ("fr", 0.03), ("es", 0.03), ("it", 0.02),
)  # fmt: skip
VARIANTS: tuple[str, ...] = (
    "", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+m8", "+f1", "+f2", "+f3", "+f4", "+f5", "+Andy", "+Annie", "+Gene", "+Jacky",
    "+Michael", "+Mike", "+Alex", "+Alicia", "+adam", "+belinda", "+david", "+edward", "+linda", "+steph", "+travis", "+quincy", "+klatt2",
    "+klatt4", "+iven", "+max", "+paul", "+victor",
)  # fmt: skip
_TYPES = {"features": np.float16, "frames": np.float16, "viseme": np.uint8, "closed": np.float16}
_HELD_OUT_RECORDINGS = 5
"""One recording in so many is kept for validation."""


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
    """[T] index into VISEME_NAMES."""
    closed: np.ndarray
    """[T] 0..1 lips must meet."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Takes one after the other, as arrays over all frames (memory mapped)."""

    features: np.ndarray
    frames: np.ndarray
    viseme: np.ndarray
    closed: np.ndarray
    starts: np.ndarray
    """[takes + 1] first frame of each take, and the end."""


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
    played_at = round(RATE * warp / 160) * 160
    scale = RATE / played_at
    phones = tuple(Phone(p.name, p.start * scale, p.end * scale) for p in speech.phones)
    return Speech(resample(speech.sound, played_at, RATE), RATE, phones)


def generated_take(pool: tuple[str, ...], rng: np.random.Generator, degrade: bool = True) -> Take:
    """A random voice speaking one to three sentences with pauses, or (one in sixteen) sound without speech."""
    if degrade and rng.random() < 1 / 16:
        sound = augment.no_speech(int(rng.uniform(4, 10) * RATE), rng)
        return _take(sound, sound, [Segment("sil", 0.0, len(sound) / RATE, 1.0)], rng)
    names, weights = zip(*VOICES, strict=True)
    voice = str(rng.choice(names, p=np.array(weights) / sum(weights))) + str(rng.choice(VARIANTS))
    warp = float(np.clip(rng.normal(1, 0.09), 0.82, 1.2))
    settings = (int(np.clip(rng.normal(165 / warp, 28), 100, 280)), int(rng.uniform(10, 90)), int(rng.uniform(30, 95)), warp)
    parts, found = [_pause(rng.uniform(0.1, 1.0))], [Segment("sil", 0.0, 0.0, 1.0)]
    for _ in range(int(rng.integers(1, 4))):
        speech = speak_in(voice, str(rng.choice(pool)), *settings)
        offset = sum(map(len, parts)) / RATE
        found += [Segment(s.viseme, s.start + offset, s.end + offset, s.stress) for s in segments(speech.phones)]
        parts += [speech.sound, _pause(min(rng.lognormal(-0.9, 0.9), 3.0))]
    sound = np.concatenate(parts)
    found = _tile(found, len(sound) / RATE)
    sound = sound * augment.loudness_contour(len(sound), rng)
    return _take(sound, augment.degrade(sound, rng) if degrade else sound, found, rng)


def recorded_takes(path: Path, text: str, copies: int, seed: int) -> Iterator[Take]:
    """A recording with its transcript, once as it is and then degraded; nothing where the two cannot be aligned."""
    sound = read_recording(path)
    found = align(sound, text)
    if found is None:
        return
    found = _tile(found, len(sound) / RATE)
    for copy in range(copies):
        rng = np.random.default_rng([seed, copy])
        yield _take(sound, augment.degrade(sound, rng) if copy else sound, found, rng)


def _pause(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), np.float32)


def _tile(found: list[Segment], duration: float) -> list[Segment]:
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


def _take(clean: np.ndarray, heard: np.ndarray, found: list[Segment], rng: np.random.Generator) -> Take:
    """Features of the sound as heard, and a face that follows the clean one."""
    T = num_frames(len(clean))
    amplitude = float(np.clip(rng.normal(1, 0.08), 0.8, 1.2))
    mouth = articulate(found, T, relative_loudness(clean, found), amplitude)
    speech = [s for s in found if s.viseme != "sil"]
    prosody = prosody_of(found, features(clean)[:, -1]) if speech else silent(T)
    frames = behave(prosody, rng) + mouth.frames
    return Take(heard, features(heard), frames, mouth.viseme, mouth.closed)


def relative_loudness(sound: np.ndarray, found: list[Segment]) -> np.ndarray:
    """Level [T] of a 16 kHz sound, dB against the median level of its vowels."""
    T = num_frames(len(sound))
    size = RATE // FPS
    padded = np.zeros(T * size, np.float32)
    padded[: len(sound)] = sound
    level = 10 * np.log10(gaussian_filter1d((padded.reshape(T, size) ** 2).mean(1), 1.5) + 1e-9)
    vowels = [min(T - 1, int((s.start + s.end) / 2 * FPS)) for s in found if s.viseme in VOWELS]
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


def build(cache: Path, hours: float, seed: int, recordings_folder: Path | None = None, say=print) -> Corpus:
    """The corpus of so many hours, from the cache or made now.

    Args:
        cache: folder that keeps made corpora.
        hours: of generated speech.
        seed: the same seed gives the same corpus on the same Python and espeak-ng.
        recordings_folder: with sound files and `transcripts.tsv`; each is used three times, degraded differently.
        say: takes progress lines.

    Raises:
        UserError: espeak-ng is missing, or the cache cannot be written.
    """
    key = f"{VERSION}:{hours}:{seed}:{recordings_folder.resolve() if recordings_folder else ''}"
    folder = Path(cache) / f"corpus-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        takes = []
        frames = 0
        for take in _all_takes(hours, seed, recordings_folder):
            takes.append({name: getattr(take, name).astype(kind) for name, kind in _TYPES.items()})
            frames += len(take.frames)
            if len(takes) % 200 == 0:
                say(f"corpus: {len(takes)} takes, {frames / FPS / 3600:.2f} h")
        starts = np.cumsum([0] + [len(take["frames"]) for take in takes])
        with atomic_folder(folder) as temporary:
            for name in _TYPES:
                np.save(temporary / f"{name}.npy", np.concatenate([take[name] for take in takes]))
            np.save(temporary / "starts.npy", starts)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in (*_TYPES, "starts")}
    return Corpus(**arrays)


def _all_takes(hours: float, seed: int, recordings_folder: Path | None) -> Iterator[Take]:
    training, _ = sentences()
    frames, index = 0, 0
    while frames < hours * 3600 * FPS:
        take = generated_take(training, np.random.default_rng([seed, index]))
        frames += len(take.frames)
        index += 1
        yield take
    if recordings_folder is None:
        return
    for number, (path, text) in enumerate(recordings(recordings_folder)):
        if number % _HELD_OUT_RECORDINGS == 0:
            continue
        yield from recorded_takes(path, text, 3, seed + number)


def held_out_takes(count: int, seed: int = 7) -> list[Take]:
    """Clean takes of sentences that training never sees."""
    _, held = sentences()
    return [generated_take(held, np.random.default_rng([seed, 1_000_000 + index]), degrade=False) for index in range(count)]


def held_out_recordings(folder: Path) -> list[Path]:
    """The recordings of a folder that training leaves out."""
    return [path for number, (path, _) in enumerate(recordings(folder)) if number % _HELD_OUT_RECORDINGS == 0]
