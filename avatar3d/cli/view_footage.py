"""A tracked capture in the shape that the workbench asks for."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from avatar3d.camera import Camera
    from avatar3d.motion import Motion


SAME_FILM, OTHER_FILM = 0.5e-3, 0.3e-3
"""Metres by which two identities differ at most that were tracked in one film, for a film of the name that an avatar was fitted to and of
another name. Another part of a film, or another share held out, moves an identity by 0.1 to 0.25 mm, at 256 pixels by 0.4; another film of
the same person as much as another person's, by 0.3 to 0.8: identities tell films from one another, not people."""


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
        self._name, self._caution = folder.name, ""
        fitted_to = str(person.metadata.get("source") or "another film")
        apart = identities_apart(person, tracking.motion.shape)
        if apart > (SAME_FILM if fitted_to == self._capture.source["name"] else OTHER_FILM):
            self._caution = (
                f"{folder.name}: is not what the avatar was fitted to ({fitted_to}); the two identities are {1e3 * apart:.1f} mm apart, "
                "and where it shows somebody else the avatar does not fit its frames"
            )

    @property
    def name(self) -> str:
        return self._name

    @property
    def caution(self) -> str:
        """That it is another film than the avatar's, where that is so."""
        return self._caution

    @property
    def motion(self) -> "Motion":
        """With the capture's sound."""
        from dataclasses import replace

        return replace(self._motion, sound=self._capture.sound, sound_rate=self._capture.sound_rate)

    @property
    def camera(self) -> "Camera":
        return self._camera

    def image(self, index: int) -> np.ndarray:
        """[H, W, 3] uint8. Raises UserError where the file is missing."""
        return self._capture.image(index)

    def landmarks(self, index: int) -> np.ndarray | None:
        """[478, 3] in pixels, None where no face was seen."""
        return self._capture.landmarks[index] if self._capture.valid[index] else None


def identities_apart(person: "Avatar", shape: np.ndarray) -> float:
    """Metres by which the points of a face with another identity [S] lie elsewhere than the avatar's, on the average, both faces in one place."""
    import torch

    own, other = (person.head.shaped(each).numpy() for each in (person.shape, torch.from_numpy(shape)))
    face = person.head.regions.get("face", np.arange(len(own)))
    moved = other[face] - own[face]
    return float(np.linalg.norm(moved - moved.mean(axis=0), axis=1).mean())
