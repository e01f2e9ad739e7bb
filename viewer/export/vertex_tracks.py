"""A head whose rig may not be given away, as what its vertices do in these motions: their own principal components, and no basis of the head's.

A frame is mean + coefficients @ components in the torso's frame, which turns around the root joint and shifts as the motion says. The weights of the
Gaussians' bases come with the frames, since the network would need the expressions.
"""

from dataclasses import replace

import numpy as np
import torch

from avatar3d import posing
from avatar3d.avatar import Avatar
from avatar3d.gaussians import Gaussians, rgb_to_sh
from avatar3d.head.model import axis_angle_to_matrix
from avatar3d.motion import Motion, between
from viewer.export.motion_track import FORMAT
from viewer.export.packed import Packed, as_float, quantised
from viewer.export.web_bundle import local_gaussians, used_vertices

TOLERANCE = 5e-5
"""Metres: the components are as many as keep the worst vertex of the frames they are made of this near to where the rig puts it."""
MOST = 128
_SEEN = 1200
"""Frames that the components are made of, evenly spread: a speech of an hour needs no more of them than one of a minute."""
_AT_ONCE = 500
REASON = (
    "The head model of this avatar may not be given away, so this page holds no rig: only how these vertices move in this one motion. "
    "It can be played, but not be given other expressions."
)


def pack_tracks(avatar: Avatar, packed: Packed, motions: dict[str, Motion], *, exact: bool = False) -> dict[str, Packed]:
    """The motions as tracks; the components that they share are put into the packed avatar.

    Args:
        avatar: who performs.
        packed: of the same avatar; gets the mesh.
        motions: by name.
        exact: float32 throughout.
    """
    small = as_float if exact else quantised
    used, _, _ = used_vertices(avatar)
    mean, components = principal(np.concatenate([still_vertices(avatar, motion, used, _SEEN // len(motions)) for motion in motions.values()]))
    packed.header |= {"mesh": "tracks", "reason": REASON}
    packed.arrays |= {"track_mean": small(mean.reshape(-1, 3)), "track_components": small(components)}
    # Fitted to the rounded mean and components, so that their rounding costs less.
    mean, inverse = packed.values("track_mean").reshape(-1), np.linalg.pinv(packed.values("track_components").astype(np.float64))
    out = {}
    for name, motion in motions.items():
        pieces = [motion.frames(slice(start, start + _AT_ONCE)) for start in range(0, len(motion), _AT_ONCE)]
        coefficients = np.concatenate([(still_vertices(avatar, piece, used) - mean) @ inverse for piece in pieces])
        weights = np.stack([avatar.weights(motion.frames(slice(i, i + 1))) for i in range(len(motion))])
        header = {"format": FORMAT, "fps": [motion.fps.numerator, motion.fps.denominator], "frames": len(motion), "head": motion.head_fingerprint}
        channels = {"coefficients": coefficients, "weights": weights, "rotation": motion.rotation, "translation": motion.translation}
        out[name] = Packed(header, {key: small(value) for key, value in channels.items()})
    return out


def still_vertices(avatar: Avatar, motion: Motion, used: np.ndarray, most: int | None = None) -> np.ndarray:
    """Posed vertices [T, 3 V'] as if the torso stood at the origin unturned; of `most` frames at most, evenly spread."""
    chosen = np.arange(len(motion)) if most is None else np.unique(np.linspace(0, len(motion) - 1, most).round().astype(np.int64))
    still = replace(motion, rotation=np.zeros_like(motion.rotation), translation=np.zeros_like(motion.translation))
    return np.stack([avatar.vertices(still.frames(slice(i, i + 1)))[used].reshape(-1) for i in chosen])


def principal(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [L] and as few principal components [C, L] of rows [T, L] as keep every value within the tolerance."""
    mean = rows.mean(axis=0)
    rest = (rows - mean).astype(np.float64)
    left, singular, components = np.linalg.svd(rest, full_matrices=False)
    count = 0
    while count < min(MOST, len(singular)) and np.abs(rest).max(initial=0) > TOLERANCE:
        rest -= np.outer(left[:, count] * singular[count], components[count])
        count += 1
    return mean.astype(np.float32), components[:count].astype(np.float32)


def posed(packed: Packed, track: Packed, time: float) -> Gaussians:
    """The Gaussians of a packed avatar with tracks at `time` seconds, with all rounding: what the player is measured against."""
    numerator, denominator = track.header["fps"]
    count = track.header["frames"]
    position = min(max(time * numerator / denominator, 0.0), count - 1.0)
    first = min(int(position), max(count - 2, 0))
    second, fraction = min(first + 1, count - 1), np.float32(position - first).reshape(1, 1)

    def at(name: str, turning: bool = False) -> np.ndarray:
        values = track.values(name)
        return between(values[first : first + 1], values[second : second + 1], fraction, turning)[0]

    root, points = packed.values("root"), packed.values("track_mean").reshape(-1) + at("coefficients") @ packed.values("track_components")
    turn = axis_angle_to_matrix(torch.from_numpy(at("rotation", True))).numpy()
    vertices = np.ascontiguousarray((points.reshape(-1, 3) - root) @ turn.T + root + at("translation"), np.float32)
    local = local_gaussians(packed)
    weights = torch.from_numpy(at("weights"))
    base = {name: local[name] + torch.tensordot(weights, local[f"{name}_basis"], 1) for name in ("position", "rotation", "colour")}
    faces = np.ascontiguousarray(packed.values("faces"), np.int32)
    frames = posing.triangle_frames(vertices, faces, packed.values("rest_area"))
    centre, rotation, log_scale = posing.bind(
        vertices, faces, frames, local["face"], local["bary"], base["position"].numpy(), base["rotation"].numpy(), local["log_scale"].numpy()
    )
    world = {"position": centre, "rotation": rotation, "log_scale": log_scale}
    return Gaussians(**{name: torch.from_numpy(v) for name, v in world.items()}, opacity_logit=local["opacity_logit"], sh=rgb_to_sh(base["colour"]))
