"""Where the outline of a head goes from frame to frame, by its landmarks alone: hair and ears before anything is tracked."""

from dataclasses import dataclass

import numpy as np

from recon.landmarks import CHIN, FOREHEAD, OVAL

_SKULL = (*OVAL[:8], *OVAL[-7:], 6, 8, 9, 33, 133, 151, 168, 195, 197, 263, 362)
"""Forehead, temples, bridge of the nose and corners of the eyes: they move with the skull."""
_TEMPLES = (234, 454)
_BEHIND = 0.55
"""The middle of a head lies behind the middle of these landmarks by this part of the face's width; its outline is about as far away."""


@dataclass(frozen=True, eq=False)
class HeadPlanes:
    """The plane through the head's middle, parallel to the picture, in T frames; NaN without a face."""

    R: np.ndarray
    """[T, 3, 3] turn of the head against one and the same frame."""
    scale: np.ndarray
    """[T] pixels per pixel of that frame."""
    middle: np.ndarray
    """[T, 2] pixels."""

    def turn(self, frame: int, others: np.ndarray) -> np.ndarray:
        """[N] cosine of the angle by which the head is turned otherwise than in `frame`; NaN without a face."""
        return (np.einsum("ij,nij->n", self.R[frame], self.R[others]) - 1) / 2

    def warp(self, frame: int, other: int) -> np.ndarray:
        """[2, 3] float32 from pixels of `frame` to where the same part of the outline is in the frame `other`."""
        M = (self.R[other] @ self.R[frame].T)[:2, :2] * (self.scale[other] / self.scale[frame])
        return np.column_stack([M, self.middle[other] - M @ self.middle[frame]]).astype(np.float32)


def head_planes(landmarks: np.ndarray, valid: np.ndarray) -> HeadPlanes:
    """The planes of T frames with landmarks [T, 478, 3], in pixels, where `valid` [T].

    Each frame's skull is laid over that of the first one by a similarity in three dimensions (Umeyama: Least-squares
    estimation of transformation parameters between two point patterns, 1991).
    """
    T, frames = len(valid), np.flatnonzero(valid)
    planes = HeadPlanes(np.full((T, 3, 3), np.nan), np.full(T, np.nan), np.full((T, 2), np.nan))
    if not len(frames):
        return planes
    face = landmarks[frames[0]].astype(np.float64)
    across, down = face[_TEMPLES[1]] - face[_TEMPLES[0]], face[CHIN] - face[FOREHEAD]
    inwards = np.cross(across, down)
    inwards *= _BEHIND * np.linalg.norm(across) / max(float(np.linalg.norm(inwards)), 1e-9)
    skull = landmarks[frames][:, list(_SKULL)].astype(np.float64)
    centre = skull.mean(axis=1)
    source, target = skull[0] - centre[0], skull - centre[:, None]
    U, S, Vt = np.linalg.svd(target.transpose(0, 2, 1) @ source)
    flip = np.sign(np.linalg.det(U @ Vt))
    U[:, :, 2] *= flip[:, None]
    S[:, 2] *= flip
    planes.R[frames], planes.scale[frames] = U @ Vt, S.sum(axis=1) / max(float(np.square(source).sum()), 1e-9)
    planes.middle[frames] = (centre + planes.scale[frames, None] * (planes.R[frames] @ inwards))[:, :2]
    return planes
