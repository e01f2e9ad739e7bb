"""A new performance inside the capture's own frames."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion
    from avatar3d.progress import Progress

_BODY = ("rotation", "translation", "neck_pose", "neck_translation")


def film_over_capture(person: "Avatar", motion: "Motion", out: Path, folder: Path | None, fps: Fraction | None, progress: "Progress") -> int:
    """Film `motion` with the body and the background of the capture, played forth and back; returns the number of frames.

    Face and eyes come from the motion; head and shoulders move as they did in the capture, so that they fit its frames.

    Raises:
        UserError: no capture folder, or one that was not tracked with this avatar's head.
    """
    import numpy as np

    from avatar3d.errors import UserError
    from recon.capture import load_capture
    from recon.evaluation_frames import trained_frames
    from recon.plate import background_plate, scene_without_person
    from recon.pose_bias import as_fitted
    from recon.tracking_files import load_tracking
    from viewer.film import film

    if folder is None:
        raise UserError("--background capture: give the capture folder with --capture")
    capture = load_capture(folder)
    tracking = load_tracking(folder, person.head)
    if tracking is None:
        raise UserError(f"{folder}: has not been tracked; run `avatar3d track` on its video again")
    own = trained_frames(person, capture) is not None
    tracked = as_fitted(tracking.motion, person.metadata["fit"]) if own else tracking.motion
    plate = background_plate(capture)
    last = (len(tracked) - 1) / float(tracked.fps)

    def there_and_back(time: float) -> float:
        phase = time % (2 * last) if last else 0.0
        return min(phase, 2 * last - phase)

    moments = [tracked.at(there_and_back(i / float(motion.fps))) for i in range(len(motion))]
    body = {name: np.concatenate([getattr(m, name) for m in moments]) for name in _BODY if getattr(tracked, name) is not None}
    rate = fps or motion.fps

    def background(index: int) -> np.ndarray:
        frame = round(there_and_back(float(index / rate)) * float(tracked.fps))
        return scene_without_person(capture.image(frame), capture.matte(frame), plate).astype(np.float32) / 255

    def cameras(time: float):
        return tracking.camera

    return film(person, replace(motion, **body), out, cameras=cameras, background=background, fps=rate, progress=progress)
