"""An evaluation as a whole: rows of candidates and groups of frames, novel views, still stretches, and all of it as figures."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.motion import Motion
from avatar3d.progress import Progress, silent
from recon.capture import Capture
from recon.evaluation import Candidate, Measured, Meter, measure
from recon.evaluation_frames import HELD_OUT, TRAINED, Groups, trained_frames
from recon.evaluation_landmarks import head_speed, jitter, still_stretches
from recon.evaluation_transfer import carried_over
from recon.novel_views import NovelView, novel_views, rest_frame, summary
from recon.occlusion import load_occlusions
from recon.pose_bias import as_fitted
from recon.tracking_files import TrackedCapture

TRACKED, REFINED = "tracked", "refined"
Refine = Callable[[Avatar, Motion, np.ndarray, Progress], Motion]
"""The poses of some frames fitted through a frozen avatar: (avatar, tracked motion, frames, progress) -> motion of the whole capture."""
Stage = Callable[[str], AbstractContextManager[Progress]]
"""The progress of a stage by its name."""


def _unwatched(stage: str) -> AbstractContextManager[Progress]:
    return nullcontext(silent)


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table."""

    name: str
    """Whose: "" the avatar in question, otherwise of what it is compared with."""
    motion: str
    """`TRACKED` or `REFINED`."""
    group: str
    """Of frames: held out, trained, or training unknown."""
    measured: Measured
    figures: dict[str, float]


@dataclass(frozen=True, eq=False)
class Still:
    """The stretches of the capture in which the head moves least: there a render must not tremble."""

    stretches: list[slice]
    """Rows of what was measured."""
    speed: float
    """Of the head, pixels at 512 per frame."""
    measured: dict[tuple[str, str], Measured]
    """By name and motion."""

    def figures(self, name: str, motion: str) -> dict[str, float]:
        """`still_*` of a candidate."""
        found = self.measured[name, motion]
        named = {"frames": float(len(found.frames)), "speed_px": self.speed}
        named |= {"jitter_px": jitter(found.points, self.stretches), "jitter_truth_px": jitter(found.truth_points, self.stretches)}
        named |= {key: value for key, value in found.means().items() if key == "flicker_ratio"}
        return {f"still_{key}": value for key, value in named.items() if np.isfinite(value)}


@dataclass(frozen=True, eq=False)
class Assessment:
    """What an evaluation found."""

    capture: Capture
    groups: Groups
    rows: list[Row]
    views: dict[str, list[NovelView]]
    """By name of the avatar."""
    still: Still | None
    """None where there is no such stretch, or landmarks were not asked for."""
    candidates: dict[tuple[str, str], Candidate]
    """By name and motion; a refined motion is so on the main group's and the still frames only."""
    facts: dict[str, dict[str, float]]
    """By name of the avatar: gaussians, seconds_fit."""
    remarks: list[str] = field(default_factory=list)

    def row(self, name: str = "", motion: str = TRACKED, group: str | None = None) -> Row | None:
        """The row of that kind; of the main group where none is named."""
        wanted = (name, motion, group or self.groups.main)
        return next((row for row in self.rows if (row.name, row.motion, row.group) == wanted), None)

    def to_json(self) -> dict:
        """Flat figures: plain names are of the tracked motion on the main group, `refined_` of the refined one, `train_` of frames
        trained on, `NAME_` of other avatars; `gap_full` is the trained frames' PSNR minus the held-out ones'."""
        record: dict = {"group": self.groups.main.replace(" ", "_"), "training_known": self.groups.trained is not None}
        for name in self.facts:
            prefix = name and f"{name}_"
            record |= {prefix + key: value for key, value in self.facts[name].items()}
            record |= {prefix + key: round(value, 6) for key, value in summary(self.views.get(name, [])).items()}
        for row in self.rows:
            group = "train_" if row.group == TRAINED != self.groups.main else ""
            motion = "refined_" if row.motion == REFINED else ""
            prefix = (row.name and f"{row.name}_") + group + motion
            record |= {prefix + key: round(value, 5) for key, value in row.figures.items()}
            record[prefix + "frames"] = len(row.measured.frames)
        for name, motion in self.still.measured if self.still else ():
            prefix = (name and f"{name}_") + ("refined_" if motion == REFINED else "")
            record |= {prefix + key: round(value, 5) for key, value in self.still.figures(name, motion).items()} if self.still else {}
        for name in self.facts:
            held, trained = self.row(name, group=HELD_OUT), self.row(name, group=TRAINED)
            if held is not None and trained is not None:
                gap = trained.figures["psnr_full"] - held.figures["psnr_full"]
                record[(name and f"{name}_") + "gap_full"] = round(gap, 5)
        return record | {"remarks": self.remarks, "per_frame": self._per_frame()}

    def _per_frame(self) -> list[dict]:
        return [
            {"name": row.name, "motion": row.motion, "group": row.group, "frames": row.measured.frames.tolist()}
            | {key: [None if not np.isfinite(v) else float(f"{v:.5g}") for v in values] for key, values in row.measured.series.items()}
            for row in self.rows
        ]


def assess(
    avatars: dict[str, Avatar],
    capture: Capture,
    tracking: TrackedCapture,
    groups: Groups,
    *,
    refine: Refine | None = None,
    meters: dict[str, Meter] | None = None,
    landmarks: bool = True,
    threads: int = 2,
    stage: Stage = _unwatched,
) -> Assessment:
    """Measure avatars on a capture.

    Args:
        avatars: by name, "" being the one in question.
        capture: the truth.
        tracking: how the head moves in it.
        groups: of frames.
        refine: fits poses through a frozen avatar; None leaves the refined rows out.
        meters: further distances of pictures (`perceptual_meters`).
        landmarks: also compare landmarks.
        threads: that draw.
        stage: gives the progress of every stage.

    Raises:
        UserError: a picture of the capture is missing or damaged.
    """
    main = groups.frames[groups.main]
    candidates = tracked = {(name, TRACKED): _tracked(avatar, capture, tracking) for name, avatar in avatars.items()}
    calm, speed = _calm(capture) if landmarks else ([], 0.0)
    calm_frames = np.concatenate([np.arange(s.start, s.stop) for s in calm]) if calm else np.zeros(0, np.int64)
    if refine is not None:
        candidates = dict(tracked)
        for name, avatar in avatars.items():
            with stage(f"refine {name}".strip()) as progress:
                motion = refine(avatar, tracked[name, TRACKED].motion, np.union1d(main, calm_frames), progress)
            candidates[name, REFINED] = Candidate(avatar, motion, tracking.camera)

    def look(chosen: dict[tuple[str, str], Candidate], title: str, frames: np.ndarray, meters: dict[str, Meter] | None):
        with stage(f"measure ({title})") as progress:
            found = measure(list(chosen.values()), capture, frames, meters=meters, landmarks=landmarks, threads=threads, progress=progress)
        return dict(zip(chosen, found, strict=True))

    rows = []
    for group, frames in groups.frames.items():
        measured = look(candidates if group == groups.main else tracked, group, frames, meters)
        rows += [Row(*key, group, found, _figures(found)) for key, found in measured.items()]
    still = None
    if calm:
        starts = np.cumsum([0, *(s.stop - s.start for s in calm)])
        slices = [slice(int(a), int(b)) for a, b in pairwise(starts)]
        still = Still(slices, speed, look(candidates, "still head", calm_frames, None))
    seen = groups.frames.get(TRAINED, main)
    views = {name: novel_views(avatar, rest_frame(motion, seen), camera, threads=threads) for (name, _), (avatar, motion, camera) in tracked.items()}
    facts = {name: _facts(avatar) for name, avatar in avatars.items()}
    return Assessment(capture, groups, rows, views, still, candidates, facts, _remarks(avatars, capture, tracking, groups))


def _tracked(avatar: Avatar, capture: Capture, tracking: TrackedCapture) -> Candidate:
    # An avatar that was fitted to this very tracking goes with it, whatever the fit made of its identity.
    if trained_frames(avatar, capture) is None:
        return Candidate(avatar, carried_over(tracking.motion, tracking.camera, avatar), tracking.camera)
    return Candidate(avatar, as_fitted(tracking.motion, avatar.metadata["fit"]), tracking.camera)


def _remarks(avatars: dict[str, Avatar], capture: Capture, tracking: TrackedCapture, groups: Groups) -> list[str]:
    """What a reader of the figures must know."""
    remarks = []
    fitted_to, name = avatars[""].metadata.get("source"), capture.source["name"]
    if groups.trained is None:
        which = (
            f"was fitted to {fitted_to}, this is {name}" if fitted_to and fitted_to != name else "does not say which of these frames it was fitted to"
        )
        remarks.append(f"the avatar {which}: whether it has seen these frames is unknown, and identity and camera are as tracked here")
    elif groups.main == TRAINED:
        remarks.append("all measured frames were trained on: they say little about others; fit with --holdout 0.2 to know")
    elif tracking.report["learned_before"] > groups.frames[HELD_OUT].min():
        remarks.append("the tracker learned identity and focal length from held-out frames too; track with --holdout for clean figures")
    main = groups.frames[groups.main]
    hidden = int(load_occlusions(capture.path, len(capture)).flagged(len(capture))[main].sum())
    if hidden:
        remarks.append(f"in {hidden} of the {len(main)} measured frames something is in front of the face, which no avatar can know")
    for other, avatar in avatars.items():
        trained = trained_frames(avatar, capture)
        seen = 0 if trained is None else int(trained[main].sum())
        if other and trained is None:
            remarks.append(f"{other} does not say which of these frames it was fitted to")
        elif other and seen and groups.main == HELD_OUT:
            remarks.append(f"{other} was trained on {seen} of the held-out frames")
    return remarks


def _calm(capture: Capture) -> tuple[list[slice], float]:
    """The stretches of the capture in which the head is still, and how fast it moves in them."""
    points = np.where(capture.valid[:, None, None], capture.landmarks[..., :2] * np.float32(512 / capture.size), np.float32(np.nan))
    frames, cuts = np.arange(len(capture)), tuple(int(cut) for cut in getattr(capture, "cuts", ()))
    stretches = still_stretches(points, frames, capture.fps, cuts)
    speed = head_speed(points, frames, cuts)
    return stretches, float(np.mean([speed[s].mean() for s in stretches])) if stretches else 0.0


def _figures(measured: Measured) -> dict[str, float]:
    figures = measured.means()
    seen = np.isfinite(measured.truth_points[:, 0, 0])
    return figures | ({"landmarks_missed": float(np.isnan(measured.points[seen, 0, 0]).sum())} if seen.any() else {})


def _facts(avatar: Avatar) -> dict[str, float]:
    facts: dict[str, float] = {"gaussians": len(avatar)}
    fit = avatar.metadata.get("fit", {})
    seconds = fit.get("seconds") if isinstance(fit, dict) else None
    return facts | ({"seconds_fit": float(seconds)} if isinstance(seconds, int | float) else {})
