"""One video on its way into a capture folder: decoding, mattes and landmarks side by side, shot by shot."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from avatar3d.head.model import NUM_LANDMARKS
from recon.crop import Crop
from recon.cuts import CutDetector
from recon.landmarks import LandmarkDetector, box_of
from recon.matte import Matter, composed
from recon.person import Person, find_person
from recon.prefetch import prefetch
from recon.shots import FEWEST_FACES, SHORTEST, reframed
from recon.video import VideoInfo, read_frames

_SHOT_SAMPLES = 8


@dataclass(frozen=True, eq=False)
class Film:
    """One video on its way into a capture folder."""

    folder: Path
    info: VideoInfo
    rate: Fraction
    person: Person

    def take(
        self, crop: Crop, start: int, tell: Callable[[int], None] = lambda done: None, frames: range | None = None, faces: np.ndarray | None = None
    ) -> tuple[list[np.ndarray], list[bool], list[int]]:
        """Write the video's frames, or some of them, as the capture's from `start` on.

        Args:
            crop: the window.
            start: number of the first.
            tell: told how many are done.
            frames: of the video.
            faces: [N, 478, 3] landmarks of the person in source pixels; None takes those that were sampled.

        Returns:
            of every frame landmarks [478, 3] in crop pixels, zero without a face, and whether there is one; and the cuts.
        """
        landmarks, valid, cuts = [], [], CutDetector()
        home = np.median([box_of(crop.to_crop(points)) for points in (self.person.landmarks if faces is None else faces)], axis=0)
        # Decoding, mattes and landmarks run side by side; the threads end before the networks they use are closed.
        with (
            LandmarkDetector(several=self.person.faces > 1, home=home) as detector,
            Matter() as matter,
            closing(prefetch(read_frames(self.info.path, self.rate, crop, frames))) as crops,
            closing(prefetch((rgb, matter.look(rgb, home)) for rgb in crops)) as seen,
            closing(prefetch((rgb, composed(rgb, look)) for rgb, look in seen)) as matted,
        ):
            for i, (rgb, matte) in enumerate(matted):
                points = detector.detect(rgb)
                landmarks.append(np.zeros((NUM_LANDMARKS, 3), np.float32) if points is None else points)
                valid.append(points is not None)
                cuts.see(rgb, points)
                write_frame(self.folder, start + i, rgb, matte)
                tell(i + 1)
        return landmarks, valid, cuts.found()

    def retake(self, landmarks: list[np.ndarray], valid: list[bool], crop: Crop, start: int, frames: range, keep_scale: bool) -> Crop:
        """Take a shot again where its framing asks for another window; returns its window.

        Args:
            landmarks: of all frames of the video; those of the shot are replaced, as in `valid`.
            valid: whether there is a face.
            crop: the window that all were seen through.
            start: number of the video's first frame in the capture.
            frames: of the shot.
            keep_scale: the window may only move.
        """
        if len(frames) < SHORTEST * self.rate:
            return crop
        faces = np.array([crop.to_source(landmarks[i]) for i in frames if valid[i]])
        if len(faces) < FEWEST_FACES * len(frames):
            spread = range(frames.start, frames.stop, max(1, len(frames) // _SHOT_SAMPLES))
            person = find_person(read_frames(self.info.path, self.rate, None, spread))
            if person is None:
                return crop
            faces = person.landmarks
        own = reframed(faces, crop, self.info.width, self.info.height, keep_scale)
        if own != crop:
            landmarks[frames.start : frames.stop], valid[frames.start : frames.stop], _ = self.take(
                own, start + frames.start, frames=frames, faces=faces
            )
        return own


@contextmanager
def single_threaded_opencv() -> Iterator[None]:
    """The stages share the processors among them already: OpenCV's own threads would only get in their way."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def write_frame(folder: Path, index: int, rgb: np.ndarray, matte: np.ndarray) -> None:
    """Write a frame's picture [size, size, 3] and matte [size, size], both uint8, into a capture folder."""
    write_image(folder, index, rgb)
    write_matte(folder, index, matte)


def write_image(folder: Path, index: int, rgb: np.ndarray) -> None:
    """Write a frame's picture [size, size, 3] uint8 into a capture folder."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 97, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    # Encoded in memory and written by Python: OpenCV's own writer does not say why it failed.
    image = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)[1]
    (folder / "images" / f"{index:05d}.jpg").write_bytes(image.tobytes())


def write_matte(folder: Path, index: int, matte: np.ndarray) -> None:
    """Write a frame's matte [size, size] uint8 into a capture folder."""
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    (folder / "mattes" / f"{index:05d}.png").write_bytes(cv2.imencode(".png", matte, options)[1].tobytes())
