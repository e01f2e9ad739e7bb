"""Pictures as they come: a camera, or a video that is played at its own speed as if it were one."""

import re
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from avatar3d.errors import UserError
from recon.landmarks import quiet
from recon.video import VideoInfo, probe, read_frames

FASTEST = 30
"""Pictures a second that are taken at most: faces need no more, and each is tracked."""
MEASURED = 12
"""Pictures by which a camera's rate is measured: in poor light cameras deliver fewer than they say."""
_RATES = (10, 12, 15, 20, 24, 25, 30)
_CAMERA = re.compile(r"camera(?::(\d{1,2}))?|(\d{1,2})")


@dataclass(frozen=True, eq=False)
class LiveSource:
    """Where pictures come from; iterating over `frames` blocks until the next one is due."""

    name: str
    """For people and records."""
    width: int
    height: int
    fps: Fraction
    frames: Generator[np.ndarray, None, None]
    """[height, width, 3] uint8 sRGB; picture i belongs to i / fps."""
    info: VideoInfo | None
    """Of a file; None for a camera."""

    def close(self) -> None:
        """Let the camera or the file go."""
        # Where another thread still waits for a picture, the end of the program does it.
        with suppress(ValueError):
            self.frames.close()

    @property
    def expected(self) -> int | None:
        """About how many pictures come; None where they have no end."""
        return None if self.info is None else max(1, round(self.info.duration * self.fps))


def open_source(given: str, fps: Fraction | None = None) -> LiveSource:
    """Open a camera or a video.

    Args:
        given: `camera`, `camera:1` or `1`, a device as `/dev/video0`, or a video file.
        fps: pictures a second; default what the source has, halved until it is `FASTEST` at most.

    Raises:
        UserError: no such camera or file, or nothing that can be read.
    """
    number = _CAMERA.fullmatch(given)
    if number is not None and not Path(given).is_file():
        return _camera(int(number[1] or number[2] or 0), f"camera {number[1] or number[2] or 0}", fps)
    if given.startswith("/dev/video"):
        return _camera(given, given, fps)
    info = probe(given)
    rate = fps if fps is not None else info.fps / -(-info.fps // FASTEST)
    return LiveSource(info.path.name, info.width, info.height, Fraction(rate), in_real_time(read_frames(given, rate), float(rate)), info)


def in_real_time(
    frames: Iterable[np.ndarray], fps: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Generator[np.ndarray, None, None]:
    """The same frames, none before it is due; they come late where decoding takes longer."""
    began = clock()
    for index, frame in enumerate(frames):
        # Opening takes a while; the clock starts with the first picture.
        began = began if index else clock()
        early = began + index / fps - clock()
        if early > 0:
            sleep(early)
        yield frame


def on_a_grid(
    pictures: Generator[np.ndarray, None, None], fps: float, clock: Callable[[], float] = time.monotonic
) -> Generator[np.ndarray, None, None]:
    """A camera's pictures at a constant rate: the one that is newest when each moment of the grid passes, so that one may come twice or never."""
    began, index = clock(), 0
    with closing(pictures):
        for picture in pictures:
            while began + index / fps <= clock():
                yield picture
                index += 1


def _camera(device: int | str, name: str, fps: Fraction | None) -> LiveSource:
    with quiet():
        camera = cv2.VideoCapture(device)
        opened = camera.isOpened()
        if opened:
            camera.set(cv2.CAP_PROP_FRAME_WIDTH, 1280)
            camera.set(cv2.CAP_PROP_FRAME_HEIGHT, 720)
        first = _read(camera) if opened else None
    if first is None:
        camera.release()
        raise UserError(f"{name}: no camera can be opened there; plug one in, close other programs that use it, or give a video file")
    began = time.monotonic()
    for _ in range(MEASURED):
        _read(camera)
    measured = MEASURED / max(time.monotonic() - began, 1e-3)
    rate = fps if fps is not None else Fraction(min(_RATES, key=lambda each: abs(each - measured)))

    def pictures() -> Generator[np.ndarray, None, None]:
        try:
            while (picture := _read(camera)) is not None:
                yield picture
        finally:
            camera.release()

    return LiveSource(name, first.shape[1], first.shape[0], rate, on_a_grid(pictures(), float(rate)), None)


def _read(camera: cv2.VideoCapture) -> np.ndarray | None:
    good, picture = camera.read()
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if good else None
