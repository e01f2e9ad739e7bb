"""The report card of a capture: what it shows of the person, how well, and what to film again.

report.json       grades, advice, measures, curves
report_card.png   the same to look at
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar3d.camera import Camera
from avatar3d.files import atomic_path
from avatar3d.motion import Motion
from recon import report_rows as rows_of
from recon.capture import Capture
from recon.face_coverage import find_blinks, head_angles, mouth_shapes
from recon.face_regions import eye_aperture
from recon.frame_meter import FrameMeasures, measure_frames
from recon.lag import mouth_opening
from recon.report_rows import AGAIN, BLURRED, FAIR, GRADES, Row
from recon.sound_meter import measure_sound

SCHEMA = 1
EXAMPLES = 4
_APART = 0.6
"""Seconds between two frames shown as examples."""


@dataclass(frozen=True, eq=False)
class ReportCard:
    """The card and the curves it was read from."""

    rows: tuple[Row, ...]
    fps: float
    yaw: np.ndarray
    """[T] degrees from the camera, positive to the subject's left; not a number without a face."""
    pitch: np.ndarray
    """[T] degrees from the capture's median, positive upwards."""
    opening: np.ndarray
    """[T] distance of the inner lips over the height of the face; not a number where it is not seen."""
    aperture: np.ndarray
    """[T] mean opening of the eyes over their width; likewise."""
    blinks: np.ndarray
    """[B] frames in which the lids are closest."""
    occluded: np.ndarray
    """[T] bool."""
    frames: FrameMeasures
    best: tuple[tuple[int, str], ...]
    """Frames to show as examples, with what is right about them."""
    worst: tuple[tuple[int, str], ...]
    """Frames to show as examples, with what is wrong with them."""

    def count(self, grade: str) -> int:
        """How many rows have this grade."""
        return sum(row.grade == grade for row in self.rows)

    def lines(self) -> list[str]:
        """The short form for a terminal: the count of grades, then what is not good and what to do about it."""
        counts = ", ".join(f"{self.count(grade)} {grade}" for grade in GRADES if self.count(grade))
        return [f"report card: {counts}"] + [str(row) for grade in (AGAIN, FAIR) for row in self.rows if row.grade == grade]

    def to_json(self) -> dict:
        """A JSON-ready dictionary: rows, curves per frame and per measured frame, examples."""
        measured = {name: _numbers(getattr(self.frames, name)) for name in FrameMeasures.__dataclass_fields__ if name != "shift"}
        curves = {name: _numbers(getattr(self, name)) for name in ("yaw", "pitch", "opening", "aperture")}
        return {
            "schema": SCHEMA,
            "grades": {grade: self.count(grade) for grade in GRADES},
            "rows": [{"name": r.name, "grade": r.grade, "value": r.value, "advice": r.advice, "measures": r.measures} for r in self.rows],
            "best": [list(pair) for pair in self.best],
            "worst": [list(pair) for pair in self.worst],
            "fps": self.fps,
            "curves": curves,
            "blinks": self.blinks.tolist(),
            "occluded": np.flatnonzero(self.occluded).tolist(),
            "measured": measured | {"index": self.frames.index.tolist()},
        }


def report_card(
    capture: Capture, motion: Motion, camera: Camera, *, occluded: np.ndarray | None = None, frames: FrameMeasures | None = None
) -> ReportCard:
    """Judge a tracked capture.

    Args:
        capture: frames, mattes, landmarks and sound.
        motion: as tracked, one frame per frame of the capture.
        camera: of the capture.
        occluded: [T] bool: something is in front of the person; None where nobody looked.
        frames: measured pictures, where they have been measured already.

    Raises:
        UserError: a picture of the capture is missing or damaged.
    """
    frames = measure_frames(capture) if frames is None else frames
    valid, fps, T = np.asarray(capture.valid, bool), float(capture.fps), len(capture)
    yaw, pitch = (np.where(valid, angles, np.nan) for angles in head_angles(motion, camera))
    pitch = pitch - np.nanmedian(pitch) if valid.any() else pitch
    hidden = np.zeros(T, bool) if occluded is None else np.asarray(occluded, bool)
    # Landmarks behind a hand are guesses.
    opening = np.where(valid & ~hidden, mouth_opening(capture.landmarks), np.nan)
    aperture = np.where(valid & ~hidden, eye_aperture(capture.landmarks).mean(axis=1), np.nan)
    teeth = np.where(hidden[frames.index], 0.0, frames.teeth)
    blinks = find_blinks(aperture, fps)
    spacing = float(np.median(np.diff(frames.index))) if len(frames) > 1 else 1.0
    rows = [
        rows_of.length(T / fps),
        rows_of.face_seen(valid),
        rows_of.face_size(capture.landmarks[valid], np.array([capture.shots.at(int(i)).crop.scale for i in np.flatnonzero(valid)])),
        rows_of.framing(frames),
        rows_of.sharpness(frames),
        rows_of.exposure(frames),
        rows_of.turns(yaw),
        rows_of.nods(pitch),
        rows_of.mouth(mouth_shapes(capture.landmarks, opening, yaw, fps, teeth, spacing)),
        rows_of.blinks(len(blinks), T / fps),
        *([] if occluded is None else [rows_of.occlusions(hidden)]),
        rows_of.outline(frames),
        rows_of.camera_shake(frames, capture.cuts),
        rows_of.sound(None if capture.sound is None else measure_sound(capture.sound, capture.sound_rate), capture.lag),
    ]
    best, worst = _examples(frames, yaw, hidden, fps)
    return ReportCard(tuple(rows), fps, yaw, pitch, opening, aperture, blinks, hidden, frames, best, worst)


def write_report_card(capture: Capture, motion: Motion, camera: Camera, *, occluded: np.ndarray | None = None) -> ReportCard:
    """Judge a capture and leave `report.json` and `report_card.png` in its folder; arguments as `report_card`.

    Raises:
        UserError: as `report_card`, or the folder cannot be written.
    """
    from recon.report_picture import draw_report_card

    card = report_card(capture, motion, camera, occluded=occluded)
    folder = Path(capture.path)
    with atomic_path(folder / "report.json") as path:
        path.write_text(json.dumps(card.to_json(), indent=1), encoding="utf-8")
    draw_report_card(card, capture, folder / "report_card.png")
    return card


def _examples(frames: FrameMeasures, yaw: np.ndarray, hidden: np.ndarray, fps: float) -> tuple[tuple, tuple]:
    """Measured frames that are sharp and look into the camera, and those that something is wrong with, worst first."""
    sharp = frames.sharpness / max(float(np.nanmedian(frames.sharpness)) if np.isfinite(frames.sharpness).any() else 1.0, 1e-6)
    bright = frames.highlight / max(float(np.nanmedian(frames.highlight)) if np.isfinite(frames.highlight).any() else 1.0, 1e-6)
    flutter = frames.flutter - (float(np.nanmedian(frames.flutter)) if np.isfinite(frames.flutter).any() else 0.0)
    turned = np.abs(yaw[frames.index])
    faults = {
        "no face": np.where(np.isfinite(frames.light), 0.0, 3.0),
        "something in front": 2.0 * hidden[frames.index],
        "blurred": np.maximum(0.9 - np.nan_to_num(sharp, nan=1.0), 0.0) / (0.9 - BLURRED),
        "light": np.abs(np.nan_to_num(np.log2(np.maximum(bright, 1e-3)))) / 0.3,
        "outline": np.maximum(np.nan_to_num(flutter), 0.0) / 3.0,
    }
    names, sizes = list(faults), np.stack(list(faults.values()))
    fault, size = sizes.argmax(axis=0), sizes.max(axis=0)
    value = sharp - size - np.nan_to_num(turned, nan=90.0) / 90
    best = _apart(frames.index, value, fps)
    worst = _apart(frames.index, np.where(size > 0.5, size, -np.inf), fps)
    return (
        tuple((int(frames.index[k]), f"sharpness {frames.sharpness[k]:.2f}") for k in best),
        tuple((int(frames.index[k]), names[fault[k]]) for k in worst),
    )


def _apart(index: np.ndarray, value: np.ndarray, fps: float) -> list[int]:
    """Positions of the highest finite values, no two of them close in time."""
    chosen: list[int] = []
    for k in np.argsort(-value, kind="stable"):
        if len(chosen) == EXAMPLES or not np.isfinite(value[k]):
            break
        if all(abs(index[k] - index[j]) >= _APART * fps for j in chosen):
            chosen.append(int(k))
    return chosen


def _numbers(values: np.ndarray) -> list[float | None]:
    """JSON knows no NaN."""
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]
