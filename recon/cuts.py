"""Cuts: frames that do not continue the one before."""

import cv2
import numpy as np

_CHANGE, _JUMP = 0.02, 0.08
"""Least difference of pictures (0..1) and least motion of the landmarks (face sizes) of a cut."""
_STANDS_OUT = 4.0
"""A cut differs by this factor from the frames around it; somebody who moves fast does so for more than one frame."""


class CutDetector:
    """Sees the frames one after the other and says at the end where the cuts lie."""

    def __init__(self) -> None:
        self._thumbnail: np.ndarray | None = None
        self._points: np.ndarray | None = None
        self.changes: list[float] = []
        """Mean difference to the frame before, 0..1."""
        self.jumps: list[float] = []
        """Mean motion of the landmarks in face sizes; 0 where a face is missing."""

    def see(self, rgb: np.ndarray, points: np.ndarray | None) -> None:
        """Take the next frame [H, W, 3] uint8 and its landmarks [478, 3] or None."""
        thumbnail = cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        change = 0.0 if self._thumbnail is None else float(np.abs(thumbnail - self._thumbnail).mean())
        jump = 0.0
        if points is not None and self._points is not None:
            size = float(np.ptp(points[:, :2], axis=0).max())
            jump = float(np.linalg.norm(points[:, :2] - self._points[:, :2], axis=1).mean()) / max(size, 1e-6)
        self.changes.append(change)
        self.jumps.append(jump)
        self._thumbnail, self._points = thumbnail, points

    def found(self) -> list[int]:
        """Indices of the frames that begin a new take."""
        sudden = _stands_out(self.changes, _CHANGE) | _stands_out(self.jumps, _JUMP)
        return np.flatnonzero(sudden).tolist()


def _stands_out(values: list[float], least: float) -> np.ndarray:
    """[T] bool: at least `least`, and far above the two neighbours on either side."""
    padded = np.pad(np.asarray(values, np.float64), 2)
    around = np.max([padded[:-4], padded[1:-3], padded[3:-1], padded[4:]], axis=0)
    return (padded[2:-2] >= least) & (padded[2:-2] >= _STANDS_OUT * around)
