"""Boxes of head, mouth and eyes in every frame, made once per capture and kept beside it."""

import json

import numpy as np

from avatar3d.files import atomic_path
from recon.capture import Capture
from recon.face_regions import LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_EYE

BOXES = ("head", "mouth", "eyes")
PROTOCOL_FILE = "eval_protocol.json"


def protocol_boxes(capture: Capture) -> dict[str, np.ndarray]:
    """Boxes [T, 4] (top, left, bottom, right) of head, mouth and eyes; read from the capture's protocol file or made and written there."""
    path = capture.path / PROTOCOL_FILE
    if path.exists():
        try:
            record = json.loads(path.read_text())
            boxes = {name: np.asarray(record["boxes"][name], np.int64) for name in BOXES}
            if all(box.shape == (len(capture), 4) for box in boxes.values()):
                return boxes
        except (ValueError, KeyError, TypeError):
            pass
    boxes = _boxes(capture)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"schema": 1, "boxes": {name: box.tolist() for name, box in boxes.items()}}))
    return boxes


def _boxes(capture: Capture) -> dict[str, np.ndarray]:
    # Frames without a face take the boxes of the nearest frame with one.
    valid = np.flatnonzero(capture.valid)
    nearest = valid[np.abs(np.arange(len(capture))[:, None] - valid[None]).argmin(axis=1)]
    points = capture.landmarks[nearest, :, :2]

    def box(indices: tuple[int, ...], top: float, side: float, bottom: float) -> np.ndarray:
        low, high = points[:, list(indices)].min(axis=1), points[:, list(indices)].max(axis=1)
        width, height = (high - low).T
        edges = np.stack([low[:, 1] - top * height, low[:, 0] - side * width, high[:, 1] + bottom * height, high[:, 0] + side * width], axis=1)
        return np.clip(np.round(edges), 0, capture.size).astype(np.int64)

    return {"head": box(OVAL, 0.5, 0.3, 0.1), "mouth": box(OUTER_LIPS, 0.3, 0.15, 0.3), "eyes": box(LEFT_EYE + RIGHT_EYE, 0.7, 0.15, 0.5)}
