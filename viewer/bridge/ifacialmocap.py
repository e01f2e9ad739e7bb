"""iFacialMocap: one line of text for each frame, as the phone app of this name sends it.

    mouthSmile_R-12|...|trackingStatus-1|=head#x,y,z,px,py,pz|rightEye#x,y,z|leftEye#x,y,z|

Weights are whole percents; names end in _L and _R where ARKit's end in Left and Right, but for the jaw's and the mouth's own directions. Turns
are degrees about x, y, z, which are taken here for our pitch, yaw and roll; places metres. Version 2 of the app writes & for the dash, and
is read as well.
"""

import math
import re

import numpy as np

from avatar3d.arkit import ARKIT_NAMES
from viewer.bridge.frame import BridgeFrame, DatagramError, Heard

PORT = 49983
NAMED = False
_DIRECTIONS = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
"""Left and right are where these go, not on which side they are."""
_MOST = 8192
"""Bytes: the app's lines have about a thousand."""
_PERCENT = 1000.0
_WEIGHT = re.compile(r"(\w+?)[-&](-?[\d.]+(?:[eE][-+]?\d+)?)", re.ASCII)


def _spelled(name: str) -> str:
    if name in _DIRECTIONS:
        return name
    return name[:-4] + "_L" if name.endswith("Left") else name[:-5] + "_R" if name.endswith("Right") else name


_NAMES = {_spelled(name): name for name in ARKIT_NAMES}


def encode(frame: BridgeFrame) -> list[bytes]:
    """The one line of a frame; see `viewer.bridge.frame`."""
    percents = np.rint(100 * np.clip(frame.arkit, 0, 1)).astype(int).tolist()
    weights = "".join(f"{name}-{percent}|" for name, percent in zip(_NAMES, percents, strict=True))
    place = np.asarray(frame.rig.get("translation", np.zeros(3)), np.float64)
    head, left, right = (_joined(np.degrees(turns[[1, 0, 2]])) for turns in (frame.head, frame.eyes[:3], frame.eyes[3:]))
    return [f"{weights}trackingStatus-1|=head#{head},{_joined(place)}|rightEye#{right}|leftEye#{left}|".encode()]


def decode(data: bytes) -> Heard | None:
    """What a line says; see `viewer.bridge.frame`."""
    if len(data) > _MOST:
        raise DatagramError(f"a line has {len(data)} bytes, and {_MOST} at most")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise DatagramError("this is no line of iFacialMocap's") from error
    weights: dict[str, float] = {}
    turns: dict[str, list[float]] = {}
    for part in text.replace("=", "|").split("|"):
        name, mark, rest = part.partition("#")
        if mark and name in ("head", "leftEye", "rightEye"):
            turns[name] = np.radians([_number(value, 1e4) for value in rest.split(",")][:3]).tolist()
        elif (found := _WEIGHT.fullmatch(part)) is not None and found[1] in _NAMES:
            weights[_NAMES[found[1]]] = _number(found[2], _PERCENT) / 100
    if not weights or any(len(values) < 3 for values in turns.values()):
        raise DatagramError("this is no line of iFacialMocap's")
    head, left, right = (_ours(turns.get(name)) for name in ("head", "leftEye", "rightEye"))
    return Heard(weights=weights, head=head, eyes=None if left is None or right is None else (*left, *right))


def _joined(values: np.ndarray) -> str:
    return ",".join(f"{value:.6f}" for value in values)


def _number(text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise DatagramError("a line has a value that is no number") from error
    if not math.isfinite(value) or abs(value) > most:
        raise DatagramError("a line has a value that makes no sense")
    return value


def _ours(turns: list[float] | None) -> tuple[float, ...] | None:
    """Yaw, pitch, roll of turns about x, y, z."""
    return None if turns is None else (turns[1], turns[0], turns[2])
