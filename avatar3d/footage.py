"""A tracked capture, as a workbench shows it: frames, landmarks, the motion and the camera that were found."""

from typing import Protocol

import numpy as np

from avatar3d.camera import Camera
from avatar3d.motion import Motion


class Footage(Protocol):
    """T frames of somebody, tracked."""

    @property
    def name(self) -> str: ...

    @property
    def caution(self) -> str:
        """What is to be known before the avatar is compared with it, in one line; empty where nothing is."""
        ...

    @property
    def motion(self) -> Motion:
        """[T] as tracked, on the avatar's head, with the sound."""
        ...

    @property
    def camera(self) -> Camera:
        """Of the frames."""
        ...

    def image(self, index: int) -> np.ndarray:
        """[H, W, 3] uint8 sRGB of a frame. Raises UserError where it is missing."""
        ...

    def landmarks(self, index: int) -> np.ndarray | None:
        """[L, 2 or more] in pixels as detected, None where no face was."""
        ...
