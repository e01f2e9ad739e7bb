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
    """Measure the speech driver: lips against truth beside simple drivers, closures, silence, blinks, seams, speed.

    Args:
        speech: folder with recordings of real speech; with a transcripts.tsv (name, tab, text) they are compared with forced alignment too.
        weights: default the ones that ship.
        steps: of the sampler.
        takes: of held-out generated speech.
        json_out: also write the figures to this file.
    """
    import json

    from avatar3d.files import atomic_path, check_output
    from avatar3d.head.store import load_head
    from driver.comparison import compare, drivers, judged_recordings, judged_takes, table_lines
    from driver.corpus import held_out_takes
    from driver.evaluate import evaluate
    from driver.lips import lips_of
    from driver.weights import load_weights

    check_range("--steps", steps, 1, 64)
    check_range("--takes", takes, 1, 10000)
    if json_out is not None:
        check_output(json_out)

    found: dict = {"figures": evaluate(speech, weights=weights, steps=steps, takes=takes)}
    for name, value in found["figures"].items():
        say(f"{name:32s} {value:.3f}")
    head = load_head()
    lips, net = lips_of(head), load_weights(weights)
    clips = {"generated speech, exact truth": judged_takes(held_out_takes(takes))}
    if speech is not None and (speech / "transcripts.tsv").is_file():
        clips["real speech, truth by forced alignment"] = judged_recordings(speech)
    compared = drivers(net, lips, steps)
    for title, chosen in clips.items():
        if chosen:
            found[title] = compare(chosen, compared, head, lips)
            say(f"\n{title}, {len(chosen)} clips; mean and half of the 95 % interval over clips")
            for line in table_lines(found[title]):
                say(line)
    if json_out is not None:
        with atomic_path(json_out) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")
