"""Truth, render and error side by side: the picture at the end of a fit."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.files import atomic_path
from avatar3d.motion import Motion
from recon.capture import Capture
from recon.evaluation import render_frames
from recon.training_frames import FrameStore

ERROR_GAIN = 4.0
_BACKGROUND = np.full(3, 0.85, np.float32)


def comparison(avatar: Avatar, capture: Capture, motion: Motion, camera: Camera, frames: np.ndarray, labels: list[str]) -> np.ndarray:
    """A picture [rows, 3 columns] uint8: truth, render, and absolute error times four, one row per frame with its label."""
    store = FrameStore(capture)
    rows = []
    for index, label, rgb in zip(frames, labels, render_frames(avatar, motion, camera, frames, _BACKGROUND), strict=True):
        truth, _ = store.get(int(index), 1).over(_BACKGROUND)
        error = np.abs(rgb - truth).mean(axis=2, keepdims=True).repeat(3, axis=2) * ERROR_GAIN
        row = (np.clip(np.concatenate([truth, rgb, error], axis=1), 0, 1) * 255 + 0.5).astype(np.uint8)
        titles = (f"frame {index} ({label})", "render", f"error x{ERROR_GAIN:.0f}")
        for column, title in enumerate(titles):
            ink = (255, 255, 255) if column == 2 else (30, 30, 30)
            cv2.putText(row, title, (column * capture.size + 8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, 1, cv2.LINE_AA)
        rows.append(row)
    return np.concatenate(rows)


def write_picture(picture: np.ndarray, path: Path | str) -> None:
    """Write [H, W, 3] uint8 as the picture format that the suffix names."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary)
