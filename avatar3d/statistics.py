"""What an avatar has seen: the statistics of the motion it was trained on, and bringing a foreign motion inside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from avatar3d.head.model import HeadModel, head_vertices
from avatar3d.motion import Motion

_CLAMPED = ("jaw_pose", "neck_pose", "eyes_pose", "neck_translation")
_RANGE_MARGIN = 0.25
"""A foreign motion may leave the seen range by this part of its width."""
_LEAST_MARGIN = 0.005
_MOUTH = ("mouth", "jaw", "cheekPuff", "tongue")
_ENERGY = 0.995
"""Share of the variance that the kept principal components explain."""


@dataclass(frozen=True, eq=False)
class Meant:
    """How far a motion is meant to go beyond what was seen, by its channels, `expr` and the poses: [E] or [3] or [6] each."""

    beyond: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By how much on one side, with its sign."""
    times: Mapping[str, np.ndarray] = field(default_factory=dict)
    """How many times the seen range about the rest, 1 or more."""


NOTHING_MEANT = Meant()


@dataclass(frozen=True, eq=False)
class MotionStatistics:
    """Float32 arrays; the keys of `low`, `high` and `rest` are the names of the motion's channels."""

    rest: dict[str, np.ndarray]
    """The person's calm face and usual place: what a foreign motion's zeros stand for."""
    low: dict[str, np.ndarray]
    """First percentile of every channel."""
    high: dict[str, np.ndarray]
    """Ninety-ninth percentile."""
    mean: np.ndarray
    """[E] mean expression."""
    components: np.ndarray
    """[P, E] orthonormal principal directions of the expression."""
    deviation: np.ndarray
    """[P] standard deviation along each."""


def motion_statistics(motion: Motion, head: HeadModel) -> MotionStatistics:
    """Statistics of a tracked motion's valid frames.

    Args:
        motion: as tracked.
        head: its rig; its lips say in which frames the mouth is closed.
    """
    seen = motion if motion.valid is None or not motion.valid.any() else motion.frames(np.flatnonzero(motion.valid))
    tracks = {name: getattr(seen, name) for name in ("expr", *_CLAMPED, "rotation", "translation", "eyelids")}
    tracks = {name: track for name, track in tracks.items() if track is not None}
    rest = {name: np.median(track, axis=0).astype(np.float32) for name, track in tracks.items()}
    closed = _closed_frames(seen, head)
    # The mouth rests closed; brows, lids and the head rest where they mostly are. An unnamed basis rests as a whole.
    mouth = [i for i, name in enumerate(head.expr_names) if name.startswith(_MOUTH)] or list(range(seen.expr.shape[1]))
    rest["expr"][mouth] = np.median(seen.expr[closed][:, mouth], axis=0)
    rest["jaw_pose"] = np.median(seen.jaw_pose[closed], axis=0).astype(np.float32)
    low = {name: np.percentile(track, 1, axis=0).astype(np.float32) for name, track in tracks.items()}
    high = {name: np.percentile(track, 99, axis=0).astype(np.float32) for name, track in tracks.items()}
    mean = seen.expr.mean(axis=0)
    _, singular, directions = np.linalg.svd(seen.expr - mean, full_matrices=False)
    energy = np.cumsum(singular**2) / max(float(np.sum(singular**2)), 1e-12)
    kept = min(int(np.searchsorted(energy, _ENERGY)) + 1, len(singular))
    deviation = singular[:kept] / max(len(seen) - 1, 1) ** 0.5
    return MotionStatistics(rest, low, high, mean, np.ascontiguousarray(directions[:kept]), deviation.astype(np.float32))


def lip_gap(motion: Motion, head: HeadModel) -> np.ndarray:
    """[T] opening between the inner lips, metres, with the head at rest; the jaw's angle where the head has no lips."""
    upper, lower = head.regions.get("lip_inner_upper"), head.regions.get("lip_inner_lower")
    if upper is None or lower is None or len(upper) != len(lower) or not len(upper):
        return motion.jaw_pose[:, 0]
    count = len(upper)
    lips = head.subset(np.concatenate([upper, lower]))
    still = torch.zeros(len(motion), 3)
    eyes = torch.from_numpy(motion.eyes_pose)
    expr, jaw = torch.from_numpy(motion.expr), torch.from_numpy(motion.jaw_pose)
    vertices = head_vertices(
        lips, torch.from_numpy(motion.shape), expr, jaw_pose=jaw, neck_pose=still, eyes_pose=eyes, rotation=still, translation=still
    ).numpy()
    middle = slice(count // 3, count - count // 3)
    return (vertices[:, :count, 1] - vertices[:, count:, 1])[:, middle].mean(axis=1)


def _closed_frames(motion: Motion, head: HeadModel) -> np.ndarray:
    """The tenth of the frames with the smallest gap between the lips.

    The smallest of this capture, not those near zero: a tracker's closed mouth is some millimetres off on every person.
    """
    count = max(len(motion) // 10, 1)
    return np.sort(np.argsort(lip_gap(motion, head), kind="stable")[:count])


def admit(motion: Motion, statistics: MotionStatistics, head: HeadModel, own: bool = False, meant: Meant = NOTHING_MEANT) -> Motion:
    """A foreign motion brought inside the statistics: the person's rest is added, ranges are kept to.

    Zeros of the foreign motion become the person's calm face; every channel stays within the seen range and a margin.
    Blinks are scaled so that a full blink is the deepest one seen, since every tracker closes the lids to its own depth.

    Args:
        motion: made for a neutral head, for instance by the driver.
        statistics: of the avatar that shall perform it.
        head: the avatar's rig.
        own: whether the motion is this person's own, made by a driver that learned of them: face and jaw are then as tracked,
            and only neck, gaze and place are relative to the person's usual ones.
        meant: by how much the channels may go beyond what was seen of each, since somebody asked for it: a person who was filmed without a
            smile, or without a look to the side, can be told to smile and to look there, and to move twice as much.
    """
    rest, low, high = statistics.rest, statistics.low, statistics.high
    base = {name: np.zeros_like(value) if own and name in ("expr", "jaw_pose") else value for name, value in rest.items()}
    low = {name: _widened(bound, rest[name], meant.times.get(name)) + np.minimum(meant.beyond.get(name, 0), 0) for name, bound in low.items()}
    high = {name: _widened(bound, rest[name], meant.times.get(name)) + np.maximum(meant.beyond.get(name, 0), 0) for name, bound in high.items()}
    values = {"expr": _softly_within(motion.expr + base["expr"], low["expr"], high["expr"])}
    if "expr" in meant.times:
        # A weight of 1 is the whole of a shape.
        values["expr"] = np.minimum(values["expr"], np.maximum(statistics.high["expr"], 1))
    for lid in (i for i, name in enumerate(head.expr_names) if name.startswith("eyeBlink") and not own):
        deepest = max(float(statistics.high["expr"][lid]), 0.5)
        values["expr"][:, lid] = rest["expr"][lid] + np.clip(motion.expr[:, lid], 0, 1) * (deepest - rest["expr"][lid])
    for name in _CLAMPED:
        if name in rest:
            track = getattr(motion, name)
            values[name] = _softly_within(base[name] + (0 if track is None else track) + np.zeros((len(motion), 1)), low[name], high[name])
    for name in ("rotation", "translation"):
        values[name] = getattr(motion, name) + rest[name]
    if "eyelids" in rest:
        values["eyelids"] = rest["eyelids"] + (motion.eyelids if motion.eyelids is not None else np.zeros((len(motion), 2)))
    return replace(motion, **{name: np.ascontiguousarray(value, np.float32) for name, value in values.items()})


def relative(motion: Motion, statistics: MotionStatistics, head: HeadModel, own: bool = False) -> Motion:
    """What `admit` would have to be given to return this motion of the person's, where it lies within the seen ranges.

    Args:
        motion: of the avatar whose statistics these are.
        statistics: of the avatar.
        head: its rig.
        own: as for `admit`.
    """
    rest, high = statistics.rest, statistics.high
    values = {}
    for name, usual in rest.items():
        track = getattr(motion, name)
        if track is not None:
            values[name] = track - (0 if own and name in ("expr", "jaw_pose") else usual)
    for lid in (i for i, name in enumerate(head.expr_names) if name.startswith("eyeBlink") and not own):
        values["expr"][:, lid] /= max(float(high["expr"][lid]), 0.5) - rest["expr"][lid]
    return replace(motion, **{name: np.ascontiguousarray(value, np.float32) for name, value in values.items()})


def _widened(bound: np.ndarray, rest: np.ndarray, times: np.ndarray | None) -> np.ndarray:
    """A bound [C] so many times as far from the rest [C]; exactly itself where nothing is asked."""
    return bound if times is None else np.where(times == 1, bound, rest + times * (bound - rest)).astype(np.float32)


def _softly_within(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Values [T, C] beyond low or high [C] bent into a margin there: a hard limit would show as a held pose."""
    margin = np.maximum(_RANGE_MARGIN * (high - low), _LEAST_MARGIN)
    above, below = np.maximum(values - high, 0), np.maximum(low - values, 0)
    return np.clip(values, low, high) + margin * np.tanh(above / margin) - margin * np.tanh(below / margin)
