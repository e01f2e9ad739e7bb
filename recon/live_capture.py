"""A capture folder that grows while somebody is filmed: every picture is kept at once, and looked at as soon as there is time.

On a slow machine not every picture is looked at while it is new; `finish` makes up for the others.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from avatar3d.errors import UserError
from avatar3d.head.model import NUM_LANDMARKS, HeadModel
from avatar3d.motion import Motion
from recon.capture import MIN_FACES, SOUND_RATE, Capture, load_capture, source_record, write_record
from recon.coaching import Seen
from recon.crop import Crop, choose_crop
from recon.cuts import CutDetector
from recon.face_coverage import head_angles
from recon.filming import write_image, write_matte
from recon.landmarks import LandmarkDetector, box_of
from recon.live_source import LiveSource
from recon.live_tracker import start_tracking, track_frame
from recon.matte import Matter, composed
from recon.matte_agreement import clean_mattes
from recon.person import Person
from recon.prefetch import prefetch
from recon.shots import Shot, Shots
from recon.sound_track import joined_sound

ROOM = 1.1
"""Side of the window over what the first moment asks for: heads will move further than that."""


def live_crop(person: Person, source: LiveSource, size: int) -> Crop:
    """The window for somebody who was seen for a moment only."""
    near = choose_crop(person.landmarks, source.width, source.height, size)
    return choose_crop(person.landmarks, source.width, source.height, size, min(2 * round(ROOM * near.side / 2), source.width, source.height))


@dataclass(frozen=True, eq=False)
class Pool(Capture):
    """Those frames of a growing capture that have been looked at, as a capture of its own."""

    numbers: np.ndarray
    """[T] of the frames in the folder."""

    def _picture(self, kind: str, index: int, suffix: str, flags: int) -> np.ndarray:
        return super()._picture(kind, int(self.numbers[index]), suffix, flags)


class LiveCapture(AbstractContextManager):
    """The growing folder. `record` and `look` may run in threads of their own, each in one.

    Args:
        folder: empty.
        source: what is filmed.
        person: as first seen, in source pixels.
        crop: the window.
        head: a head with a landmark embedding.
        focal: focal length in pixels of the window, where it is known.
    """

    def __init__(self, folder: Path, source: LiveSource, person: Person, crop: Crop, head: HeadModel, focal: float | None = None) -> None:
        self.folder, self.source, self.crop, self.focal = folder, source, crop, focal
        self.recorded = 0
        """Pictures kept so far."""
        self._several = person.faces
        self._home = np.median([box_of(crop.to_crop(points)) for points in person.landmarks], axis=0)
        self._state = start_tracking(head, crop.size, source.fps, focal)
        self._looked: dict[int, np.ndarray | None] = {}
        self._angles: list[tuple[float, float, float]] = []
        self._faces: dict[int, Motion] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "LiveCapture":
        for name in ("images", "mattes"):
            (self.folder / name).mkdir()
        self._matter = Matter().__enter__()
        self._detector = LandmarkDetector(several=self._several > 1, home=self._home).__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._detector.__exit__(kind, error, trace)
        self._matter.__exit__(kind, error, trace)

    def record(self, rgb: np.ndarray) -> tuple[int, np.ndarray]:
        """Keep the next picture of the source [H, W, 3] uint8; returns its number and what is seen of it [size, size, 3]."""
        crop = self.crop.cut(rgb)
        write_image(self.folder, self.recorded, crop)
        self.recorded += 1
        return self.recorded - 1, crop

    def look(self, index: int, crop: np.ndarray) -> Motion | None:
        """Matte, landmarks and motion of a recorded picture that comes after those looked at before; None without a face."""
        write_matte(self.folder, index, self._matter.matte(crop, self._home))
        points = self._detector.detect(crop)
        self._state, motion = track_frame(self._state, points)
        with self._lock:
            self._looked[index] = points
            if points is not None and self._state.camera is not None:
                yaw, pitch = head_angles(motion, self._state.camera)
                gaze = np.degrees((motion.eyes_pose[0, 1] + motion.eyes_pose[0, 4]) / 2)
                self._angles.append((float(yaw[0]), float(pitch[0]), float(gaze)))
                self._faces[index] = motion
        return None if points is None else motion

    @property
    def faces(self) -> int:
        """Pictures in which a face was seen so far."""
        return len(self._angles)

    @property
    def looked(self) -> int:
        """Pictures that were looked at so far."""
        return len(self._looked)

    def seen(self) -> Seen:
        """What there is to coach by."""
        with self._lock:
            landmarks = [points for points in self._looked.values() if points is not None]
            angles, last = list(self._angles), max(self._looked, default=0)
            rate = len(self._looked) / (last + 1) * float(self.source.fps)
        yaw, pitch, gaze = np.array(angles, np.float64).reshape(-1, 3).T
        return Seen(np.array(landmarks, np.float32).reshape(-1, NUM_LANDMARKS, 3), yaw, pitch, gaze, max(rate, 1.0))

    def pool(self, most: int, before: int | None = None) -> Pool:
        """The frames looked at so far, evenly thinned to `most`; only those before a frame, where one is given."""
        with self._lock:
            numbers = np.array(sorted(index for index in self._looked if before is None or index < before), np.int64)
            numbers = numbers[:: max(1, -(-len(numbers) // most))]
            points = [self._looked[int(index)] for index in numbers]
        spacing = Fraction(int(numbers[-1] - numbers[0]), len(numbers) - 1) if len(numbers) > 1 else Fraction(1)
        return Pool(
            path=self.folder,
            fps=(self.source.fps / spacing).limit_denominator(1001),
            size=self.crop.size,
            landmarks=np.stack([np.zeros((NUM_LANDMARKS, 3), np.float32) if each is None else each for each in points]),
            valid=np.array([each is not None for each in points]),
            cuts=np.zeros(0, np.int64),
            shots=self._shots([]),
            source={"name": self.source.name},
            lag=None,
            sound=None,
            sound_rate=0,
            focal=self.focal,
            numbers=numbers,
        )

    def head_poses(self, numbers: np.ndarray) -> dict[int, Motion]:
        """The motion of those of some frames that show a face, as it was tracked when they were new."""
        with self._lock:
            return {int(index): self._faces[int(index)] for index in numbers if int(index) in self._faces}

    def finish(self, tell: Callable[[int, int], None] = lambda done, total: None) -> Capture:
        """Look at what was passed over, and make the folder a capture. `record` and `look` must have ended.

        Raises:
            UserError: too few frames with a face.
        """
        T = self.recorded
        landmarks, valid, cuts = np.zeros((T, NUM_LANDMARKS, 3), np.float32), np.zeros(T, bool), CutDetector()
        # Reading, mattes and landmarks run side by side; the threads end before the networks they use are closed.
        with (
            LandmarkDetector(several=self._several > 1, home=self._home) as detector,
            closing(prefetch((i, self._read(i)) for i in range(T))) as crops,
            closing(prefetch((i, rgb, None if i in self._looked else self._matter.look(rgb, self._home)) for i, rgb in crops)) as seen,
            closing(prefetch((i, rgb, None if look is None else composed(rgb, look)) for i, rgb, look in seen)) as matted,
        ):
            for index, rgb, matte in matted:
                if matte is None:
                    points = self._looked[index]
                else:
                    write_matte(self.folder, index, matte)
                    points = detector.detect(rgb)
                cuts.see(rgb, points)
                if points is not None:
                    landmarks[index], valid[index] = points, True
                tell(index + 1, T)
        if valid.sum() < MIN_FACES:
            raise UserError(f"{self.source.name}: a face was seen in {valid.sum()} of {T} frames, an avatar needs at least {MIN_FACES}; stay in view")
        info, fps = self.source.info, self.source.fps
        sound = None if info is None else joined_sound([info.path], [T], fps, SOUND_RATE)
        plain = {"name": self.source.name, "names": [self.source.name], "width": self.source.width, "height": self.source.height}
        record = plain | {"fps": [fps.numerator, fps.denominator], "faces": self._several} if info is None else source_record([info], self._several)
        shots = self._shots(cuts.found())
        write_record(self.folder, fps, shots, landmarks, valid, record, sound, self.focal)
        capture = load_capture(self.folder)
        clean_mattes(capture, list(pairwise([*(shot.first for shot in shots.shots), T])))
        return capture

    def _read(self, index: int) -> np.ndarray:
        path = self.folder / "images" / f"{index:05d}.jpg"
        return cv2.cvtColor(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def _shots(self, cuts: list[int]) -> Shots:
        return Shots(tuple(Shot(first, 0, self.crop) for first in [0, *cuts]))
