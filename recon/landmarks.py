"""MediaPipe: face landmarks, irises, face boxes, hands and the person matte. The only module that knows it."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np

OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93,
        234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
"""The outline of the face, clockwise in the picture from the top of the forehead."""
CHIN, FOREHEAD, UPPER_LIP, LOWER_LIP = 152, 10, 13, 14
_MAX_FACES = 4
_STEADY = 0.5
"""Faces follow each other when they overlap at least this much (intersection over union)."""
_AT_HOME = 0.1
"""Least overlap with where the person usually is, for a face that does not follow the last one."""


class LandmarkDetector(contextlib.AbstractContextManager):
    """Landmarks of one person through a video: frame by frame, using the previous frame; or in unrelated pictures.

        with LandmarkDetector() as detector:
            for rgb in frames:
                points = detector.detect(rgb)

    Args:
        several: look for several faces and follow one of them; costs a face detection per frame.
        home: box (x0, y0, x1, y1) in pixels where the followed person usually is. Without it the largest face is followed.
        still: the pictures are unrelated: each is searched anew, and its largest face taken.
    """

    def __init__(self, several: bool = False, still: bool = False, home: np.ndarray | None = None) -> None:
        self._several, self._still, self._home = several, still, home
        self._box: np.ndarray | None = None

    def __enter__(self) -> "LandmarkDetector":
        self._mesh = _face_mesh(self._still, faces=_MAX_FACES if self._several else 1)
        self._seen = False
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._mesh.close()

    def detect(self, rgb: np.ndarray) -> np.ndarray | None:
        """Landmarks of the followed face.

        Args:
            rgb: [height, width, 3] uint8 sRGB.

        Returns:
            [478, 3] float32: x, y in pixels (pixel centres at half integers), z towards the camera negative, in
            pixels too; None where no face is seen.
        """
        with contextlib.nullcontext() if self._seen else quiet():
            faces = _run(self._mesh, rgb)
        self._seen = self._seen or bool(faces)
        face = self._followed(faces) if faces else None
        self._box = self._box if face is None else box_of(face)
        return face

    def _followed(self, faces: list[np.ndarray]) -> np.ndarray | None:
        if self._box is not None and not self._still:
            overlaps = [overlap(box_of(face), self._box) for face in faces]
            if max(overlaps) >= _STEADY:
                return faces[int(np.argmax(overlaps))]
        if self._home is not None and self._several:
            # Who is far off or much smaller is somebody else, while the person is out of sight.
            faces = [face for face in faces if overlap(box_of(face), self._home) > _AT_HOME]
        return max(faces, key=lambda face: _area(box_of(face)), default=None)


def detect_landmarks(rgb: np.ndarray) -> np.ndarray | None:
    """Landmarks of the largest face of one picture; arguments and result as `LandmarkDetector.detect`.

    Loads the networks anew: for more than one picture use `LandmarkDetector(several=True, still=True)`.
    """
    with LandmarkDetector(several=True, still=True) as detector:
        return detector.detect(rgb)


class FaceFinder(contextlib.AbstractContextManager):
    """Faces in unrelated pictures, small ones too (to about 1/15 of the picture's height)."""

    def __enter__(self) -> "FaceFinder":
        with quiet():
            from mediapipe.python.solutions import face_detection

            self._far = face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5)
            self._near = face_detection.FaceDetection(model_selection=0, min_detection_confidence=0.5)
            _wake(self._far, self._near)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._far.close()
        self._near.close()

    def find(self, rgb: np.ndarray) -> np.ndarray:
        """[faces, 4] boxes (x0, y0, x1, y1) in pixels, largest first; they span brows to chin."""
        height, width = rgb.shape[:2]
        boxes: list[np.ndarray] = []
        for model in (self._far, self._near):
            result: Any = model.process(rgb)
            for detection in result.detections or []:
                box = detection.location_data.relative_bounding_box
                corners = np.array([box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height]) * (width, height, width, height)
                if all(overlap(corners, other) < 0.3 for other in boxes):
                    boxes.append(corners)
        return np.array(sorted(boxes, key=_area, reverse=True), np.float64).reshape(-1, 4)


class PersonSegmenter(contextlib.AbstractContextManager):
    """MediaPipe's selfie segmentation."""

    def __enter__(self) -> "PersonSegmenter":
        with quiet():
            from mediapipe.python.solutions import selfie_segmentation

            self._model = selfie_segmentation.SelfieSegmentation(model_selection=0)
            _wake(self._model)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._model.close()

    def segment(self, rgb: np.ndarray) -> np.ndarray:
        """[height, width] float32, 0..1: how surely a pixel belongs to a person. Soft: the network works at 256x256."""
        result: Any = self._model.process(rgb)
        return result.segmentation_mask


class HandFinder(contextlib.AbstractContextManager):
    """Hands in unrelated pictures; about 6 ms a picture without one, 9 with."""

    def __enter__(self) -> "HandFinder":
        with quiet():
            from mediapipe.python.solutions import hands

            self._model = hands.Hands(static_image_mode=True, max_num_hands=2, model_complexity=0, min_detection_confidence=0.5)
            _wake(self._model)
        self._seen = False
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._model.close()

    def find(self, rgb: np.ndarray) -> np.ndarray:
        """[hands, 21, 2] float32: joints in pixels of a picture [H, W, 3] uint8: wrist, then each finger from palm to tip, thumb first."""
        height, width = rgb.shape[:2]
        with contextlib.nullcontext() if self._seen else quiet():
            result: Any = self._model.process(rgb)
        found = result.multi_hand_landmarks or []
        self._seen = self._seen or bool(found)
        return np.array([[(p.x * width, p.y * height) for p in hand.landmark] for hand in found], np.float32).reshape(-1, 21, 2)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    return common / max(_area(a) + _area(b) - common, 1e-9)


def _face_mesh(static: bool, faces: int):
    with quiet():
        from mediapipe.python.solutions import face_mesh

        mesh = face_mesh.FaceMesh(static_image_mode=static, max_num_faces=faces, refine_landmarks=True)
        _wake(mesh)
        return mesh


def _wake(*models) -> None:
    """Run once on nothing: the networks load, and greet, on threads of their own after the constructor has returned."""
    for model in models:
        model.process(np.zeros((64, 64, 3), np.uint8))


def _run(mesh, rgb: np.ndarray) -> list[np.ndarray]:
    height, width = rgb.shape[:2]
    found = mesh.process(rgb).multi_face_landmarks or []
    scale = np.array([width, height, width], np.float32)
    return [np.array([(p.x, p.y, p.z) for p in face.landmark], np.float32) * scale for face in found]


def box_of(points: np.ndarray) -> np.ndarray:
    """(x0, y0, x1, y1) around landmarks [478, 3]."""
    return np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])


def _area(box: np.ndarray) -> float:
    return float(np.prod(np.maximum(box[2:] - box[:2], 0)))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the greetings of MediaPipe's C++ and protobuf off the user's terminal."""
    sys.stderr.flush()
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
