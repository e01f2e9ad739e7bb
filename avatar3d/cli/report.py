"""The demo's report: one page with figures, plots and pictures inside it."""

import html
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avatar3d.cli.page import cards, data_address, machine, picture, plot, svg, table, write_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from avatar3d.motion import Motion
    from recon.truth import TruthReport

_TRUE, _TRACKED, _HELD_OUT = "#222222", "#d1495b", "#eef1f5"
_SHOWN = ("mouth opening", "jaw angle", "eye opening", "turn")


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo leaves behind for the report."""

    truth: "TruthReport"
    tracking: dict
    """The contents of tracking.json."""
    fit: dict
    """The record of the fit, with `quality_train` and `quality_held_out`."""
    gaussians: int
    talk: "Motion"
    """What the avatar says, with its sound."""
    opening: np.ndarray
    """[T] mouth opening of `talk`, millimetres."""
    frames: int
    """Of the capture."""
    fps: float
    seconds: dict[str, float]
    """Wall time by stage."""
    text: str | None
    """What the avatar says; None where it repeats the video."""
    film: Path
    """talk.mp4."""
    comparison: Path
    """Truth, render and error side by side."""
    overlay: Path
    """The tracked mesh over the frames, a video."""
    avatar: Path


def write_report(result: DemoResult, path: Path | str) -> None:
    """Write the page; it needs no other file.

    Raises:
        UserError: it cannot be written.
    """
    truth, fit = result.truth, result.fit
    held = fit.get("quality_held_out") or fit["quality_train"]
    figures = [
        (f"{truth.vertex_median:.2f} mm", f"face vertices off the truth, median (scale {truth.scale:.3f})"),
        (f"{truth.landmark_error:.2f} px", "landmarks off the truth, mean, at 512 pixels"),
        (f"{held['psnr_full']:.1f} dB", "PSNR of frames never trained on"),
        (f"{result.gaussians:,}", f"Gaussians, {result.avatar.stat().st_size / 1e6:.1f} MB"),
        (f"{sum(result.seconds.values()):.0f} s", "from the video to this page"),
    ]
    said = "repeats what the video says" if result.text is None else f"says “{html.escape(result.text)}”"
    body = f"""<h1>avatar3d demo</h1>
<p>A video of a made-up person was tracked, an avatar was fitted to it, and now it speaks. Because the person is made up,
everything about the video is known, and every step can be measured against the truth.</p>
{cards(figures)}
<h2>The avatar speaks</h2>
<p>It {said}.</p>
<video controls width="512" src="{data_address(result.film.read_bytes(), "video/mp4")}"></video>
{svg(_talk_plot(result))}
<p class="note">The opening of the mouth (top) beside the level of the sound (bottom); r = {_loudness_correlation(result):.2f}.</p>
<h2>Tracking</h2>
<div class="row">{"".join(picture(still, "tracked mesh") for still in _stills(result.overlay, 3))}</div>
<p class="note">The tracked head over the frames; all of them are in <code>{html.escape("/".join(result.overlay.parts[-2:]))}</code>.</p>
{_truth_table(truth)}
{svg(_curve_plot(result))}
<p class="note">True movements in black, tracked ones in colour. On the shaded part nothing shared by all frames was learned.
Tracked openings in mm are drawn shifted to the true mean; the table says by how much they are off.</p>
{svg(_error_plot(result))}
<h2>The fit</h2>
{_quality_table(fit)}
<p>{_file_picture(result.comparison, "truth, render, error")}</p>
<p class="note">Truth, render, and four times their difference.</p>
<h2>Time and size</h2>
{_cost_table(result)}
<p class="note">{html.escape(machine())}. Everything shown here is synthetic.</p>
"""
    write_page(path, "avatar3d demo", body)


def _truth_table(truth: "TruthReport") -> str:
    rows = [
        ("face vertices, one similarity for the whole video", f"{truth.vertex_median:.2f} mm", f"{truth.vertex_p90:.2f} mm"),
        ("of that across the line of sight", f"{truth.sideways_median:.2f} mm", ""),
        ("of that along the line of sight, which one camera hardly sees", f"{truth.depth_median:.2f} mm", ""),
        ("face vertices, every frame aligned rigidly", f"{truth.rigid_median:.2f} mm", f"{truth.rigid_p90:.2f} mm"),
        ("landmarks in the picture", f"{truth.landmark_error:.2f} px", f"{np.percentile(truth.landmark_by_frame, 90):.2f} px"),
    ]
    moves = [
        (curve.name, f"{curve.correlation:.3f}", f"{curve.rms:.2f} {curve.unit}", f"{np.mean(curve.tracked - curve.true):+.2f} {curve.unit}")
        for curve in truth.curves
    ]
    note = f"One camera cannot tell size from distance: the true head is {truth.scale:.3f} times the tracked one, which is compared at that size."
    return (
        table(("off the truth", "middle", "90th percentile"), rows)
        + f'<p class="note">{note}</p>'
        + table(("movement", "correlation", "RMS difference, mean taken out", "mean difference"), moves)
    )


def _quality_table(fit: dict) -> str:
    names = {"quality_train": "frames trained on", "quality_held_out": "frames held out"}
    rows = []
    for key, label in names.items():
        if key in fit:
            q = fit[key]
            decibels = [f"{q[f'psnr_{part}']:.2f}" for part in ("full", "head", "mouth", "eyes")]
            rows.append((f"{label} ({q['frames']})", *decibels, f"{q['ssim_full']:.3f}"))
    return table(("PSNR, dB", "whole", "head", "mouth", "eyes", "SSIM"), rows)


def _cost_table(result: DemoResult) -> str:
    rows = [(stage, f"{seconds:.0f} s", "") for stage, seconds in result.seconds.items()]
    sizes = [(path.name, f"{path.stat().st_size / 1e6:.2f} MB", "") for path in (result.avatar, result.film)]
    speed = result.tracking.get("frames_per_second", {})
    rates = [(f"tracking, {name}", f"{rate:.0f} frames/s", "") for name, rate in speed.items()]
    return table(("what", "cost", ""), rows + rates + sizes)


def _curve_plot(result: DemoResult) -> "Figure":
    curves = {curve.name: curve for curve in result.truth.curves}
    figure, axes = plot(len(_SHOWN), 7.5)
    time = result.truth.frames / result.fps
    for axis, name in zip(axes, _SHOWN, strict=True):
        curve = curves[name]
        # The mean is a matter of the identity and stands in the table: here the movement counts.
        tracked = curve.tracked - curve.tracked.mean() + curve.true.mean() if curve.unit == "mm" else curve.tracked
        axis.plot(time, curve.true, color=_TRUE, linewidth=1)
        axis.plot(time, tracked, color=_TRACKED, linewidth=1)
        axis.set_ylabel(f"{name}\n{curve.unit}")
        _shade_held_out(axis, result)
    return figure


def _error_plot(result: DemoResult) -> "Figure":
    figure, axes = plot(2, 3.6)
    time = result.truth.frames / result.fps
    for axis, series, label in zip(
        axes, (result.truth.vertex_by_frame, result.truth.landmark_by_frame), ("vertices\nmm", "landmarks\npx"), strict=True
    ):
        axis.plot(time, series, color=_TRACKED, linewidth=1)
        axis.set_ylim(0, None)
        axis.set_ylabel(label)
        _shade_held_out(axis, result)
    return figure


def _talk_plot(result: DemoResult) -> "Figure":
    figure, axes = plot(2, 3.2)
    time = np.arange(len(result.talk)) / float(result.talk.fps)
    axes[0].plot(time, result.opening, color=_TRACKED, linewidth=1)
    axes[0].set_ylabel("mouth\nmm")
    axes[1].plot(time, loudness(result.talk), color=_TRUE, linewidth=1)
    axes[1].set_ylabel("sound\ndB")
    return figure


def loudness(motion: "Motion") -> np.ndarray:
    """[T] level of the motion's sound around every frame, dB below full scale, -60 at least."""
    T, samples = len(motion), np.zeros(0) if motion.sound is None else motion.sound.astype(np.float64)
    edges = np.round((np.arange(T + 2) - 0.5) / float(motion.fps) * motion.sound_rate).astype(int)
    power = np.concatenate([[0.0], np.cumsum(samples**2)])
    low, high = (np.clip(edge, 0, len(samples)) for edge in (edges[:-2], edges[2:]))
    return 10 * np.log10((power[high] - power[low]) / np.maximum(high - low, 1) + 1e-6)


def _loudness_correlation(result: DemoResult) -> float:
    level = loudness(result.talk)
    return float(np.corrcoef(level, result.opening)[0, 1]) if min(level.std(), result.opening.std()) > 1e-9 else 0.0


def _shade_held_out(axis, result: DemoResult) -> None:
    first = result.tracking.get("learned_before", result.frames)
    if first < result.frames:
        axis.axvspan(first / result.fps, result.frames / result.fps, color=_HELD_OUT, zorder=0)


def _stills(video: Path, count: int) -> "list[np.ndarray]":
    """Pictures spread over a video."""
    from recon.video import sample_frames

    return list(islice(sample_frames(video, count), count))


def _file_picture(path: Path, alt: str) -> str:
    from PIL import Image

    with Image.open(path) as image:
        return picture(np.asarray(image.convert("RGB")), alt)
