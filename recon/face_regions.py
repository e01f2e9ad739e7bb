"""Which of MediaPipe's 478 landmarks belong to which part of the face ("left" is the subject's left)."""

import numpy as np

from recon.landmarks import OVAL

LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
RIGHT_IRIS, LEFT_IRIS = tuple(range(468, 473)), tuple(range(473, 478))
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415)
REGIONS: dict[str, tuple[int, ...]] = {
    "lips": OUTER_LIPS + INNER_LIPS,
    "eyes": LEFT_EYE + RIGHT_EYE,
    "iris": LEFT_IRIS + RIGHT_IRIS,
    "oval": OVAL,
}

UPPER_EDGES = (161, 160, 159, 158, 157, 173, 388, 387, 386, 385, 384, 398, 191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_EDGES = (163, 144, 145, 153, 154, 155, 390, 373, 374, 380, 381, 382, 95, 88, 178, 87, 14, 317, 402, 318, 324)
"""Opposite points on the edges of the lids and of the inner lips: they meet when eye or mouth closes."""

LEFT_LIDS, RIGHT_LIDS = (386, 374, 263, 362), (159, 145, 33, 133)
"""Middle of the upper lid, middle of the lower lid, outer corner, inner corner."""


def eye_aperture(points: np.ndarray) -> np.ndarray:
    """Opening of the left and right eye over its width [..., 2], from landmarks [..., 478, 2 or 3]; about 0.3 when open."""
    apertures = []
    for upper, lower, outer, inner in (LEFT_LIDS, RIGHT_LIDS):
        height = np.linalg.norm(points[..., upper, :2] - points[..., lower, :2], axis=-1)
        width = np.linalg.norm(points[..., outer, :2] - points[..., inner, :2], axis=-1)
        apertures.append(height / np.maximum(width, 1e-6))
    return np.stack(apertures, axis=-1)
