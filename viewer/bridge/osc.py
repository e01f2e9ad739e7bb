"""Our own addresses over OSC, for programs that make a channel of each: Unreal's OSC plugin, TouchDesigner, Max.

For a subject S, angles in degrees, lengths in metres, as docs/stream.md lists:

    /avatar3d/S/frame         i f    number of the frame, seconds since the performance began
    /avatar3d/S/head          f f f  yaw to the subject's left, pitch downwards, roll to the subject's right
    /avatar3d/S/eyes/left     f f f  the same of each eye in the head
    /avatar3d/S/eyes/right    f f f
    /avatar3d/S/position      f f f  of the torso: x to the subject's left, y up, z forwards
    /avatar3d/S/arkit/NAME    f      one for each of the 52, 0..1
    /avatar3d/S/end           i      number of the frame, whose last message this is
"""

import math
import re

import numpy as np

from avatar3d.arkit import ARKIT_INDEX, ARKIT_NAMES
from viewer.bridge import osc_wire
from viewer.bridge.frame import MAX_SUBJECT, BridgeFrame, DatagramError, Heard

PORT = 9000
NAMED = True
ROOT = "avatar3d"
_FOREIGN = re.compile(r"[^\w.-]+", re.ASCII)
_MOST = 1e6


def name_in_addresses(subject: str) -> str:
    """A subject's name as addresses have it: what is neither letter, digit, point, dash nor underscore becomes an underscore."""
    return _FOREIGN.sub("_", subject) or "_"


def encode(frame: BridgeFrame) -> list[bytes]:
    """The bundles of a frame; see `viewer.bridge.frame`."""
    root = f"/{ROOT}/{name_in_addresses(frame.subject)}"
    number = frame.number & 0x7FFFFFFF
    left, right = np.degrees(frame.eyes[:3]).tolist(), np.degrees(frame.eyes[3:]).tolist()
    position = np.asarray(frame.rig.get("translation", np.zeros(3)), np.float64).tolist()
    parts = [
        osc_wire.message(f"{root}/frame", number, float(frame.time)),
        osc_wire.message(f"{root}/head", *np.degrees(frame.head).tolist()),
        osc_wire.message(f"{root}/eyes/left", *left),
        osc_wire.message(f"{root}/eyes/right", *right),
        osc_wire.message(f"{root}/position", *position),
        *(osc_wire.message(f"{root}/arkit/{name}", value) for name, value in zip(ARKIT_NAMES, frame.arkit.tolist(), strict=True)),
        osc_wire.message(f"{root}/end", number),
    ]
    return osc_wire.bundles(parts)


def decode(data: bytes) -> Heard | None:
    """What a datagram says of the subject that its first message names; None where there is none. See `viewer.bridge.frame`."""
    subject: str | None = None
    weights: dict[str, float] = {}
    head = left = right = number = time = None
    complete = False
    for address, arguments in osc_wire.messages(data):
        parts = address.split("/")
        if len(parts) < 4 or parts[1] != ROOT or not 0 < len(parts[2]) <= MAX_SUBJECT or subject not in (None, parts[2]):
            continue
        subject, what = parts[2], "/".join(parts[3:])
        if what.startswith("arkit/") and what[6:] in ARKIT_INDEX:
            (weights[what[6:]],) = _numbers(arguments, 1)
        elif what == "head":
            head = np.radians(_numbers(arguments, 3)).tolist()
        elif what == "eyes/left":
            left = np.radians(_numbers(arguments, 3)).tolist()
        elif what == "eyes/right":
            right = np.radians(_numbers(arguments, 3)).tolist()
        elif what == "frame":
            number, time = _numbers(arguments, 2)
            number = int(number)
        complete |= what == "end"
    if subject is None:
        return None
    eyes = (*left, *right) if left is not None and right is not None else None
    return Heard(subject, weights, None if head is None else tuple(head), eyes, number, time, complete)


def _numbers(arguments: tuple, count: int) -> list[float]:
    if len(arguments) < count or not all(type(value) in (int, float) for value in arguments[:count]):
        raise DatagramError(f"a message has other arguments than {count} numbers")
    if not all(math.isfinite(value) and abs(value) <= (1 << 31 if type(value) is int else _MOST) for value in arguments[:count]):
        raise DatagramError("a message has numbers that make no sense")
    return [float(value) for value in arguments[:count]]
