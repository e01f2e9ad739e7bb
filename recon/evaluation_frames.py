"""Which frames an evaluation looks at, and which of them the avatar was trained on."""

from dataclasses import dataclass

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.motion import Motion
from recon.capture import Capture

HELD_OUT, TRAINED, UNKNOWN = "held out", "trained", "training unknown"
UNKNOWN_SHARE = 0.2
"""Share of the frames, at the end, that count as held out where nobody knows what was trained on."""
TRAIN_SAMPLE = 60
"""Frames trained on that stand beside the held-out ones: triples of neighbours, so that flicker can be told."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Frames by what the avatar knows of them, each [T] ascending; empty groups are left out."""

    frames: dict[str, np.ndarray]
    trained: np.ndarray | None
    """[frames of the capture] bool; None where it is not known."""

    @property
    def main(self) -> str:
        """The group that the headline figures are of: held out before unknown before trained."""
        return next(name for name in (HELD_OUT, UNKNOWN, TRAINED) if name in self.frames)


def trained_frames(avatar: Avatar, capture: Capture) -> np.ndarray | None:
    """Which frames [frames of the capture] bool an avatar was trained on; None where that is not recorded, or of another capture."""
    fit, camera = avatar.metadata.get("fit", {}), avatar.metadata.get("camera", {})
    if not isinstance(fit, dict) or avatar.metadata.get("source") != capture.source["name"]:
        return None
    if fit.get("frames") != len(capture) or camera.get("width") != capture.size:
        return None
    trained = np.zeros(len(capture), bool)
    try:
        for first, last in fit["trained_frames"]:
            trained[first : last + 1] = True
    except (KeyError, TypeError, ValueError):
        return None
    return trained


def choose_frames(choice: str, avatar: Avatar, capture: Capture, motion: Motion) -> Groups:
    """The frames that `--frames` asks for, without those that show no face.

    Args:
        choice: "held-out" (those that were not trained on, with a sample of those that were beside them), "all", or "A:B" (frames A to B - 1).
        avatar: says what it was trained on.
        capture: the frames.
        motion: as tracked.

    Raises:
        UserError: not a choice, or no such frames.
    """
    usable = np.asarray(capture.valid, bool) if motion.valid is None else motion.valid & capture.valid
    trained = trained_frames(avatar, capture)
    asked = np.zeros(len(capture), bool)
    asked[_range(choice, len(capture))] = True
    asked &= usable
    if not asked.any():
        raise UserError(f"--frames {choice}: none of these frames of {capture.path} shows a face; choose others")
    if trained is None:
        if choice == "held-out":
            asked[: len(capture) - round(UNKNOWN_SHARE * len(capture))] = False
        groups = {UNKNOWN: np.flatnonzero(asked if asked.any() else usable)}
    else:
        groups = {HELD_OUT: np.flatnonzero(asked & ~trained), TRAINED: np.flatnonzero(asked & trained)}
        if choice == "held-out":
            groups[TRAINED] = _triples(groups[TRAINED])
    return Groups({name: frames for name, frames in groups.items() if len(frames)}, trained)


def _range(choice: str, count: int) -> slice:
    if choice in ("held-out", "all"):
        return slice(0, count)
    first, colon, last = choice.partition(":")
    try:
        a, b = int(first or 0), int(last or count)
    except ValueError:
        a, b = 0, -1
    if not colon or not 0 <= a < b:
        raise UserError(f"--frames {choice}: choose held-out, all, or a range such as 100:200")
    if a >= count:
        raise UserError(f"--frames {choice}: the capture has frames 0 to {count - 1}; choose among them")
    return slice(a, min(b, count))


def _triples(frames: np.ndarray) -> np.ndarray:
    """At most `TRAIN_SAMPLE` of some frames, in evenly spread groups of three neighbours."""
    if len(frames) <= TRAIN_SAMPLE:
        return frames
    starts = np.linspace(0, len(frames) - 3, TRAIN_SAMPLE // 3).astype(int)
    return frames[np.unique(starts[:, None] + np.arange(3))]
