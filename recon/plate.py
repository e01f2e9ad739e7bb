"""The scene without the person, so that a new performance can be pasted into the capture's own frames."""

import cv2
import numpy as np

from recon.capture import Capture

_VIEWS = 40
_GROW = 9
"""Pixels by which the matte is grown before its outside counts as background: hair and shadows reach beyond it."""


def background_plate(capture: Capture) -> np.ndarray:
    """The background [H, W, 3] uint8: the median over time of what is seen beside the person, painted in where nothing ever is."""
    frames = np.linspace(0, len(capture) - 1, min(_VIEWS, len(capture))).astype(int)
    pictures = np.stack([capture.image(int(i)) for i in frames])
    hidden = np.stack([_person(capture.matte(int(i))) for i in frames])
    seen = ~hidden
    plate = np.zeros(pictures.shape[1:], np.uint8)
    rows = 64
    for top in range(0, len(plate), rows):
        # A strip at a time: the median of all frames at once would need several times their memory.
        strip = np.where(seen[:, top : top + rows, :, None], pictures[:, top : top + rows].astype(np.float32), np.nan)
        known = seen[:, top : top + rows].any(axis=0)
        values = np.nanmedian(np.where(known[None, ..., None], strip, 0), axis=0)
        plate[top : top + rows] = np.round(values).astype(np.uint8)
    never = (~seen.any(axis=0)).astype(np.uint8)
    return cv2.inpaint(plate, never, 5, cv2.INPAINT_TELEA) if never.any() and not never.all() else plate


def scene_without_person(picture: np.ndarray, matte: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """A frame [H, W, 3] uint8 with the plate where the person is, its edge softened."""
    cover = cv2.GaussianBlur(_person(matte).astype(np.float32), (0, 0), 2.0)[..., None]
    return (picture + cover * (plate.astype(np.float32) - picture)).astype(np.uint8)


def _person(matte: np.ndarray) -> np.ndarray:
    return cv2.dilate((matte > 8).astype(np.uint8), np.ones((_GROW, _GROW), np.uint8)).astype(bool)
