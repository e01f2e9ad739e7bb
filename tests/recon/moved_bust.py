"""A picture of head and shoulders whose bust, of known depth, is moved rigidly before the camera."""

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.camera import Camera
from recon.bust import Placement
from recon.landmarks import CHIN, FOREHEAD, OVAL

SIZE = 512
CAMERA = Camera(900.0, 900.0, SIZE / 2, SIZE / 2, SIZE, SIZE, np.eye(4))
CENTRE = np.array([0.0, 0.2, 0.9])
"""Motions are about this point of the chest."""


def bust_picture() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A shaded grey head-and-shoulders picture, its matte, and landmarks of the face's outline."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    body = ((x - 256) / 200) ** 2 + ((y - 560) / 210) ** 2 < 1
    face = ((x - 256) / 80) ** 2 + ((y - 200) / 110) ** 2 < 1
    grey = np.full((SIZE, SIZE), 40, np.float32)
    grey[body] = (60 + 50 * np.sin(x / 23) * np.cos(y / 31) + 0.15 * (y - 350))[body]
    grey[(np.abs(x - 256) < 30) & body] = 210
    grey[face] = 160
    matte = ((body | face) * 255).astype(np.uint8)
    landmarks = np.full((478, 3), 256, np.float32)
    angle = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False)
    landmarks[list(OVAL), 0], landmarks[list(OVAL), 1] = 256 + 80 * np.sin(angle), 200 - 110 * np.cos(angle)
    landmarks[FOREHEAD, :2], landmarks[CHIN, :2] = (256, 90), (256, 310)
    return cv2.GaussianBlur(grey, (0, 0), 2).clip(0, 255).astype(np.uint8), matte, landmarks


def bust_relief() -> np.ndarray:
    """[SIZE, SIZE] metres: the chest is nearer than the shoulders."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    return 0.95 - 0.09 * np.exp(-(((x - 256) / 110) ** 2) - ((y - 440) / 160) ** 2)


def moved(degrees=(0.0, 0.0, 0.0), metres=(0.0, 0.0, 0.0)) -> Placement:
    """A turn (about the camera's x, y, z) about the chest, then a shift."""
    R = Rotation.from_rotvec(degrees, degrees=True).as_matrix()
    return Placement(R, CENTRE - R @ CENTRE + metres)


def project(place: Placement, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Where points seen at pixels [..., 2] with depths [...] are seen after the placement."""
    points = np.concatenate([(pixels - SIZE / 2) / CAMERA.fx, np.ones_like(pixels[..., :1])], axis=-1) * depth[..., None]
    return CAMERA.project(points @ place.R.T + place.t)


def filmed(place: Placement, seed: int = 0, noise: float = 3.0, gain: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Picture and matte after the placement."""
    grey, matte, _ = bust_picture()
    target = np.stack(np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5), axis=-1).astype(np.float32)
    source, relief = target.copy(), bust_relief()
    for _ in range(5):
        depth = cv2.remap(relief, *_indices(source), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        source -= (project(place, source, depth) - target).astype(np.float32)
    maps = _indices(source)
    picture = cv2.remap(grey, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float32) * gain
    picture += np.random.default_rng(seed).normal(0, noise, grey.shape)
    return picture.clip(0, 255).astype(np.uint8), cv2.remap(matte, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _indices(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(pixels[..., 0]) - np.float32(0.5), np.ascontiguousarray(pixels[..., 1]) - np.float32(0.5)


def chest_error(found: Placement, true: Placement) -> float:
    """Pixels by which three places of the chest and shoulders are missed at most."""
    pixels = np.array([[100.0, 420.0], [400.0, 420.0], [256.0, 490.0]])
    depth = bust_relief()[pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
    return float(np.linalg.norm(project(found, pixels, depth) - project(true, pixels, depth), axis=1).max())
