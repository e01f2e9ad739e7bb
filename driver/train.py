"""Train the driver: `python -m driver.train -o weights.safetensors`.

The corpus is generated on the spot (`driver.corpus`); everything random follows the seed. A run that was stopped goes on
from its last checkpoint.
"""

import math
import time
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor

from avatar3d.errors import UserError
from avatar3d.files import check_output
from avatar3d.head.store import load_head
from driver.channels import INDEX, NUM_CHANNELS
from driver.corpus import Corpus, build, generated_take, sentences
from driver.lips import lips_of
from driver.losses import losses
from driver.model import STYLE_CLIP, Config, DriverNet
from driver.weights import load_checkpoint, load_weights, save_checkpoint, save_weights
from driver.windows import Windows

_STD_FLOOR = 0.02
_SHIFT_FLOOR = 0.001
_USUAL_TAKES, _USUAL_SEED = 24, 11
AVERAGED_EVERY = 4
"""Steps between two updates of the running average of the weights, which is what is kept."""


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
    workers: int = 1,
    device: str = "cpu",
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
        workers: processes that make the corpus.
        device: where to train, "cpu" or "cuda".
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
    corpus = build(Path(cache) if cache else Path.home() / ".cache" / "avatar3d" / "driver", hours, seed, recordings, workers, say)
    head = load_head()
    lips = lips_of(head)
    if start is not None:
        net = load_weights(start).train().requires_grad_(True)
    else:
        net = DriverNet(config or Config())
        net.mean, net.std = statistics(corpus)
    if device == "cuda":
        # Products of matrices in reduced precision: motion is learnt to a per cent, and they are several times as fast.
        torch.set_float32_matmul_precision("high")
    net = net.to(device)
    windows = Windows(corpus, device)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    checkpoint = output.with_suffix(".checkpoint.safetensors")
    first, spent = load_checkpoint(checkpoint, net, average, optimizer) if checkpoint.exists() else (0, 0.0)
    say(f"driver: {sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, {len(corpus.viseme)} frames, from step {first}")
    began = time.monotonic() - spent
    running: dict[str, Tensor] = {}
    step = first
    while step < steps:
        elapsed = time.monotonic() - began
        progress = step / steps if minutes is None else elapsed / 60 / minutes
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 300) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        rng = np.random.default_rng([seed, step])
        loss, parts = losses(net, lips, windows.draw(batch, rng), rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        if step % AVERAGED_EVERY == 0:
            decay = min(0.999, (step + 1) / (step + 10)) ** AVERAGED_EVERY
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - decay)
        for name, value in parts.items():
            running[name] = torch.lerp(value, running[name], 0.98) if name in running else value
        step += 1
        if step % 100 == 0 or step == steps:
            shown = " ".join(f"{name} {float(value):.3f}" for name, value in running.items())
            say(f"step {step} of {steps}, {elapsed / 60:.1f} min: {shown}")
        if step % keep_every == 0 and step < steps:
            save_checkpoint(checkpoint, net, average, optimizer, step, time.monotonic() - began)
            save_weights(output, average, net.config, head, made(step, hours, seed, recordings, start))
    net.load_state_dict(average)
    average["usual_style"] = usual_style(net)
    save_weights(output, average, net.config, head, made(step, hours, seed, recordings, start))
    checkpoint.unlink(missing_ok=True)
    return output


def made(step: int, hours: float, seed: int, recordings: Path | None, start: Path | None) -> str:
    """How the weights were made, in a line."""
    sources = f"{hours:g} h of espeak-ng speech" + (f" and the recordings of {recordings.name}" if recordings else "")
    return f"driver.train, seed {seed}, {step} steps on {sources}" + (f", begun from {start.name}" if start else "")


@torch.no_grad()
def usual_style(net: DriverNet) -> Tensor:
    """Mean style code [STYLE] of takes by people without habits, of those that are generated for it."""
    pool, _ = sentences()
    takes = [generated_take(pool, np.random.default_rng([_USUAL_SEED, index]), degrade=False) for index in range(_USUAL_TAKES)]
    clips = [torch.from_numpy(take.frames[:STYLE_CLIP]) for take in takes if len(take.frames) >= STYLE_CLIP]
    return net.style_of(torch.stack(clips).to(net.mean)).mean(0).cpu()


def statistics(corpus: Corpus) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [NUM_CHANNELS] of the corpus, the latter with a floor for channels that hardly move."""
    some = torch.from_numpy(np.asarray(corpus.frames[:: max(1, len(corpus.frames) // 100_000)], np.float32))
    floor = torch.full((NUM_CHANNELS,), _STD_FLOOR)
    for axis in range(3):
        floor[INDEX[f"translation_{axis}"]] = _SHIFT_FLOOR
        floor[INDEX[f"rotation_{axis}"]] = 0.005
    return some.mean(0), torch.maximum(some.std(0), floor)


if __name__ == "__main__":
    tyro.cli(train)
