"""The report card as one picture: grades and advice, where the head was seen from, curves over time, best and worst frames."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from avatar3d.files import atomic_path
from avatar3d.runs import runs
from recon.capture import Capture
from recon.face_coverage import SHAPES
from recon.landmarks import box_of
from recon.report_card import ReportCard
from recon.report_rows import AGAIN, FAIR, GOOD

_COLOURS = {GOOD: "#2e9e5b", FAIR: "#e0a100", AGAIN: "#d2453d"}
_INK, _FAINT, _LINE = "#222222", "#9a9a9a", "#3b6ea8"
_YAW, _PITCH = 60, 40
"""Degrees that the map shows either way."""
_BIN = 5


def draw_report_card(card: ReportCard, capture: Capture, path: Path) -> None:
    """Draw the card to a PNG file.

    Raises:
        UserError: the file cannot be written, or a picture of the capture cannot be read.
    """
    examples = [pair for pair in (("best", card.best), ("worst", card.worst)) if pair[1]]
    figure = Figure(figsize=(15, 7.2 + 3.1 * len(examples)), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    heights = [1, 1, 1, *[1.7] * len(examples)]
    grid = GridSpec(len(heights), 8, figure=figure, left=0.03, right=0.985, top=0.95, bottom=0.04, hspace=0.42, wspace=0.45, height_ratios=heights)
    name = str(capture.source.get("name", capture.path.name))
    figure.suptitle(f"{name}   {len(capture) / card.fps:.1f} s   {card.lines()[0]}", x=0.03, ha="left", fontsize=14, color=_INK, weight="bold")
    _table(figure.add_subplot(grid[:3, :4]), card)
    _map(figure.add_subplot(grid[:2, 4:6]), card)
    _shapes(figure.add_subplot(grid[2, 4:6]), card)
    seconds = np.arange(len(card.yaw)) / card.fps
    curves = [figure.add_subplot(grid[row, 6:]) for row in range(3)]
    _pose_curve(curves[0], card, seconds)
    _face_curve(curves[1], card, seconds)
    _picture_curve(curves[2], card)
    for row, (words, frames) in enumerate(examples):
        for k, (index, reason) in enumerate(frames):
            axes = figure.add_subplot(grid[3 + row, 2 * k : 2 * k + 2])
            axes.axis("off")
            axes.imshow(_window(capture, index))
            axes.set_title(f"{words}: {index / card.fps:.1f} s, {reason}", fontsize=9, color=_INK)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def _table(axes: Axes, card: ReportCard) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    wrapped = [textwrap.wrap(row.value, 78) + textwrap.wrap(row.advice and f"→ {row.advice}", 76) for row in card.rows]
    step = 1.0 / (sum(len(lines) for lines in wrapped) + 0.55 * len(card.rows))
    step = min(step, 0.05)
    y = 1.0
    for row, lines in zip(card.rows, wrapped, strict=True):
        y -= 0.55 * step
        axes.plot([0.012], [y - 0.5 * step], "o", color=_COLOURS[row.grade], markersize=9, clip_on=False)
        axes.text(0.035, y - 0.5 * step, row.name, va="center", fontsize=10, weight="bold", color=_INK)
        for k, line in enumerate(lines):
            first_advice = len(textwrap.wrap(row.value, 78))
            axes.text(0.215, y - (k + 0.5) * step, line, va="center", fontsize=9, color=_COLOURS[row.grade] if k >= first_advice else _INK)
        y -= len(lines) * step


def _map(axes: Axes, card: ReportCard) -> None:
    """Seconds for which the head was seen from each direction."""
    known = np.isfinite(card.yaw) & np.isfinite(card.pitch)
    columns, rows = np.arange(-_YAW, _YAW + 1, _BIN), np.arange(-_PITCH, _PITCH + 1, _BIN)
    yaw, pitch = np.clip(card.yaw[known], -_YAW + 0.1, _YAW - 0.1), np.clip(card.pitch[known], -_PITCH + 0.1, _PITCH - 0.1)
    seconds = np.histogram2d(pitch, yaw, bins=[rows, columns])[0] / card.fps
    shown = np.ma.masked_less_equal(np.log10(np.maximum(seconds, 1e-3)), -2)
    axes.pcolormesh(columns, rows, shown, cmap="YlGnBu", vmin=-1.5, vmax=1.0, edgecolors="white", linewidth=0.5)
    axes.set_facecolor("#f0f0f0")
    axes.plot([-25, 25, 25, -25, -25], [-10, -10, 10, 10, -10], color=_COLOURS[GOOD], linewidth=1.2, linestyle="--")
    # As in the picture: who turns to the own left turns to the picture's right.
    axes.set(xticks=range(-60, 61, 20), yticks=range(-40, 41, 20))
    axes.set_title("where the head looked (dashed: enough for a good grade)", fontsize=9, color=_INK)
    axes.set_xlabel("own right ← yaw → own left, degrees", fontsize=8)
    axes.set_ylabel("down ← pitch → up", fontsize=8)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)


def _shapes(axes: Axes, card: ReportCard) -> None:
    seconds = next(row.measures["seconds"] for row in card.rows if row.name == "mouth shapes")
    values = [seconds[name] for name in SHAPES]
    axes.barh(range(len(SHAPES)), np.maximum(values, 0.02), color=[_COLOURS[GOOD if v >= 0.2 else AGAIN] for v in values], height=0.6)
    axes.set_yticks(range(len(SHAPES)), SHAPES, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0.2, color=_FAINT, linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(0.02, max(100.0, max(values) * 1.2))
    axes.set_title("mouth shapes, seconds", fontsize=9, color=_INK)
    _plain(axes)


def _pose_curve(axes: Axes, card: ReportCard, seconds: np.ndarray) -> None:
    axes.plot(seconds, card.yaw, color=_LINE, linewidth=1, label="yaw")
    axes.plot(seconds, card.pitch, color=_COLOURS[FAIR], linewidth=1, label="pitch")
    axes.set_title("head, degrees", fontsize=9, color=_INK)
    axes.legend(fontsize=7, frameon=False, ncols=2, loc="upper right", borderaxespad=0)
    low, high = np.nan_to_num([np.nanmin([card.yaw, card.pitch]), np.nanmax([card.yaw, card.pitch])])
    axes.set_ylim(min(low, -10) * 1.1, max(high, 10) * 1.4)
    _plain(axes)


def _face_curve(axes: Axes, card: ReportCard, seconds: np.ndarray) -> None:
    axes.plot(seconds, card.aperture, color=_FAINT, linewidth=1, label="eyes")
    axes.plot(seconds, 2 * card.opening, color=_LINE, linewidth=1, label="mouth (x2)")
    axes.plot(seconds[card.blinks], card.aperture[card.blinks], "v", color=_COLOURS[AGAIN], markersize=4, label="blink")
    _shade(axes, card.occluded, card.fps)
    axes.set_title("openings", fontsize=9, color=_INK)
    axes.set_ylim(-0.02, 0.65)
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper right", borderaxespad=0)
    _plain(axes)


def _picture_curve(axes: Axes, card: ReportCard) -> None:
    seconds = card.frames.index / card.fps
    axes.plot(seconds, card.frames.sharpness, color=_LINE, linewidth=1, label="sharpness")
    axes.plot(seconds, card.frames.highlight / 255, color=_COLOURS[FAIR], linewidth=1, label="highlights")
    axes.plot(seconds, card.frames.flutter / 5, color=_FAINT, linewidth=1, label="outline / 5 px")
    _shade(axes, card.occluded, card.fps)
    axes.set_ylim(0, 1.3)
    axes.set_title("pictures; shaded: something in front", fontsize=9, color=_INK)
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper right", borderaxespad=0)
    axes.set_xlabel("seconds", fontsize=8)
    _plain(axes)


def _shade(axes: Axes, marked: np.ndarray, fps: float) -> None:
    for first, end in runs(marked):
        axes.axvspan(first / fps, end / fps, color=_COLOURS[AGAIN], alpha=0.2, linewidth=0)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _window(capture: Capture, index: int) -> np.ndarray:
    """The face with a little around it, or the whole picture where there is none."""
    picture = capture.image(index)
    if not capture.valid[index]:
        return picture
    x0, y0, x1, y1 = box_of(capture.landmarks[index])
    reach = 0.8 * max(x1 - x0, y1 - y0)
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    left, top = int(max(cx - reach, 0)), int(max(cy - reach, 0))
    return picture[top : int(min(cy + reach, capture.size)), left : int(min(cx + reach, capture.size))]
