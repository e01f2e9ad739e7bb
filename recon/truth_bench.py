"""How well two people of whom everything is known are tracked: a table, curves to look at, JSON."""

import json
from pathlib import Path

import numpy as np

from avatar3d.files import atomic_path
from avatar3d.head.model import HeadModel
from avatar3d.progress import Progress, silent
from recon.capture import make_capture
from recon.occlusion import find_occlusions, save_occlusions
from recon.synthetic_capture import KnownCapture, demo_capture, film_adorned
from recon.tracking_files import track_capture
from recon.truth import cropped_camera
from recon.truth_errors import tracking_errors

_PAIRS = (
    ("lip", "opening of the lips, mm"), ("jaw", "jaw, degrees"), ("lid_Left", "opening of the left eye, mm"), ("lid_Right", "right eye, mm"),
    ("gaze_side", "gaze to the side, degrees"), ("gaze_down", "gaze downwards, degrees"), ("eye_yaw", "eyes in the head, sideways"),
    ("eye_pitch", "eyes in the head, upwards"),
)  # fmt: skip
_SINGLES = (("turn_deg", "head's rotation: error, degrees"), ("depth_mm", "head's distance: error, mm"), ("face_mm", "face's shape: error, mm"))


def truth_bench(folder: Path, head: HeadModel, progress: Progress = silent) -> dict[str, dict[str, float]]:
    """Film (once), track and compare; leaves errors.json, PERSON.png and the captures in the folder.

    Three minutes on two cores the first time.

    Args:
        folder: made where it is missing.
        head: the embedded head.
        progress: told how many of the second person's frames are filmed.

    Returns:
        figures by person, see `recon.truth_errors`, with the tracker's own misses in pixels.

    Raises:
        UserError: the folder holds something else, or cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    people = {"demo": demo_capture(head), "adorned": film_adorned(folder / "adorned", head, progress=progress)}
    table = {}
    for name, known in people.items():
        table[name], curves = _errors(known, folder / f"{name}.capture", head)
        plot_curves(curves, folder / f"{name}.png")
    with atomic_path(folder / "errors.json") as path:
        path.write_text(json.dumps({name: {key: round(value, 4) for key, value in figures.items()} for name, figures in table.items()}, indent=1))
    return table


def _errors(known: KnownCapture, folder: Path, head: HeadModel) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    capture = make_capture(known.video, folder)
    save_occlusions(find_occlusions(capture), folder)
    tracked = track_capture(folder, head)
    camera = cropped_camera(known.camera, capture.crop)
    figures, curves = tracking_errors(tracked.motion, tracked.camera, known.motion, camera, head, still=known.still, skip=known.covered)
    return figures | {f"px_{name}": value for name, value in tracked.report["error_px"].items()}, curves


def table_lines(table: dict[str, dict[str, float]]) -> list[str]:
    """A line per figure, a column per person."""
    names = list(dict.fromkeys(key for figures in table.values() for key in figures))
    lines = [f"{'':24s}" + "".join(f"{person:>12s}" for person in table)]
    for name in names:
        cells = (f"{figures[name]:12.3f}" if np.isfinite(figures.get(name, np.nan)) else f"{'-':>12s}" for figures in table.values())
        lines.append(f"{name:24s}" + "".join(cells))
    return lines


def plot_curves(curves: dict[str, np.ndarray], path: Path) -> None:
    """True and tracked movements, and errors, over the frames, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(20, 18), layout="constrained")
    axes = figure.subplots(6, 2).ravel()
    frames = curves["frame"]
    for axis, (name, title) in zip(axes, _PAIRS, strict=False):
        axis.plot(frames, curves[f"{name}_true"], color="black", label="true")
        axis.plot(frames, curves[f"{name}_tracked"], color="tab:orange", linewidth=1, label="tracked")
        axis.set_title(title)
    for axis, (name, title) in zip(axes[len(_PAIRS) :], _SINGLES, strict=False):
        axis.plot(frames, curves[name], color="tab:red", linewidth=1)
        axis.set_title(title)
    for axis in axes:
        axis.grid(alpha=0.3)
    axes[0].legend()
    axes[-1].set_axis_off()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=60, format="png")
