"""train-driver and eval-driver: the speech driver's own making and measuring."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from avatar3d.cli.common import check_range, say


def train_driver(
    out: Annotated[Path, arg(aliases=["-o"])],
    hours: float = 3.0,
    recordings: Path | None = None,
    steps: int = 12000,
    minutes: float | None = None,
    seed: int = 0,
    threads: int = 0,
    workers: int = 1,
    device: Literal["cpu", "cuda"] = "cpu",
    batch: int = 16,
    rate: float = 1e-3,
    start: Path | None = None,
) -> None:
    """Train the speech driver on generated speech, and on recordings with transcripts where they are given.

    Args:
        out: the weights (.safetensors) to write; an interrupted training goes on from its checkpoint beside it.
        hours: of generated speech.
        recordings: folder with sound files and a transcripts.tsv.
        steps: of optimisation.
        minutes: wall time at most, instead of steps.
        seed: of everything random.
        threads: 0 leaves the choice to torch.
        workers: processes that make the corpus.
        device: where to train.
        batch: windows of 3.2 s in a step.
        rate: highest learning rate.
        start: weights to begin from instead of from nothing.
    """
    import torch

    from avatar3d.errors import UserError
    from driver.train import train

    check_range("--hours", hours, 0.01, 1000)
    check_range("--steps", steps, 1, 10**8)
    check_range("--seed", seed, 0, 2**31 - 1)

    check_range("--workers", workers, 1, 256)
    check_range("--batch", batch, 1, 65536)
    check_range("--rate", rate, 1e-8, 1.0)
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("cuda: PyTorch finds no CUDA device; use --device cpu")

    weights = train(
        out, hours=hours, recordings=recordings, steps=steps, minutes=minutes, seed=seed, threads=threads, workers=workers, device=device,
        batch=batch, rate=rate, start=start, say=say,
    )  # fmt: skip
    say(f"next: avatar3d eval-driver --weights {weights}")


def eval_driver(
    speech: Path | None = None,
    weights: Path | None = None,
    steps: int = 4,
    takes: int = 30,
    json_out: Annotated[Path | None, arg(name="json")] = None,
) -> None:
    """Measure the speech driver: speed, lips against sound, silence, blinks, seams, closures.

    Args:
        speech: folder with recordings of real speech; without it generated speech is used.
        weights: default the ones that ship.
        steps: of the sampler.
        takes: of held-out generated speech.
        json_out: also write the figures to this file.
    """
    from driver.evaluate import evaluate

    check_range("--steps", steps, 1, 64)
    check_range("--takes", takes, 1, 10000)

    for name, value in evaluate(speech, weights=weights, steps=steps, takes=takes, output=json_out).items():
        say(f"{name:32s} {value:.3f}")
