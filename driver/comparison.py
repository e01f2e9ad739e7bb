"""Drivers side by side: the same clips, the same truth, every figure with its interval over the clips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from avatar3d.head.model import HeadModel
from driver import metrics
from driver.alignment import align, read_recording, recordings
from driver.baselines import BASELINES, Baseline
from driver.channels import INDEX, JAW, REGIONS
from driver.coarticulation import articulate
from driver.corpus import Take, generated_take, relative_loudness, sentences, tile
from driver.evaluate import FALSE_POSITIVES, closure_gaps, posed_gap
from driver.features import RATE, features, num_frames
from driver.lips import Lips, posed
from driver.model import DriverNet
from driver.sample import generate

Driver = Callable[[np.ndarray], np.ndarray]
"""Sound [samples] at 16 kHz -> frames [T, NUM_CHANNELS]."""
Table = dict[str, dict[str, tuple[float, float, float]]]
"""By driver and figure: the mean over clips, and the bounds of its 95 % interval."""
OURS, _STRANGE = "driver", "driver, other sound"
_FITTED_TAKES, _FITTED_SEED = 60, 3
_ROUND = INDEX["mouthPucker"]
_STILL_MM = 1e-3


@dataclass(frozen=True, eq=False)
class Judged:
    """A clip and what the face should do in it."""

    sound: np.ndarray
    """[samples] 16 kHz."""
    truth: np.ndarray
    """[T, NUM_CHANNELS]."""
    viseme: np.ndarray
    """[T]."""
    closed: np.ndarray
    """[T] 0..1, where the lips must meet."""
    whole: bool
    """Whether the truth is of the whole face; else of the mouth alone."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Vertices that figures are of."""

    lips: HeadModel
    upper: HeadModel
    """Of the face, above the middle of the nose."""


def parts_of(head: HeadModel) -> Parts:
    """The parts of a head with the embedded head's regions."""
    face, height = head.regions["face"], head.template[:, 1].numpy()
    return Parts(head.subset(head.regions["lips"]), head.subset(face[height[face] > height[head.regions["nose"]].mean()]))


def judged_takes(takes: Sequence[Take]) -> list[Judged]:
    """Generated speech, whose truth is exact: it is what the rules made of the synthesizer's own times."""
    return [Judged(take.sound, take.frames, take.viseme, take.closed, True) for take in takes]


def judged_recordings(folder: Path) -> list[Judged]:
    """Recordings with transcripts; the truth is what the rules make of times found by forced alignment, so it has errors of its own.

    Raises:
        UserError: the folder has no transcripts, or the aligner is not installed.
    """
    found = []
    for path, text in recordings(folder):
        sound = read_recording(path)
        segments = align(sound, text)
        if segments is not None:
            segments = tile(segments, len(sound) / RATE)
            mouth = articulate(segments, num_frames(len(sound)), relative_loudness(sound, segments))
            found.append(Judged(sound, mouth.frames, mouth.viseme, mouth.closed, False))
    return found


def drivers(net: DriverNet, lips: Lips, steps: int, seed: int = 0) -> dict[str, Driver]:
    """The network at `steps`, at half and at 32 of them, and the baselines, fitted to clean generated takes that are nobody's test."""
    pool, _ = sentences()
    takes = [generated_take(pool, np.random.default_rng([_FITTED_SEED, index]), degrade=False) for index in range(_FITTED_TAKES)]
    heard, moved = [take.features for take in takes], [take.frames for take in takes]

    def sampled(count: int) -> Driver:
        return lambda sound: np.concatenate(list(generate(sound, net, lips, seed=seed, steps=count)))

    half = max(1, steps // 2)
    made = {OURS: sampled(steps), f"{OURS}, {half} steps": sampled(half), f"{OURS}, 32 steps": sampled(32)}
    for name, fit in BASELINES.items():
        made[name] = _heard(fit(heard, moved))
    return made


def _heard(baseline: Baseline) -> Driver:
    return lambda sound: baseline(features(sound)).astype(np.float32)


def compare(clips: Sequence[Judged], drivers: dict[str, Driver], head: HeadModel, lips: Lips) -> Table:
    """Figures of all drivers over all clips.

    `driver, other sound` is ours given the sound of the next clip: its error over that with the right sound is the audio gain.
    """
    parts = parts_of(head)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in [*drivers, _STRANGE]}
    gaps: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in rows}
    for clip, following in zip(clips, [*clips[1:], clips[0]], strict=True):
        made = {name: drive(clip.sound) for name, drive in drivers.items()}
        made[_STRANGE] = drivers[OURS](np.resize(following.sound, len(clip.sound)))
        for name, frames in made.items():
            rows[name].append(figures(clip, frames, parts, lips))
            gaps[name].append(closure_gaps(clip.viseme, clip.closed, frames, lips))
    table = {name: _summary(found) | {"closure_recall": _recall(gaps[name])} for name, found in rows.items()}
    own, strange = (np.maximum([row["lve_mm"] for row in rows[name]], 1e-9) for name in (OURS, _STRANGE))
    low, high = metrics.interval((strange / own).tolist())
    table[OURS]["audio_gain"] = (float(strange.mean() / own.mean()), low, high)
    return table


def table_lines(table: Table) -> list[str]:
    """A line per figure, a column per driver, with half the width of the interval."""
    figures_of = list(dict.fromkeys(figure for row in table.values() for figure in row))
    lines = [f"{'':16s}" + "".join(f"{name:>20s}" for name in table)]
    for figure in figures_of:
        cells = [row.get(figure, (np.nan,) * 3) for row in table.values()]
        shown = [f"{mean:.3g} +-{(high - low) / 2:.1g}" if np.isfinite(mean) else "-" for mean, low, high in cells]
        lines.append(f"{figure:16s}" + "".join(f"{cell:>20s}" for cell in shown))
    return lines


def figures(clip: Judged, made: np.ndarray, parts: Parts, lips: Lips) -> dict[str, float]:
    """Figures of one driven clip, see `driver.metrics`; those of the upper face and of the whole only where the truth knows them."""
    T = min(len(clip.truth), len(made))
    truth, made = np.asarray(clip.truth[:T], np.float32), np.asarray(made[:T], np.float32)
    ours, theirs = (posed(parts.lips, torch.from_numpy(frames)).numpy() for frames in (truth, made))
    opening, opened = posed_gap(truth, lips), posed_gap(made, lips)
    found = {
        "lve_mm": metrics.lip_vertex_error(ours, theirs),
        "lve_m2": metrics.lip_vertex_error_squared(ours, theirs),
        "mod_mm": metrics.opening_difference(opening, opened),
        "mtm_s": metrics.peak_mismatch(opening, opened),
        "jaw_r": _correlation(truth[:, JAW], made[:, JAW]),
        "rounding_r": _correlation(truth[:, _ROUND], made[:, _ROUND]),
        "mouth_spread": metrics.spread_ratio(opening[:, None], opened[:, None]),
        "mouth_velocity": metrics.velocity_ratio(opening[:, None], opened[:, None]),
        "lip_jerk": metrics.jerk(theirs) if T > 3 else float("nan"),
    }
    if clip.whole:
        upper, upper_made = (posed(parts.upper, torch.from_numpy(frames)).numpy() for frames in (truth, made))
        rest = posed(parts.upper, torch.zeros(1, truth.shape[1]))[0].numpy()
        found["fdd_mm2"] = abs(metrics.dynamics_deviation(upper, upper_made, rest))
        for region in ("brows", "head"):
            columns = REGIONS[region]
            found[f"{region}_spread"] = metrics.spread_ratio(truth[:, columns], made[:, columns])
    return found


def _recall(events: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float, float]:
    """Share of the closures in which the gap falls below what a tenth of the other speaking frames have, and its interval over clips.

    NaN where the lips do not move.
    """
    if np.ptp(np.concatenate([free for _, free in events])) < _STILL_MM:
        return float("nan"), float("nan"), float("nan")

    def share(rows: np.ndarray) -> float:
        chosen = [events[int(row)] for row in rows]
        threshold = np.quantile(np.concatenate([free for _, free in chosen]), FALSE_POSITIVES)
        return float((np.concatenate([closest for closest, _ in chosen]) <= threshold).mean())

    everything = np.arange(len(events), dtype=float)
    low, high = metrics.interval(everything.tolist(), of=share, repeats=200)
    return share(everything), low, high


def _summary(rows: list[dict[str, float]]) -> dict[str, tuple[float, float, float]]:
    """Mean over the clips that have a figure, and its interval."""
    summary = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        known = values[np.isfinite(values)]
        low, high = metrics.interval(values.tolist())
        summary[name] = (float(known.mean()) if len(known) else float("nan"), low, high)
    return summary


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; 0 where one of the curves does not move."""
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-6 and b.std() > 1e-6 else 0.0
