"""The whole evaluation of a speech driver: what is measured on which speech, what its truth is, and the result as text."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from avatar3d.head.model import HeadModel
    from driver.comparison import Comparison
    from driver.figures import Judged, Row, Ruler
    from driver.model import DriverNet

GENERATED, REAL = "generated speech, exact truth", "real speech, truth by forced alignment"
TRUTHS: dict[str, str] = {
    GENERATED: (
        "Sentences that training never saw, spoken by espeak-ng. The truth is what this project's rules make of the synthesizer's own phoneme "
        "times, and made-up head, brows, gaze and blinks, so it is exact; whether people move like that it does not say. Voices speak fourteen "
        "accents and languages, of which the recogniser of the rule visemes knows one."
    ),
    REAL: (
        "The truth is what the rules make of phoneme times that pocketsphinx finds by forced alignment with the transcript, and of the mouth alone; "
        "its own error is in the row of the reference's ceiling, measured on generated speech whose times are known. The rule visemes hear no text, "
        "but share recogniser and rules with this truth, which flatters them, and hear the whole utterance before they move."
    ),
}
"""What the truth is, how it was made, and its own error."""
_CEILING_SENTENCES, _VARIED_SOUNDS = 30, 8


@dataclass(frozen=True, eq=False)
class Assessment:
    """What was found."""

    ruler: "Ruler"
    compared: dict[str, "Comparison"]
    """By title, a key of `TRUTHS`."""
    ceiling: "Row"
    """Figures of the reference of real speech against exact truth; empty where it was not measured."""
    aligned: int
    """Sentences that the ceiling is of, of `_CEILING_SENTENCES`."""
    diversity: "Row"
    """By region."""
    figures: dict[str, float]
    """Of the driver alone."""
    weights: str
    steps: int

    def to_json(self) -> dict:
        """A JSON-ready dictionary: by figure [value, low, high] with the bounds of the 95 % interval, null where there is none."""
        tables = {title: {name: _finite(row) for name, row in compared.table.items()} for title, compared in self.compared.items()}
        return {
            "figures": self.figures, "diversity": _finite(self.diversity), "reference ceiling": _finite(self.ceiling),
            "reference ceiling, sentences": self.aligned, "truth": {title: TRUTHS[title] for title in tables}, **tables,
        }  # fmt: skip


def assess(
    head: "HeadModel", *, speech: Path | None, weights: Path | None, regression: Path | None, steps: int, takes: int, note: Callable[[str], None]
) -> Assessment:
    """Measure a driver beside simple ones, and by itself.

    Args:
        head: the embedded one.
        speech: folder with recordings, compared with forced alignment where it has a transcripts.tsv.
        weights: default the ones that ship.
        regression: weights of the same backbone trained as a regression.
        steps: of the sampler.
        takes: of held-out generated speech.
        note: takes remarks on what was left out.

    Raises:
        UserError: the folder holds no recordings, weights cannot be read or are no regression, or espeak-ng is missing.
    """
    from avatar3d.progress import console
    from driver.ceiling import ceiling
    from driver.comparison import OURS, can_recognise, compare, drivers, judged_recordings, judged_takes
    from driver.corpus import held_out_takes
    from driver.evaluate import Driven, diversity, evaluate
    from driver.figures import ruler_of
    from driver.lips import lips_of
    from driver.weights import load_weights

    sounds = [] if speech is None else _sounds(speech)
    net, lips = load_weights(weights), lips_of(head)
    plain = None if regression is None else _regression(regression)
    ruler = ruler_of(head, lips, net.std.numpy())
    held_out = held_out_takes(takes)
    clips: dict[str, list[Judged]] = {GENERATED: judged_takes(held_out)}
    transcribed = speech is not None and (speech / "transcripts.tsv").is_file()
    if not can_recognise():
        note("pocketsphinx is not installed: no rule visemes, and no comparison on recordings; `pip install pocketsphinx` adds them")
    elif transcribed:
        assert speech is not None
        clips[REAL] = judged_recordings(speech)
    elif speech is not None:
        note(f"{speech}: has no transcripts.tsv (name, tab, text), so the recordings are driven but not compared")
    compared, against = {}, drivers(net, lips, steps, plain)
    for title, chosen in clips.items():
        if chosen:
            with console(title.split(",")[0]) as progress:
                compared[title] = compare(chosen, against, ruler, progress)
        else:
            note(f"{speech}: none of the recordings could be aligned with its transcript")
    row, aligned = {}, 0
    if REAL in compared:
        with console("ceiling") as progress:
            row, aligned = ceiling(ruler, _CEILING_SENTENCES, progress)
    generated = [Driven(clip.sound, made) for clip, made in zip(clips[GENERATED], compared[GENERATED].made[OURS], strict=True)]
    chosen = sounds or [take.sound for take in held_out]
    figures = evaluate(held_out, generated, chosen, net, head, lips, steps)
    varied = diversity(chosen[:: -(-len(chosen) // _VARIED_SOUNDS)], net, lips, steps)
    return Assessment(ruler, compared, row, aligned, varied, figures, "that ship" if weights is None else str(weights), steps)


def assessment_lines(found: Assessment) -> list[str]:
    """The result as text."""
    from driver.ceiling import TITLE
    from driver.evaluate import SEEDS
    from driver.table import shown, table_lines

    lines = [f"{name:32s} {value:.3f}" for name, value in found.figures.items()]
    lines += ["", f"distance of {SEEDS} takes of the same sound, in units of the channels' spread (1.41: nothing in common)"]
    lines += [f"{region:32s} {shown(found.diversity, region)}" for region in found.diversity]
    for title, compared in found.compared.items():
        heading = f"{title}, {len(compared.clips)} clips; value and half of the 95 % interval over clips"
        lines += ["", heading, *wrap(TRUTHS[title], 140), *table_lines(compared.table)]
        if title == REAL and found.ceiling:
            lines += ["", f"{TITLE}, {found.aligned} of {_CEILING_SENTENCES} generated sentences that could be aligned"]
            lines += table_lines({"reference": found.ceiling})
    return lines


def _sounds(speech: Path) -> list[np.ndarray]:
    """The recordings of a folder, 16 kHz."""
    from avatar3d.errors import UserError
    from driver.alignment import SUFFIXES, read_recording
    from driver.features import RATE

    if not speech.is_dir():
        raise UserError(f"{speech}: is no folder; give one with recordings of speech")
    paths = sorted(path for path in speech.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise UserError(f"{speech}: holds no .flac or .wav; give a folder with recordings of speech")
    sounds = [read_recording(path) for path in paths]
    for path, sound in zip(paths, sounds, strict=True):
        if len(sound) < RATE:
            raise UserError(f"{path}: is shorter than a second, too little to measure on; leave it out")
    return sounds


def _regression(path: Path) -> "DriverNet":
    from avatar3d.errors import UserError
    from driver.weights import load_weights

    net = load_weights(path)
    if net.config.flow:
        raise UserError(f"{path}: was trained as a flow; give weights made by train-driver --regression")
    return net


def _finite(row: "Row") -> dict[str, list[float | None]]:
    return {name: [float(value) if np.isfinite(value) else None for value in values] for name, values in row.items()}
