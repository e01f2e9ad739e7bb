"""Whose head it is: the largest steady face of a video."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from recon.landmarks import FaceFinder, LandmarkDetector, overlap

_SAME = 0.15
"""Two boxes of neighbouring samples belong to one person when they overlap at least this much: seconds lie between them."""


@dataclass(frozen=True)
class Person:
    """The person found in sampled frames."""

    landmarks: np.ndarray
    """[N, 478, 3] float32 in source pixels, of the samples where the face was seen."""
    faces: int
    """Largest number of people followed through the samples at the same time; 1 where the person is alone."""


@dataclass
class _Track:
    boxes: list[np.ndarray] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def weight(self) -> float:
        """Large and often there: the sum of the box areas."""
        return float(sum((box[2] - box[0]) * (box[3] - box[1]) for box in self.boxes))


def find_person(frames: Iterable[np.ndarray]) -> Person | None:
    """Follow all faces through sampled frames [H, W, 3] uint8 and keep the largest steady one; None where there is none."""
    tracks: list[_Track] = []
    with FaceFinder() as finder, LandmarkDetector(still=True) as detector:
        for time, rgb in enumerate(frames):
            for box in finder.find(rgb):
                points = _landmarks_in(detector, rgb, box)
                if points is None:
                    continue
                candidates = [track for track in tracks if time not in track.times and overlap(track.boxes[-1], box) > _SAME]
                track = max(candidates, key=lambda t: overlap(t.boxes[-1], box), default=None)
                if track is None:
                    track = _Track()
                    tracks.append(track)
                track.boxes.append(box)
                track.points.append(points)
                track.times.append(time)
    if not tracks:
        return None
    chosen = max(tracks, key=_Track.weight)
    # A face on a poster or one false detection is not a second person worth a word.
    rivals = [track for track in tracks if track is not chosen and track.weight() > 0.1 * chosen.weight()]
    together = [sum(time in track.times for track in rivals) for time in chosen.times]
    return Person(np.stack(chosen.points), 1 + max(together))


def _landmarks_in(detector: LandmarkDetector, rgb: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """Landmarks of the face in a box, found in a window around it, so that small faces are found as well as large ones."""
    height, width = rgb.shape[:2]
    centre, reach = (box[:2] + box[2:]) / 2, float(max(box[2:] - box[:2]))
    x0, y0 = np.maximum(centre - reach, 0).astype(int)
    x1, y1 = np.minimum(centre + reach, (width, height)).astype(int)
    points = detector.detect(np.ascontiguousarray(rgb[y0:y1, x0:x1]))
    return None if points is None else points + np.array([x0, y0, 0], np.float32)
