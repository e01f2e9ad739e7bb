"""How well each language is followed: sentences that training never said, spoken by espeak-ng, whose truth is exact."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from driver import metrics
from driver.channels import JAW
from driver.coarticulation import articulate
from driver.direction import Direction
from driver.evaluate import closure_gaps, correlation, recall
from driver.features import FPS, RATE, num_frames
from driver.languages import SENTENCES, VOICES_OF
from driver.lips import Lips, posed
from driver.model import DriverNet
from driver.phones import segments
from driver.sample import perform
from driver.speech import synthesize
from driver.takes import relative_loudness, sentences, tile

_ENGLISH = "English"
_ENGLISH_VOICES = ("en-us", "en-gb-x-rp")
_VARIANTS = ("", "+f2")


@dataclass(frozen=True)
class Followed:
    """One language's row."""

    language: str
    seconds: float
    lips_mm: float
    """Worst lip vertex, mean over the frames."""
    jaw: float
    """Pearson's r of the jaw with the truth's."""
    closed: float
    """Recall of p, b and m at 10 % false positives."""
    closures: int


def followed(net: DriverNet, lips: Lips, steps: int = 4) -> list[Followed]:
    """The table, English first; two voices of each language say the same sentences."""
    _, held = sentences()
    rows = [_row(_ENGLISH, held[:: len(held) // 8][:8], _ENGLISH_VOICES, net, lips, steps)]
    return rows + [_row(language, said, VOICES_OF[language], net, lips, steps) for language, said in SENTENCES.items()]


def _row(language: str, said: Sequence[str], voices: Sequence[str], net: DriverNet, lips: Lips, steps: int) -> Followed:
    errors, jaws, closest, free, frames = [], [], [], [], 0
    for number, text in enumerate(said):
        for variant in _VARIANTS:
            speech = synthesize(text, voices[number % len(voices)] + variant)
            T = num_frames(len(speech.sound))
            found = tile(segments(speech.phones), len(speech.sound) / RATE)
            truth = articulate(found, T, relative_loudness(speech.sound, found))
            made = perform(speech.sound, net, lips, Direction(), seed=number, steps=steps)
            ours, theirs = (posed(lips.head, torch.from_numpy(each)).numpy() for each in (made, truth.frames))
            errors.append(metrics.lip_vertex_error(ours, theirs))
            jaws.append(correlation(made[:, JAW], truth.frames[:, JAW]))
            gaps = closure_gaps(truth.viseme, truth.closed, made, lips)
            closest.append(gaps[0])
            free.append(gaps[1])
            frames += T
    met = np.concatenate(closest)
    return Followed(language, frames / FPS, float(np.mean(errors)), float(np.mean(jaws)), recall(met, np.concatenate(free)), len(met))


def language_lines(rows: Sequence[Followed]) -> list[str]:
    """The table as text."""
    lines = [f"{'language':10s} {'seconds':>8s} {'lips, mm':>9s} {'jaw r':>6s} {'p b m closed':>13s} {'of':>4s}"]
    return lines + [
        f"{row.language:10s} {row.seconds:8.0f} {row.lips_mm:9.2f} {row.jaw:6.2f} {100 * row.closed:11.1f} % {row.closures:4d}" for row in rows
    ]
