"""The frames of an export: posed Gaussians in a file's axes and units, one frame at a time."""

import hashlib
import math
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from avatar3d.motion import CHANNELS, Motion
from viewer.cameras import at_rest
from viewer.export.axes import turned
from viewer.export.props import together
from viewer.export.provenance import provenance
from viewer.export.pruning import most_important, without_torso
from viewer.export.selection import Selection, Up, check_selection

_ARRAYS = (
    "shape", "vertex_offset", "position", "rotation", "log_scale", "opacity_logit", "colour", "position_basis", "rotation_basis", "colour_basis",
    "input_mean", "input_std",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Frames:
    """`count` frames at `fps`, each made when it is asked for. May be asked from several threads at once."""

    avatar: Avatar
    """Who performs, with the selected Gaussians only."""
    motion: Motion
    """What; one frame of rest where none was given."""
    still: bool
    """Whether none was given."""
    selection: Selection
    up: Up
    """The selection's, or the format's where it says none."""
    indices: np.ndarray
    """[count] frames of the motion."""
    prop: Gaussians | None = None
    """What stands still beside the avatar, in our axes, metres."""
    notes: tuple[str, ...] = ()
    """What the user should know of how they were selected."""

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.indices)

    @property
    def num_gaussians(self) -> int:
        """Of every frame: the avatar's and the prop's."""
        return len(self.avatar) + (0 if self.prop is None else len(self.prop))

    @property
    def fps(self) -> Fraction:
        """Frames per second."""
        return self.motion.fps / self.selection.every

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.count / self.fps)

    @property
    def factor(self) -> float:
        """File lengths per metre."""
        return self.selection.scale * {"m": 1.0, "cm": 100.0}[self.selection.unit]

    def time(self, index: int) -> float:
        """Seconds of the motion at which frame `index` is."""
        return float(self.indices[index] / self.motion.fps)

    def gaussians(self, index: int) -> Gaussians:
        """The Gaussians of frame `index` in the file's axes and units, unit quaternions.

        Raises:
            UserError: the avatar poses to values that are not numbers.
        """
        posed = self.avatar.pose(self.motion, self.time(index))
        posed = turned(posed if self.prop is None else together(posed, self.prop), self.up, self.factor)
        if not all(bool(torch.isfinite(getattr(posed, name)).all()) for name in ("position", "rotation", "log_scale", "opacity_logit", "sh")):
            raise UserError(f"frame {index}: the avatar poses to values that are not numbers; run `avatar3d check` on avatar and motion")
        return posed

    def facts(self, kind: str = "scene") -> dict[str, str]:
        """What the file says of itself, its axes and units among it; `kind` as in `provenance`."""
        return provenance(self.avatar, kind).fields() | {"up": self.up, "units_per_metre": f"{self.factor:g}"}

    def fingerprint(self, more: str = "") -> str:
        """Sixteen hexadecimal digits that differ where any frame may differ, or `more` does."""
        avatar, motion = self.avatar, self.motion
        tensors = [getattr(avatar, name).numpy() for name in _ARRAYS] + [part.numpy() for layer in avatar.layers for part in layer]
        tracks = [track[self.indices] for name in ("expr", *CHANNELS) if (track := getattr(motion, name)) is not None]
        digest = hashlib.sha256(f"{avatar.head.fingerprint} {self.fps} {self.up} {self.factor!r} {more}".encode())
        prop = [] if self.prop is None else [getattr(self.prop, field.name).numpy() for field in fields(self.prop)]
        for array in (avatar.face, avatar.bary, *tensors, *tracks, *prop, *([] if self.sound is None else [self.sound])):
            digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    @property
    def sound(self) -> np.ndarray | None:
        """[samples] mono float32 from the first frame on, as long as the frames; None where the motion has none."""
        if self.motion.sound is None or not self.motion.sound_rate:
            return None
        first = round(float(self.indices[0] / self.motion.fps) * self.motion.sound_rate)
        length = round(self.duration * self.motion.sound_rate)
        cut = self.motion.sound[first : first + length]
        return np.pad(cut, (0, length - len(cut)))

    @property
    def sound_rate(self) -> int:
        """Hz."""
        return self.motion.sound_rate


def open_frames(avatar: Avatar, motion: Motion | None, selection: Selection, up: Up = "y", prop: Gaussians | None = None) -> Frames:
    """The frames that a selection means.

    Args:
        avatar: who.
        motion: what it performs; None for its rest pose, one frame.
        selection: which frames and Gaussians, in which axes and units.
        up: the axes of the format, where the selection says nothing.
        prop: what stands still beside the avatar, in our axes, metres.

    Raises:
        UserError: the selection holds nothing or is out of range.
    """
    check_selection(selection)
    still = motion is None
    if motion is None:
        if (selection.every, selection.start, selection.end) != (1, None, None):
            raise UserError("--every, --start and --end: choose frames of a motion; give one with --motion")
        motion = at_rest(avatar)
    indices = _indices(motion, selection)
    notes: list[str] = []
    if selection.crop_shoulders:
        whole, avatar = len(avatar), without_torso(avatar)
        notes.append(f"--crop-shoulders: {whole - len(avatar)} of {whole} Gaussians follow the torso and are left out")
    if len(avatar) == 0:
        raise UserError("the avatar: has no Gaussian to export" + ("; leave --crop-shoulders out" if selection.crop_shoulders else "; fit it again"))
    if selection.max_gaussians is not None and selection.max_gaussians < len(avatar):
        whole = len(avatar)
        pruned = most_important(avatar, motion, [float(i / motion.fps) for i in indices], selection.max_gaussians)
        avatar = pruned.avatar
        notes.append(f"--max-gaussians: {len(avatar)} of {whole} Gaussians are kept; pictures from all around differ by {pruned.psnr:.1f} dB PSNR")
    return Frames(avatar, motion, still, selection, selection.up or up, indices, prop, tuple(notes))


def _indices(motion: Motion, selection: Selection) -> np.ndarray:
    """Frames from `start` on, before `end`."""
    start, end = selection.start or 0.0, motion.duration if selection.end is None else selection.end
    given = " and ".join(f"--{name} {value:g}" for name, value in (("start", selection.start), ("end", selection.end)) if value is not None)
    if not start < min(end, motion.duration):
        raise UserError(f"{given}: choose a stretch of the motion, which lasts {motion.duration:.2f} s")
    # A frame that a rounded time means is taken.
    first = math.ceil(start * float(motion.fps) - 1e-3)
    last = min(math.ceil(end * float(motion.fps) - 1e-3), len(motion))
    indices = np.arange(first, last, selection.every)
    if len(indices) == 0:
        raise UserError(f"{given}: choose a stretch that holds a frame of the motion, which lasts {motion.duration:.2f} s")
    return indices
