"""The capture folder: what the tracker and the fit see of a video.

capture.json      rate, size, crop, flags, source
images/00000.jpg  the crop, sRGB            mattes/00000.png  opacity of the person
sound.wav         mono, starting with frame 0, if the video has sound
landmarks.npz     landmarks [T, 478, 3] float32 in crop pixels, valid [T] bool
"""

import json
import warnings
import zipfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from avatar3d.errors import UserError
from avatar3d.files import atomic_folder, check_output
from avatar3d.progress import Progress, silent
from avatar3d.sound import read_sound, write_wav
from recon.crop import Crop, choose_crop
from recon.cuts import CutDetector
from recon.lag import estimate_lag
from recon.landmarks import COUNT, LandmarkDetector, box_of
from recon.matte import Matter
from recon.person import find_person
from recon.prefetch import prefetch
from recon.video import VideoInfo, probe, read_aligned_sound, read_frames, sample_frames

SCHEMA = 1
SOUND_RATE = 16000
MIN_FACES = 10
"""Frames with a face below which there is nothing to track."""
_SAMPLES = 24
_ADVICE = "film one person's head and shoulders from the front, in good light, for 20 seconds or more"


@dataclass(frozen=True, eq=False)
class Capture:
    """T frames of one person. Pictures are read from the folder when asked for."""

    path: Path
    """The folder."""
    fps: Fraction
    size: int
    """Pixels of the square pictures."""
    landmarks: np.ndarray
    """[T, 478, 3] float32 in crop pixels (z in pixels, towards the camera negative); zero where not valid."""
    valid: np.ndarray
    """[T] bool: a face was seen."""
    cuts: np.ndarray
    """[K] int: frames that do not continue the frame before."""
    crop: Crop
    source: dict
    """name, width, height, fps, faces (people seen at once)."""
    lag: float | None
    """Seconds by which the sound comes after the lips, estimated, not applied."""
    sound: np.ndarray | None
    """[samples] mono float32; sample 0 is heard with frame 0."""
    sound_rate: int

    def __len__(self) -> int:
        return len(self.valid)

    def image(self, index: int) -> np.ndarray:
        """[size, size, 3] uint8 sRGB of a frame. Raises UserError where the file is missing or damaged."""
        return cv2.cvtColor(self._picture("images", index, ".jpg", cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def matte(self, index: int) -> np.ndarray:
        """[size, size] uint8 opacity of the person. Raises UserError where the file is missing or damaged."""
        return self._picture("mattes", index, ".png", cv2.IMREAD_GRAYSCALE)

    def _picture(self, kind: str, index: int, suffix: str, flags: int) -> np.ndarray:
        path = self.path / kind / f"{index:05d}{suffix}"
        picture = cv2.imdecode(np.fromfile(path, np.uint8), flags) if path.is_file() and path.stat().st_size else None
        if picture is None or picture.shape[:2] != (self.size, self.size):
            raise UserError(f"{path}: is missing or damaged; make the capture again with `avatar3d track`")
        return picture


def make_capture(
    video: Path | str,
    out: Path | str,
    *,
    size: int = 512,
    fps: Fraction | None = None,
    progress: Progress = silent,
) -> Capture:
    """Make a capture folder of a video: find the person, choose the crop, then landmarks, matte and picture of every frame.

    Streams: the memory needed does not grow with the length of the video, but for the landmarks (5.7 kB a frame) and the sound.

    Args:
        video: any video that FFmpeg reads.
        out: the folder; an older capture of that name is replaced.
        size: pixels of the square crop.
        fps: frames per second of the capture; None takes the video's.
        progress: told how many frames are done.

    Raises:
        UserError: unusable video or output path, no face, or fewer than `MIN_FACES` frames with one.
    """
    out = check_folder(out)
    info = probe(video)
    person = find_person(sample_frames(video, _SAMPLES))
    if person is None:
        raise UserError(f"{video}: no face was found; {_ADVICE}")
    if person.faces > 1:
        warnings.warn(f"{video}: {person.faces} people were seen; the largest face that stays in view is followed", stacklevel=2)
    crop = choose_crop(person.landmarks, info.width, info.height, size)
    rate = Fraction(fps) if fps is not None else info.fps
    expected = max(1, round(info.duration * rate))
    with atomic_folder(out) as folder:
        (folder / "images").mkdir()
        (folder / "mattes").mkdir()
        landmarks, valid, cuts = [], [], CutDetector()
        home = np.median([box_of(crop.to_crop(points)) for points in person.landmarks], axis=0)
        # Decoding, mattes and landmarks run side by side; the threads end before the networks they use are closed.
        with (
            _single_threaded_opencv(),
            LandmarkDetector(several=person.faces > 1, home=home) as detector,
            Matter() as matter,
            closing(prefetch(read_frames(video, rate, crop))) as crops,
            closing(prefetch((rgb, matter.matte(rgb, home)) for rgb in crops)) as matted,
        ):
            for i, (rgb, matte) in enumerate(matted):
                points = detector.detect(rgb)
                landmarks.append(np.zeros((COUNT, 3), np.float32) if points is None else points)
                valid.append(points is not None)
                cuts.see(rgb, points)
                write_frame(folder, i, rgb, matte)
                progress(i + 1, max(expected, i + 1))
        if sum(valid) < MIN_FACES:
            raise UserError(f"{video}: a face was seen in {sum(valid)} of {len(valid)} frames, tracking needs at least {MIN_FACES}; {_ADVICE}")
        if not all(valid):
            warnings.warn(f"{video}: no face was seen in {len(valid) - sum(valid)} of {len(valid)} frames; they will be bridged", stacklevel=2)
        _write_rest(folder, info, rate, crop, np.stack(landmarks), np.array(valid), cuts.found(), person.faces)
    return load_capture(out)


def load_capture(path: Path | str) -> Capture:
    """Open a capture folder.

    Raises:
        UserError: not a capture, incomplete, or of a newer version.
    """
    folder = Path(path)
    again = "make it with `avatar3d track VIDEO -o FOLDER`"
    try:
        record = json.loads((folder / "capture.json").read_text(encoding="utf-8"))
        if record["schema"] > SCHEMA:
            raise UserError(f"{folder}: was written by a newer avatar3d (capture schema {record['schema']}); update avatar3d")
        with np.load(folder / "landmarks.npz", allow_pickle=False) as arrays:
            landmarks, valid = np.asarray(arrays["landmarks"], np.float32), np.asarray(arrays["valid"], bool)
        if landmarks.shape != (record["frames"], COUNT, 3) or valid.shape != (record["frames"],):
            raise ValueError("landmarks and frame count disagree")
        sound = folder / "sound.wav"
        return Capture(
            path=folder,
            fps=Fraction(*record["fps"]),
            size=int(record["size"]),
            landmarks=landmarks,
            valid=valid,
            cuts=np.array(record["cuts"], np.int64),
            crop=Crop(**record["crop"]),
            source=record["source"],
            lag=record["lag"],
            sound=read_sound(sound, SOUND_RATE) if sound.is_file() else None,
            sound_rate=SOUND_RATE if sound.is_file() else 0,
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{folder}: is not a capture folder; {again}") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, ZeroDivisionError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder}: is a damaged capture folder ({error}); {again}") from error


def iterate(capture: Capture) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
    """(image, matte) of every frame in order, read ahead in a thread."""
    return prefetch((capture.image(i), capture.matte(i)) for i in range(len(capture)))


@contextmanager
def _single_threaded_opencv() -> Iterator[None]:
    """The stages share the processors among them already: OpenCV's own threads would only get in their way."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def check_folder(out: Path | str) -> Path:
    """Refuse to replace a folder that holds anything but a capture."""
    out = check_output(out)
    if out.is_dir() and any(out.iterdir()) and not (out / "capture.json").is_file():
        raise UserError(f"{out}: is a folder with other things in it; give the name of a new folder")
    return out


def write_frame(folder: Path, index: int, rgb: np.ndarray, matte: np.ndarray) -> None:
    """Write a frame's picture [size, size, 3] and matte [size, size], both uint8, into a capture folder."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 97, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    # Encoded in memory and written by Python: OpenCV's own writer does not say why it failed.
    image = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)[1]
    (folder / "images" / f"{index:05d}.jpg").write_bytes(image.tobytes())
    (folder / "mattes" / f"{index:05d}.png").write_bytes(
        cv2.imencode(".png", matte, [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE])[1].tobytes()
    )


def _write_rest(
    folder: Path, info: VideoInfo, fps: Fraction, crop: Crop, landmarks: np.ndarray, valid: np.ndarray, cuts: list[int], faces: int
) -> None:
    np.savez_compressed(folder / "landmarks.npz", landmarks=landmarks, valid=valid)
    lag = sound = None
    try:
        sound = read_aligned_sound(info.path, SOUND_RATE)
    except UserError as error:
        warnings.warn(f"{error} (the capture goes without sound)", stacklevel=2)
    if sound is not None and len(sound):
        sound = sound[: round(len(valid) / fps * SOUND_RATE)]
        write_wav(folder / "sound.wav", sound, SOUND_RATE)
        lag = estimate_lag(landmarks, valid, fps, sound, SOUND_RATE)
    record = {
        "schema": SCHEMA,
        "fps": [fps.numerator, fps.denominator],
        "size": crop.size,
        "frames": len(valid),
        "no_face": np.flatnonzero(~valid).tolist(),
        "cuts": cuts,
        "crop": crop.to_json(),
        "source": {
            "name": info.path.name,
            "width": info.width,
            "height": info.height,
            "fps": [info.fps.numerator, info.fps.denominator],
            "faces": faces,
            "sound_offset": float(info.sound_offset),
            "matrix": info.matrix,
            "full_range": info.full_range,
        },
        "lag": None if lag is None else round(lag[0], 3),
        "lag_correlation": None if lag is None else round(lag[1], 3),
    }
    (folder / "capture.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
