"""What an avatar has seen: the statistics of the motion it was trained on, and bringing a foreign motion inside them."""

from dataclasses import dataclass, replace

import numpy as np

from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion

_CLAMPED = ("jaw_pose", "neck_pose", "eyes_pose", "neck_translation")
_RANGE_MARGIN = 0.25
"""A foreign motion may leave the seen range by this part of its width."""
_ENERGY = 0.995
"""Share of the variance that the kept principal components explain."""


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


def motion_statistics(motion: Motion) -> MotionStatistics:
    """Statistics of a tracked motion's valid frames."""
    seen = motion if motion.valid is None or not motion.valid.any() else motion.frames(np.flatnonzero(motion.valid))
    tracks = {name: getattr(seen, name) for name in ("expr", *_CLAMPED, "rotation", "translation", "eyelids")}
    tracks = {name: track for name, track in tracks.items() if track is not None}
    calm = _calm_frames(seen)
    rest = {name: np.median(track[calm], axis=0).astype(np.float32) for name, track in tracks.items()}
    for name in ("rotation", "translation", "neck_pose", "neck_translation", "eyes_pose"):
        if name in tracks:
            rest[name] = np.median(tracks[name], axis=0).astype(np.float32)
    low = {name: np.percentile(track, 1, axis=0).astype(np.float32) for name, track in tracks.items()}
    high = {name: np.percentile(track, 99, axis=0).astype(np.float32) for name, track in tracks.items()}
    mean = seen.expr.mean(axis=0)
    _, singular, directions = np.linalg.svd(seen.expr - mean, full_matrices=False)
    energy = np.cumsum(singular**2) / max(float(np.sum(singular**2)), 1e-12)
    kept = min(int(np.searchsorted(energy, _ENERGY)) + 1, len(singular))
    deviation = singular[:kept] / max(len(seen) - 1, 1) ** 0.5
    return MotionStatistics(rest, low, high, mean, np.ascontiguousarray(directions[:kept]), deviation.astype(np.float32))


def _calm_frames(motion: Motion) -> np.ndarray:
    """The tenth of the frames with the most closed jaw and the least expression: the face at rest."""
    activity = np.abs(motion.jaw_pose[:, 0] - np.percentile(motion.jaw_pose[:, 0], 5)) * 3 + np.abs(motion.expr).sum(axis=1) * 0.1
    count = max(len(motion) // 10, 1)
    return np.sort(np.argsort(activity, kind="stable")[:count])


def admit(motion: Motion, statistics: MotionStatistics, head: HeadModel) -> Motion:
    """A foreign motion brought inside the statistics: the person's rest is added, ranges are kept to.

    Zeros of the foreign motion become the person's calm face; every channel stays within the seen range and a margin.
    Blinks are scaled so that a full blink is the deepest one seen, since every tracker closes the lids to its own depth.

    Args:
        motion: made for a neutral head, for instance by the driver.
        statistics: of the avatar that shall perform it.
        head: the avatar's rig.
    """
    values: dict[str, np.ndarray] = {}
    rest, low, high = statistics.rest, statistics.low, statistics.high
    expr = motion.expr.copy()
    lids = [i for i, name in enumerate(head.expr_names) if name.startswith("eyeBlink")]
    expr = expr + rest["expr"]
    margin = _RANGE_MARGIN * (high["expr"] - low["expr"])
    expr = np.clip(expr, low["expr"] - margin, high["expr"] + margin)
    for lid in lids:
        deepest = max(float(high["expr"][lid]), 0.5)
        expr[:, lid] = rest["expr"][lid] + np.clip(motion.expr[:, lid], 0, 1) * (deepest - rest["expr"][lid])
    values["expr"] = expr
    for name in _CLAMPED:
        track = getattr(motion, name)
        if name not in rest:
            continue
        foreign = track if track is not None else np.zeros((len(motion), len(rest[name])), np.float32)
        margin = _RANGE_MARGIN * (high[name] - low[name])
        values[name] = np.clip(foreign + rest[name], low[name] - margin, high[name] + margin)
    for name in ("rotation", "translation"):
        values[name] = getattr(motion, name) + rest[name]
    if "eyelids" in rest:
        foreign = motion.eyelids if motion.eyelids is not None else np.zeros((len(motion), 2), np.float32)
        values["eyelids"] = foreign + rest["eyelids"]
    values = {name: np.ascontiguousarray(value, np.float32) for name, value in values.items()}
    return replace(motion, **values)
