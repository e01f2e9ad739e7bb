"""The skin of a face on a fixed lattice, whatever the face does: what lies at one point of it can be compared between frames."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import Delaunay

from avatar3d.head.model import NUM_FACE_LANDMARKS
from recon.landmarks import CHIN, FOREHEAD

SIDE = 48
"""Cells of the lattice along either side."""
"""Landmarks without the irises."""


@dataclass(frozen=True, eq=False)
class FaceLattice:
    """Cells spread over the face of one person, tied to three landmarks each."""

    inside: np.ndarray
    """[SIDE, SIDE] bool: cells that lie on the face."""
    corners: np.ndarray
    """[SIDE * SIDE, 3] landmark indices."""
    bary: np.ndarray
    """[SIDE * SIDE, 3] float32."""

    def places(self, points: np.ndarray) -> np.ndarray:
        """[SIDE, SIDE, 2] float32 pixels of the cells on a face with landmarks [478, 2 or 3]."""
        return (points[self.corners, :2].astype(np.float32) * self.bary[..., None]).sum(axis=1).reshape(SIDE, SIDE, 2)

    def sample(self, picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        """[SIDE, SIDE, ...] what a picture [H, W, ...] uint8 shows at the cells."""
        places = self.places(points) - np.float32(0.5)
        return cv2.remap(picture, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def make_lattice(landmarks: np.ndarray) -> FaceLattice:
    """The lattice of the person with landmarks [N, 478, 3]; N at least 1, all of one face."""
    typical = np.median(face_shapes(landmarks), axis=0)
    mesh = Delaunay(typical)
    low, high = typical.min(axis=0), typical.max(axis=0)
    steps = (np.arange(SIDE) + 0.5) / SIDE
    places = np.stack(np.meshgrid(*(low + steps[:, None] * (high - low)).T), axis=-1).reshape(-1, 2)
    triangle = mesh.find_simplex(places)
    transform = mesh.transform[triangle]
    bary = np.einsum("nij,nj->ni", transform[:, :2], places - transform[:, 2])
    bary = np.concatenate([bary, 1 - bary.sum(axis=1, keepdims=True)], axis=1).astype(np.float32)
    return FaceLattice((triangle >= 0).reshape(SIDE, SIDE), mesh.simplices[triangle].astype(np.int64), bary)


def face_shapes(landmarks: np.ndarray) -> np.ndarray:
    """[N, 468, 2] landmarks [N, 478, 3] made upright, centred, one unit from forehead to chin."""
    points = landmarks[:, :NUM_FACE_LANDMARKS, :2].astype(np.float64)
    points = points - points.mean(axis=1, keepdims=True)
    up = points[:, FOREHEAD] - points[:, CHIN]
    height = np.maximum(np.linalg.norm(up, axis=1), 1e-6)
    c, s = -up[:, 1] / height**2, up[:, 0] / height**2
    x, y = points[..., 0], points[..., 1]
    return np.stack([x * c[:, None] + y * s[:, None], y * c[:, None] - x * s[:, None]], axis=-1)
