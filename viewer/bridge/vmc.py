"""VMC: the protocol of Virtual Motion Capture over OSC, which Unity, Warudo, VSeeFace and others take a face from.

A frame is /VMC/Ext/OK, /VMC/Ext/T, the bones Head, LeftEye and RightEye, the 52 weights and /VMC/Ext/Blend/Apply. Weights go by the names
that VRM models for "perfect sync" have; bones are in Unity's axes, each turned against its parent. The whole turn of the head is on Head,
because models share it out among neck and spine themselves.
"""

import math

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.arkit import ARKIT_NAMES
from avatar3d.arkit_file import FILE_ORDER
from viewer.bridge import osc_wire
from viewer.bridge.frame import BridgeFrame, DatagramError, Heard

PORT = 39539
NAMED = False
"""One face for each port."""
_BY_NAME = {name.lower(): index for index, name in enumerate(ARKIT_NAMES)}
_NAMES = sorted(FILE_ORDER, key=lambda name: _BY_NAME[name.lower()])
"""As models spell them, in the order of ARKIT_NAMES."""
_TO_UNITY = np.array([1.0, -1.0, -1.0, 1.0])
"""Turns a quaternion xyzw from our axes to Unity's, whose x points to the subject's right, or back."""
_PLACES = {"Head": (0.0, 0.08, 0.0), "LeftEye": (-0.03, 0.06, 0.02), "RightEye": (0.03, 0.06, 0.02)}
"""Metres from the parent bone, of a usual model: receivers that set positions too would put the head into the neck otherwise."""
_BONES = ("Neck", "Head", "LeftEye", "RightEye")


def encode(frame: BridgeFrame) -> list[bytes]:
    """The bundles of a frame; see `viewer.bridge.frame`."""
    turns = {"Head": frame.head, "LeftEye": frame.eyes[:3], "RightEye": frame.eyes[3:]}
    quaternions = Rotation.from_euler("YXZ", np.stack(list(turns.values()))).as_quat(canonical=True) * _TO_UNITY
    parts = [osc_wire.message("/VMC/Ext/OK", 1), osc_wire.message("/VMC/Ext/T", float(frame.time))]
    for bone, quaternion in zip(turns, quaternions.tolist(), strict=True):
        parts.append(osc_wire.message("/VMC/Ext/Bone/Pos", bone, *_PLACES[bone], *quaternion))
    parts += [osc_wire.message("/VMC/Ext/Blend/Val", name, value) for name, value in zip(_NAMES, frame.arkit.tolist(), strict=True)]
    return osc_wire.bundles([*parts, osc_wire.message("/VMC/Ext/Blend/Apply")])


def decode(data: bytes) -> Heard | None:
    """What a datagram says; None where it is of something else than a face. See `viewer.bridge.frame`."""
    weights: dict[str, float] = {}
    bones: dict[str, Rotation] = {}
    time, applied = None, False
    for address, arguments in osc_wire.messages(data):
        if address == "/VMC/Ext/Blend/Val":
            name, value = _expected(arguments, (str, float))
            if str(name).lower() in _BY_NAME:
                weights[ARKIT_NAMES[_BY_NAME[str(name).lower()]]] = value
        elif address == "/VMC/Ext/Bone/Pos" and arguments and arguments[0] in _BONES:
            bones[arguments[0]] = _rotation(arguments)
        elif address == "/VMC/Ext/T":
            (time,) = _expected(arguments, (float,))
        applied |= address == "/VMC/Ext/Blend/Apply"
    if not weights and not bones and time is None and not applied:
        return None
    head = eyes = None
    if "Head" in bones:
        skull = bones["Neck"] * bones["Head"] if "Neck" in bones else bones["Head"]
        head = tuple(_turns(skull))
    if "LeftEye" in bones and "RightEye" in bones:
        eyes = (*_turns(bones["LeftEye"]), *_turns(bones["RightEye"]))
    return Heard(weights=weights, head=head, eyes=eyes, time=time, complete=applied)


def _expected(arguments: tuple, kinds: tuple[type, ...]) -> tuple:
    """The first arguments, if they are of these kinds and finite."""
    if len(arguments) < len(kinds):
        raise DatagramError("a message has too few arguments")
    found = tuple(float(value) if kind is float and type(value) in (int, float) else value for value, kind in zip(arguments, kinds, strict=False))
    for value, kind in zip(found, kinds, strict=True):
        if not isinstance(value, kind) or (isinstance(value, float) and not (math.isfinite(value) and abs(value) <= 1e9)):
            raise DatagramError("a message has arguments of other kinds than expected")
    return found


def _rotation(arguments: tuple) -> Rotation:
    quaternion = np.array(_expected(arguments, (str, *[float] * 7))[4:])
    size = np.linalg.norm(quaternion)
    if not 0.5 < size < 2:
        raise DatagramError("a bone's turn is no unit quaternion")
    return Rotation.from_quat(quaternion / size * _TO_UNITY)


def _turns(rotation: Rotation) -> list[float]:
    return rotation.as_euler("YXZ").tolist()
