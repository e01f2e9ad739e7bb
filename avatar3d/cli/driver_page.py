"""The page of the speech driver's evaluation: tables with intervals, what the truth is, curves over the spectrogram, videos."""

import html
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avatar3d.cli.driver_assessment import TRUTHS
from avatar3d.cli.driver_film import film_pair
from avatar3d.cli.page import cards, machine, plot, svg, table, write_page
from avatar3d.progress import Progress, silent
from avatar3d.runs import runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from avatar3d.cli.driver_assessment import Assessment
    from avatar3d.head.model import HeadModel
    from driver.comparison import Comparison
    from driver.figures import Ruler

_TRUTH, _OURS, _CLOSED = "#222222", "#d1495b", "#dfe5ec"
_OTHERS = {"ridge": "#2e7dab", "rule visemes": "#5a9a3c"}
"""Baselines whose curves are drawn, and their colours."""
_SHOWN_SECONDS = 10.0
_STYLE = """<style>body { max-width: 84rem; } svg { width: 100%; } .wide { overflow-x: auto; } table { font-size: .82rem; }
td, th { padding-right: .9rem; white-space: nowrap; } th { text-align: right; } td.n { text-align: right; } video { width: 40rem; }</style>"""


def write_driver_page(result: "Assessment", head: "HeadModel", folder: Path, progress: Progress = silent) -> None:
    """Write index.html, which needs no other file but the videos beside it, and the videos.

    Args:
        result: the evaluation.
        head: the embedded one.
        folder: for both; made where it is missing.
        progress: called after every clip.

    Raises:
        UserError: it cannot be written.
    """
    from driver.evaluate import SEEDS
    from driver.table import shown

    chosen = [(title, compared, place) for title, compared in result.compared.items() for place in telling(compared.lve).items()]
    clips: dict[str, list[str]] = {title: [] for title in result.compared}
    for number, (title, compared, (kind, index)) in enumerate(chosen):
        clips[title].append(_clip(compared, kind, index, head, result.ruler, folder, f"clip_{number + 1}_{kind}.mp4"))
        progress(number + 1, len(chosen))
    sections = "".join(_section(title, compared, result, clips[title]) for title, compared in result.compared.items())
    body = f"""{_STYLE}<h1>How good is the speech driver?</h1>
<p>Weights <code>{html.escape(result.weights)}</code>, {result.steps} steps of sampling. Everything is measured on the embedded head with the mean
identity, neck and torso at rest, 25 frames a second. After ± is half of the 95 % interval by drawing the clips anew (bootstrap, 1000 times for means,
200 for pooled figures); the bounds are in the file of --json.</p>
{cards(_headline(result))}
{sections}
<h2>By itself</h2>
{table(("", ""), [(name.replace("_", " "), f"{value:.4g}") for name, value in result.figures.items()])}
<h2>Same sound, other seeds</h2>
{table(("region", "distance"), [(region, shown(result.diversity, region)) for region in result.diversity])}
<p class="note">Root mean square distance between takes with {SEEDS} seeds, in units of the channels' usual spread: 1.41 is as far as takes that have
nothing to do with each other. The mouth should be near 0, the head far from it.</p>
<p class="note">{html.escape(machine())}. Every video here is synthetic.</p>
"""
    write_page(folder / "index.html", "avatar3d eval-driver", body)


def telling(errors: list[float]) -> dict[str, int]:
    """Where the worst, the middling and the best clip are, each clip once."""
    order = np.argsort(errors)
    places = {"worst": int(order[-1]), "middling": int(order[len(order) // 2]), "best": int(order[0])}
    return {kind: index for k, (kind, index) in enumerate(places.items()) if index not in list(places.values())[:k]}


def _headline(result: "Assessment") -> list[tuple[str, str]]:
    from driver.comparison import OURS

    found = []
    for title, compared in result.compared.items():
        row, kind = compared.table[OURS], title.split(",")[0]
        found += [(f"{row['lve_mm'][0]:.2f} mm", f"LVE, {kind}"), (f"{100 * row['closure_recall'][0]:.0f} %", f"closures, {kind}")]
    window = f"for {result.figures['window_frames']:.0f} frames, median, threads: {result.figures['threads']:.0f}"
    return [*found, (f"{result.figures['window_ms_p50']:.0f} ms", window), (f"{result.figures['realtime_factor']:.0f} x", "real time")]


def _section(title: str, compared: "Comparison", result: "Assessment", clips: list[str]) -> str:
    from driver.ceiling import TITLE
    from driver.table import EXPLAINED, LIPS, figures_of, shown

    seconds = sum(len(clip.truth) for clip in compared.clips) / 25
    parts = [f"<h2>{html.escape(title)}</h2><p>{len(compared.clips)} clips, {seconds:.0f} seconds. {html.escape(TRUTHS[title])}</p>"]
    whole = all(clip.whole for clip in compared.clips)
    for group, explained in EXPLAINED.items():
        rows = dict(compared.table)
        if group == LIPS and not whole and result.ceiling:
            rows[f"{TITLE}, {result.aligned} generated sentences"] = result.ceiling
        figures = figures_of(rows, group)
        lines = [(name, *(shown(row, figure) for figure in figures)) for name, row in rows.items()]
        made = table(("", *figures.values()), lines)
        parts.append(f'<h3>{html.escape(group)}</h3><div class="wide">{made}</div><p class="note">{html.escape(explained)}</p>')
    return "".join([*parts, *clips])


def _clip(compared: "Comparison", kind: str, index: int, head: "HeadModel", ruler: "Ruler", folder: Path, name: str) -> str:
    from driver.comparison import OURS, TRUTH

    clip = compared.clips[index]
    pair = {label: compared.made[label][index] for label in (TRUTH, OURS)}
    film_pair(head, pair, clip.sound, folder / name, _SHOWN_SECONDS)
    known = "" if clip.whole else " The reference knows the mouth alone."
    return f"""<h3>{kind}: {html.escape(clip.name)}, LVE {compared.lve[index]:.2f} mm</h3>
<video controls preload="none" src="{name}"></video>
<p class="note">Left the truth, right the driver, at most {_SHOWN_SECONDS:.0f} seconds.{known}</p>
{svg(_curves(compared, index, ruler))}"""


def _curves(compared: "Comparison", index: int, ruler: "Ruler") -> "Figure":
    """Opening, jaw, rounding and nod of truth, driver and some baselines on the spectrogram and below it; closures shaded."""
    from driver.channels import INDEX, JAW
    from driver.comparison import OURS, TRUTH
    from driver.evaluate import posed_gap
    from driver.features import FPS, MEL_SLICE, MELS, features

    clip = compared.clips[index]
    count = min(len(clip.truth), int(_SHOWN_SECONDS * FPS))
    inks = {name: ink for name, ink in {TRUTH: _TRUTH, OURS: _OURS, **_OTHERS}.items() if name in compared.made}
    made = {name: np.asarray(compared.made[name][index][:count], np.float32) for name in inks}
    figure, axes = plot(5, 9.0)
    mel = features(clip.sound)[:count, MEL_SLICE].reshape(-1, MELS)
    axes[0].imshow(mel.T, origin="lower", aspect="auto", cmap="Blues", extent=(0, count / FPS, 0, MELS), interpolation="nearest")
    axes[0].grid(False)
    panels = {
        "opening\nmm": lambda frames: posed_gap(frames, ruler.mouth), "jaw\nof its range": lambda frames: frames[:, JAW],
        "rounding": lambda frames: frames[:, INDEX["mouthPucker"]], "nod\ndegrees": lambda frames: np.degrees(frames[:, INDEX["neck_pose_0"]]),
    }  # fmt: skip
    time = np.arange(count) / FPS
    over = axes[0].twinx()
    over.spines[:].set_visible(False)
    for name in (OURS, TRUTH):
        over.plot(time, posed_gap(made[name], ruler.mouth), color=inks[name], linewidth=1.2)
    over.set_ylabel("opening, mm")
    axes[0].set_ylabel("mel band")
    for axis, (label, curve) in zip(axes[1:], panels.items(), strict=True):
        for name, ink in reversed(inks.items()):
            # Who has no head to move, a truth of the mouth alone or a rule, is not drawn as one that keeps it still.
            if axis is not axes[-1] or curve(made[name]).any():
                axis.plot(time, curve(made[name]), color=ink, linewidth=1.4 if name in (TRUTH, OURS) else 0.8, label=name)
        axis.set_ylabel(label)
        _shade(axis, clip.closed[:count] > 0.9, FPS)
    axes[1].legend(loc="upper right", fontsize=8, frameon=False, ncols=len(inks))
    return figure


def _shade(axis, closed: np.ndarray, fps: int) -> None:
    for begin, end in runs(closed):
        axis.axvspan(begin / fps, end / fps, color=_CLOSED, zorder=0)
