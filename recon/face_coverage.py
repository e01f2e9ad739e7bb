"""What a capture shows of a face: from which sides, with which shapes of the mouth, how often it blinks."""

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.camera import Camera
from avatar3d.motion import Motion
from avatar3d.runs import runs

SHAPES = ("open", "wide", "round", "closed", "teeth")
"""Shapes of the mouth that an avatar must have seen to make them."""
_MOUTH_CORNERS, _EYE_CORNERS = (61, 291), (33, 263)
_FRONTAL = 25.0
"""Degrees of yaw up to which the width of a mouth can be compared."""


def head_angles(motion: Motion, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Yaw and pitch [T] of the head against the line of sight, degrees; yaw positive to the subject's left, pitch upwards."""
    turn = Rotation.from_rotvec(motion.rotation.astype(np.float64)) * Rotation.from_rotvec(motion.neck_pose.astype(np.float64))
    forward = turn.apply([0.0, 0.0, 1.0]) @ camera.T_cam_world[:3, :3].T
    return np.degrees(np.arctan2(forward[:, 0], -forward[:, 2])), np.degrees(np.arcsin(np.clip(-forward[:, 1], -1, 1)))


def find_blinks(aperture: np.ndarray, fps: float) -> np.ndarray:
    """[B] frames in which the eyes are closest: dips below 0.6 of how far they were open around it, for half a second at most.

    A blink takes 0.1 to 0.4 s; who closes the eyes for longer rests them, and who looks down closes them by a third.

    Args:
        aperture: [T] opening of the eyes over their width; not a number where unknown.
        fps: frames per second.
    """
    T = len(aperture)
    known = np.isfinite(aperture)
    if known.sum() < 3:
        return np.zeros(0, np.int64)
    filled = np.interp(np.arange(T), np.flatnonzero(known), aperture[known])
    reach = max(2, round(1.5 * fps))
    padded = np.pad(filled, reach, mode="edge")
    usual = np.percentile(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), 75, axis=1)
    closed = runs((filled < 0.6 * usual) & known)
    return np.array([a + int(np.argmin(filled[a:b])) for a, b in closed if b - a <= 0.5 * fps], np.int64)


def mouth_shapes(landmarks: np.ndarray, opening: np.ndarray, yaw: np.ndarray, fps: float, teeth: np.ndarray, spacing: float) -> dict[str, float]:
    """Seconds for which each of `SHAPES` was seen.

    Openings are parts of the face's height: lips that touch measure below 0.02, a spoken "ah" above 0.085. Widths are
    compared with the person's own median: a smile or an "ee" widens a mouth by 7 % and more, an "oo" narrows it by 12 %
    and more. Teeth count when they fill two fifths of the opening: a bright
    lower lip that reaches into it fills a third.

    Args:
        landmarks: [T, 478, 3].
        opening: [T] distance of the inner lips over the height of the face; not a number without a face.
        yaw: [T] degrees; not a number without a face.
        fps: frames per second.
        teeth: [N] share of the opening that looks like teeth, in frames `spacing` apart.
        spacing: frames.
    """
    mouth = np.linalg.norm(landmarks[:, _MOUTH_CORNERS[0]] - landmarks[:, _MOUTH_CORNERS[1]], axis=1)
    eyes = np.linalg.norm(landmarks[:, _EYE_CORNERS[0]] - landmarks[:, _EYE_CORNERS[1]], axis=1)
    with np.errstate(invalid="ignore"):
        frontal = np.isfinite(opening) & (np.abs(yaw) < _FRONTAL)
        width = np.where(frontal, mouth / np.maximum(eyes, 1e-6), np.nan)
        width = width / np.nanmedian(width) if frontal.any() else width
        seen = {
            "open": (opening > 0.085).sum(),
            "wide": (width > 1.07).sum(),
            "round": (width < 0.88).sum(),
            "closed": (opening < 0.02).sum(),
            "teeth": (teeth > 0.4).sum() * spacing,
        }
    return {name: round(float(count) / fps, 2) for name, count in seen.items()}


def reach(angles: np.ndarray) -> tuple[float, float]:
    """How far angles [T] go to the positive and to the negative side; the outermost fiftieths are left out as slips of the tracker."""
    known = angles[np.isfinite(angles)]
    if not len(known):
        return 0.0, 0.0
    low, high = np.percentile(known, (2, 98))
    return max(float(high), 0.0), max(float(-low), 0.0)
