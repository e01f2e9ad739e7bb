"""What tracking gets wrong in the same way whenever a person is posed in the same way, learned of frames that were fitted.

A focal length or a skull that is a little off, landmarks that slide over a turned face: their errors depend on the pose, and so a
linear function of the tracked pose foretells about half of what fitting a frame to its picture would correct. It is learned of the
frames that were fitted (ridge regression) and serves those that were not.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from avatar3d.errors import UserError
from avatar3d.motion import Motion
from recon.channel_layout import Layout

FLOORS = {"rotation": 0.02, "translation": 0.004, "neck_pose": 0.02, "neck_translation": 0.002}
"""The channels that it depends on, and the deviation that each is held to have at least: radians, metres."""
RIDGE = 5.0
"""Frames that speak for no bias at all."""
REACH = 1.5
"""Deviations from the mean beyond which it grows no further."""


@dataclass(frozen=True, eq=False)
class PoseBias:
    """The part of a correction that the tracked pose foretells."""

    mean: np.ndarray
    """[Q] of the tracked pose."""
    deviation: np.ndarray
    """[Q]."""
    matrix: np.ndarray
    """[Q, P] from the pose in deviations to corrections of all channels."""

    def of(self, layout: Layout, tracked: np.ndarray) -> np.ndarray:
        """[..., P] foretold corrections of tracked channels [..., P]."""
        return _features(layout, tracked, self.mean, self.deviation) @ self.matrix

    def corrected(self, motion: Motion) -> Motion:
        """A tracked motion with its foretold corrections; frames without a face stay as they are."""
        layout = Layout.of(motion)
        tracked = layout.tracks(motion)
        correction = self.of(layout, tracked)
        if motion.valid is not None:
            correction[~motion.valid] = 0
        return replace(motion, **layout.unpack(tracked + correction))

    def arrays(self) -> dict[str, np.ndarray]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to_json(self) -> dict[str, Any]:
        """Lists of numbers."""
        return {name: array.tolist() for name, array in self.arrays().items()}

    @staticmethod
    def from_json(record: Any, motion: Motion) -> "PoseBias":
        """Read what `to_json` wrote, of a motion of the same rig.

        Raises:
            UserError: it is damaged, or of another rig.
        """
        layout = Layout.of(motion)
        empty = learn_pose_bias(layout, np.zeros((1, layout.size)), np.zeros((1, layout.size)))
        try:
            found = PoseBias(*(np.array(record[field.name], np.float64) for field in fields(PoseBias)))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"the avatar's record of its tracking is damaged ({error}); fit it again") from error
        same = all(found.arrays()[name].shape == array.shape for name, array in empty.arrays().items())
        if not (same and all(np.isfinite(array).all() for array in found.arrays().values()) and (found.deviation > 0).all()):
            raise UserError("the avatar's record of its tracking is damaged or of another head; fit it again")
        return found


def as_fitted(tracked: Motion, record: dict) -> Motion:
    """The tracked motion of the capture that an avatar was fitted to, as its Gaussians know it.

    Args:
        tracked: the motion.
        record: what the avatar says of its fit (`metadata["fit"]`).

    Raises:
        UserError: the record is damaged.
    """
    return tracked if record.get("pose_bias") is None else PoseBias.from_json(record["pose_bias"], tracked).corrected(tracked)


def learn_pose_bias(layout: Layout, tracked: np.ndarray, corrections: np.ndarray) -> PoseBias:
    """The bias of F frames; its mean over them is nil.

    Args:
        layout: of the channels.
        tracked: [F, P] channels.
        corrections: [F, P] by which fitting changed them.
    """
    columns, floors = _pose(layout)
    pose = tracked[:, columns]
    mean, deviation = pose.mean(axis=0), np.maximum(pose.std(axis=0), floors)
    features = _features(layout, tracked, mean, deviation)
    matrix = np.linalg.solve(features.T @ features + RIDGE * np.eye(len(mean)), features.T @ (corrections - corrections.mean(axis=0)))
    return PoseBias(mean, deviation, matrix)


def _pose(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """[Q] which parameters the bias depends on, and [Q] their least deviations."""
    names = [name for name in FLOORS if name in layout.slices]
    return layout.columns(names), np.concatenate([np.full(len(layout.columns([name])), FLOORS[name]) for name in names])


def _features(layout: Layout, tracked: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    return np.clip((tracked[..., _pose(layout)[0]] - mean) / deviation, -REACH, REACH)
