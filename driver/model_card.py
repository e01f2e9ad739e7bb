"""The page beside trained weights that says what they are: `python -m driver.model_card WEIGHTS [--figures F.json]`.

It is made of the file's header alone, and of what `avatar3d eval-driver --json` measured, so that it can be made again.
Its parts are those of Mitchell et al. 2019 ("Model Cards for Model Reporting") that apply.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import tyro
from safetensors import SafetensorError, safe_open

from avatar3d.errors import UserError
from avatar3d.files import atomic_path

LIMITS = (
    "Lips follow the sound; brows, gaze, blinks and the head follow statistics of how people move, not what is meant.",
    "Most of the speech that it learned from is English, made by a machine; other languages and singing were not tried.",
    "It moves the head that its header names, by the names of ARKit's expressions; other heads are refused.",
)


@dataclass(frozen=True)
class Training:
    """How weights were made. Folders are kept by their last name alone."""

    steps: int
    seed: int
    hours: float
    """Of generated speech."""
    batch: int
    """Windows in a step, of all ranks."""
    rate: float
    """Highest learning rate."""
    minutes: float | None = None
    """After which it was to stop, whatever the step."""
    device: str = "cpu"
    ranks: int = 1
    recordings: str = ""
    """Folder with recordings, where there were some."""
    captures: tuple[str, ...] = ()
    """Folders with captures of people."""
    capture_minutes: float = 0.0
    """Of face with sound, copies not counted."""
    capture_share: float = 0.0
    """Part of the windows that came from captures."""
    regression: bool = False
    """Without flow or noise, as a baseline."""
    start: str = ""
    """Weights that it was begun from."""
    encoder: str = ""
    """Network that hears beside the built-in features, as it was given: it is needed again."""

    @property
    def line(self) -> str:
        """The same in a line."""
        sources = [f"{self.hours:g} h of espeak-ng speech"]
        sources += [f"the recordings of {self.recordings}"] if self.recordings else []
        sources += [f"{self.capture_minutes:.1f} min of {', '.join(self.captures)}"] if self.captures else []
        begun = f", begun from {self.start}" if self.start else ""
        heard = f", heard by {self.encoder}" if self.encoder else ""
        return f"driver.train, seed {self.seed}, {self.steps} steps on {' and '.join(sources)}{heard}{begun}"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Training":
        """Raises ValueError or TypeError where the text holds something else."""
        values = json.loads(text)
        known = {field.name for field in fields(Training)}
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in known}
        return Training(**values)


def write_card(weights: Path, figures: Path | None = None) -> Path:
    """Write the card of a weights file beside it, as `.md`.

    Args:
        weights: as `driver.train` wrote them.
        figures: what `avatar3d eval-driver --json` wrote about them.

    Raises:
        UserError: a file cannot be read or written, or the weights do not say how they were made.
    """
    weights = Path(weights)
    try:
        with safe_open(weights, framework="pt") as archive:
            header = archive.metadata() or {}
            parameters = sum(int(archive.get_tensor(name).numel()) for name in archive.keys())  # noqa: SIM118
        training = Training.from_json(header["training"])
        config = json.loads(header["config"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{weights}: is no weights file that says how it was trained; make one with `avatar3d train-driver`") from error
    measured = _read_figures(figures) if figures is not None else None
    path = weights.with_suffix(".md")
    with atomic_path(path) as temporary:
        temporary.write_text(card(weights.name, header, config, parameters, training, measured), encoding="utf-8")
    return path


def _read_figures(path: Path) -> dict[str, Any]:
    try:
        measured = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is not what `avatar3d eval-driver --json` writes; make it with that") from error
    if not isinstance(measured, dict) or not isinstance(measured.get("figures"), dict):
        raise UserError(f"{path}: holds no figures; make it with `avatar3d eval-driver --json {path.name}`")
    return measured


def card(name: str, header: Mapping[str, str], config: Mapping[str, Any], parameters: int, training: Training, measured: Mapping | None) -> str:
    """The text of a card.

    Args:
        name: of the weights file.
        header: its metadata.
        config: sizes of the network.
        parameters: how many numbers it has.
        training: how it was made.
        measured: of `eval-driver`; None where nothing was.
    """
    kind = "a rectified-flow transformer" if config.get("flow", True) else "a transformer trained as a regression, without noise"
    sizes = f"{config['layers']} layers, width {config['width']}, {config['heads']} heads, {config['reach']} frames to either side"
    parts = [
        f"# {name}",
        f"Turns speech into the motion of the head {header['head']}: {kind} of {parameters / 1e6:.1f} million parameters ({sizes}), float16, "
        f"25 frames a second. The file's header says which channels, features and conditions it was trained for.",
        f"Licence of the weights: {_licence(header, training)}",
        "## How it was made",
        _command(name, training),
        "\n".join(_data(training)),
        "No weights of others went in." if not (training.start or training.encoder) else _others(training),
        "## What it shows",
        _shown(measured)
        if measured is not None
        else f"Not measured yet: `avatar3d eval-driver --weights {name} --json figures.json`, then "
        f"`python -m driver.model_card {name} --figures figures.json`.",
        "What falls short:",
        "\n".join(f"- {limit}" for limit in LIMITS),
    ]
    return "\n\n".join(parts) + "\n"


def _licence(header: Mapping[str, str], training: Training) -> str:
    licence = f"{header['licence']}, like the code."
    if training.captures:
        licence += " They learned how the people of the captures speak: pass them on only as far as these agree."
    return licence


def _command(name: str, training: Training) -> str:
    words = [f"avatar3d train-driver -o {name} --hours {training.hours:g} --steps {training.steps} --batch {training.batch} --rate {training.rate:g}"]
    words += [f"--recordings {training.recordings}"] if training.recordings else []
    words += [f"--captures {' '.join(training.captures)} --captures-share {training.capture_share:g}"] if training.captures else []
    words += [f"--start {training.start}"] if training.start else []
    words += ["--regression"] if training.regression else []
    words += [f"--encoder {training.encoder}"] if training.encoder else []
    words += [f"--minutes {training.minutes:g}"] if training.minutes is not None else []
    words += [f"--seed {training.seed} --device {training.device}"]
    where = f"{training.ranks} processes on {training.device}" if training.ranks > 1 else f"one process on {training.device}"
    return "```\n" + " \\\n    ".join(words) + f"\n```\n{where}, {training.steps} steps of {training.batch} windows of 3.2 s."


def _data(training: Training) -> list[str]:
    data = [
        f"- **Generated speech**, {training.hours:g} hours: sentences from the docstrings of Python's standard library, spoken by espeak-ng, "
        "with its exact phoneme times; what the face does to it follows the rules of `driver/coarticulation.py` and `driver/behaviour.py`."
    ]
    if training.recordings:
        data.append(
            f"- **Recordings** of the folder {training.recordings} with transcripts; phoneme times by forced alignment, motion by the same rules."
        )
    if training.captures:
        data.append(
            f"- **Captures** of people, {training.capture_minutes:.1f} minutes in {', '.join(training.captures)}, tracked motion with its sound; "
            f"{training.capture_share:.0%} of the windows."
        )
    return data


def _others(training: Training) -> str:
    said = [f"It was begun from {training.start}."] if training.start else []
    said += [f"Sound is heard by {training.encoder}, which is not in the file and has a licence of its own."] if training.encoder else []
    return " ".join(said)


def _shown(measured: Mapping) -> str:
    """Tables of what was measured: the driver's own figures, then every comparison."""
    lines = ["| what | figure |", "|---|---|", *(f"| {name} | {_number(value)} |" for name, value in measured["figures"].items())]
    for title, table in measured.items():
        rows = {driver: row for driver, row in table.items() if isinstance(row, dict)} if isinstance(table, dict) else {}
        if not rows or title == "figures":
            continue
        figures = list(dict.fromkeys(figure for row in rows.values() for figure in row))
        lines += ["", f"Beside other drivers, {title} (mean, and its interval over the clips):", ""]
        lines += [f"| | {' | '.join(rows)} |", "|---" * (len(rows) + 1) + "|"]
        lines += [f"| {figure} | {' | '.join(_number(row.get(figure)) for row in rows.values())} |" for figure in figures]
    return "\n".join(lines)


def _number(value: Any) -> str:
    if isinstance(value, (list, tuple)) and len(value) == 3:
        return f"{_number(value[0])} ({_number(value[1])} to {_number(value[2])})"
    return f"{value:.3g}" if isinstance(value, (int, float)) else "-" if value is None else str(value)


def main(weights: Path, figures: Path | None = None) -> None:
    """Write the card of a weights file beside it.

    Args:
        weights: as train-driver wrote them.
        figures: what eval-driver --json wrote about them.
    """
    print(write_card(weights, figures))


if __name__ == "__main__":
    tyro.cli(main)
