"""Drivers side by side: the same clips, the same truth, every figure with its interval over the clips."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from avatar3d.progress import Progress, silent
from driver import metrics
from driver.alignment import align, read_recording, recordings
from driver.baselines import BASELINES, Baseline, rule_visemes
from driver.coarticulation import articulate
from driver.features import RATE, features, num_frames
from driver.figures import Judged, Observed, Row, Ruler, observe, summary
from driver.lips import Lips
from driver.model import DriverNet
from driver.sample import generate
from driver.takes import Take, generated_take, relative_loudness, sentences, tile

Driver = Callable[[np.ndarray], np.ndarray]
"""Sound [samples] at 16 kHz -> frames [T, NUM_CHANNELS]."""
Table = dict[str, Row]
"""By driver."""
TRUTH, OURS, STRANGE, RULES = "truth", "driver", "driver, other sound", "rule visemes"
FINE = 16
"""Steps of a finer sampling, to see what few steps cost."""
_FITTED_TAKES, _FITTED_SEED = 60, 3
_OF_THE_FACE = ("beats", "beats_chance", "beats_gain", "seam_ratio", "blinks_min", "blink_s", "blink_doubles")
"""Figures that a truth of the mouth alone does not have."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What drivers made of the same clips."""

    clips: Sequence[Judged]
    made: dict[str, list[np.ndarray]]
    """By driver, frames [T, NUM_CHANNELS] of every clip."""
    lve: list[float]
    """Our lip vertex error in every clip, mm."""
    table: Table


def judged_takes(takes: Sequence[Take]) -> list[Judged]:
    """Generated speech, whose truth is exact: it is what the rules made of the synthesizer's own times."""
    return [Judged(f"take {number + 1}", take.sound, take.frames, take.viseme, take.closed, True) for number, take in enumerate(takes)]


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
            found.append(Judged(path.stem, sound, mouth.frames, mouth.viseme, mouth.closed, False))
    return found


def drivers(net: DriverNet, lips: Lips, steps: int, regression: DriverNet | None = None) -> dict[str, Driver]:
    """The network at `steps`, at half of them and at `FINE`, and what it is compared with.

    The baselines are fitted to clean generated takes that are nobody's test. The rules are left out where there is no
    recogniser for them.

    Args:
        net: the network.
        lips: of the head.
        steps: of the sampler.
        regression: the same backbone trained to make the motion in one step, without noise.
    """
    pool, _ = sentences()
    takes = [generated_take(pool, np.random.default_rng([_FITTED_SEED, index]), degrade=False) for index in range(_FITTED_TAKES)]
    heard, moved = [take.features for take in takes], [take.frames for take in takes]
    half = max(1, steps // 2)
    made = {OURS: sampled(net, lips, steps), f"{OURS}, {half} steps": sampled(net, lips, half), f"{OURS}, {FINE} steps": sampled(net, lips, FINE)}
    if regression is not None:
        made["same backbone, regression"] = sampled(regression, lips, 1)
    for name, fit in BASELINES.items():
        made[name] = _heard(fit(heard, moved))
    if can_recognise():
        made[RULES] = rule_visemes
    return made


def can_recognise() -> bool:
    """Whether pocketsphinx is there, for aligning recordings and for rules without a text."""
    return find_spec("pocketsphinx") is not None


def sampled(net: DriverNet, lips: Lips, steps: int, seed: int = 0) -> Driver:
    """The network as a driver. The noise is drawn by sound, so that clips do not share their blinks and nods."""

    def drive(sound: np.ndarray) -> np.ndarray:
        return np.concatenate(list(generate(sound, net, lips, seed=seed + zlib.crc32(sound.tobytes()), steps=steps)))

    return drive


def _heard(baseline: Baseline) -> Driver:
    return lambda sound: baseline(features(sound)).astype(np.float32)


def compare(clips: Sequence[Judged], drivers: dict[str, Driver], ruler: Ruler, progress: Progress = silent) -> Comparison:
    """Figures of all drivers, and of the truth itself, over all clips.

    `driver, other sound` is ours given the sound of the next clip: its error over that with the right sound is the audio gain.
    """
    names = [TRUTH, *drivers, STRANGE]
    made: dict[str, list[np.ndarray]] = {name: [] for name in names}
    seen: dict[str, list[Observed]] = {name: [] for name in names}
    for number, (clip, following) in enumerate(zip(clips, [*clips[1:], clips[0]], strict=True)):
        frames = {TRUTH: clip.truth} | {name: drive(clip.sound) for name, drive in drivers.items()}
        frames[STRANGE] = drivers[OURS](np.resize(following.sound, len(clip.sound)))
        for name in names:
            made[name].append(frames[name])
            seen[name].append(observe(clip, frames[name], ruler))
        progress(number + 1, len(clips))
    table = {name: summary(observed) for name, observed in seen.items()}
    if not all(clip.whole for clip in clips):
        for figure in _OF_THE_FACE:
            table[TRUTH].pop(figure)
    own, strange = (np.array([clip.figures["lve_mm"] for clip in seen[name]]) for name in (OURS, STRANGE))
    table[OURS]["audio_gain"] = _gain(own, strange)
    return Comparison(clips, made, own.tolist(), table)


def _gain(own: np.ndarray, strange: np.ndarray) -> tuple[float, float, float]:
    """Mean error with another clip's sound over that with the right one, and its interval over the clips."""

    def gain(rows: np.ndarray) -> float:
        chosen = rows.astype(int)
        return float(strange[chosen].mean() / max(own[chosen].mean(), 1e-9))

    everything = np.arange(len(own))
    return gain(everything), *metrics.interval(everything.tolist(), of=gain)
