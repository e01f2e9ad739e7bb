"""A rig that moves, as our sender puts it into the datagrams of ue://, and what is heard of them."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion, rest_motion
from viewer.bridge import ue
from viewer.bridge.receiver import Assembly, Face
from viewer.bridge.sender import DatagramOutlet
from viewer.stream.playback import play, track_of

DAY = 68_123.456
"""The time of day at which it begins, seconds."""


def a_motion(head: HeadModel, fps: Fraction = Fraction(60), frames: int = 120) -> Motion:
    """Every channel of every frame is another number."""
    rng = np.random.default_rng(frames)
    motion = rest_motion(head, frames, fps)
    return replace(motion, **{name: rng.uniform(-1, 1, value.shape).astype(np.float32) for name, value in track_of(motion, head).items()})


class _Line:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)


def sent(motion: Motion, head: HeadModel, fingerprint: str | None = None) -> list[bytes]:
    """The datagrams of a motion as our sender writes them; its face is another one than the rig's."""
    line, count = _Line(), len(motion)
    face = {name: np.full((count, width), 0.25, np.float32) for name, width in ue.FACE}
    outlet = DatagramOutlet(ue, line, "Ana", motion.fps, head.fingerprint if fingerprint is None else fingerprint, lambda: DAY)  # type: ignore[arg-type]
    play({**track_of(motion, head), **face}, motion.fps, outlet, sleep=lambda _: None, clock=lambda: 0.0)
    return line.sent


def of_stream(data: bytes, stream: int) -> bytes:
    """The same packet in another stream."""
    return data[:4] + stream.to_bytes(4, "little") + data[8:]


def moment(data: bytes) -> float:
    """When a packet is due, seconds."""
    return float(np.frombuffer(data, "<f8", 1, 8)[0])


def heard(datagrams: list[bytes], assembly: Assembly | None = None) -> list[Face]:
    """What is heard of datagrams that arrive as they were sent."""
    assembly = assembly or Assembly(ue)
    return [face for data in datagrams if (face := assembly.add(data, 5 + moment(data) - DAY)) is not None]


def introductions(datagrams: list[bytes]) -> list[bytes]:
    return [data for data in datagrams if data[3] == ue.INTRODUCTION]


def frames(datagrams: list[bytes]) -> list[bytes]:
    return [data for data in datagrams if data[3] != ue.INTRODUCTION]
