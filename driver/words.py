"""Known words: when each of their sounds is spoken, as what the driver is asked for beside the sound."""

import numpy as np

from avatar3d.errors import UserError
from driver.alignment import align
from driver.coarticulation import visemes_at_frames
from driver.corpus import tile
from driver.features import RATE, as_mono16k, num_frames
from driver.phones import VISEME_NAMES, Segment, segments
from driver.speech import Speech


def phones_of_speech(speech: Speech) -> np.ndarray:
    """The slot `phones` [T, VISEMES] of synthesized speech, whose times are exact."""
    return _rows(segments(speech.phones), as_mono16k(speech.sound, speech.rate))


def phones_of_transcript(sound: np.ndarray, rate: int, text: str) -> np.ndarray:
    """The slot `phones` [T, VISEMES] of a recording in which `text` is spoken, by forced alignment.

    Args:
        sound: [samples] or [samples, channels].
        rate: Hz.
        text: all that is said, in English.

    Raises:
        UserError: the two do not fit, or the aligner is not installed.
    """
    clean = as_mono16k(sound, rate)
    found = align(clean, text)
    if found is None:
        raise UserError("transcript: does not fit the sound; give every word that is said and no other, in English, or leave it out")
    return _rows(found, clean)


def _rows(found: list[Segment], sound: np.ndarray) -> np.ndarray:
    viseme = visemes_at_frames(tile(found, len(sound) / RATE), num_frames(len(sound)))
    return np.eye(len(VISEME_NAMES), dtype=np.float32)[viseme]
