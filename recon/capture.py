"""The capture folder: what the tracker and the fit see of a video, or of several one after the other.

capture.json      rate, size, shots and their crops, flags, sources
images/00000.jpg  the crop, sRGB            mattes/00000.png  opacity of the person
sound.wav         mono, starting with frame 0, if the video has sound
landmarks.npz     landmarks [T, 478, 3] float32 in crop pixels, valid [T] bool
"""

import json
import warnings
import zipfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from avatar3d.errors import UserError
from avatar3d.files import atomic_folder, check_output
from avatar3d.head.model import NUM_LANDMARKS
from avatar3d.progress import Progress, silent
from avatar3d.sound import read_sound, write_wav
from recon.crop import Crop, choose_crop
from recon.filming import Film, single_threaded_opencv
from recon.lag import estimate_lag
from recon.matte_agreement import clean_mattes
from recon.person import Person, find_person
from recon.prefetch import prefetch
from recon.shots import Shot, Shots
from recon.sound_track import joined_sound
from recon.video import VideoInfo, probe, sample_frames

SCHEMA = 1
SOUND_RATE = 16000
MIN_FACES = 10
"""Frames with a face below which there is nothing to track."""
PERSON_SAMPLES = 24
"""Frames by which the person is found, all over the video."""
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
    shots: Shots
    """What was filmed without a break, and the window that each is seen through."""
    source: dict
    """name (of all videos), and of the first: width, height, fps, faces (people seen at once)."""
    lag: float | None
    """Seconds by which the sound comes after the lips, estimated, not applied."""
    sound: np.ndarray | None
    """[samples] mono float32; sample 0 is heard with frame 0."""
    sound_rate: int

    focal: float | None
    """Pixels of the pictures, where it was given."""

    def __len__(self) -> int:
        return len(self.valid)

    @property
    def crop(self) -> Crop:
        """The window of the first shot."""
        return self.shots.shots[0].crop

    def image(self, index: int) -> np.ndarray:
        """[size, size, 3] uint8 sRGB of a frame. Raises UserError where the file is missing or damaged."""
        return cv2.cvtColor(self._picture("images", index, ".jpg", cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def grey(self, index: int) -> np.ndarray:
        """[size, size] uint8 luma of a frame; read in half the time. Raises UserError where the file is missing or damaged."""
        return self._picture("images", index, ".jpg", cv2.IMREAD_GRAYSCALE)

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
    videos: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    size: int = 512,
    fps: Fraction | None = None,
    focal: float | None = None,
    progress: Progress = silent,
) -> Capture:
    """Make a capture folder of videos of one person: find the person, choose the crop, then landmarks, matte and picture of every frame.

    Shots in another framing get a crop of their own. The memory needed does not grow with the length of the videos, but for
    the landmarks (5.7 kB a frame) and the sound.

    Args:
        videos: one or several that FFmpeg reads; they are put one after the other.
        out: the folder; an older capture of that name is replaced.
        size: pixels of the square crop.
        fps: frames per second of the capture; None takes the first video's.
        focal: focal length in pixels of the first crop, where it is known: then all crops have one scale, as the same
            camera shows them.
        progress: told how many frames are done.

    Raises:
        UserError: unusable video or output path, no face, or fewer than `MIN_FACES` frames with one.
    """
    paths = [Path(videos)] if isinstance(videos, (str, Path)) else [Path(video) for video in videos]
    out = check_folder(out)
    infos = [probe(path) for path in paths]
    people = [_find(path) for path in paths]
    rate = Fraction(fps) if fps is not None else infos[0].fps
    expected = sum(max(1, round(info.duration * rate)) for info in infos)
    first_crop = choose_crop(people[0].landmarks, infos[0].width, infos[0].height, size)
    with atomic_folder(out) as folder, single_threaded_opencv():
        for name in ("images", "mattes"):
            (folder / name).mkdir()
        landmarks, valid, shots, lengths = [], [], [], []
        for source, (info, person) in enumerate(zip(infos, people, strict=True)):
            side = None if focal is None else 2 * round(first_crop.side * info.width / infos[0].width / 2)
            crop = choose_crop(person.landmarks, info.width, info.height, size, side)
            start = len(valid)
            film = Film(folder, info, rate, person)
            points, seen, cuts = film.take(crop, start, lambda done, start=start: progress(start + done, max(expected, start + done)))
            for first, last in pairwise([0, *cuts, len(seen)]):
                shots.append(Shot(start + first, source, film.retake(points, seen, crop, start, range(first, last), keep_scale=focal is not None)))
            landmarks += points
            valid += seen
            lengths.append(len(seen))
        if sum(valid) < MIN_FACES:
            names = ", ".join(map(str, paths))
            raise UserError(f"{names}: a face was seen in {sum(valid)} of {len(valid)} frames, tracking needs at least {MIN_FACES}; {_ADVICE}")
        if not all(valid):
            warnings.warn(f"{out}: no face was seen in {len(valid) - sum(valid)} of {len(valid)} frames; they will be bridged", stacklevel=2)
        several = max(person.faces for person in people)
        sound = joined_sound([info.path for info in infos], lengths, rate, SOUND_RATE)
        write_record(folder, rate, Shots(tuple(shots)), np.stack(landmarks), np.array(valid), source_record(infos, several), sound, focal)
        clean_mattes(load_capture(folder), list(pairwise([*(shot.first for shot in shots), len(valid)])))
    return load_capture(out)


def _find(video: Path) -> Person:
    person = find_person(sample_frames(video, PERSON_SAMPLES))
    if person is None:
        raise UserError(f"{video}: no face was found; {_ADVICE}")
    if person.faces > 1:
        warnings.warn(f"{video}: {person.faces} people were seen; the largest face that stays in view is followed", stacklevel=2)
    return person


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
        if landmarks.shape != (record["frames"], NUM_LANDMARKS, 3) or valid.shape != (record["frames"],):
            raise ValueError("landmarks and frame count disagree")
        sound = folder / "sound.wav"
        return Capture(
            path=folder,
            fps=Fraction(*record["fps"]),
            size=int(record["size"]),
            landmarks=landmarks,
            valid=valid,
            cuts=np.array(record["cuts"], np.int64),
            shots=_shots(record),
            source=record["source"],
            lag=record["lag"],
            focal=record.get("focal"),
            sound=read_sound(sound, SOUND_RATE) if sound.is_file() else None,
            sound_rate=SOUND_RATE if sound.is_file() else 0,
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{folder}: is not a capture folder; {again}") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, ZeroDivisionError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder}: is a damaged capture folder ({error}); {again}") from error


def _shots(record: dict) -> Shots:
    """The shots of capture.json; where it has none they all share its one crop."""
    if "shots" in record:
        return Shots.from_json(record["shots"])
    return Shots(tuple(Shot(int(first), 0, Crop(**record["crop"])) for first in [0, *record["cuts"]]))


def iterate(capture: Capture) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
    """(image, matte) of every frame in order, read ahead in a thread."""
    return prefetch((capture.image(i), capture.matte(i)) for i in range(len(capture)))


def check_folder(out: Path | str) -> Path:
    """Refuse to replace a folder that holds anything but a capture."""
    out = check_output(out)
    if out.is_dir() and any(out.iterdir()) and not (out / "capture.json").is_file():
        raise UserError(f"{out}: is a folder with other things in it; give the name of a new folder")
    return out


def write_record(
    folder: Path,
    fps: Fraction,
    shots: Shots,
    landmarks: np.ndarray,
    valid: np.ndarray,
    source: dict,
    sound: np.ndarray | None,
    focal: float | None,
) -> None:
    """Write what a capture folder holds beside its pictures; `capture.json` comes last and makes it a capture."""
    np.savez_compressed(folder / "landmarks.npz", landmarks=landmarks, valid=valid)
    lag = None
    if sound is not None:
        write_wav(folder / "sound.wav", sound, SOUND_RATE)
        lag = estimate_lag(landmarks, valid, fps, sound, SOUND_RATE)
    record = {
        "schema": SCHEMA,
        "fps": [fps.numerator, fps.denominator],
        "size": shots.shots[0].crop.size,
        "frames": len(valid),
        "no_face": np.flatnonzero(~valid).tolist(),
        "cuts": [shot.first for shot in shots.shots[1:]],
        "crop": shots.shots[0].crop.to_json(),
        "shots": shots.to_json(),
        "focal": focal,
        "source": source,
        "lag": None if lag is None else round(lag[0], 3),
        "lag_correlation": None if lag is None else round(lag[1], 3),
    }
    (folder / "capture.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def source_record(infos: Sequence[VideoInfo], faces: int) -> dict:
    """What a capture says of the videos that it was made of."""
    first = infos[0]
    return {
        "name": " + ".join(info.path.name for info in infos),
        "names": [info.path.name for info in infos],
        "width": first.width,
        "height": first.height,
        "fps": [first.fps.numerator, first.fps.denominator],
        "faces": faces,
        "sound_offset": float(first.sound_offset),
        "matrix": first.matrix,
        "full_range": first.full_range,
    }
