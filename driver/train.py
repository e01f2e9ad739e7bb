"""Train the driver: `python -m driver.train -o weights.safetensors`.

The corpus is generated on the spot (`driver.corpus`); everything random follows the seed. A run that was stopped goes on
from its last checkpoint.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor
from torch.nn import functional as F

from avatar3d.errors import UserError
from avatar3d.files import check_output
from avatar3d.head.store import load_head
from driver.channels import INDEX, NUM_CHANNELS, REGIONS
from driver.corpus import Corpus, build
from driver.features import LOOKAHEAD, silence
from driver.lips import Lips, lips_of
from driver.model import PAST, Config, DriverNet
from driver.weights import load_checkpoint, load_weights, save_checkpoint, save_weights

FRAMES = 80
PREFIX = 16
_STD_FLOOR = 0.02
_CHANNEL_WEIGHT = torch.ones(NUM_CHANNELS)
# A blink is two channels among twenty and seldom: without more weight it is learnt last.
_CHANNEL_WEIGHT[[INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]] = 4.0
_SHIFT_FLOOR = 0.001


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows of FRAMES frames."""

    features: Tensor
    """[B, PAST + FRAMES + LOOKAHEAD, NUM_FEATURES]."""
    motion: Tensor
    """[B, FRAMES, NUM_CHANNELS]."""
    viseme: Tensor
    """[B, FRAMES]."""
    closed: Tensor
    """[B, FRAMES]."""


def train(
    output: Path,
    *,
    cache: Path | None = None,
    hours: float = 3.0,
    recordings: Path | None = None,
    steps: int = 12000,
    batch: int = 16,
    rate: float = 1e-3,
    minutes: float | None = None,
    config: Config | None = None,
    start: Path | None = None,
    seed: int = 0,
    threads: int = 0,
    keep_every: int = 500,
    say=print,
) -> Path:
    """Train on generated speech (and recordings with transcripts) and write the weights.

    Args:
        output: `.safetensors` file; a checkpoint lies beside it while training runs, and a later call goes on from it.
        cache: where made corpora are kept; default the user's cache folder.
        hours: of generated speech.
        recordings: folder with sound files and a `transcripts.tsv`.
        steps: of optimisation.
        batch: windows of 3.2 s in a step.
        rate: highest learning rate.
        minutes: wall time at most; the learning rate then falls with the time instead of the steps.
        config: sizes of the network.
        start: weights to begin from, with their sizes and normalisation, instead of from nothing.
        seed: of everything random.
        threads: of torch; 0 leaves them as they are.
        keep_every: steps between checkpoints.
        say: takes progress lines.

    Raises:
        UserError: espeak-ng is missing, or a file cannot be read or written.
    """
    output = check_output(Path(output))
    if output.suffix != ".safetensors":
        raise UserError(f"{output}: weights are written as .safetensors; give such a name")
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    corpus = build(Path(cache) if cache else Path.home() / ".cache" / "avatar3d" / "driver", hours, seed, recordings, say)
    head = load_head()
    lips = lips_of(head)
    if start is not None:
        net = load_weights(start).train().requires_grad_(True)
    else:
        net = DriverNet(config or Config())
        net.mean, net.std = statistics(corpus)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    checkpoint = output.with_suffix(".checkpoint.safetensors")
    first, spent = load_checkpoint(checkpoint, net, average, optimizer) if checkpoint.exists() else (0, 0.0)
    say(f"driver: {sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, {len(corpus.viseme)} frames, from step {first}")
    began = time.monotonic() - spent
    running: dict[str, float] = {}
    step = first
    while step < steps:
        elapsed = time.monotonic() - began
        progress = step / steps if minutes is None else elapsed / 60 / minutes
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 300) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        rng = np.random.default_rng([seed, step])
        loss, parts = losses(net, lips, draw(corpus, batch, rng), rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        decay = min(0.999, (step + 1) / (step + 10))
        with torch.no_grad():
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - decay)
        for name, value in parts.items():
            running[name] = 0.98 * running.get(name, value) + 0.02 * value
        step += 1
        if step % 100 == 0 or step == steps:
            shown = " ".join(f"{name} {value:.3f}" for name, value in running.items())
            say(f"step {step} of {steps}, {elapsed / 60:.1f} min: {shown}")
        if step % keep_every == 0 and step < steps:
            save_checkpoint(checkpoint, net, average, optimizer, step, time.monotonic() - began)
            save_weights(output, average, net.config, head, made(step, hours, seed, recordings, start))
    save_weights(output, average, net.config, head, made(step, hours, seed, recordings, start))
    checkpoint.unlink(missing_ok=True)
    return output


def made(step: int, hours: float, seed: int, recordings: Path | None, start: Path | None) -> str:
    """How the weights were made, in a line."""
    sources = f"{hours:g} h of espeak-ng speech" + (f" and the recordings of {recordings.name}" if recordings else "")
    return f"driver.train, seed {seed}, {step} steps on {sources}" + (f", begun from {start.name}" if start else "")


def statistics(corpus: Corpus) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [NUM_CHANNELS] of the corpus, the latter with a floor for channels that hardly move."""
    some = torch.from_numpy(np.asarray(corpus.frames[:: max(1, len(corpus.frames) // 100_000)], np.float32))
    floor = torch.full((NUM_CHANNELS,), _STD_FLOOR)
    for axis in range(3):
        floor[INDEX[f"translation_{axis}"]] = _SHIFT_FLOOR
        floor[INDEX[f"rotation_{axis}"]] = 0.005
    return some.mean(0), torch.maximum(some.std(0), floor)


def draw(corpus: Corpus, count: int, rng: np.random.Generator) -> Batch:
    """Random windows; the sound before a take's first frame and after its last is silence."""
    lengths = np.diff(corpus.starts)
    usable = np.flatnonzero(lengths >= FRAMES)
    takes = rng.choice(usable, count, p=lengths[usable] / lengths[usable].sum())
    quiet = silence(1)[0]
    pieces: dict[str, list[np.ndarray]] = {"features": [], "motion": [], "viseme": [], "closed": []}
    for take in takes:
        begin, end = int(corpus.starts[take]), int(corpus.starts[take + 1])
        first = int(rng.integers(begin, end - FRAMES + 1))
        last = first + FRAMES
        before, after = max(begin, first - PAST), min(end, last + LOOKAHEAD)
        heard = np.asarray(corpus.features[before:after], np.float32)
        padding = (PAST - (first - before), LOOKAHEAD - (after - last))
        heard = np.concatenate([np.repeat(quiet[None], padding[0], 0), heard, np.repeat(quiet[None], padding[1], 0)])
        pieces["features"].append(heard)
        pieces["motion"].append(np.asarray(corpus.frames[first:last], np.float32))
        pieces["viseme"].append(np.asarray(corpus.viseme[first:last], np.int64))
        pieces["closed"].append(np.asarray(corpus.closed[first:last], np.float32))
    return Batch(**{name: torch.from_numpy(np.stack(values)) for name, values in pieces.items()})


def random_mask(count: int, rng: np.random.Generator) -> Tensor:
    """Which values are given [B, FRAMES, NUM_CHANNELS]: half the time a prefix, sometimes whole regions or keyframes."""
    known = np.zeros((count, FRAMES, NUM_CHANNELS), np.float32)
    names = list(REGIONS)
    for item in known:
        if rng.random() < 0.6:
            item[: PREFIX if rng.random() < 0.8 else int(rng.integers(1, PREFIX))] = 1
        kind = rng.random()
        if kind < 0.08:
            given = rng.choice(names, int(rng.integers(1, len(names))), replace=False)
            for name in given:
                item[:, REGIONS[str(name)]] = 1
        elif kind < 0.12:
            item[int(rng.integers(0, 12)) :: int(rng.integers(8, 30))] = 1
        elif kind < 0.16:
            item[-int(rng.integers(1, PREFIX)) :] = 1
    return torch.from_numpy(known)


def losses(net: DriverNet, lips: Lips, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
    """The training loss of a batch, and its parts for the log.

    Every region counts alike in the flow loss; on top come speeds, lip vertices and the gap of the lips in millimetres
    (linear basis), more where the lips must meet, and the viseme that the sound codes should tell.
    """
    count = len(batch.motion)
    clean = net.whiten(batch.motion)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    noise = torch.randn(clean.shape, generator=generator)
    # Squared like the steps of the sampler: what is rare and sudden, a blink, is decided while almost all is noise.
    t = torch.rand(count, generator=generator) ** 2
    t = torch.where(torch.rand(count, generator=generator) < 0.125, torch.zeros(count), t)
    known = random_mask(count, rng)
    noisy = t[:, None, None] * clean + (1 - t[:, None, None]) * noise
    noisy = known * clean + (1 - known) * noisy
    features = batch.features + 0.2 * torch.randn((count, 1, batch.features.shape[2]), generator=generator)
    sound = net.encode(features)
    made = net(noisy, known, t, sound)
    made = known * clean + (1 - known) * made

    error = made - clean
    weight = (1 / (1 - t + 0.25))[:, None, None] * _CHANNEL_WEIGHT
    free = 1 - known
    flow = torch.stack([(weight * error**2)[..., rows].sum() / free[..., rows].sum().clamp(min=1) for rows in REGIONS.values()]).mean()
    speed = (torch.diff(error, dim=1) ** 2).mean()
    millimetres = (error * net.std) @ lips.basis
    contact = 1 + 4 * batch.closed[..., None]
    lip = (contact * millimetres**2).mean()
    viseme = F.cross_entropy(net.viseme_head(sound).flatten(0, 1), batch.viseme.flatten())
    total = flow + speed + 0.5 * lip + 0.1 * viseme
    return total, {"flow": flow.item(), "speed": speed.item(), "lip": lip.item(), "viseme": viseme.item()}


if __name__ == "__main__":
    tyro.cli(train)
