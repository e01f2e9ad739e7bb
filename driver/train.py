"""Train the driver: `avatar3d train-driver -o weights.safetensors`, or on four GPUs
`torchrun --nproc-per-node 4 --no-python -- avatar3d train-driver -o weights.safetensors --device cuda`.

The corpus is generated on the spot (`driver.corpus`); everything random follows the seed. A run that was stopped goes on
from its last checkpoint.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor

from avatar3d.errors import UserError
from avatar3d.files import check_output
from avatar3d.head.store import load_head
from driver.captures import COPIES, captured_people, with_people
from driver.channels import INDEX, NUM_CHANNELS
from driver.corpus import Corpus, build
from driver.curves import curves
from driver.encoders import load_encoder
from driver.features import FPS
from driver.lips import Lips, lips_of
from driver.losses import losses
from driver.model import STYLE_CLIP, Config, DriverNet
from driver.model_card import Training, write_card
from driver.ranks import Ranks, joined_ranks
from driver.takes import generated_take, sentences
from driver.weights import load_checkpoint, load_weights, save_checkpoint, save_weights
from driver.windows import LIVE_FRAMES, Windows

_STD_FLOOR = 0.02
_SHIFT_FLOOR = 0.001
_USUAL_TAKES, _USUAL_SEED = 24, 11
_WARM_UP = 300
"""Steps."""
KEPT_SECONDS = 120.0
"""Between two checkpoints at most."""
SAID_EVERY = 100
"""Steps between two progress lines."""
AVERAGED_EVERY = 4
"""Steps between two updates of the running average of the weights, which is what is kept."""


def train(
    output: Path,
    *,
    cache: Path | None = None,
    hours: float = 3.0,
    recordings: Path | None = None,
    captures: Sequence[Path] = (),
    captures_share: float = 0.5,
    steps: int = 12000,
    batch: int = 16,
    rate: float = 1e-3,
    minutes: float | None = None,
    config: Config | None = None,
    start: Path | None = None,
    regression: bool = False,
    seed: int = 0,
    threads: int = 0,
    workers: int = 1,
    device: str = "cpu",
    tensorboard: Path | None = None,
    encoder: str | None = None,
    keep_every: int = 500,
    say: Callable[[str], None] = print,
) -> Path:
    """Train on generated speech, recordings with transcripts and captures of people, and write the weights and their card.

    Under torchrun the processes train together: they must see the same files, and the first one writes and speaks.

    Args:
        output: `.safetensors` file; a checkpoint lies beside it while training runs, and a later call goes on from it. The card
            is a `.md` of that name.
        cache: where made corpora are kept; default the user's cache folder.
        hours: of generated speech.
        recordings: folder with sound files and a `transcripts.tsv`.
        captures: folders that `avatar3d track` made, each of one person.
        captures_share: of the windows, how many come from captures where there are some.
        steps: of optimisation.
        batch: windows of 3.2 s in a step, of all processes together.
        rate: highest learning rate.
        minutes: wall time at most; the learning rate then falls with the time instead of the steps.
        config: sizes of the network.
        start: weights to begin from, with their sizes and normalisation, instead of from nothing.
        regression: train the same network without flow or noise, as a baseline.
        seed: of everything random.
        threads: of torch; 0 leaves them as they are.
        workers: processes that make the corpus.
        device: where to train, "cpu" or "cuda".
        tensorboard: folder for TensorBoard's curves.
        encoder: a network that hears beside the built-in features (`driver.encoders`): its folder, or its name on the hub.
        keep_every: steps between checkpoints.
        say: takes progress lines.

    Raises:
        UserError: espeak-ng or TensorBoard is missing, or a file cannot be read or written.
    """
    output = check_output(Path(output))
    if output.suffix != ".safetensors":
        raise UserError(f"{output}: weights are written as .safetensors; give such a name")
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    head = load_head()
    lips = lips_of(head)
    with joined_ranks(device) as ranks, curves(tensorboard if ranks.first else None) as tell:
        if not ranks.first:
            say = _nothing
        if batch % ranks.count:
            raise UserError(f"--batch {batch}: is shared among {ranks.count} processes; give a multiple of that")
        net = None if start is None else _begun(start, encoder, regression)
        encoder = encoder if net is None else net.config.encoder
        ear = load_encoder(encoder, str(ranks.device)) if encoder else None
        folder = Path(cache) if cache else Path.home() / ".cache" / "avatar3d" / "driver"
        people = captured_people(captures, head, seed, ear)
        generated = _made_once(ranks, lambda: build(folder, hours, seed, recordings, workers, say, ear))
        corpus, odds = with_people(generated, people, captures_share)
        training = Training(
            steps=0, seed=seed, hours=hours, batch=batch, rate=rate, minutes=minutes, device=device, ranks=ranks.count,
            recordings=recordings.name if recordings else "", captures=tuple(Path(path).name for path in captures),
            capture_minutes=float(corpus.starts[-1] - generated.starts[-1]) / COPIES / FPS / 60,
            capture_share=captures_share if captures else 0.0, start=start.name if start else "",
            encoder=encoder or "", regression=regression,
        )  # fmt: skip
        if net is None:
            sizes = config or Config(flow=not regression)
            net = DriverNet(sizes if ear is None else replace(sizes, encoder=ear.name, codes=ear.width))
            net.mean, net.std = statistics(corpus)
        if device == "cuda":
            # Products of matrices in reduced precision: motion is learnt to a per cent, and they are several times as fast.
            torch.set_float32_matmul_precision("high")
        net = net.to(ranks.device)
        windows = Windows(corpus, ranks.device, odds)
        average = {name: value.clone() for name, value in net.state_dict().items()}
        optimizer = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        checkpoint = output.with_suffix(".checkpoint.safetensors")
        # How long it goes on may change from one start to the next; all else must not.
        identity = replace(training, steps=0, minutes=None).to_json()
        step, spent = load_checkpoint(checkpoint, net, average, optimizer, identity) if checkpoint.exists() else (0, 0.0)
        if ranks.agreed(step) != step:
            raise UserError(f"{checkpoint}: is not the same for all processes; give a folder that all of them share")
        say(f"driver: {sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, {len(corpus.viseme)} frames, from step {step}")
        began = time.monotonic() - spent
        running: dict[str, Tensor] = {}

        def keep() -> None:
            save_checkpoint(checkpoint, net, average, optimizer, step, time.monotonic() - began, identity)

        kept = time.monotonic()
        try:
            while step < steps:
                elapsed = time.monotonic() - began
                progress = step / steps if minutes is None else ranks.agreed(elapsed) / 60 / minutes
                if progress >= 1:
                    break
                for group in optimizer.param_groups:
                    group["lr"] = rate * _share_of_rate(step, progress)
                rng = np.random.default_rng([seed, step, ranks.rank])
                loss, parts = _losses(net, lips, windows, batch // ranks.count, rng)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                ranks.average_gradients(net)
                torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                if step % AVERAGED_EVERY == 0:
                    _average(average, net, step)
                for name, value in parts.items():
                    running[name] = torch.lerp(value, running[name], 0.98) if name in running else value
                step += 1
                if step % SAID_EVERY == 0 or step in (1, 10, steps):
                    losses_now = {name: float(value) for name, value in running.items()}
                    say(f"step {step} of {steps}, {elapsed / 60:.1f} min: {' '.join(f'{name} {value:.3f}' for name, value in losses_now.items())}")
                    tell(step, {**losses_now, "rate": optimizer.param_groups[0]["lr"], "minutes": elapsed / 60})
                if ranks.first and step < steps and (step % keep_every == 0 or time.monotonic() - kept > KEPT_SECONDS):
                    keep()
                    kept = time.monotonic()
        except KeyboardInterrupt:
            if ranks.first and step:
                keep()
            raise
        if ranks.first:
            net.load_state_dict(average)
            average["usual_style"] = usual_style(net)
            done = replace(training, steps=step)
            save_weights(output, average, net.config, head, done.line, training=done.to_json())
            write_card(output)
            checkpoint.unlink(missing_ok=True)
            say(f"next: avatar3d eval-driver --weights {output}")
        ranks.wait()
    return output


def _begun(start: Path, encoder: str | None, regression: bool) -> DriverNet:
    """The network that a training begins from, ready to be trained."""
    net = load_weights(start).train().requires_grad_(True)
    if encoder is not None and encoder != net.config.encoder:
        raise UserError(f"{start}: does not hear by {encoder}; leave --encoder out, or begin from nothing")
    net.config = replace(net.config, flow=not regression)
    return net


def _share_of_rate(step: int, progress: float) -> float:
    """Of the highest learning rate: it rises over `_WARM_UP` steps, and falls with the `progress` 0..1 as a cosine to a fiftieth."""
    return min(1.0, (step + 1) / _WARM_UP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def _losses(net: DriverNet, lips: Lips, windows: Windows, count: int, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and its parts of `count` windows of a file and as many of live speech."""
    loss, parts = losses(net, lips, windows.draw(count, rng), rng)
    live, live_parts = losses(net, lips, windows.draw(count, rng, LIVE_FRAMES), rng, live=True)
    return loss + live, parts | {f"live_{name}": live_parts[name] for name in ("flow", "lip")}


def _average(average: dict[str, Tensor], net: DriverNet, step: int) -> None:
    """Let the running average, in place, take in the network as it is: quickly at first, when there is little to keep."""
    decay = min(0.999, (step + 1) / (step + 10)) ** AVERAGED_EVERY
    for name, value in net.state_dict().items():
        average[name].lerp_(value, 1 - decay)


def _nothing(line: str) -> None:
    """What the other ranks say."""


def _made_once(ranks: Ranks, make: Callable[[], Corpus]) -> Corpus:
    """What `make` makes and keeps in a cache, which the first rank of each machine fills for the others."""
    corpus = make() if ranks.local == 0 else None
    ranks.wait()
    return corpus if corpus is not None else make()


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
