"""Truth, render and error side by side."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.drawing import draw
from avatar3d.files import atomic_path
from avatar3d.motion import Motion
from recon.capture import Capture
from recon.evaluation import Candidate, frame_over

ERROR_GAIN = 4.0
_BACKGROUND = np.full(3, 0.85, np.float32)
_DARK, _LIGHT = (30, 30, 30), (255, 255, 255)


def comparison(avatar: Avatar, capture: Capture, motion: Motion, camera: Camera, frames: np.ndarray, labels: list[str]) -> np.ndarray:
    """A picture [rows, 3 columns] uint8: truth, render, and absolute error times four, one row per frame with its label."""
    rows = zip(frames, labels, strict=True)
    return np.concatenate([side_by_side({"render": Candidate(avatar, motion, camera)}, capture, int(index), label) for index, label in rows])


def side_by_side(candidates: dict[str, Candidate], capture: Capture, index: int, label: str, *, errors: bool = True) -> np.ndarray:
    """A picture [size, columns * size, 3] uint8 of one frame: the truth, then every candidate's render and its error times four.

    Args:
        candidates: by the name that stands over the picture.
        capture: the truth.
        index: of the frame.
        label: stands over the truth.
        errors: false leaves the errors out.
    """
    truth, _ = frame_over(capture, index, _BACKGROUND)
    pictures = [_titled(truth, f"frame {index} ({label})" if label else f"frame {index}", _DARK)]
    for name, (avatar, motion, camera) in candidates.items():
        rgb = draw(avatar, motion, float(index / motion.fps), camera, _BACKGROUND, threads=2).rgb
        pictures.append(_titled(rgb, name, _DARK))
        if errors:
            error = np.abs(rgb - truth).mean(axis=2, keepdims=True).repeat(3, axis=2) * ERROR_GAIN
            pictures.append(_titled(error, f"error x{ERROR_GAIN:.0f}", _LIGHT))
    return np.concatenate(pictures, axis=1)


def _titled(rgb: np.ndarray, title: str, ink: tuple[int, int, int]) -> np.ndarray:
    out = (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
    cv2.putText(out, title, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, 1, cv2.LINE_AA)
    return out


def write_picture(picture: np.ndarray, path: Path | str) -> None:
    """Write [H, W, 3] uint8 as the picture format that the suffix names."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary)
