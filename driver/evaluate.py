"""How the driver behaves by itself, where no truth is needed: in silence and noise, from seed to seed, at its joins, in time.

The head is the embedded one with the mean identity; lips are measured with neck and torso at rest, in millimetres.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from avatar3d.head.model import HeadModel
from avatar3d.runs import runs
from driver import metrics
from driver.blinks import lid_closure
from driver.channels import INDEX, REGIONS
from driver.features import FPS, RATE, SAMPLES, FeatureStream, framed, num_frames
from driver.lips import Lips, opening, posed
from driver.model import DriverNet
from driver.phones import VISEME_INDEX
from driver.sample import NEW, generate
from driver.takes import Take

SEEDS = 6
"""Takes of the same sound whose distance is the diversity."""
_TIMED_SECONDS, _TIMED_RUNS = 60, 3
FALSE_POSITIVES = 0.10
CONTACT_MM = 0.3


@dataclass(frozen=True, eq=False)
class Driven:
    """A sound and the frames made for it."""

    sound: np.ndarray
    frames: np.ndarray
    """[T, NUM_CHANNELS]."""


def drive_all(sounds: list[np.ndarray], net: DriverNet, lips: Lips, steps: int, seed: int = 0) -> list[Driven]:
    """Drive 16 kHz sounds [samples], each with a seed of its own."""
    return [Driven(s, np.concatenate(list(generate(s, net, lips, seed=seed + k, steps=steps)))) for k, s in enumerate(sounds)]


def diversity(sounds: Sequence[np.ndarray], net: DriverNet, lips: Lips, steps: int, seeds: int = SEEDS) -> dict[str, tuple[float, float, float]]:
    """By region, how far takes of the same sound with other seeds are apart, and the 95 % interval over the sounds.

    In units of the channels' usual spread: 1.41 is as far as takes that have nothing to do with each other.
    """
    spread = net.std.numpy()
    found: dict[str, list[float]] = {region: [] for region in REGIONS}
    for sound in sounds:
        takes = [np.concatenate(list(generate(sound, net, lips, seed=seed, steps=steps))) / spread for seed in range(seeds)]
        for region, columns in REGIONS.items():
            found[region].append(metrics.diversity([take[:, columns] for take in takes]))
    return {region: (float(np.mean(values)), *metrics.interval(values)) for region, values in found.items()}


def speed(sound: np.ndarray, net: DriverNet, lips: Lips, steps: int) -> dict[str, float]:
    """Milliseconds that a window of `NEW` frames and its features take, median and 95th percentile, and seconds of sound driven in a second.

    The sound is repeated to a minute and driven a few times; the first window of each, which warms up, is not counted.
    """
    sound = np.resize(np.asarray(sound, np.float32), _TIMED_SECONDS * RATE)
    size = NEW * SAMPLES
    pieces = [sound[start : start + size] for start in range(0, len(sound) - size + 1, size)]
    hearing, whole = [], []
    for _ in range(_TIMED_RUNS):
        hearing.append(_lasting(FeatureStream().push, pieces))
        windows = generate(sound, net, lips, steps=steps)
        whole.append(_lasting(next, [windows] * (len(pieces) - 1)))
    heard, lasted = (np.concatenate([run[1:] for run in runs]) for runs in (hearing, whole))
    found = {"window_frames": float(NEW)}
    for name, times in (("features", heard), ("window", lasted)):
        found |= {f"{name}_ms_p50": float(np.median(times)), f"{name}_ms_p95": float(np.quantile(times, 0.95))}
    found["realtime_factor"] = 1000 * NEW / FPS / float(lasted.mean())
    return found


def _lasting(work: Callable, items: Sequence) -> np.ndarray:
    """Milliseconds that each item takes."""
    lasted = []
    for item in items:
        began = time.perf_counter()
        work(item)
        lasted.append(1000 * (time.perf_counter() - began))
    return np.array(lasted)


def energy_db(sound: np.ndarray) -> np.ndarray:
    """Level [T] of a 16 kHz sound in the 40 ms around every frame, dB, at most 40 dB below its loudest."""
    T = num_frames(len(sound))
    around = framed(np.concatenate([np.zeros(SAMPLES // 2, np.float32), sound]), T)
    level = 10 * np.log10((around**2).mean(1) + 1e-10)
    return np.maximum(level, level.max() - 40)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r of two curves after a running mean of 3 frames, over the length both have."""
    n = min(len(a), len(b))
    a, b = (np.convolve(x[:n], np.ones(3) / 3, mode="valid") for x in (a, b))
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-9 and b.std() > 1e-9 else 0.0


def energy_correlation(driven: list[Driven], lips: Lips) -> tuple[float, float]:
    """Mean r of lip opening with the level of the sound, and the same by chance: with the sound moved round in a circle."""
    own, chance = [], []
    for made in driven:
        opened, level = opening(lips, torch.from_numpy(made.frames)).numpy(), energy_db(made.sound)
        own.append(correlation(opened, level))
        chance += [correlation(opened, np.roll(level, len(level) * k // 8)) for k in range(2, 7)]
    return float(np.mean(own)), float(np.mean(chance))


def lip_motion_mm(frames: np.ndarray, head: HeadModel) -> float:
    """RMS distance, mm, of the lips' vertices from their mean position."""
    lips = posed(head.subset(head.regions["lips"]), torch.from_numpy(frames))
    return float((lips - lips.mean(0)).square().sum(-1).mean().sqrt())


def blinks_per_minute(frames: list[np.ndarray]) -> float:
    """Closings of both lids beyond one half, per minute."""
    return sum(len(metrics.blinks(lid_closure(f))) for f in frames) / (sum(map(len, frames)) / FPS / 60)


def seams(motion: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of the acceleration of frames [T, C], in units of the channels' spread [C], at the joins of windows and elsewhere."""
    acceleration = np.linalg.norm(np.diff(motion / spread, 2, axis=0), axis=1)
    # Entry i is centred on frame i + 1; a join touches the frames on both its sides.
    join = (np.arange(1, len(acceleration) + 1) % NEW == 0) | (np.arange(2, len(acceleration) + 2) % NEW == 0)
    return acceleration[join], acceleration[~join]


def seam_ratio(frames: list[np.ndarray], net: DriverNet) -> float:
    """Mean acceleration (whitened channels) at the joins of windows against everywhere else."""
    return pooled_seams([seams(motion, net.std.numpy()) for motion in frames])


def pooled_seams(clips: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Mean of what clips have at the joins of windows over that of what they have elsewhere; NaN where nothing moves."""
    at_joins, elsewhere = (np.concatenate(part) for part in zip(*clips, strict=True))
    return float(at_joins.mean() / elsewhere.mean()) if len(at_joins) and elsewhere.mean() > 1e-6 else float("nan")


def closure(takes: list[Take], driven: list[Driven], lips: Lips) -> dict[str, float]:
    """Whether the lips close for p, b and m.

    The threshold is the gap below which a tenth of the speaking frames without closure lie; an event counts as closed
    when the gap falls below it somewhere in it. `contact` asks for real touch instead.
    """
    gaps = [closure_gaps(take.viseme, take.closed, made.frames, lips) for take, made in zip(takes, driven, strict=True)]
    closest, free = (np.concatenate(part) for part in zip(*gaps, strict=True))
    if not len(closest) or not len(free):
        return {"closure_events": float(len(closest))}
    return {
        "closure_recall": recall(closest, free),
        "closure_threshold_mm": float(np.quantile(free, FALSE_POSITIVES)),
        "closure_contact": float((closest <= CONTACT_MM).mean()),
        "closure_events": float(len(closest)),
    }


def recall(closest: np.ndarray, free: np.ndarray) -> float:
    """Share of the gaps `closest` in closures that are no wider than a tenth of those without one, `free`."""
    return float((closest <= np.quantile(free, FALSE_POSITIVES)).mean())


def closure_gaps(viseme: np.ndarray, closed: np.ndarray, frames: np.ndarray, lips: Lips) -> tuple[np.ndarray, np.ndarray]:
    """Smallest gap, mm, in each closure of a clip, and the gaps of its speaking frames without any; arguments over T frames."""
    T = min(len(frames), len(closed))
    gap = np.maximum(posed_gap(np.asarray(frames[:T], np.float32), lips), 0)
    speaking = viseme[:T] != VISEME_INDEX["sil"]
    closest = [gap[a:b].min() for a, b in runs(closed[:T] > 0.9) if speaking[a:b].any()]
    return np.array(closest), gap[speaking & (closed[:T] < 0.05)]


def posed_gap(frames: np.ndarray, lips: Lips) -> np.ndarray:
    """Gap [T], mm, between the middles of the inner lips (negative: pressed together), exact."""
    upper, lower = posed(lips.head, torch.from_numpy(frames)).chunk(2, dim=1)
    middle = slice(upper.shape[1] // 2 - 2, upper.shape[1] // 2 + 3)
    return (upper - lower)[:, middle, 1].mean(1).numpy()


def evaluate(
    held_out: list[Take], generated: list[Driven], sounds: list[np.ndarray], net: DriverNet, head: HeadModel, lips: Lips, steps: int
) -> dict[str, float]:
    """The driver's figures that are of it alone.

    Args:
        held_out: generated speech that training never saw.
        generated: what the driver made of it.
        sounds: 16 kHz, real speech where there is some.
        net: the network.
        head: the embedded one.
        lips: its lips.
        steps: of the sampler.
    """
    figures: dict[str, float] = {"steps": steps, "threads": torch.get_num_threads()}
    figures |= closure(held_out, generated, lips)
    figures["generated_energy_r"], figures["generated_energy_r_chance"] = energy_correlation(generated, lips)
    clips = drive_all(sounds, net, lips, steps)
    figures["clips"], figures["seconds"] = len(clips), sum(len(d.frames) for d in clips) / FPS
    figures["energy_r"], figures["energy_r_chance"] = energy_correlation(clips, lips)
    rng = np.random.default_rng(0)
    quiet = np.zeros(20 * RATE, np.float32)
    silent = drive_all([quiet, quiet + rng.normal(0, 10 ** (-55 / 20), len(quiet)).astype(np.float32)], net, lips, steps)
    figures["silence_lip_rms_mm"], figures["noise_lip_rms_mm"] = (lip_motion_mm(d.frames, head) for d in silent)
    figures["blinks_per_minute"] = blinks_per_minute([d.frames for d in clips])
    figures["blinks_per_minute_silence"] = blinks_per_minute([np.concatenate(list(generate(np.tile(quiet, 3), net, lips, steps=steps)))])
    figures["seam_ratio"] = seam_ratio([d.frames for d in clips], net)
    moved = np.concatenate([d.frames for d in clips])
    for axis, name in enumerate(("nod", "turn", "tilt")):
        figures[f"head_{name}_std_degrees"] = float(np.degrees(moved[:, INDEX[f"neck_pose_{axis}"]].std()))
    return figures | speed(np.concatenate(sounds), net, lips, steps)
