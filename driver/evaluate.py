"""How good the driver is: `python -m driver.evaluate --speech FOLDER --json F`.

Every figure says what it is measured on. The head is the embedded one with the mean identity; lips are measured with neck
and torso at rest, in millimetres.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from avatar3d.head.model import HeadModel
from avatar3d.head.store import load_head
from driver.alignment import read_recording
from driver.channels import INDEX
from driver.corpus import Take, held_out_takes
from driver.features import FPS, RATE, as_mono16k, features, num_frames
from driver.lips import Lips, lips_of, opening, posed
from driver.model import DriverNet
from driver.phones import VISEME_INDEX
from driver.sample import NEW, generate
from driver.weights import load_weights

FALSE_POSITIVES = 0.10
CONTACT_MM = 0.3


@dataclass(frozen=True, eq=False)
class Driven:
    """A sound and the frames made for it."""

    sound: np.ndarray
    frames: np.ndarray
    """[T, NUM_CHANNELS]."""


def drive_all(sounds: list[np.ndarray], net: DriverNet, lips: Lips, steps: int, seed: int = 0) -> list[Driven]:
    return [Driven(s, np.concatenate(list(generate(s, net, lips, seed=seed + k, steps=steps)))) for k, s in enumerate(sounds)]


def realtime_factor(sound: np.ndarray, net: DriverNet, lips: Lips, steps: int, repeats: int = 3) -> float:
    """Seconds of sound driven in a second, features included: the best of some runs."""
    best = np.inf
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in generate(sound, net, lips, steps=steps):
            pass
        best = min(best, time.perf_counter() - began)
    return len(sound) / RATE / best


def energy_db(sound: np.ndarray) -> np.ndarray:
    """Level [T] of a 16 kHz sound in the 40 ms around every frame, dB, at most 40 dB below its loudest."""
    size = RATE // FPS
    T = num_frames(len(sound))
    padded = np.zeros((T + 1) * size, np.float32)
    padded[size // 2 : size // 2 + len(sound)] = sound[: T * size]
    level = 10 * np.log10((padded[: T * size].reshape(T, size) ** 2).mean(1) + 1e-10)
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
    closed = [np.minimum(f[:, INDEX["eyeBlinkLeft"]], f[:, INDEX["eyeBlinkRight"]]) > 0.5 for f in frames]
    count = sum(int((c[1:] & ~c[:-1]).sum()) for c in closed)
    return count / (sum(map(len, closed)) / FPS / 60)


def seam_ratio(frames: list[np.ndarray], net: DriverNet) -> float:
    """Mean acceleration (whitened channels) at the joins of windows against everywhere else."""
    at_joins, elsewhere = [], []
    for motion in frames:
        acceleration = np.linalg.norm(np.diff(motion / net.std.numpy(), 2, axis=0), axis=1)
        # Entry i is centred on frame i + 1; a join touches the frames on both its sides.
        join = (np.arange(1, len(acceleration) + 1) % NEW == 0) | (np.arange(2, len(acceleration) + 2) % NEW == 0)
        at_joins.append(acceleration[join])
        elsewhere.append(acceleration[~join])
    return float(np.concatenate(at_joins).mean() / np.concatenate(elsewhere).mean())


def closure(takes: list[Take], driven: list[Driven], lips: Lips) -> dict[str, float]:
    """Whether the lips close for p, b and m.

    The threshold is the gap below which a tenth of the speaking frames without closure lie; an event counts as closed
    when the gap falls below it somewhere in it. `contact` asks for real touch instead.
    """
    gaps = [closure_gaps(take.viseme, take.closed, made.frames, lips) for take, made in zip(takes, driven, strict=True)]
    closest, free = (np.concatenate(part) for part in zip(*gaps, strict=True))
    threshold = float(np.quantile(free, FALSE_POSITIVES))
    return {
        "closure_recall": float((closest <= threshold).mean()),
        "closure_threshold_mm": threshold,
        "closure_contact": float((closest <= CONTACT_MM).mean()),
        "closure_events": float(len(closest)),
    }


def closure_gaps(viseme: np.ndarray, closed: np.ndarray, frames: np.ndarray, lips: Lips) -> tuple[np.ndarray, np.ndarray]:
    """Smallest gap, mm, in each closure of a clip, and the gaps of its speaking frames without any; arguments over T frames."""
    T = min(len(frames), len(closed))
    gap = np.maximum(posed_gap(np.asarray(frames[:T], np.float32), lips), 0)
    speaking = viseme[:T] != VISEME_INDEX["sil"]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (closed[:T] > 0.9).astype(int), [0]])))
    closest = [gap[a:b].min() for a, b in zip(edges[::2], edges[1::2], strict=True) if speaking[a:b].any()]
    return np.array(closest), gap[speaking & (closed[:T] < 0.05)]


def posed_gap(frames: np.ndarray, lips: Lips) -> np.ndarray:
    """Gap [T], mm, between the middles of the inner lips (negative: pressed together), exact."""
    upper, lower = posed(lips.head, torch.from_numpy(frames)).chunk(2, dim=1)
    middle = slice(upper.shape[1] // 2 - 2, upper.shape[1] // 2 + 3)
    return (upper - lower)[:, middle, 1].mean(1).numpy()


def evaluate(
    speech: Path | None = None, *, weights: Path | None = None, steps: int = 4, takes: int = 30, output: Path | None = None
) -> dict[str, float]:
    """The driver's figures.

    Args:
        speech: folder with recordings (.flac, .wav) of real speech; without it only generated speech is used.
        weights: default the ones that ship.
        steps: of the flow.
        takes: of held-out generated speech.
        output: JSON file to write.

    Raises:
        UserError: the folder holds no recordings, or a file cannot be read or written.
    """
    head = load_head()
    lips, net = lips_of(head), load_weights(weights)
    held_out = held_out_takes(takes)
    generated = drive_all([as_mono16k(t.sound, RATE) for t in held_out], net, lips, steps)
    figures: dict[str, float] = {"steps": steps, "threads": torch.get_num_threads()}
    figures |= closure(held_out, generated, lips)
    figures["generated_jaw_r"] = float(
        np.mean([correlation(d.frames[:, INDEX["jaw_pose_0"]], t.frames[:, INDEX["jaw_pose_0"]]) for d, t in zip(generated, held_out, strict=True)])
    )
    figures["generated_energy_r"], figures["generated_energy_r_chance"] = energy_correlation(generated, lips)
    clips = generated
    if speech is not None:
        paths = sorted(p for p in Path(speech).glob("*") if p.suffix in (".flac", ".wav"))
        if not paths:
            raise UserError(f"{speech}: holds no .flac or .wav; give a folder with recordings of speech")
        clips = drive_all([read_recording(p) for p in paths], net, lips, steps)
        figures["real_clips"] = len(clips)
        figures["real_energy_r"], figures["real_energy_r_chance"] = energy_correlation(clips, lips)
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
    longest = np.concatenate([d.sound for d in clips])[: 60 * RATE]
    figures["realtime_factor"] = realtime_factor(longest, net, lips, steps)
    began = time.perf_counter()
    features(longest)
    figures["features_realtime_factor"] = len(longest) / RATE / (time.perf_counter() - began)
    if output is not None:
        with atomic_path(output) as temporary:
            temporary.write_text(json.dumps(figures, indent=1) + "\n")
    return figures


def main(speech: Path | None = None, json: Path | None = None, weights: Path | None = None, steps: int = 4, takes: int = 30) -> None:
    """Print the driver's figures, and write them to `--json`."""
    for name, value in evaluate(speech, weights=weights, steps=steps, takes=takes, output=json).items():
        print(f"{name:32s} {value:.3f}")


if __name__ == "__main__":
    tyro.cli(main)
