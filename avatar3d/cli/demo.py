"""demo: the whole job on the capture that ships with avatar3d, and a report of how well it went."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from avatar3d.cli.common import note, open_avatar, say

if TYPE_CHECKING:
    from avatar3d.camera import Camera
    from avatar3d.head.model import HeadModel
    from avatar3d.motion import Motion

SENTENCE = "Hello! A minute ago I was a video. Now I am a set of Gaussians, and I can say whatever you like."
HOLDOUT = 0.2


def demo(
    out: Annotated[Path, arg(aliases=["-o"])] = Path("demo_out"),
    text: str = SENTENCE,
    preset: Literal["fast", "balanced", "quality"] = "fast",
    seed: int = 1,
) -> None:
    """Do the whole job once on a built-in video of a made-up person: track, fit, speak, and report against the known truth.

    Args:
        out: the folder for the results.
        text: what the new avatar shall say.
        preset: of the fit: fast (a few minutes), balanced, or quality.
        seed: of everything random.
    """
    from avatar3d.cli.capture import fit_capture
    from avatar3d.cli.perform import drive, render
    from avatar3d.cli.report import DemoResult, write_report
    from avatar3d.cli.talk import Talking
    from avatar3d.data import data_path
    from avatar3d.files import check_output
    from avatar3d.head.store import load_head
    from avatar3d.motion import load_motion
    from avatar3d.progress import console
    from recon.capture import load_capture, make_capture
    from recon.tracking_files import track_capture
    from recon.truth import compare_with_truth, cropped_camera, mouth_opening

    check_output(out / "report.html")
    can_speak = _can_speak(text)
    head = load_head()
    video = data_path("demo", "demo.mp4")
    true_motion, true_camera = _truth(head)
    folder, avatar, talk, film = (out / name for name in ("demo.capture", "demo.avatar", "talk.npz", "talk.mp4"))
    seconds: dict[str, float] = {}
    with _timed(seconds, "capture"), console("capture") as progress:
        make_capture(video, folder, progress=progress)
    with _timed(seconds, "track"), console("track") as progress:
        tracking = track_capture(folder, head, holdout=HOLDOUT, progress=progress)
    capture = load_capture(folder)
    truth = compare_with_truth(tracking.motion, tracking.camera, true_motion, cropped_camera(true_camera, capture.crop), head)
    say(f"track: face {truth.vertex_median:.2f} mm (median) and landmarks {truth.landmark_error:.2f} px off the truth; scale {truth.scale:.3f}")
    with _timed(seconds, "fit and evaluation"):
        record = fit_capture(
            folder, avatar, preset=preset, holdout=HOLDOUT, seed=seed, resume=False, head=None,
            subject="a made-up person", consent="none is needed, nobody was filmed", licence="CC0",
        )  # fmt: skip
    comparison = avatar.with_suffix(".comparison.png").replace(out / "comparison.png")
    with _timed(seconds, "speech"):
        drive(avatar, out=talk, talking=Talking(text=text if can_speak else None, audio=None if can_speak else video, seed=seed))
    with _timed(seconds, "render"):
        render(avatar, motion=talk, out=film)
    motion = load_motion(talk, head)
    result = DemoResult(
        truth=truth, tracking=tracking.report, fit=record, gaussians=len(open_avatar(avatar)), talk=motion, opening=mouth_opening(motion, head),
        frames=len(capture), fps=float(capture.fps), seconds=seconds, text=text if can_speak else None,
        film=film, comparison=comparison, overlay=folder / "overlay.mp4", avatar=avatar,
    )  # fmt: skip
    write_report(result, out / "report.html")
    say(f"demo: done in {sum(seconds.values()):.0f} s; open {out / 'report.html'}")


def _can_speak(text: str) -> bool:
    """Whether espeak-ng is here; says so if not. Words that it cannot say are refused now and not after the fit."""
    if find_spec("espeakng_loader") is None:
        note("demo: espeak-ng is not installed (pip install avatar3d[tts]), so the avatar will repeat what the video says")
        return False
    from driver.speech import synthesize

    synthesize(text)
    return True


def _truth(head: "HeadModel") -> "tuple[Motion, Camera]":
    """What the demo video shows."""
    import json

    from avatar3d.camera import Camera
    from avatar3d.data import data_path
    from avatar3d.motion import load_motion

    camera = Camera.from_json(json.loads(data_path("demo", "camera.json").read_text(encoding="utf-8")))
    return load_motion(data_path("demo", "truth.npz"), head), camera


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[stage] = time.monotonic() - start
