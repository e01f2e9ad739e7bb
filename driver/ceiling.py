"""How far the reference of real speech is itself from the truth: forced alignment and rules, tried on speech whose times are known."""

import numpy as np

from avatar3d.progress import Progress, silent
from driver.alignment import align
from driver.coarticulation import articulate
from driver.features import RATE, num_frames
from driver.figures import Judged, Row, Ruler, observe, summary
from driver.phones import Segment, segments
from driver.takes import VARIANTS, relative_loudness, sentences, speak_in, tile

TITLE = "reference's own ceiling: forced alignment and rules"
_VOICE = "en-us"
"""The accent of the aligner's models."""
_SEED, _PAUSE = 11, 0.5
_KNOWN = ("lve_mm", "lve_m2", "mod_mm", "mtm_s", "jaw_r", "rounding_r", "mouth_spread", "mouth_velocity", "closure_recall")
"""Figures that a mouth alone has."""


def ceiling(ruler: Ruler, count: int = 30, progress: Progress = silent) -> tuple[Row, int]:
    """The mouth's figures of the reference against exact truth, and how many sentences could be aligned.

    Held-out sentences are spoken by espeak-ng in its American voices; the truth is the rules on its own times, the
    reference the rules on times that forced alignment finds with the text. A robot's voice is not what the aligner was
    made for, so that real voices are probably aligned better.

    Args:
        ruler: of the head.
        count: sentences.
        progress: called after every sentence.

    Raises:
        UserError: pocketsphinx or espeak-ng is not installed.
    """
    _, pool = sentences()
    seen = []
    for number in range(count):
        rng = np.random.default_rng([_SEED, number])
        text, voice = str(rng.choice(pool)), _VOICE + str(rng.choice(VARIANTS))
        speech = speak_in(voice, text, int(rng.integers(140, 190)), int(rng.integers(30, 70)), int(rng.integers(30, 70)), 1.0)
        pause = np.zeros(int(_PAUSE * RATE), np.float32)
        sound = np.concatenate([pause, speech.sound, pause])
        exact = [Segment(s.viseme, s.start + _PAUSE, s.end + _PAUSE, s.stress) for s in segments(speech.phones)]
        found = align(sound, text)
        if found is not None:
            clip = _ruled(text, sound, [Segment("sil", 0.0, _PAUSE, 1.0), *exact])
            seen.append(observe(clip, _ruled(text, sound, found).truth, ruler))
        progress(number + 1, count)
    if not seen:
        return {}, 0
    return {name: value for name, value in summary(seen).items() if name in _KNOWN}, len(seen)


def _ruled(name: str, sound: np.ndarray, found: list[Segment]) -> Judged:
    """What the rules make of a sound whose segments begin at these times."""
    found = tile(found, len(sound) / RATE)
    mouth = articulate(found, num_frames(len(sound)), relative_loudness(sound, found))
    return Judged(name, sound, mouth.frames, mouth.viseme, mouth.closed, False)
