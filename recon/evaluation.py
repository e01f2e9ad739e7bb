"""How well an avatar reproduces a capture: PSNR and SSIM over the frame, the head, the mouth and the eyes.

The protocol: fixed square crop, matte's largest component, black background, per-frame PSNR averaged, float pictures;
boxes are made once from the landmarks and kept in `eval_protocol.json` beside the capture, so that figures stay comparable.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.drawing import draw
from avatar3d.files import atomic_path
from avatar3d.motion import Motion
from avatar3d.render.cpu import Workspace
from recon.capture import Capture
from recon.face_regions import LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_EYE
from recon.loss import ssim_and_gradient
from recon.training_frames import FrameStore

BOXES = ("head", "mouth", "eyes")
PROTOCOL_FILE = "eval_protocol.json"


@dataclass(frozen=True)
class Quality:
    """Means over the evaluated frames; decibels for PSNR."""

    frames: int
    psnr_full: float
    psnr_head: float
    psnr_mouth: float
    psnr_eyes: float
    ssim_full: float

    def to_json(self) -> dict[str, float]:
        """By name, rounded to what is meaningful."""
        return {name: round(value, 4) for name, value in vars(self).items()}


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


def render_frames(
    avatar: Avatar, motion: Motion, camera: Camera, frames: np.ndarray, background: np.ndarray, threads: int = 2
) -> Iterator[np.ndarray]:
    """Pictures [H, W, 3] float32 of some frames; each is overwritten by the next."""
    workspace = Workspace()
    for index in frames:
        yield draw(avatar, motion, float(index / motion.fps), camera, background, threads=threads, workspace=workspace).rgb


def evaluate(avatar: Avatar, capture: Capture, motion: Motion, camera: Camera, frames: np.ndarray) -> Quality:
    """Quality over `frames` with the tracked motion as it is (the "tracked" row of the protocol)."""
    boxes = protocol_boxes(capture)
    store, black = FrameStore(capture), np.zeros(3, np.float32)
    rows = []
    for index, rgb in zip(frames, render_frames(avatar, motion, camera, frames, black), strict=True):
        truth, _ = store.get(int(index), 1).over(black)
        error = np.square(np.clip(rgb, 0, 1) - truth)
        crops = [error] + [error[t:b, left:r] for t, left, b, r in (boxes[name][index] for name in BOXES)]
        psnr = [-10 * np.log10(max(float(crop.mean()), 1e-10)) for crop in crops if crop.size]
        rows.append([*psnr, ssim_and_gradient(rgb, truth, (0, 0, truth.shape[0], truth.shape[1]))[0]])
    return Quality(len(frames), *(float(value) for value in np.mean(rows, axis=0)))
