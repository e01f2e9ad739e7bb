"""Other programs' data sets as capture folders: their pictures, their mattes, and their tracking or none.

What is recognised is said in `recon.import_vhap` and `recon.import_insta`.
"""

import json
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch

from avatar3d.camera import Camera
from avatar3d.errors import UserError
from avatar3d.files import atomic_folder, atomic_path
from avatar3d.head.model import NUM_LANDMARKS, HeadModel, landmark_positions
from avatar3d.motion import Motion, save_motion
from avatar3d.progress import Progress, silent
from recon.capture import MIN_FACES, PERSON_SAMPLES, SCHEMA, Capture, check_folder, load_capture
from recon.crop import Crop, choose_crop
from recon.cuts import CutDetector
from recon.face_regions import REGIONS
from recon.filming import write_frame
from recon.foreign_files import named, read_mask, read_picture
from recon.import_insta import read_insta
from recon.import_vhap import read_vhap
from recon.landmarks import LandmarkDetector, box_of
from recon.matte import Matter, largest_component
from recon.overlay import pose_frames, write_overlay
from recon.person import find_person
from recon.prefetch import prefetch
from recon.recording import Recording, motion_of
from recon.tracking_files import SCHEMA as TRACKING_SCHEMA
from recon.transforms_file import transforms_files

FPS = Fraction(25)
"""Frames per second where nobody says: the formats do not."""
FAR_OFF = 12.0
"""Pixels of a 512 crop by which landmarks may miss the pictures before the tracking is doubted: other editions of FLAME and
other landmark embeddings differ by half of that."""
_ADVICE = "export the data set again"
_FLAT = 3.0
"""Largest spread of the colours behind a person, of 255, that is a painted background."""


@dataclass(frozen=True, eq=False)
class Imported:
    """A data set as a capture."""

    capture: Capture
    motion: Motion | None
    """The other program's tracking; None where it was not asked for."""
    camera: Camera | None
    error_px: float | None
    """Mean distance of the rig's landmarks from those detected, pixels of a 512 crop."""
    tested: int
    """Frames at the end that the data set keeps for tests."""


def layout_of(folder: Path | str) -> str | None:
    """VHAP, INSTA, or None for a folder that is neither (a capture, for one)."""
    folder = Path(folder)
    if not folder.is_dir() or (folder / "capture.json").is_file() or not transforms_files(folder):
        return None
    return "VHAP" if (folder / "flame_param").is_dir() else "INSTA" if (folder / "flame").is_dir() or (folder / "matted").is_dir() else "VHAP"


def import_capture(
    source: Path | str,
    out: Path | str,
    head: HeadModel | None = None,
    *,
    fps: Fraction | None = None,
    size: int = 512,
    camera: int | None = None,
    progress: Progress = silent,
) -> Imported:
    """Make a capture folder of a data set in VHAP's or INSTA's layout.

    Pictures that are square are taken whole; of others the window that `recon.crop` chooses. Landmarks are detected anew,
    mattes are made where the data set has none.

    Args:
        source: the folder.
        out: the capture folder to write; an older capture of that name is replaced.
        head: the head that the data set's coefficients belong to; with it their tracking is imported, without it pictures alone.
        fps: frames per second; default `FPS`.
        size: pixels of the square crop.
        camera: which of several cameras.
        progress: told how many frames are done.

    Raises:
        UserError: not such a data set, damaged files, coefficients missing or of another head, or hardly a face in the pictures.
    """
    source, out = Path(source), check_folder(Path(out))
    layout = layout_of(source)
    if layout is None:
        raise UserError(f"{source}: is not a data set of VHAP or INSTA (no transforms.json); give one, a capture folder or a video")
    if out.resolve() == source.resolve():
        raise UserError(f"{out}: is the data set itself; choose another output path")
    recording = read_vhap(source, camera) if layout == "VHAP" else read_insta(source)
    rate = FPS if fps is None else Fraction(fps)
    motion = seen_by = None
    if head is not None:
        motion, seen_by = motion_of(recording, head, rate)
        assert recording.coefficients is not None
        if recording.coefficients.offset > 1e-4:
            warnings.warn(
                f"{source}: its vertex offsets (mean {recording.coefficients.offset * 1e3:.1f} mm) are left out; the fit finds its own", stacklevel=2
            )
    with atomic_folder(out) as folder:
        crop, landmarks, valid, cuts = _write_frames(recording, folder, size, progress)
        if valid.sum() < MIN_FACES:
            raise UserError(f"{source}: a face was seen in {valid.sum()} of {len(valid)} frames, {MIN_FACES} are needed; give another camera of it")
        _write_capture(folder, recording, rate, crop, landmarks, valid, cuts)
        error = None
        if motion is not None and seen_by is not None and head is not None:
            seen_by = _cropped(seen_by, crop)
            motion = replace(motion, valid=valid)
            error = _write_tracking(folder, recording, motion, seen_by, head, landmarks, valid, cuts, size)
    if error is not None and error > FAR_OFF:
        warnings.warn(
            f"{source}: its tracking misses the landmarks by {error:.0f} pixels; is {head.name if head else ''} the edition of FLAME that it was "
            f"made with? Look at {out / 'overlay.mp4'}, or track its pictures with `avatar3d track {source} -o FOLDER`",
            stacklevel=2,
        )
    return Imported(load_capture(out), motion, seen_by, error, recording.tested)


def _write_frames(recording: Recording, folder: Path, size: int, progress: Progress) -> tuple[Crop, np.ndarray, np.ndarray, list[int]]:
    """Pictures and mattes into a capture folder: the crop, landmarks [T, 478, 3], valid [T], cuts."""
    (folder / "images").mkdir()
    (folder / "mattes").mkdir()
    width, height = recording.size
    samples = np.unique(np.linspace(0, len(recording) - 1, min(PERSON_SAMPLES, len(recording))).round().astype(int))
    person = find_person(_frame(recording, int(i))[0] for i in samples)
    if width == height or person is None:
        side = max(width, height)
        crop = Crop((width - side) // 2, (height - side) // 2, side, size)
    else:
        crop = choose_crop(person.landmarks, width, height, size)
    home = None if person is None else np.median([box_of(crop.to_crop(points)) for points in person.landmarks], axis=0)
    several = person is not None and person.faces > 1
    landmarks, valid, cuts = np.zeros((len(recording), NUM_LANDMARKS, 3), np.float32), np.zeros(len(recording), bool), CutDetector()
    with (
        LandmarkDetector(several=several, home=home) as detector,
        Matter() as matter,
        closing(prefetch(_frame(recording, i) for i in range(len(recording)))) as frames,
    ):
        for i, (whole, opacity) in enumerate(frames):
            rgb = crop.cut(whole)
            points = detector.detect(rgb)
            if points is not None:
                landmarks[i], valid[i] = points, True
            cuts.see(rgb, points)
            face = home if points is None else box_of(points)
            write_frame(folder, i, rgb, matter.matte(rgb, face) if opacity is None else largest_component(crop.cut(opacity)))
            progress(i + 1, len(recording))
    return crop, landmarks, valid, cuts.found()


def _frame(recording: Recording, index: int) -> tuple[np.ndarray, np.ndarray | None]:
    """RGB [H, W, 3] and opacity [H, W] uint8 of a frame, or None where the data set has no matte."""
    path, matte = recording.pictures[index], recording.mattes[index]
    with named(path, _ADVICE):
        rgb, opacity = read_picture(path)
        if rgb.shape[1::-1] != recording.size:
            raise ValueError(f"{rgb.shape[1]}x{rgb.shape[0]} pixels, the first picture has {recording.size[0]}x{recording.size[1]}")
    if matte is not None and opacity is None:
        with named(matte, _ADVICE):
            opacity = read_mask(matte)
            if opacity.shape != rgb.shape[:2]:
                raise ValueError("the matte has another size than its picture")
        rgb = unpainted(rgb, opacity)
    return rgb, opacity


def unpainted(rgb: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """The picture without the colour that was painted behind the person, which VHAP does before it writes pictures.

    Half-transparent pixels hold alpha x person + (1 - alpha) x paint; a fit that composites them over other colours needs the
    person alone. A picture with a real background is returned as it is.

    Args:
        rgb: [H, W, 3] uint8.
        opacity: [H, W] uint8.
    """
    behind = rgb[opacity == 0]
    if len(behind) < 64 or behind.std(axis=0).max() > _FLAT:
        return rgb
    mixed = (opacity > 0) & (opacity < 255)
    alpha = opacity[mixed, None].astype(np.float32) / 255
    result = rgb.copy()
    # Below a tenth the division makes noise of rounding; such pixels hardly count anyway.
    result[mixed] = np.clip((rgb[mixed] - (1 - alpha) * behind.mean(axis=0)) / np.maximum(alpha, 0.1), 0, 255).round()
    return result


def _cropped(camera: Camera, crop: Crop) -> Camera:
    """The camera of the crop's pixels."""
    scale = crop.scale
    return Camera(
        camera.fx * scale, camera.fy * scale, (camera.cx - crop.x) * scale, (camera.cy - crop.y) * scale, crop.size, crop.size, camera.T_cam_world
    )


def _write_capture(folder: Path, recording: Recording, fps: Fraction, crop: Crop, landmarks: np.ndarray, valid: np.ndarray, cuts: list[int]) -> None:
    np.savez_compressed(folder / "landmarks.npz", landmarks=landmarks, valid=valid)
    record = {
        "schema": SCHEMA,
        "fps": [fps.numerator, fps.denominator],
        "size": crop.size,
        "frames": len(valid),
        "no_face": np.flatnonzero(~valid).tolist(),
        "cuts": cuts,
        "crop": crop.to_json(),
        "source": {
            "name": recording.path.resolve().name,
            "width": recording.size[0],
            "height": recording.size[1],
            "fps": [fps.numerator, fps.denominator],
            "faces": 1,
            "layout": recording.layout,
            "tested": recording.tested,
        },
        "lag": None,
        "lag_correlation": None,
    }
    (folder / "capture.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def _write_tracking(
    folder: Path,
    recording: Recording,
    motion: Motion,
    camera: Camera,
    head: HeadModel,
    landmarks: np.ndarray,
    valid: np.ndarray,
    cuts: list[int],
    size: int,
) -> float:
    """The files that `recon.tracking_files` leaves, with the other program's tracking; its mean landmark error."""
    errors = _landmark_errors(motion, camera, head, landmarks, valid, size)
    report = {
        "schema": TRACKING_SCHEMA,
        "head": {"name": head.name, "fingerprint": head.fingerprint},
        "frames": len(motion),
        "focal": camera.fx,
        "focal_given": True,
        "error_px": errors,
        # Nothing was learned here; what the other tracker learned from its last frames, it does not say.
        "learned_before": 0,
        "learned_from": [],
        "imported": {"layout": recording.layout, "folder": str(recording.path), "tested": recording.tested},
        "cuts": cuts,
    }
    save_motion(motion, folder / "motion.npz")
    for name, record in (("camera.json", camera.to_json()), ("tracking.json", report)):
        with atomic_path(folder / name) as path:
            path.write_text(json.dumps(record, indent=1), encoding="utf-8")
    write_overlay(_pictures(folder, len(motion)), motion, camera, head, folder / "overlay.mp4", landmarks)
    return errors["mean"]


def _landmark_errors(motion: Motion, camera: Camera, head: HeadModel, landmarks: np.ndarray, valid: np.ndarray, size: int) -> dict[str, float]:
    """Mean distance of the rig's landmarks from those detected, pixels of a 512 crop, over all and by region."""
    assert head.landmarks is not None
    frames = np.flatnonzero(valid)
    frames = frames[np.unique(np.linspace(0, len(frames) - 1, min(100, len(frames))).astype(int))]
    vertices = torch.from_numpy(pose_frames(head, motion, frames))
    seen = camera.project(landmark_positions(vertices, head).double().numpy())
    index = head.landmarks.index
    apart = np.linalg.norm(seen - landmarks[frames][:, index, :2], axis=2) * (512 / size)
    regions = {"mean": range(NUM_LANDMARKS), **REGIONS}
    return {name: round(float(apart[:, np.isin(index, list(ids))].mean()), 3) for name, ids in regions.items()}


def _pictures(folder: Path, count: int) -> Iterator[np.ndarray]:
    for index in range(count):
        data = np.fromfile(folder / "images" / f"{index:05d}.jpg", np.uint8)
        yield cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
