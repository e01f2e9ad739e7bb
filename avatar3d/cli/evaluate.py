"""eval: how well an avatar reproduces a capture, as a table, as JSON, and as a page."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import note, open_avatar

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from recon.capture import Capture
    from recon.evaluation_rows import Assessment
    from recon.tracking_files import TrackedCapture

COLUMNS = {
    "psnr_full": "full dB", "psnr_head": "head", "psnr_mouth": "mouth", "psnr_eyes": "eyes", "ssim_full": "SSIM", "flip_full": "FLIP",
    "lpips_full": "LPIPS", "landmark_px": "marks px", "landmark_lips_px": "lips", "landmark_eyes_px": "eyes", "flicker_ratio": "flicker",
    "flicker_error": "change err",
}  # fmt: skip
DIGITS = {"ssim_full": 4, "flip_full": 4, "lpips_full": 4}


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
    from avatar3d.files import check_output
    from avatar3d.progress import console
    from recon.evaluation_frames import choose_frames
    from recon.evaluation_perceptual import perceptual_meters
    from recon.evaluation_rows import assess

    person = open_avatar(avatar, head)
    others = {path.stem: open_avatar(path, head) for path in against}
    if json_out is not None:
        check_output(json_out, avatar)
    capture, tracking = _open_capture(source, avatar, person)
    groups = choose_frames(frames, person, capture, tracking.motion)
    avatars = {"": person} | others
    meters = perceptual_meters()
    found = assess(avatars, capture, tracking, groups, meters=meters, landmarks=landmarks, stage=console)
    if "flip_full" not in meters:
        found.remarks.append("FLIP is left out: pip install flip-evaluator")
    _print(found)
    if json_out is not None:
        from avatar3d.files import atomic_path

        with atomic_path(json_out) as temporary:
            temporary.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")


def _open_capture(source: Path, avatar: Path, person: "Avatar") -> "tuple[Capture, TrackedCapture]":
    from avatar3d.errors import UserError
    from recon.capture import load_capture
    from recon.tracking_files import load_tracking

    capture = load_capture(source)
    tracking = load_tracking(source, person.head)
    if tracking is None:
        raise UserError(f"{source}: has not been tracked to the end; run `avatar3d track` on its video again")
    return capture, tracking


def _print(found: "Assessment") -> None:
    from rich.console import Console
    from rich.table import Table

    shown = [name for name in COLUMNS if any(name in row.figures for row in found.rows)]
    table = Table(box=None, pad_edge=False)
    for heading in ("", "frames", "count"):
        table.add_column(heading)
    for name in shown:
        table.add_column(COLUMNS[name], justify="right")
    for row in found.rows:
        label = f"{row.name or 'avatar'}, {row.motion}"
        cells = [f"{row.figures[name]:.{DIGITS.get(name, 2)}f}" if name in row.figures else "-" for name in shown]
        table.add_row(label, row.group, str(len(row.measured.frames)), *cells)
    Console(width=160).print(table)
    for remark in found.remarks:
        note(f"eval: {remark}")
