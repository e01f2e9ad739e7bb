"""The driver's channels: which numbers of a motion the network makes, in which order, and how they group."""

from fractions import Fraction

import numpy as np

from avatar3d.arkit import EXPR_NAMES, LID_NAMES
from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion, resampled
from driver.features import FPS

POSES: dict[str, int] = {"jaw_pose": 3, "neck_pose": 3, "eyes_pose": 6, "rotation": 3, "translation": 3}
"""Poses that the network makes, and their widths."""
CHANNELS: tuple[str, ...] = EXPR_NAMES + tuple(f"{pose}_{axis}" for pose, width in POSES.items() for axis in range(width))
"""Expressions 0..1; `jaw_pose_0` in fractions of the head's `jaw_open_angle`, so that a model fits heads whose jaws open
differently; other rotations in radians, translation in metres."""
NUM_CHANNELS = len(CHANNELS)
INDEX: dict[str, int] = {name: index for index, name in enumerate(CHANNELS)}
EXPR = slice(0, len(EXPR_NAMES))
JAW = INDEX["jaw_pose_0"]
LIDS = [INDEX[name] for name in LID_NAMES]
NECK = [INDEX[f"neck_pose_{axis}"] for axis in range(3)]


def _region(name: str) -> str:
    if name.startswith("brow"):
        return "brows"
    if name.startswith("eye"):
        return "eyes"
    if name.startswith(("neck", "rotation", "translation")):
        return "head"
    return "mouth"


REGIONS: dict[str, np.ndarray] = {
    region: np.array([index for index, name in enumerate(CHANNELS) if _region(name) == region]) for region in ("mouth", "brows", "eyes", "head")
}
"""Channel indices of mouth and jaw (cheeks and nose with them), brows, lids and gaze, head and torso."""


def check_driven_head(head: HeadModel) -> None:
    """Refuse a head that has no ARKit expressions.

    Raises:
        UserError: names what the head lacks.
    """
    if head.expr_names == EXPR_NAMES:
        return
    missing = [name for name in EXPR_NAMES if name not in head.expr_names]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        detail = f"lacks the ARKit expressions {shown}"
    else:
        detail = f"has its {len(head.expr_names)} expressions in another order or more than the {len(EXPR_NAMES)} of the embedded head"
    raise UserError(f"head {head.name}: {detail}, and this is done in their terms alone; track and fit on the embedded head, without --head")


def frames_of(motion: Motion, head: HeadModel) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] of a motion of a head, at the driver's rate."""
    steady = resampled(motion, Fraction(FPS))
    return pack({name: getattr(steady, name) for name in ("expr", *POSES)}, head.jaw_open_angle)


def pack(arrays: dict[str, np.ndarray], jaw_open_angle: float) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] from `expr` and the pose arrays of a motion."""
    frames = np.concatenate([arrays["expr"], *(arrays[pose] for pose in POSES)], axis=1).astype(np.float32)
    frames[:, JAW] /= jaw_open_angle
    return frames


def unpack(frames: np.ndarray, jaw_open_angle: float) -> dict[str, np.ndarray]:
    """`expr` and the pose arrays of a motion from frames [T, NUM_CHANNELS]."""
    arrays = {"expr": np.ascontiguousarray(frames[:, EXPR], np.float32)}
    start = EXPR.stop
    for pose, width in POSES.items():
        arrays[pose] = np.ascontiguousarray(frames[:, start : start + width], np.float32)
        start += width
    arrays["jaw_pose"][:, 0] *= jaw_open_angle
    return arrays
