"""train-driver and eval-driver: the speech driver's own making and measuring."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from avatar3d.cli.common import check_range, note, say

if TYPE_CHECKING:
    from avatar3d.head.model import HeadModel


def train_driver(
    out: Annotated[Path, arg(aliases=["-o"])],
    hours: float = 3.0,
    recordings: Path | None = None,
    captures: tuple[Path, ...] = (),
    captures_share: float = 0.5,
    steps: int = 12000,
    minutes: float | None = None,
    seed: int = 0,
    threads: int = 0,
    workers: int = 1,
    device: Literal["cpu", "cuda"] = "cpu",
    batch: int = 16,
    rate: float = 1e-3,
    start: Path | None = None,
    regression: bool = False,
    tensorboard: Path | None = None,
    encoder: str | None = None,
) -> None:
    """Train the speech driver on generated speech, and on recordings with transcripts and captures of people where they are given.

    On several GPUs: torchrun --nproc-per-node 4 --no-python -- avatar3d train-driver -o F --device cuda.

    Args:
        out: the weights (.safetensors) to write; an interrupted training goes on from its checkpoint beside it.
        hours: of generated speech.
        recordings: folder with sound files and a transcripts.tsv.
        captures: folders that `track` made, each of one person; a transcript.txt in them tells what is said.
        captures_share: of the training, how much is on captures where there are some.
        steps: of optimisation.
        minutes: wall time at most, instead of steps.
        seed: of everything random.
        threads: 0 leaves the choice to torch.
        workers: processes that make the corpus.
        device: where to train.
        batch: windows of 3.2 s in a step, of all processes together where torchrun starts several.
        rate: highest learning rate.
        start: weights to begin from instead of from nothing.
        regression: train the same network without flow or noise, to compare with (eval-driver --regression).
        tensorboard: folder for TensorBoard's curves.
        encoder: a wav2vec2, HuBERT or WavLM network that hears beside the built-in features: its folder, or its name on the Hugging Face hub.
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
    check_range("--captures-share", captures_share, 0.0, 1.0)
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("cuda: PyTorch finds no CUDA device; use --device cpu")

    train(
        out, hours=hours, recordings=recordings, captures=captures, captures_share=captures_share, steps=steps, minutes=minutes, seed=seed,
        threads=threads, workers=workers, device=device, batch=batch, rate=rate, start=start, regression=regression, tensorboard=tensorboard,
        encoder=encoder, say=say,
    )  # fmt: skip


def eval_driver(
    speech: Path | None = None,
    weights: Path | None = None,
    regression: Path | None = None,
    steps: int = 4,
    takes: int = 30,
    controls: bool = False,
    languages: bool = False,
    out: Annotated[Path | None, arg(aliases=["-o"])] = None,
    json_out: Annotated[Path | None, arg(name="json")] = None,
) -> None:
    """Measure the speech driver: lips against truth beside simple drivers, closures, silence, blinks, seams, speed.

    Args:
        speech: folder with recordings of real speech; with a transcripts.tsv (name, tab, text) they are compared with forced alignment too.
        weights: default the ones that ship.
        regression: weights of `train-driver --regression`, to compare with.
        steps: of the sampler.
        takes: of held-out generated speech.
        controls: measure what each control of `speak` does and what it does to the lips besides, on a third of the takes, instead of the rest.
        languages: measure how well each language is followed, instead of the rest.
        out: folder for a page with tables and curves, and videos of truth and driver side by side.
        json_out: also write the figures to this file.
    """
    import json

    from avatar3d.cli.driver_assessment import assess, assessment_lines
    from avatar3d.cli.driver_page import write_driver_page
    from avatar3d.files import atomic_path, check_output
    from avatar3d.head.store import load_head
    from avatar3d.progress import console

    check_range("--steps", steps, 1, 64)
    check_range("--takes", takes, 1, 10000)
    if json_out is not None:
        check_output(json_out)
    if out is not None:
        check_output(out / "index.html")

    head = load_head()
    if controls or languages:
        _tables(head, weights, steps, takes, controls, languages)
        return
    found = assess(head, speech=speech, weights=weights, regression=regression, steps=steps, takes=takes, note=note)
    for line in assessment_lines(found):
        say(line)
    if json_out is not None:
        with atomic_path(json_out) as temporary:
            temporary.write_text(json.dumps(found.to_json(), indent=1) + "\n")
    if out is not None:
        with console("page") as progress:
            write_driver_page(found, head, out, progress)
        say(f"next: open {out / 'index.html'}")


def _tables(head: "HeadModel", weights: Path | None, steps: int, takes: int, controls: bool, languages: bool) -> None:
    """What the controls do, and how well languages are followed, as text."""
    from driver.controls import effect_lines, effects
    from driver.corpus import held_out_takes
    from driver.language_table import followed, language_lines
    from driver.lips import lips_of
    from driver.weights import load_weights

    net, lips = load_weights(weights), lips_of(head)
    lines = effect_lines(effects(held_out_takes(max(1, takes // 3)), net, lips, steps)) if controls else []
    for line in [*lines, *(language_lines(followed(net, lips, steps)) if languages else [])]:
        say(line)
