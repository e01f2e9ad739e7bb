"""A tracked capture in the shape that the workbench asks for."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.camera import Camera
    from avatar3d.motion import Motion


class CaptureFootage:
    """Frames of a capture folder with what was tracked in them.

    Args:
        folder: that `track` or `fit` made.
        person: the avatar that is laid over the frames; poses that its own fit corrected are shown corrected.

    Raises:
        UserError: not a capture, or not tracked with the avatar's head.
    """

    def __init__(self, folder: Path, person: "Avatar") -> None:
        from avatar3d.errors import UserError
        from recon.capture import load_capture
        from recon.evaluation_frames import trained_frames
        from recon.pose_bias import as_fitted
        from recon.tracking_files import load_tracking

        self._capture = load_capture(folder)
        tracking = load_tracking(folder, person.head)
        if tracking is None:
            raise UserError(f"{folder}: has not been tracked; run `avatar3d track` on its video again")
        own = trained_frames(person, self._capture) is not None
        self._motion = as_fitted(tracking.motion, person.metadata["fit"]) if own else tracking.motion
        self._camera = tracking.camera
        self._name = folder.name

    @property
    def name(self) -> str:
        return self._name

    @property
    def motion(self) -> "Motion":
        """With the capture's sound."""
        from dataclasses import replace

        return replace(self._motion, sound=self._capture.sound, sound_rate=self._capture.sound_rate)

    @property
    def camera(self) -> "Camera":
        return self._camera

    def image(self, index: int) -> "np.ndarray":
        """[H, W, 3] uint8. Raises UserError where the file is missing."""
        return self._capture.image(index)

    def landmarks(self, index: int) -> "np.ndarray | None":
        """[478, 3] in pixels, None where no face was seen."""
        return self._capture.landmarks[index] if self._capture.valid[index] else None
