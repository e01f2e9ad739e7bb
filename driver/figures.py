"""What is read off one driven clip, and how clips are put together: means with intervals, and figures that only many clips have.

Lips and face are those of the embedded head with the mean identity, neck and torso at rest, in millimetres.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from avatar3d.head.model import HeadModel
from avatar3d.runs import runs
from driver import metrics
from driver.blinks import lid_closure
from driver.channels import INDEX, JAW, NECK, REGIONS
from driver.evaluate import CONTACT_MM, closure_gaps, energy_db, pooled_seams, posed_gap, recall, seams
from driver.features import FPS
from driver.lips import Lips, posed
from driver.phones import VISEME_INDEX

Row = dict[str, tuple[float, float, float]]
"""By figure: its value over all clips, and the bounds of its 95 % interval over them."""
_ROUND = INDEX["mouthPucker"]
_STILL_MM = 1e-3
_SETTLED = 5
"""Frames of a pause next to speech, in which the mouth still closes or opens already."""
_POOLED_REPEATS = 200


@dataclass(frozen=True, eq=False)
class Judged:
    """A clip and what the face should do in it."""

    name: str
    sound: np.ndarray
    """[samples] 16 kHz."""
    truth: np.ndarray
    """[T, NUM_CHANNELS]."""
    viseme: np.ndarray
    """[T]."""
    closed: np.ndarray
    """[T] 0..1, where the lips must meet."""
    whole: bool
    """Whether the truth is of the whole face; else of the mouth alone."""

    @cached_property
    def beats(self) -> np.ndarray:
        """Seconds at which something begins in the sound."""
        return metrics.sound_beats(self.sound)


@dataclass(frozen=True, eq=False)
class Ruler:
    """What figures are read off with."""

    face: HeadModel
    """The face without neck, torso, eyes and the inside of the mouth."""
    lips: np.ndarray
    """Rows of the face that are lips."""
    upper: np.ndarray
    """Rows above the middle of the nose."""
    rest: np.ndarray
    """[V, 3] the face at rest, mm."""
    mouth: Lips
    spread: np.ndarray
    """[NUM_CHANNELS] usual standard deviation of the channels, by which they are made comparable."""


@dataclass(frozen=True, eq=False)
class Observed:
    """One driven clip, as it was seen."""

    figures: dict[str, float]
    """Those that a clip has by itself."""
    closest: np.ndarray
    """Smallest gap, mm, in each closure."""
    free: np.ndarray
    """Gaps, mm, of speaking frames without closure."""
    loudness: np.ndarray
    """[T] dB."""
    opening: np.ndarray
    """[T] mm."""
    blinks: np.ndarray
    """[n, 2] seconds."""
    seconds: float
    """The clip's duration."""
    seams: tuple[np.ndarray, np.ndarray]
    """Accelerations at the joins of windows, and elsewhere."""


def ruler_of(head: HeadModel, lips: Lips, spread: np.ndarray) -> Ruler:
    """The ruler of a head with the embedded head's regions."""
    rows, height = head.regions["face"], head.template[:, 1].numpy()
    face = head.subset(rows)
    rest = posed(face, torch.zeros(1, len(spread)))[0].numpy()
    upper = np.flatnonzero(height[rows] > height[head.regions["nose"]].mean())
    return Ruler(face, np.flatnonzero(np.isin(rows, head.regions["lips"])), upper, rest, lips, spread)


def observe(clip: Judged, made: np.ndarray, ruler: Ruler) -> Observed:
    """See what a driver made [T, NUM_CHANNELS] of a clip; figures of the whole face only where the truth knows it."""
    T = min(len(clip.truth), len(made))
    truth, made = np.asarray(clip.truth[:T], np.float32), np.asarray(made[:T], np.float32)
    face, face_made = (posed(ruler.face, torch.from_numpy(frames)).numpy() for frames in (truth, made))
    opening, opened = posed_gap(truth, ruler.mouth), posed_gap(made, ruler.mouth)
    lips, lips_made = face[:, ruler.lips], face_made[:, ruler.lips]
    beats = metrics.motion_beats(made[:, NECK])
    found = {
        "lve_mm": metrics.lip_vertex_error(lips, lips_made),
        "lve_m2": metrics.lip_vertex_error_squared(lips, lips_made),
        "mod_mm": metrics.opening_difference(opening, opened),
        "mtm_s": metrics.peak_mismatch(opening, opened),
        "jaw_r": _correlation(truth[:, JAW], made[:, JAW]),
        "rounding_r": _correlation(truth[:, _ROUND], made[:, _ROUND]),
        "mouth_spread": metrics.spread_ratio(opening[:, None], opened[:, None]),
        "mouth_velocity": metrics.velocity_ratio(opening[:, None], opened[:, None]),
        "lip_jerk": metrics.jerk(lips_made) if T > 3 else float("nan"),
        "pause_mm": pause_motion(lips_made, clip.viseme[:T]),
        "beats": metrics.beat_alignment(clip.beats, beats),
        "beats_chance": metrics.chance_alignment(clip.beats, beats, T / FPS),
    }
    found["beats_gain"] = found["beats"] - found["beats_chance"]
    if clip.whole:
        found["mhd_mm"] = metrics.vertex_error(face, face_made)
        found["fdd_mm2"] = abs(metrics.dynamics_deviation(face[:, ruler.upper], face_made[:, ruler.upper], ruler.rest[ruler.upper]))
        found["spread"] = metrics.spread_ratio(truth / ruler.spread, made / ruler.spread)
        for region in ("brows", "eyes", "head"):
            columns = REGIONS[region]
            found[f"{region}_spread"] = metrics.spread_ratio(*(frames[:, columns] / ruler.spread[columns] for frames in (truth, made)))
    closest, free = closure_gaps(clip.viseme, clip.closed, made, ruler.mouth)
    blinks = metrics.blinks(lid_closure(made))
    return Observed(found, closest, free, energy_db(clip.sound), opened, blinks, T / FPS, seams(made, ruler.spread))


def pause_motion(lips: np.ndarray, viseme: np.ndarray) -> float:
    """Root mean square distance, mm, of the lips [T, L, 3] from their mean position in each pause, its first and last 0.2 s left out.

    NaN where the clip has no pause of more than half a second.
    """
    lips, squares = lips.astype(np.float64), []
    for begin, end in runs(viseme == VISEME_INDEX["sil"]):
        # Nobody speaks before the clip and after it.
        a, b = begin + _SETTLED * (begin > 0), end - _SETTLED * (end < len(viseme))
        if b - a > 2:
            squares.append(np.square(lips[a:b] - lips[a:b].mean(axis=0)).sum(axis=-1).mean(axis=1))
    return float(np.sqrt(np.concatenate(squares).mean())) if squares else float("nan")


def closure_recall(clips: Sequence[Observed]) -> float:
    """Share of the closures in which the gap falls below what a tenth of the other speaking frames have.

    NaN where the lips do not move or nothing is to be closed.
    """
    closest, free = np.concatenate([clip.closest for clip in clips]), np.concatenate([clip.free for clip in clips])
    if not len(closest) or not len(free) or np.ptp(free) < _STILL_MM:
        return float("nan")
    return recall(closest, free)


def closure_contact(clips: Sequence[Observed]) -> float:
    """Share of the closures in which the lips touch. NaN where nothing is to be closed."""
    closest = np.concatenate([clip.closest for clip in clips])
    return float((closest <= CONTACT_MM).mean()) if len(closest) else float("nan")


def loudness_correlation(clips: Sequence[Observed]) -> float:
    """SLCC. NaN where the lips do not move."""
    if np.ptp([clip.opening.mean() for clip in clips]) < _STILL_MM:
        return float("nan")
    return metrics.loudness_opening_correlation([clip.loudness for clip in clips], [clip.opening for clip in clips])


def blink_rate(clips: Sequence[Observed]) -> float:
    """Blinks a minute."""
    return 60 * sum(len(clip.blinks) for clip in clips) / sum(clip.seconds for clip in clips)


def blink_duration(clips: Sequence[Observed]) -> float:
    """Mean seconds for which lids are more than half closed. NaN without blinks."""
    blinks = np.concatenate([clip.blinks for clip in clips])
    return float(np.diff(blinks).mean()) if len(blinks) else float("nan")


def blink_doubles(clips: Sequence[Observed]) -> float:
    """Share of the blinks that follow another at once. NaN without blinks."""
    count = sum(len(clip.blinks) for clip in clips)
    return sum(metrics.double_blinks(clip.blinks[:, 0]) for clip in clips) / count if count else float("nan")


def seam_ratio_of(clips: Sequence[Observed]) -> float:
    """Mean acceleration at the joins of the driver's windows against everywhere else. NaN where nothing moves."""
    return pooled_seams([clip.seams for clip in clips])


POOLED: dict[str, Callable[[Sequence[Observed]], float]] = {
    "closure_recall": closure_recall, "closure_contact": closure_contact, "slcc": loudness_correlation, "seam_ratio": seam_ratio_of,
    "blinks_min": blink_rate, "blink_s": blink_duration, "blink_doubles": blink_doubles,
}  # fmt: skip
"""Figures that only many clips have together."""


def summary(clips: Sequence[Observed]) -> Row:
    """Mean over the clips that have a figure, pooled figures of all of them, each with its interval."""
    row: Row = {}
    for name in clips[0].figures:
        values = np.array([clip.figures[name] for clip in clips])
        known = values[np.isfinite(values)]
        row[name] = (float(known.mean()) if len(known) else float("nan"), *metrics.interval(values.tolist()))
    for name, figure in POOLED.items():
        row[name] = over_clips(figure, clips)
    return row


def over_clips(figure: Callable[[Sequence[Observed]], float], clips: Sequence[Observed]) -> tuple[float, float, float]:
    """A pooled figure and its interval: the clips are drawn anew, and the figure made of those drawn."""
    value = figure(clips)
    if not np.isfinite(value):
        return float("nan"), float("nan"), float("nan")
    drawn = metrics.interval(range(len(clips)), of=lambda rows: figure([clips[int(row)] for row in rows]), repeats=_POOLED_REPEATS)
    return value, *drawn


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; 0 where one of the curves does not move."""
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-6 and b.std() > 1e-6 else 0.0
