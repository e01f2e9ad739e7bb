"""Shots: the stretches of a capture that one camera filmed without a break, of one video or of several.

Every shot looks through a window of its own. The windows are chosen so that all of them show a head of the same size,
which makes one pinhole camera of them all: what is left of their differences is motion, and the tracker finds it. Where
the focal length is given, the windows have one scale instead, and that camera is the true one.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from avatar3d.camera import Camera
from recon.crop import Crop, choose_crop

_ZOOM, _MOVE = 1.2, 0.12
"""Ratio of sides, and shift as a part of the side, from which on a shot deserves a window of its own."""
SHORTEST = 0.5
"""Seconds; a shorter shot keeps the window of its neighbours."""
FEWEST_FACES = 0.3
"""Share of its frames in which a shot's face must have been seen through a window for that window to be judged by them."""


@dataclass(frozen=True)
class Shot:
    """Frames from `first` up to the next shot."""

    first: int
    source: int
    """Which of the videos, counted from 0."""
    crop: Crop
    """The window of that video."""

    def to_json(self) -> dict:
        """A JSON-ready dictionary."""
        return {"first": self.first, "source": self.source, "crop": self.crop.to_json()}


@dataclass(frozen=True)
class Shots:
    """All shots of a capture in order; the first begins with frame 0."""

    shots: tuple[Shot, ...]

    def __len__(self) -> int:
        return len(self.shots)

    def at(self, frame: int) -> Shot:
        """The shot of a frame."""
        return self.shots[max(bisect_right([shot.first for shot in self.shots], frame) - 1, 0)]

    def ranges(self, frames: int) -> list[range]:
        """The frames of each shot of a capture of so many."""
        return [range(a.first, b) for a, b in zip(self.shots, [shot.first for shot in self.shots[1:]] + [frames], strict=True)]

    def camera(self, frame: int, camera: Camera, size: tuple[int, int]) -> Camera:
        """The camera of the video's whole picture in which a frame was filmed.

        Args:
            frame: of the capture.
            camera: of the capture's pictures (`recon.tracking_files.TrackedCapture.camera`).
            size: (width, height) of the video's picture.
        """
        crop = self.at(frame).crop
        return replace(
            camera, fx=camera.fx / crop.scale, fy=camera.fy / crop.scale,
            cx=camera.cx / crop.scale + crop.x, cy=camera.cy / crop.scale + crop.y, width=size[0], height=size[1],
        )  # fmt: skip

    def to_json(self) -> list[dict]:
        """A JSON-ready list."""
        return [shot.to_json() for shot in self.shots]

    @staticmethod
    def from_json(records: Iterable[dict]) -> "Shots":
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError on anything else."""
        shots = tuple(Shot(int(record["first"]), int(record["source"]), Crop(**record["crop"])) for record in records)
        if not shots or shots[0].first != 0 or any(a.first >= b.first for a, b in pairwise(shots)):
            raise ValueError("shots out of order")
        return Shots(shots)


def reframed(faces: np.ndarray, crop: Crop, width: int, height: int, keep_scale: bool = False) -> Crop:
    """The window for a shot: the given one, unless the shot's framing asks for another.

    Args:
        faces: [N, 478, 3] landmarks of some of its frames, source pixels.
        crop: the window that other shots are seen through.
        width: of the source picture.
        height: of the source picture.
        keep_scale: only move the window.
    """
    own = choose_crop(faces, width, height, crop.size, crop.side if keep_scale else None)
    zoom = max(own.side / crop.side, crop.side / own.side)
    middle = np.array([own.x - crop.x, own.y - crop.y]) + (own.side - crop.side) / 2
    return own if zoom > _ZOOM or np.abs(middle).max() > _MOVE * crop.side else crop
