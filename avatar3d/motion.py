"""Motion: a sequence of rig parameters at a fixed frame rate, with the names that VHAP and GaussianAvatars use."""

import io
import zipfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.errors import UserError
from avatar3d.file_kinds import MOTION, check_kind
from avatar3d.files import atomic_path
from avatar3d.head.model import HeadModel

SCHEMA = 1
ROTATIONS = ("jaw_pose", "neck_pose", "eyes_pose", "rotation")
CHANNELS: dict[str, int] = {
    "jaw_pose": 3, "neck_pose": 3, "eyes_pose": 6, "rotation": 3, "translation": 3, "neck_translation": 3, "eyelids": 2,
}  # fmt: skip
"""Width of every per-frame channel but `expr`, whose width is the head's."""
_LONGEST_NOTE = 1000
"""Characters that are read."""


@dataclass(frozen=True, eq=False)
class Motion:
    """T frames; frame i is at i / fps seconds on the clock of the sound's first sample. float32."""

    expr: np.ndarray
    """[T, E]."""
    jaw_pose: np.ndarray
    """[T, 3] rotation vector, radians."""
    neck_pose: np.ndarray
    """[T, 3]: turns the head against the torso."""
    eyes_pose: np.ndarray
    """[T, 6]: left, right."""
    rotation: np.ndarray
    """[T, 3] of the torso."""
    translation: np.ndarray
    """[T, 3] of the torso, metres."""
    shape: np.ndarray
    """[S] identity."""
    fps: Fraction
    head_fingerprint: str
    neck_translation: np.ndarray | None = None
    """[T, 3] metres, in the torso's frame."""
    eyelids: np.ndarray | None = None
    """[T, 2] closure of the left and right lid."""
    sound: np.ndarray | None = None
    """[samples] mono float32, -1..1."""
    sound_rate: int = 0
    """Hz."""
    valid: np.ndarray | None = None
    """[T] bool: false where a tracker bridged a gap."""
    note: str = ""
    """What else there is to know of how it was made."""

    def __post_init__(self) -> None:
        T = self.expr.shape[0]
        for name, width in CHANNELS.items():
            value = getattr(self, name)
            if value is not None and value.shape != (T, width):
                raise ValueError(f"{name} has shape {value.shape}, expected {(T, width)}")
        if self.fps <= 0:
            raise ValueError(f"fps is {self.fps}, expected a positive number")

    def __len__(self) -> int:
        return self.expr.shape[0]

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(len(self) / self.fps)

    def at(self, time: float) -> "Motion":
        """The one frame at `time` seconds, held at the ends: linear in coefficients, spherical in rotations."""
        position = min(max(time * float(self.fps), 0.0), len(self) - 1.0)
        first = min(int(position), max(len(self) - 2, 0))
        fraction = np.float32(position - first)
        before, after = slice(first, first + 1), slice(first + 1, first + 2)
        if fraction == 0.0:
            return self.frames(before)
        values = {}
        for name in ("expr", *CHANNELS):
            track = getattr(self, name)
            if track is None:
                continue
            if name in ROTATIONS:
                values[name] = _slerp(track[before], track[after], float(fraction))
            else:
                values[name] = track[before] + fraction * (track[after] - track[before])
        valid = None if self.valid is None else self.valid[before] & self.valid[after]
        return replace(self, **values, valid=valid, sound=None, sound_rate=0)

    def frames(self, selection: slice | np.ndarray) -> "Motion":
        """The motion of some frames only; the sound is dropped, since it no longer fits."""
        names = [name for name in ("expr", *CHANNELS, "valid") if getattr(self, name) is not None]
        return replace(self, **{name: getattr(self, name)[selection] for name in names}, sound=None, sound_rate=0)


def resampled(motion: Motion, fps: Fraction) -> Motion:
    """The motion at another rate, with its sound: linear in coefficients, spherical in rotations. A frame is valid where both of its sources are."""
    if fps == motion.fps:
        return motion
    count = max(1, round(motion.duration * float(fps)))
    position = np.minimum(np.arange(count) * float(motion.fps / fps), len(motion) - 1)
    first = np.minimum(position.astype(np.int64), max(len(motion) - 2, 0))
    second = np.minimum(first + 1, len(motion) - 1)
    fraction = (position - first).astype(np.float32)[:, None]
    values = {}
    for name in ("expr", *CHANNELS):
        track = getattr(motion, name)
        if track is not None:
            values[name] = np.ascontiguousarray(between(track[first], track[second], fraction, name in ROTATIONS), np.float32)
    valid = None if motion.valid is None else motion.valid[first] & motion.valid[second]
    return replace(motion, **values, valid=valid, fps=fps)


def between(before: np.ndarray, after: np.ndarray, fraction: np.ndarray, turning: bool) -> np.ndarray:
    """Values [T, C] a `fraction` [T, 1] of the way from `before` to `after`; `turning` ones are rotation vectors, and go along the shorter arc."""
    return _slerp(before, after, fraction) if turning else (before + fraction * (after - before)).astype(np.float32)


def _slerp(before: np.ndarray, after: np.ndarray, fraction: float | np.ndarray) -> np.ndarray:
    """Rotation vectors [T, 3n] between two of them along the shorter arc, a fraction of the way or [T, 1] of them."""
    turns = [np.asarray(x, np.float64).reshape(-1, 3) for x in (before, after)]
    share = np.broadcast_to(fraction, before.shape)[:, ::3].reshape(-1, 1)
    first, second = Rotation.from_rotvec(turns[0]), Rotation.from_rotvec(turns[1])
    step = Rotation.from_rotvec((first.inv() * second).as_rotvec() * share)
    return (first * step).as_rotvec().reshape(before.shape).astype(np.float32)


def rest_motion(head: HeadModel, frames: int, fps: Fraction = Fraction(25), shape: np.ndarray | None = None) -> Motion:
    """A motion in which nothing moves."""
    zeros = {name: np.zeros((frames, width), np.float32) for name, width in CHANNELS.items() if name != "eyelids"}
    return Motion(
        expr=np.zeros((frames, head.num_expr), np.float32),
        **zeros,  # pyright: ignore[reportArgumentType]
        shape=np.zeros(head.num_shape, np.float32) if shape is None else shape.astype(np.float32),
        fps=fps,
        head_fingerprint=head.fingerprint,
        eyelids=None if head.eyelid_basis is None else np.zeros((frames, 2), np.float32),
    )


def save_motion(motion: Motion, path: Path | str) -> None:
    """Write an `.npz` whose array names are VHAP's.

    Raises:
        UserError: the file cannot be written.
    """
    arrays = {name: getattr(motion, name) for name in ("expr", *CHANNELS, "shape", "valid", "sound") if getattr(motion, name) is not None}
    # Packed in memory first: a zip that meets a full disk half-way complains once more when it is collected.
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        **arrays,
        schema=np.int64(SCHEMA),
        fps=np.array([motion.fps.numerator, motion.fps.denominator], np.int64),
        head_fingerprint=np.array(motion.head_fingerprint),
        sound_rate=np.int64(motion.sound_rate),
        **({"note": np.array(motion.note)} if motion.note else {}),
    )
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed.getbuffer())


def load_motion(path: Path | str, head: HeadModel | None = None) -> Motion:
    """Read a motion; with `head`, refuse one that was made for another head.

    Raises:
        UserError: unreadable, malformed, or of another head.
    """
    path = Path(path)
    check_kind(path, MOTION)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; give a motion (.npz)") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise UserError(f"{path}: is not a motion file (.npz); make one with `avatar3d drive` or `avatar3d track`") from error
    try:
        schema = int(arrays["schema"])
        if schema > SCHEMA:
            raise UserError(f"{path}: was written by a newer avatar3d (motion schema {schema}, this one reads {SCHEMA}); update avatar3d")
        numerator, denominator = (int(v) for v in arrays["fps"])
        names = [name for name in ("expr", *CHANNELS, "shape") if name in arrays]
        values = {name: np.ascontiguousarray(arrays[name], np.float32) for name in names}
        motion = replace(
            Motion(**values, fps=Fraction(numerator, denominator), head_fingerprint=str(arrays["head_fingerprint"])),  # pyright: ignore[reportArgumentType]
            sound=arrays["sound"].astype(np.float32) if "sound" in arrays else None,
            sound_rate=int(arrays["sound_rate"]),
            valid=arrays["valid"].astype(bool) if "valid" in arrays else None,
            note=str(arrays["note"])[:_LONGEST_NOTE] if "note" in arrays else "",
        )
    except (KeyError, ValueError, TypeError, IndexError, ZeroDivisionError) as error:
        raise UserError(f"{path}: is not a complete motion file ({error}); make it again") from error
    names = [name for name in ("expr", *CHANNELS, "shape", "sound") if getattr(motion, name) is not None]
    if len(motion) == 0 or not all(np.isfinite(getattr(motion, name)).all() for name in names):
        raise UserError(f"{path}: has no frames or values that are not numbers; make it again")
    if head is not None:
        check_head(motion.head_fingerprint, head, path)
        if motion.expr.shape[1] != head.num_expr or len(motion.shape) > head.num_shape:
            raise UserError(f"{path}: has {motion.expr.shape[1]} expressions, the head {head.name} has {head.num_expr}; make it again")
    return motion


def check_head(fingerprint: str, head: HeadModel, path: Path | str) -> None:
    """Refuse coefficients of another head.

    Raises:
        UserError: the fingerprints differ; both heads are named.
    """
    if fingerprint != head.fingerprint:
        raise UserError(
            f"{path}: was made for head {fingerprint}, but the head in use is {head.name} ({head.fingerprint}); "
            "give the head it was made for with --head"
        )
