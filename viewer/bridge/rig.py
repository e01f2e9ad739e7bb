"""The rig's own channels, where a sender's frames hold them: a motion that is what was sent, and no guess out of ARKit's weights.

Frames hold numbers, and introductions say what they are. A face keeps its numbers and the `Stream` that it is of, so that it makes no
difference whether the introduction came before it or after it.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from avatar3d.head.model import HeadModel
from avatar3d.motion import CHANNELS, ROTATIONS, Motion, between, rest_motion
from viewer.bridge.receiver import Face
from viewer.bridge.take import steady
from viewer.bridge.ue import FACE
from viewer.stream.packets import parted

_FACE_WIDTH = sum(width for _, width in FACE)
_OPTIONAL = ("neck_translation", "eyelids")
"""Channels that a motion need not have; they are zero then."""
_MOST = 1000.0
"""Radians, metres, or times an expression: beyond, there is no head, and the arithmetic that poses one breaks down."""
_SAME = 1e-5
"""Seconds by which a moment is a frame's own: clocks that count the seconds of a century tell moments no better apart."""


def misfit(heard: Sequence[Face], head: HeadModel) -> str | None:
    """Why faces do not hold the channels of this head's rig; None where all of them do. One that does not is enough: a motion is one or the other.

    Args:
        heard: of one subject.
        head: that the motion is for.
    """
    streams = {id(face.stream): face.stream for face in heard}
    for stream in streams.values():
        if stream is None or stream.introduction is None:
            return "no introduction of its sender's came" if len(streams) == 1 else "no introduction of one of its senders came"
        if stream.changed:
            return "its sender introduced itself as another one on the way"
        if not (theirs := stream.introduction.head):
            return "its sender has no rig"
        if theirs != head.fingerprint:
            return f"it was sent for head {theirs}, and this is {head.name} ({head.fingerprint}); give an avatar on that one, or --head"
        if not _fits(stream.introduction.channels, head):
            return "its sender does not name the rig's channels"
    for face in heard:
        assert face.stream is not None and face.stream.introduction is not None
        if face.rig is None or len(face.rig) + _FACE_WIDTH != face.stream.introduction.width:
            return "its frames have other numbers than their introduction names"
        if len(face.rig) and abs(face.rig).max() > _MOST:
            return f"its frames hold numbers that no head has, beyond {_MOST:g}"
    return None


def rig_channels(face: Face, head: HeadModel) -> dict[str, np.ndarray]:
    """Channels [width] float32 by name of a face without a `misfit`: those of a `Motion` on this head; others are passed over."""
    assert face.rig is not None and face.stream is not None and face.stream.introduction is not None
    channels = parted(face.rig, face.stream.introduction.channels[len(FACE) :])
    known = ("expr", *(name for name in CHANNELS if name != "eyelids" or head.eyelid_basis is not None))
    return {name: channels[name] for name in known if name in channels}


def rig_motion(heard: Sequence[Face], head: HeadModel, fps: Fraction | None = None) -> Motion:
    """Faces without a `misfit` as a motion: at the moments of frames it is what was sent to the last bit, and between them what lies between.

    Args:
        heard: of one subject, in the order of arrival.
        head: whose channels they hold.
        fps: frames a second; default those that the sender says it sends, where they come so.

    Raises:
        UserError: they are too few, or last too long (`take_of`).
    """
    said = heard[-1].stream.introduction.fps if heard and heard[-1].stream and heard[-1].stream.introduction else None
    frames = steady(heard, fps, said)
    rows = [rig_channels(face, head) for face in frames.faces]
    after = np.clip(np.searchsorted(frames.times, frames.moments), 1, len(rows) - 1)
    before = after - 1
    share = (frames.moments - frames.times[before]) / (frames.times[after] - frames.times[before])
    share = np.where(abs(frames.moments - frames.times[before]) <= _SAME, 0.0, share)
    share = np.where(abs(frames.moments - frames.times[after]) <= _SAME, 1.0, share)[:, None]
    inside = (share[:, 0] > 0) & (share[:, 0] < 1)
    still = rest_motion(head, 1)
    values: dict[str, np.ndarray] = {}
    for name in ("expr", *CHANNELS):
        if not any(name in row for row in rows):
            continue
        zeros: np.ndarray = getattr(still, name)[0]
        track = np.stack([row.get(name, zeros) for row in rows])
        values[name] = track[np.where(share[:, 0] < 1, before, after)]
        values[name][inside] = between(track[before[inside]], track[after[inside]], share[inside], name in ROTATIONS)
    motion = replace(rest_motion(head, len(after), frames.fps), neck_translation=None, eyelids=None)
    return replace(motion, **values, valid=None if frames.valid.all() else frames.valid)


def _fits(channels: Sequence[tuple[str, int]], head: HeadModel) -> bool:
    """Whether channels are a face and then a rig's, those that are known as wide as they should be."""
    named, wanted = dict(channels[len(FACE) :]), {"expr": head.num_expr, **CHANNELS}
    whole = all(name in named or name in _OPTIONAL for name in wanted)
    return tuple(channels[: len(FACE)]) == FACE and whole and all(named[name] == width for name, width in wanted.items() if name in named)
