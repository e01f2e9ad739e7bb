"""track and fit: from a video to an avatar."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from avatar3d.cli.common import check_range, open_head, say
from avatar3d.cli.personal import give_own_driver

RIGHTS = "the rights of the person filmed and of who filmed them apply"
"""Licence of an avatar of which nobody says another."""

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from avatar3d.camera import Camera
    from avatar3d.head.model import HeadModel
    from avatar3d.motion import Motion
    from recon.capture import Capture
    from recon.fit import Split


def track(
    videos: Positional[tuple[Path, ...]],
    /,
    out: Annotated[Path, arg(aliases=["-o"])],
    size: int = 512,
    fps: float | None = None,
    focal: float | None = None,
    holdout: float = 0.0,
    head: Path | None = None,
) -> None:
    """Turn a video of one person into a capture folder: frames, sound, mattes, landmarks, tracked motion, camera, overlay.

    Args:
        videos: of one person, face and shoulders, one or several; or a data set of VHAP or INSTA, whose pictures are tracked anew.
        out: the capture folder to write.
        size: side of the square crop, pixels.
        fps: frames per second of the capture; default the first video's.
        focal: focal length in pixels of the first crop, where it is known; landmarks cannot tell it.
        holdout: share of the frames, at the end, from which identity is not learned.
        head: instead of the embedded head: a FLAME file of your own, ICT-FaceKit's folder, or a head made of a scan (head convert).
    """
    from avatar3d.errors import UserError
    from avatar3d.files import check_output

    _check_sources(videos)
    for video in videos:
        check_output(out, video)
    check_options(size, fps, focal, holdout, seed=0)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; give the name of a folder")
    tracking = _track(videos, out, size, fps, focal, holdout, head)
    say(f"{out}: {len(tracking.motion)} frames tracked, landmark error {tracking.report['error_px']['mean']:.2f} px; look at {out / 'overlay.mp4'}")
    say(f"next: avatar3d fit {out} -o {out.name.removesuffix('.capture')}.avatar")


def fit(
    sources: Positional[tuple[Path, ...]],
    /,
    out: Annotated[Path, arg(aliases=["-o"])],
    preset: Literal["fast", "balanced", "quality"] = "balanced",
    holdout: float = 0.0,
    size: int = 512,
    fps: float | None = None,
    focal: float | None = None,
    seed: int = 0,
    resume: bool = False,
    device: Literal["cpu", "cuda"] = "cpu",
    driver: bool = True,
    subject: str = "",
    consent: str = "",
    head: Path | None = None,
) -> None:
    """Fit an avatar to a video, to several of the same person, or to a capture folder.

    Args:
        sources: a video or several, a capture folder that `track` wrote, or a data set of VHAP or INSTA with its own tracking (give its --head).
        out: the .avatar file to write; a video's or data set's capture is kept beside it as NAME.capture.
        preset: fast (minutes), balanced, or quality.
        holdout: share of the frames, at the end, that are kept out to measure on.
        size: side of the square crop for a video, pixels.
        fps: frames per second of the capture; default the first video's.
        focal: focal length in pixels of the first crop, where it is known.
        seed: of everything random.
        resume: continue where a killed run stopped.
        device: where to fit; cuda needs the extra of that name.
        driver: also make the speech driver this person's own, for balanced and quality, where the capture has sound (`avatar3d adapt`).
        subject: whose head this is; recorded in the avatar.
        consent: how the person agreed; recorded in the avatar.
        head: instead of the embedded head: a FLAME file of your own, ICT-FaceKit's folder, or a head made of a scan (head convert).
    """
    from avatar3d.errors import UserError
    from avatar3d.files import check_output

    check_options(size, fps, focal, holdout, seed)
    if device == "cuda":
        from avatar3d.render.cuda import require_cuda

        require_cuda()
    if out.suffix != ".avatar" or out.is_dir():
        raise UserError(f"{out}: cannot be an avatar file; give a name that ends in .avatar")
    _check_sources(sources)
    for source in sources:
        check_output(out, source)
    folder = sources[0]
    if not folder.is_dir():
        folder = out.with_suffix(".capture")
        if not (resume and _is_capture_of(folder, sources, size)):
            _track(sources, folder, size, fps, focal, holdout, head)
    elif _is_data_set(folder):
        folder = out.with_suffix(".capture")
        if not (resume and _is_capture_of(folder, sources, size)):
            _import(sources[0], folder, size, fps, head)
    fit_capture(folder, out, preset=preset, holdout=holdout, seed=seed, resume=resume, head=head, device=device, subject=subject, consent=consent)
    if driver and preset != "fast":
        give_own_driver(out, folder, head, holdout, seed)
    say(f'next: avatar3d speak {out} --text "Hello, this is me." -o {out.with_suffix(".mp4")}')


def fit_capture(
    folder: Path,
    out: Path,
    *,
    preset: str,
    holdout: float,
    seed: int,
    resume: bool,
    head: Path | None,
    device: str = "cpu",
    subject: str = "",
    consent: str = "",
    licence: str = RIGHTS,
) -> dict:
    """Fit a tracked capture, write the avatar and its comparison picture, and return the record of the fit."""
    from avatar3d.progress import console
    from recon.capture import load_capture
    from recon.fit import fit as fit_gaussians
    from recon.fit import split_frames
    from recon.presets import PRESETS
    from recon.tracking_files import load_tracking, track_capture

    rig = open_head(head)
    capture = load_capture(folder)
    tracking = load_tracking(folder, rig)
    if tracking is None or not tracking.holds_out(holdout):
        with console("track") as progress:
            tracking = track_capture(folder, rig, holdout=holdout, progress=progress)
        capture = load_capture(folder)
    motion, camera = tracking.motion, tracking.camera
    metadata = {"subject": subject, "consent": consent, "source": capture.source["name"], "licence": licence}
    checkpoint = out.with_suffix(".checkpoint")
    with console("fit") as progress:
        avatar = fit_gaussians(
            capture, motion, camera, rig, PRESETS[preset],
            holdout=holdout, seed=seed, metadata=metadata | {"preset": preset}, checkpoint=checkpoint, resume=resume, device=device,
            progress=progress,
        )  # fmt: skip
    return keep_fit(avatar, capture, motion, camera, split_frames(capture, motion, holdout), out, checkpoint)


def keep_fit(
    avatar: "Avatar", capture: "Capture", motion: "Motion", camera: "Camera", split: "Split", out: Path, checkpoint: Path | None = None
) -> dict:
    """Measure a fitted avatar, write it with its comparison picture, and return the record of the fit.

    Args:
        avatar: whose metadata has the record.
        capture: that it was fitted to.
        motion: as tracked.
        camera: of the capture.
        split: what it learned from.
        out: the file.
        checkpoint: removed once the avatar is safe.
    """
    import numpy as np

    from avatar3d.avatar_file import save_avatar
    from recon.comparison import comparison, write_picture
    from recon.evaluation import evaluate
    from recon.pose_bias import as_fitted

    record = avatar.metadata["fit"]
    motion = as_fitted(motion, record)
    sample = split.train[np.linspace(0, len(split.train) - 1, min(60, len(split.train))).astype(int)]
    record["quality_train"] = evaluate(avatar, capture, motion, camera, sample).to_json()
    if len(split.test):
        record["quality_held_out"] = evaluate(avatar, capture, motion, camera, split.test).to_json()
    shown, labels = _shown(split.train, split.test)
    picture = comparison(avatar, capture, motion, camera, shown, labels)
    save_avatar(avatar, out, preview=picture[: capture.size, capture.size : 2 * capture.size])
    # Only now: a full disk must not cost the finished fit.
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    beside = out.with_suffix(".comparison.png")
    write_picture(picture, beside)
    for name in ("quality_train", "quality_held_out"):
        if name in record:
            q = record[name]
            say(
                f"{name.removeprefix('quality_').replace('_', ' ')} ({q['frames']} frames): PSNR full {q['psnr_full']:.2f} head {q['psnr_head']:.2f} "
                f"mouth {q['psnr_mouth']:.2f} eyes {q['psnr_eyes']:.2f} dB, SSIM {q['ssim_full']:.3f}"
            )
    say(f"{out}: {len(avatar)} Gaussians, fitted for {record['seconds']:.0f} s; look at {beside}")
    return record


def check_options(size: int, fps: float | None, focal: float | None, holdout: float, seed: int) -> None:
    """Refuse values of the options that `track`, `fit` and `live` share which are out of range.

    Raises:
        UserError: names the option and its bounds.
    """
    check_range("--size", size, 128, 2048)
    check_range("--fps", fps, 1, 240)
    check_range("--focal", focal, 50, 100000)
    check_range("--holdout", holdout, 0, 0.8)
    check_range("--seed", seed, 0, 2**31 - 1)


def _check_sources(sources: tuple[Path, ...]) -> None:
    """Several videos go together; several folders do not."""
    from avatar3d.errors import UserError

    if not sources:
        raise UserError("give the name of a video")
    for source in sources:
        if len(sources) > 1 and source.is_dir():
            raise UserError(f"{source}: is a folder; give several videos, or one folder")


def _track(videos: tuple[Path, ...], folder: Path, size: int, fps: float | None, focal: float | None, holdout: float, head: Path | None):
    from fractions import Fraction

    from avatar3d.progress import console
    from recon.capture import load_capture, make_capture
    from recon.importers import import_capture
    from recon.occlusion import find_occlusions, save_occlusions
    from recon.report_card import write_report_card
    from recon.tracking_files import track_capture

    rig = open_head(head)
    rate = None if fps is None else Fraction(fps).limit_denominator(1001)
    with console("capture") as progress:
        if videos[0].is_dir():
            import_capture(videos[0], folder, fps=rate, size=size, progress=progress)
        else:
            make_capture(videos, folder, size=size, fps=rate, focal=focal, progress=progress)
    capture = load_capture(folder)
    with console("occlusions") as progress:
        occlusions = find_occlusions(capture, progress)
    save_occlusions(occlusions, folder)
    with console("track") as progress:
        tracking = track_capture(folder, rig, focal=focal, holdout=holdout, progress=progress)
    for line in write_report_card(capture, tracking.motion, tracking.camera, occluded=occlusions.flagged(len(capture))).lines():
        say(line)
    say(f"look at {folder / 'report_card.png'}; docs/capture.md says how to film")
    return tracking


def motion_of_video(video: Path, head: "HeadModel") -> "Motion":
    """The tracked motion of a video, with its sound; no capture is kept.

    Raises:
        UserError: it cannot be read, or shows no face.
    """
    from tempfile import TemporaryDirectory

    from avatar3d.motion import load_motion
    from avatar3d.progress import console
    from recon.capture import make_capture
    from recon.tracking_files import track_capture

    with TemporaryDirectory(prefix="avatar3d-") as temporary:
        folder = Path(temporary) / "clip.capture"
        with console("capture") as progress:
            make_capture((video,), folder, progress=progress)
        with console("track") as progress:
            track_capture(folder, head, progress=progress)
        return load_motion(folder / "motion.npz", head)


def _is_data_set(folder: Path) -> bool:
    from recon.importers import layout_of

    return layout_of(folder) is not None


def _import(source: Path, folder: Path, size: int, fps: float | None, head: Path | None) -> None:
    """A data set with its own tracking as a capture folder, and what there is to say about it."""
    from fractions import Fraction

    from avatar3d.progress import console
    from recon.importers import import_capture
    from recon.occlusion import find_occlusions, save_occlusions
    from recon.report_card import write_report_card

    rate = None if fps is None else Fraction(fps).limit_denominator(1001)
    with console("import") as progress:
        found = import_capture(source, folder, open_head(head), fps=rate, size=size, progress=progress)
    with console("occlusions") as progress:
        occlusions = find_occlusions(found.capture, progress)
    save_occlusions(occlusions, folder)
    tested = f"; the last {found.tested} are its tests, --holdout {found.tested / len(found.capture):.3f} leaves them out" if found.tested else ""
    say(f"{folder}: {len(found.capture)} frames at {float(found.capture.fps):g} a second, landmark error {found.error_px:.2f} px{tested}")
    assert found.motion is not None and found.camera is not None
    for line in write_report_card(found.capture, found.motion, found.camera, occluded=occlusions.flagged(len(found.capture))).lines():
        say(line)


def _is_capture_of(folder: Path, sources: tuple[Path, ...], size: int) -> bool:
    """Whether the folder holds the capture of these videos or this data set already."""
    from avatar3d.errors import UserError
    from recon.capture import load_capture

    try:
        capture = load_capture(folder)
    except UserError:
        return False
    return capture.source.get("name") == " + ".join(source.name for source in sources) and capture.size == size


def _shown(train, test) -> tuple:
    """Frames for the comparison picture: two that were learned from and two that were not."""
    import numpy as np

    learned = train[np.linspace(0, len(train) - 1, 4 if len(test) == 0 else 2).astype(int)]
    held = test[np.linspace(0, len(test) - 1, 2).astype(int)] if len(test) else test
    return np.concatenate([learned, held]), ["trained"] * len(learned) + ["held out"] * len(held)
