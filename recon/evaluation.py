"""How well avatars reproduce a capture, frame by frame, every frame read once for all measures and all candidates.

The protocol: fixed square crop, matte's largest component, black background, float pictures clipped to 0..1, PSNR of every
frame averaged; boxes of head, mouth and eyes are made once from the landmarks and kept in `eval_protocol.json` beside the
capture, so that figures stay comparable. "Tracked" is a candidate with the motion as tracked; "refined" one whose poses
were fitted through the frozen Gaussians.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.drawing import draw
from avatar3d.head.model import NUM_LANDMARKS
from avatar3d.motion import Motion
from avatar3d.progress import Progress, silent
from avatar3d.render.cpu import Workspace
from recon.capture import Capture
from recon.evaluation_boxes import BOXES, protocol_boxes
from recon.evaluation_landmarks import landmark_distances
from recon.flicker import FLICKER_FIGURES, FlickerMeter, flicker_ratios
from recon.landmarks import LandmarkDetector
from recon.loss import ssim_and_gradient

Meter = Callable[[np.ndarray, np.ndarray], float]
"""A distance of a render from the truth, both [H, W, 3] float32 in 0..1."""
METERED = 120
"""Frames, evenly spread, on which further distances are measured where there are more: FLIP costs four times all else."""
PSNR_CEILING = 100.0
"""Decibels of a picture without error."""


@dataclass(frozen=True)
class Quality:
    """Means over the evaluated frames; decibels for PSNR."""

    frames: int
    psnr_full: float
    psnr_head: float
    psnr_mouth: float
    psnr_eyes: float
    ssim_full: float

    def to_json(self) -> dict[str, float]:
        """By name, rounded to what is meaningful."""
        return {name: round(value, 4) for name, value in vars(self).items()}


class Candidate(NamedTuple):
    """Something to be measured: an avatar, what it does, and from where it is seen."""

    avatar: Avatar
    motion: Motion
    camera: Camera


@dataclass(frozen=True, eq=False)
class Measured:
    """One candidate over some frames."""

    frames: np.ndarray
    """[T] indices into the capture."""
    series: dict[str, np.ndarray]
    """By figure: [T], NaN where a frame has no value. Flicker figures are energies, see `FLICKER_FIGURES`."""
    error: np.ndarray
    """[H, W] float32 mean absolute error over the frames and channels."""
    points: np.ndarray
    """[T, 478, 2] landmarks seen in the render, pixels at 512; NaN where no face was seen."""
    truth_points: np.ndarray
    """[T, 478, 2] landmarks seen in the truth, likewise."""

    def means(self) -> dict[str, float]:
        """Every figure's mean over the frames that have it; flicker as ratios; figures that no frame has are left out."""
        plain = {name: values for name, values in self.series.items() if name not in FLICKER_FIGURES and np.isfinite(values).any()}
        return {name: float(np.nanmean(values)) for name, values in plain.items()} | flicker_ratios(self.series)


def measure(
    candidates: list[Candidate],
    capture: Capture,
    frames: np.ndarray,
    *,
    meters: dict[str, Meter] | None = None,
    landmarks: bool = False,
    threads: int = 2,
    progress: Progress = silent,
) -> list[Measured]:
    """Measure candidates over frames of a capture, in one pass that holds three frames at most.

    Args:
        candidates: avatars that perform the capture.
        capture: the truth.
        frames: [T] indices, ascending.
        meters: further distances by the name of their figure.
        landmarks: also detect landmarks in truth and renders.
        threads: that draw.
        progress: told how many frames are done, and the first candidate's PSNR.

    Raises:
        UserError: a picture of the capture is missing or damaged.
    """
    boxes, black = protocol_boxes(capture), np.zeros(3, np.float32)
    size = capture.size
    cuts = {int(cut) for cut in getattr(capture, "cuts", ())}
    stride = -(-len(frames) // METERED)
    workspaces = [Workspace() for _ in candidates]
    rows: list[list[dict[str, float]]] = [[] for _ in candidates]
    errors = [np.zeros((size, size), np.float64) for _ in candidates]
    seen = np.full((len(candidates) + 1, len(frames), NUM_LANDMARKS, 2), np.nan, np.float32)
    flicker = FlickerMeter(len(candidates), len(frames))
    with ExitStack() as stack:
        detectors = [stack.enter_context(LandmarkDetector(still=True)) for _ in range(bool(landmarks))]
        for row, index in enumerate(int(i) for i in frames):
            truth, matte = frame_over(capture, index, black)
            renders = []
            for k, (avatar, motion, camera) in enumerate(candidates):
                drawn = draw(avatar, motion, float(index / motion.fps), camera, black, threads=threads, workspace=workspaces[k]).rgb
                render = np.clip(drawn, 0, 1)
                renders.append(render)
                errors[k] += np.abs(render - truth).mean(axis=2)
                rows[k].append(picture_figures(render, truth, {name: box[index] for name, box in boxes.items()}))
                rows[k][-1] |= {name: meter(render, truth) if row % stride == 0 else np.nan for name, meter in (meters or {}).items()}
            for detector in detectors:
                for k, picture in enumerate([truth, *renders]):
                    seen[k, row] = _points(detector, picture) * (512 / size)
            flicker.see(index, truth, renders, matte, continues=index not in cuts)
            progress(row + 1, len(frames), **({"psnr": rows[0][-1]["psnr_full"]} if rows else {}))
    measured = []
    for k in range(len(candidates)):
        series = {name: np.array([figures[name] for figures in rows[k]]) for name in rows[k][0]} if rows[k] else {}
        if landmarks:
            series |= landmark_distances(seen[k + 1], seen[0])
        series |= flicker.series(k)
        measured.append(Measured(np.asarray(frames), series, (errors[k] / max(len(frames), 1)).astype(np.float32), seen[k + 1], seen[0]))
    return measured


def picture_figures(render: np.ndarray, truth: np.ndarray, boxes: dict[str, np.ndarray]) -> dict[str, float]:
    """PSNR (decibels) of the whole picture and of every box, and SSIM of the whole.

    Args:
        render: [H, W, 3] float32, 0..1.
        truth: likewise.
        boxes: name -> (top, left, bottom, right) pixels; an empty box gives NaN.
    """
    square = np.square(render - truth)
    figures = {"psnr_full": _psnr(square)}
    for name, (top, left, bottom, right) in boxes.items():
        figures[f"psnr_{name}"] = _psnr(square[top:bottom, left:right])
    figures["ssim_full"] = ssim_and_gradient(render, truth, (0, 0, truth.shape[0], truth.shape[1]))[0]
    return figures


def _psnr(square: np.ndarray) -> float:
    return float(-10 * np.log10(max(float(square.mean(dtype=np.float64)), 10 ** (-PSNR_CEILING / 10)))) if square.size else float("nan")


def _points(detector: LandmarkDetector, picture: np.ndarray) -> np.ndarray:
    found = detector.detect(np.ascontiguousarray(picture * 255 + 0.5, np.uint8))
    return np.full((NUM_LANDMARKS, 2), np.nan, np.float32) if found is None else found[:, :2]


def frame_over(capture: Capture, index: int, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A frame [H, W, 3] over a colour [3] through its matte [H, W]; both float32, 0..1."""
    matte = capture.matte(index).astype(np.float32) * np.float32(1 / 255)
    rgb = capture.image(index).astype(np.float32) * np.float32(1 / 255)
    return background + matte[..., None] * (rgb - background), matte


def evaluate(avatar: Avatar, capture: Capture, motion: Motion, camera: Camera, frames: np.ndarray) -> Quality:
    """Quality over `frames` with the motion as it is: the figures that need nothing but the pictures."""
    means = measure([Candidate(avatar, motion, camera)], capture, frames)[0].means()
    return Quality(len(frames), **{name: means[name] for name in ("psnr_full", *(f"psnr_{box}" for box in BOXES), "ssim_full")})
