"""eval: how well an avatar reproduces a capture, as a table, as JSON, and as a page."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import check_range, note, open_avatar, say

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion
    from avatar3d.progress import Progress
    from recon.capture import Capture
    from recon.evaluation_frames import Groups
    from recon.evaluation_rows import Assessment, Refine
    from recon.tracking_files import TrackedCapture


def evaluate(
    avatar: Positional[Path],
    source: Positional[Path],
    /,
    out: Annotated[Path | None, arg(aliases=["-o"])] = None,
    json_out: Annotated[Path | None, arg(name="json")] = None,
    frames: str = "held-out",
    refined: bool = True,
    baselines: bool = False,
    against: tuple[Path, ...] = (),
    landmarks: bool = True,
    seed: int = 0,
    head: Path | None = None,
) -> None:
    """Measure how well an avatar reproduces a capture: pictures, landmarks, flicker, and views from the side.

    Args:
        avatar: the .avatar file.
        source: a capture folder that `track` wrote, or a video.
        out: a folder to write the page index.html to, with the worst frames, error maps, curves and views from the side.
        json_out: also write the figures to this file.
        frames: held-out (those that were not trained on), all, or a range such as 100:200.
        refined: also fit the poses of the measured frames through the frozen avatar, and measure again.
        baselines: also fit two simpler kinds of avatar for as long as this one took, and measure them.
        against: further .avatar files to measure beside this one.
        landmarks: also compare the landmarks seen in truth and render.
        seed: of the baselines.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.cli.evaluation_page import write_evaluation
    from avatar3d.files import atomic_path
    from avatar3d.progress import console
    from recon.evaluation_frames import choose_frames
    from recon.evaluation_perceptual import perceptual_meters
    from recon.evaluation_rows import assess

    check_range("--seed", seed, 0, 2**31 - 1)
    _check_outputs(out, json_out, avatar, *against)
    person = open_avatar(avatar, head)
    others = _open_others(against, person)
    capture, tracking = _open_source(source, avatar, person)
    groups = choose_frames(frames, person, capture, tracking.motion)
    if baselines:
        others |= _fit_baselines(person, capture, tracking, groups, seed, out)
    meters = perceptual_meters()
    found = assess(
        {"": person} | others,
        capture,
        tracking,
        groups,
        refine=_refiner(capture, tracking) if refined else None,
        meters=meters,
        landmarks=landmarks,
        stage=console,
    )
    if "flip_full" not in meters:
        found.remarks.append("FLIP is left out; for it, pip install avatar3d[eval]")
    _print(found)
    if json_out is not None:
        with atomic_path(json_out) as temporary:
            temporary.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
    if out is not None:
        write_evaluation(found, avatar, source, out / "index.html")
        say(f"next: open {out / 'index.html'}")


def _check_outputs(out: Path | None, json_out: Path | None, *inputs: Path) -> None:
    from avatar3d.errors import UserError
    from avatar3d.files import check_output

    if json_out is not None:
        if json_out.is_dir():
            raise UserError(f"{json_out}: is a folder; give the name of a file")
        check_output(json_out, *inputs)
    if out is not None:
        if out.exists() and not out.is_dir():
            raise UserError(f"{out}: is a file; give the name of a folder")
        check_output(out / "index.html")


def _open_others(paths: tuple[Path, ...], person: "Avatar") -> "dict[str, Avatar]":
    """The avatars to compare with, by the names of their files."""
    from avatar3d.avatar_file import load_avatar
    from avatar3d.errors import UserError
    from avatar3d.motion import check_head

    others: dict[str, Avatar] = {}
    for path in paths:
        if path.stem in others:
            raise UserError(f"--against {path}: another avatar of that name is being compared already; rename one of the files")

        def find(fingerprint: str, name: str):
            check_head(fingerprint, person.head, path)  # noqa: B023
            return person.head

        others[path.stem] = load_avatar(path, find)
    return others


def _open_source(source: Path, avatar: Path, person: "Avatar") -> "tuple[Capture, TrackedCapture]":
    """The tracked capture to measure on; a video is tracked and a data set imported first, unless its capture lies beside the avatar.

    Raises:
        UserError: neither a tracked capture nor a usable video.
    """
    from avatar3d.errors import UserError
    from recon.capture import load_capture
    from recon.importers import layout_of
    from recon.tracking_files import load_tracking

    folder = _capture_of(source, avatar, person) if not source.is_dir() or layout_of(source) is not None else source
    capture, tracking = load_capture(folder), load_tracking(folder, person.head)
    if tracking is None:
        raise UserError(f"{folder}: has not been tracked to the end; run `avatar3d track` on its video again")
    if len(tracking.motion) != len(capture):
        raise UserError(f"{folder}: has {len(capture)} frames, but {len(tracking.motion)} were tracked; track its video again")
    return capture, tracking


def _capture_of(video: Path, avatar: Path, person: "Avatar") -> Path:
    """The capture folder of a video or data set: the one that lies beside the avatar, or a new one there."""
    from avatar3d.errors import UserError
    from avatar3d.progress import console
    from recon.capture import load_capture, make_capture
    from recon.importers import import_capture
    from recon.tracking_files import load_tracking, track_capture

    if not video.exists():
        raise UserError(f"{video}: no such file; give a video or a capture folder")
    own, other = avatar.with_suffix(".capture"), avatar.with_name(f"{video.stem}.capture")
    for folder in (own, other):
        if (folder / "capture.json").is_file() and load_capture(folder).source.get("name") == video.name and load_tracking(folder):
            return folder
    if video.is_dir():
        with console("import") as progress:
            import_capture(video, other, person.head, progress=progress)
        return other
    size = person.metadata.get("camera", {}).get("width", 512)
    same = person.metadata.get("source") == video.name
    holdout = person.metadata.get("fit", {}).get("holdout", 0.0) if same else 0.0
    with console("capture") as progress:
        make_capture(video, other, size=size if isinstance(size, int) and 128 <= size <= 2048 else 512, progress=progress)
    with console("track") as progress:
        track_capture(other, person.head, holdout=holdout if isinstance(holdout, float) and 0 <= holdout <= 0.8 else 0.0, progress=progress)
    return other


def _refiner(capture: "Capture", tracking: "TrackedCapture") -> "Refine":
    from recon.refinement import refine_motion
    from recon.training_frames import FrameStore

    store = FrameStore(capture)

    def refine(person: "Avatar", motion: "Motion", frames: "np.ndarray", progress: "Progress") -> "Motion":
        return refine_motion(person, motion, tracking.camera, frames, store, progress=progress)

    return refine


def _fit_baselines(person: "Avatar", capture: "Capture", tracking: "TrackedCapture", groups: "Groups", seed: int, out: Path | None):
    """Avatars of the baselines by name, fitted to the frames that the avatar was fitted to, in its time; kept beside the page.

    Raises:
        UserError: what the avatar was fitted to, or how long, is not recorded.
    """
    from avatar3d.avatar_file import save_avatar
    from avatar3d.errors import UserError
    from avatar3d.progress import console
    from recon.baselines import BASELINES, fit_baseline

    record = person.metadata.get("fit", {})
    seconds, holdout = record.get("seconds"), record.get("holdout")
    if groups.trained is None or not isinstance(seconds, int | float) or not isinstance(holdout, int | float):
        raise UserError(f"--baselines: the avatar does not say that it was fitted to {capture.path}, nor for how long; fit it with `avatar3d fit`")
    found = {}
    for kind in BASELINES:
        with console(f"fit {kind}") as progress:
            fitted = fit_baseline(
                kind, capture, tracking.motion, tracking.camera, person.head, holdout=holdout, seconds=seconds, seed=seed, progress=progress
            )
        shared = {key: person.metadata[key] for key in ("subject", "consent", "source", "licence") if key in person.metadata}
        found[kind] = replace(fitted, metadata=fitted.metadata | shared)
        if out is not None:
            save_avatar(found[kind], out / f"{kind}.avatar")
    return found


def _print(found: "Assessment") -> None:
    from rich.console import Console
    from rich.table import Table

    from avatar3d.cli.evaluation_page import quality_table

    headings, rows = quality_table(found)
    table = Table(box=None, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < 2 else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=160).print(table)
    figures = found.to_json()
    for name in found.facts:
        prefix = name and f"{name}_"
        views = ", ".join(f"{key} {100 * figures[f'{prefix}novel_{key}']:.2f} %" for key in ("holes", "floaters", "spikes"))
        gap = f"gap {figures[f'{prefix}gap_full']:.2f} dB, " if f"{prefix}gap_full" in figures else ""
        say(f"{name or 'avatar'}: {gap}{found.facts[name]['gaussians']} Gaussians; at 30 and 60 degrees {views}")
    for remark in found.remarks:
        note(f"eval: {remark}")
