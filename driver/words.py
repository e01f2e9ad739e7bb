"""Known words: when each of their sounds is spoken, as what the driver is asked for beside the sound."""

from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from driver.alignment import align
from driver.coarticulation import visemes_at_frames
from driver.features import FPS, RATE, VOICING, as_mono16k, features, num_frames
from driver.phones import VISEME_INDEX, VISEME_NAMES, VISEMES, Segment, segments
from driver.speech import Speech
from driver.takes import tile

CLOSED = frozenset(name for name, viseme in VISEMES.items() if viseme.close)
"""Visemes whose lips must meet."""
_MOST_UNTOLD = 0.5
"""Share of the voice that may fall between the words. It was up to 0.43 with the transcripts of 40 recordings; where much of what is said is left
out, the aligner takes it for noise between the words that it knows."""


def phones_of_speech(speech: Speech) -> np.ndarray:
    """The slot `phones` [T, VISEMES] of synthesized speech, whose times are exact."""
    return _rows(segments(speech.phones), as_mono16k(speech.sound, speech.rate))


def phones_of_transcript(sound: np.ndarray, rate: int, text: str, name: Path | str = "transcript") -> np.ndarray:
    """The slot `phones` [T, VISEMES] of a recording in which `text` is spoken, by forced alignment.

    Args:
        sound: [samples] or [samples, channels].
        rate: Hz.
        text: all that is said, in English.
        name: what to call it in errors.

    Raises:
        UserError: the two do not fit, or the aligner is not installed.
    """
    clean = as_mono16k(sound, rate)
    found = align(clean, text)
    rows = None if found is None else _rows(found, clean)
    if rows is None or _voice_in_pauses(rows, clean) > _MOST_UNTOLD:
        raise UserError(f"{name}: does not fit the sound; give every word that is said and no other, in English, or leave it out")
    return rows


def _voice_in_pauses(rows: np.ndarray, sound: np.ndarray) -> float:
    """Of the frames in which a voice is heard, the share that has no words."""
    voiced = features(sound)[:, VOICING] > 0.5
    return float(rows[voiced, VISEME_INDEX["sil"]].mean()) if voiced.any() else 0.0


def _rows(found: list[Segment], sound: np.ndarray) -> np.ndarray:
    viseme = visemes_at_frames(tile(found, len(sound) / RATE), num_frames(len(sound)))
    for segment in found:
        # A closure may be shorter than a frame: the frame nearest to it shows it all the same.
        if segment.viseme in CLOSED:
            viseme[min(round((segment.start + segment.end) / 2 * FPS), len(viseme) - 1)] = VISEME_INDEX[segment.viseme]
    return np.eye(len(VISEME_NAMES), dtype=np.float32)[viseme]
