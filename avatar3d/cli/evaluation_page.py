"""The page of an evaluation: table, worst frames, error maps, curves, views from the side."""

import html
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avatar3d.cli.page import cards, machine, picture, plot, svg, table, write_page
from avatar3d.runs import runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recon.evaluation_rows import Assessment, Row

COLUMNS = {
    "psnr_full": "full, dB", "psnr_head": "head", "psnr_mouth": "mouth", "psnr_eyes": "eyes", "ssim_full": "SSIM", "flip_full": "FLIP",
    "lpips_full": "LPIPS", "landmark_px": "marks, px", "landmark_lips_px": "lips", "landmark_eyes_px": "lids", "landmark_iris_px": "irises",
    "flicker_ratio": "flicker", "flicker_error": "change",
}  # fmt: skip
"""Figures of the table, with their headings."""
_DIGITS = {"ssim_full": 4, "flip_full": 4, "lpips_full": 4}
_TRUTH, _INK = "#222222", ("#d1495b", "#2e7dab", "#5a9a3c", "#b07aa1", "#e08e2b", "#666666")
_TRAINED_SHADE = "#eef1f5"
_WORST, _APART = 4, 0.4
"""Frames shown, and the least seconds between them."""
_ERROR_FULL = 0.15
"""Mean absolute error that is white on an error map."""
_MARK_COLOURS = np.array([[0, 0, 0], [230, 30, 30], [40, 70, 240], [20, 190, 60]], np.float32)
_STYLE = """<style>body { max-width: 78rem; } svg { width: 100%; } td, th { padding-right: .9rem; }
.views { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .3rem; margin: .3rem 0; }</style>"""


def quality_table(found: "Assessment") -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of the table, as text; a figure that a row does not have is a dash."""
    shown = [name for name in COLUMNS if any(name in row.figures for row in found.rows)]
    rows = []
    for row in found.rows:
        cells = [f"{row.figures[name]:.{_DIGITS.get(name, 2)}f}" if name in row.figures else "-" for name in shown]
        rows.append((title(row), f"{row.group} ({len(row.measured.frames)})", *cells))
    return ("", "frames", *(COLUMNS[name] for name in shown)), rows


def title(row: "Row") -> str:
    """What a row is called."""
    return f"{row.name or 'avatar'}, {row.motion}"


def write_evaluation(found: "Assessment", avatar: Path, source: Path, path: Path) -> None:
    """Write the page; it needs no other file.

    Args:
        found: the evaluation.
        avatar: the file that was measured.
        source: the capture or video that it was measured on.
        path: of the page.

    Raises:
        UserError: it cannot be written.
    """
    figures = found.to_json()
    known = {
        "psnr_full": ("{:.2f} dB", f"PSNR, whole picture, {found.groups.main}"), "psnr_head": ("{:.2f} dB", "PSNR, head"),
        "refined_psnr_full": ("{:.2f} dB", "PSNR with the poses refined"), "gap_full": ("{:.2f} dB", "better where it was trained on"),
        "flicker_ratio": ("{:.2f}", "flicker, 1 being the video's own"), "gaussians": ("{:,.0f}", "Gaussians"),
        "seconds_fit": ("{:.0f} s", "of fitting"),
    }  # fmt: skip
    head = cards([(form.format(figures[key]), label) for key, (form, label) in known.items() if key in figures])
    remarks = "".join(f'<p class="note">{html.escape(remark)}.</p>' for remark in found.remarks)
    names = f"<code>{html.escape(avatar.name)}</code> on <code>{html.escape(source.name)}</code>"
    body = f"""{_STYLE}<h1>How good is {html.escape(avatar.stem)}?</h1>
<p>{names}, {len(found.capture)} frames. {_explained(found)}</p>
{head}{table(*quality_table(found))}
<p class="note">Tracked: posed as the tracker saw it, no pixel of a held-out frame used. Refined: the poses of the measured frames were fitted
through the frozen Gaussians. Pictures over black, PSNR and SSIM higher is better, FLIP lower. Marks: distance of the landmarks seen in the
render from those seen in the truth, at 512 pixels. Flicker: second differences over time, render over video. Change: error of what changes
from frame to frame; 1 is as wrong as a still picture.</p>
{remarks}
<h2>Worst frames</h2>
{_worst(found)}
<h2>Where the error is</h2>
<div class="views">{_error_maps(found)}</div>
<p class="note">Mean absolute error over the frames; black is none, white {_ERROR_FULL:.2f} of the range or more.</p>
<h2>Over time</h2>
{svg(_curves(found))}
<p class="note">Shaded: frames that were trained on. Flicker in levels of 255, dotted for the video itself.</p>
<h2>Keeping still</h2>
{_still(found)}
<h2>From the side</h2>
{_views(found)}
<p class="note">{html.escape(machine())}.</p>
"""
    write_page(path, f"avatar3d eval {avatar.name}", body)


def _explained(found: "Assessment") -> str:
    if found.groups.trained is None:
        return "Whether it was trained on these frames is not recorded."
    trained = int(found.groups.trained.sum())
    return f"It was trained on {trained} of them; {len(found.capture) - trained} it has never seen."


def _worst(found: "Assessment") -> str:
    from recon.comparison import side_by_side

    row = found.row()
    if row is None:
        return ""
    psnr = row.measured.series["psnr_full"]
    apart, chosen = _APART * float(found.capture.fps), []
    for place in np.argsort(psnr):
        if len(chosen) < _WORST and all(abs(row.measured.frames[place] - row.measured.frames[other]) >= apart for other in chosen):
            chosen.append(int(place))
    middle = int(np.argsort(psnr)[len(psnr) // 2])
    own = {motion: candidate for (name, motion), candidate in found.candidates.items() if name == ""}
    lines = []
    for place in [*chosen, middle]:
        kind = "middling" if place == middle and place not in chosen else "bad"
        strip = side_by_side(own, found.capture, int(row.measured.frames[place]), f"{kind}, {psnr[place]:.1f} dB")
        lines.append(f"<p>{picture(strip, 'truth, render, error')}</p>")
    others = {key[0] or "avatar": value for key, value in found.candidates.items() if key[1] == "tracked"}
    if len(others) > 1:
        strip = side_by_side(others, found.capture, int(row.measured.frames[middle]), "middling", errors=False)
        lines.append(f"<p>{picture(strip, 'truth and the avatars compared')}</p>")
    return "".join(lines)


def _error_maps(found: "Assessment") -> str:
    import cv2

    maps = []
    for row in found.rows:
        heat = cv2.applyColorMap((np.clip(row.measured.error / _ERROR_FULL, 0, 1) * 255 + 0.5).astype(np.uint8), cv2.COLORMAP_HOT)
        name = f"{title(row)}, {row.group}"
        cv2.putText(heat, name, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        maps.append(picture(np.ascontiguousarray(heat[..., ::-1]), f"error of {name}"))
    return "".join(maps)


def _curves(found: "Assessment") -> "Figure":
    panels = {"psnr_full": "PSNR, full\ndB", "psnr_mouth": "PSNR, mouth\ndB", "landmark_px": "landmarks\npx", "flicker_render": "flicker\nlevels"}
    panels = {name: label for name, label in panels.items() if any(name in row.measured.series for row in found.rows)}
    figure, axes = plot(len(panels), 2.1 * len(panels))
    fps = float(found.capture.fps)
    keys = list(dict.fromkeys((row.name, row.motion) for row in found.rows))
    for axis, (name, label) in zip(axes, panels.items(), strict=True):
        for row in found.rows:
            ink = _INK[keys.index((row.name, row.motion)) % len(_INK)]
            known = title(row) if axis is axes[0] and row.group == found.groups.main else None
            _line(axis, row, fps, name, ink, known)
            if name == "flicker_render" and (row.name, row.motion) == keys[0]:
                _line(axis, row, fps, "flicker_truth", _TRUTH, None, style=":")
        axis.set_ylabel(label)
        _shade(axis, found, fps)
    if len(keys) > 1:
        axes[0].legend(loc="best", fontsize=8, frameon=False)
    return figure


def _line(axis, row: "Row", fps: float, name: str, ink: str, label: str | None, style: str = "-") -> None:
    """A figure over time, broken where frames are left out."""
    frames, values = row.measured.frames, row.measured.series.get(name)
    if values is None:
        return
    if name.startswith("flicker"):
        values = 255 * np.sqrt(values)
    gaps = np.flatnonzero(np.diff(frames) > 1) + 1
    time, shown = np.insert(frames / fps, gaps, np.nan), np.insert(values.astype(float), gaps, np.nan)
    axis.plot(time, shown, style, color=ink, linewidth=1, label=label, marker="." if len(gaps) else None, markersize=2)


def _shade(axis, found: "Assessment", fps: float) -> None:
    trained = found.groups.trained
    if trained is None:
        return
    low, high = axis.get_xlim()
    for a, b in runs(trained):
        axis.axvspan(max(a / fps, low), min(b / fps, high), color=_TRAINED_SHADE, zorder=0)
    axis.set_xlim(low, high)


def _still(found: "Assessment") -> str:
    still = found.still
    if still is None:
        return "<p>The head is never still for long enough, or landmarks were left out.</p>"
    rows = []
    for name, motion in still.measured:
        q = still.figures(name, motion)
        cells = [f"{q[key]:.2f}" if key in q else "-" for key in ("still_jitter_px", "still_jitter_truth_px", "still_flicker_ratio")]
        rows.append((f"{name or 'avatar'}, {motion}", *cells))
    return (
        svg(_still_plot(found))
        + table(("", "trembling, px", "of the video", "flicker"), rows)
        + f'<p class="note">The {len(still.stretches)} calmest stretches of the video, in which the head moves by {still.speed:.2f} pixels a frame.'
        " Drawn: how high eye corners and nose stand in the video (black) and in the render. Trembling is the noise that"
        " would explain the second differences of those landmarks.</p>"
    )


def _still_plot(found: "Assessment") -> "Figure":
    from matplotlib.figure import Figure

    from recon.evaluation_landmarks import STEADY

    still = found.still
    assert still is not None
    figure = Figure(figsize=(9.5, 2.6), layout="constrained")
    axes = figure.subplots(1, len(still.stretches), sharey=True, squeeze=False)[0]
    fps, steady = float(found.capture.fps), list(STEADY)
    for axis, rows in zip(axes, still.stretches, strict=True):
        first = next(iter(still.measured.values()))
        time, truth = first.frames[rows] / fps, first.truth_points[rows][:, steady, 1].mean(axis=1)
        axis.plot(time, truth - truth.mean(), color=_TRUTH, linewidth=1.2)
        for ink, measured in zip(_INK, still.measured.values(), strict=False):
            axis.plot(time, measured.points[rows][:, steady, 1].mean(axis=1) - truth.mean(), color=ink, linewidth=1)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
        axis.set_xlabel("seconds")
    axes[0].set_ylabel("pixels")
    return figure


def _views(found: "Assessment") -> str:
    parts = []
    for name, views in found.views.items():
        parts.append("" if name == "" else f"<h3>{html.escape(name)}</h3>")
        shown = "".join(picture((view.rgb * 255 + 0.5).astype(np.uint8), f"{view.yaw} degrees") for view in views)
        parts.append(f'<div class="views">{shown}</div>')
        marked = "".join(picture(_marked(view.rgb, view.marks), f"defects at {view.yaw} degrees") for view in views if view.marks.any())
        if marked:
            parts.append(f'<div class="views">{marked}</div>')
        rows = [
            (f"{view.yaw:+d}°", f"{100 * d.holes:.2f} %", f"{100 * d.see_through:.2f} %", f"{100 * d.floaters:.2f} % ({d.floater_count})",
             f"{100 * d.spikes:.2f} % ({d.spike_count})", f"{d.edge_px:.1f} px")
            for view in views for d in [view.defects]
        ]  # fmt: skip
        parts.append(table(("yaw", "holes", "see-through", "floaters", "spikes", "rim"), rows))
    note = "Shares of the rig's silhouette: holes red, floaters blue, spikes green; 30 and 60 degrees count. Rim: width of the soft edge."
    return "".join(parts) + f'<p class="note">{note}</p>'


def _marked(rgb: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """A view [H, W, 3] in grey with its defects in colour, uint8."""
    grey = np.repeat((rgb.mean(axis=2, keepdims=True) * 160 + 80), 3, axis=2)
    return np.where((marks > 0)[..., None], _MARK_COLOURS[marks], grey).astype(np.uint8)
