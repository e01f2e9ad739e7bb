"""Frames to send, and readers that know only what others wrote of the protocols."""

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from avatar3d.arkit import ARKIT_NAMES
from viewer.bridge.frame import BridgeFrame

GOLDEN = Path(__file__).parent / "golden"
EYE = ("EyeBlink", "EyeLookDown", "EyeLookIn", "EyeLookOut", "EyeLookUp", "EyeSquint", "EyeWide")
BOTH = (
    "MouthSmile", "MouthFrown", "MouthDimple", "MouthStretch", "MouthRollLower MouthRollUpper", "MouthShrugLower MouthShrugUpper",
    "MouthPress", "MouthLowerDown", "MouthUpperUp", "BrowDown", "BrowInnerUp", "BrowOuterUp", "CheekPuff", "CheekSquint", "NoseSneer",
)  # fmt: skip
UNSIDED = ("BrowInnerUp", "CheekPuff")
ENGINE_ORDER = [
    *(f"{name}{side}" for side in ("Left", "Right") for name in EYE),
    *["JawForward", "JawLeft", "JawRight", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthLeft", "MouthRight"],
    *(each for name in BOTH for each in (name.split() if " " in name or name in UNSIDED else (f"{name}Left", f"{name}Right"))),
    "TongueOut",
]
"""UE's EARFaceBlendShape, as its documentation lists it."""


def a_frame(number: int = 7) -> BridgeFrame:
    """A frame in which every value is another one."""
    weights = np.arange(52, dtype=np.float32) / 64
    head, eyes = np.array([0.25, -0.125, 0.0625]), np.array([0.1, 0.2, 0.0, -0.1, 0.15, 0.05])
    rig = {"translation": np.array([0.01, 0.02, -0.03], np.float32)}
    return BridgeFrame("Ana", number, number / 60, Fraction(60), weights, head, eyes, rig, "f00d", 3600 + number / 60)


def random_frame(seed: int) -> BridgeFrame:
    """A frame of a moving face."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0, 1, 52).astype(np.float32)
    return replace(a_frame(seed), arkit=weights, head=rng.uniform(-0.6, 0.6, 3), eyes=rng.uniform(-0.4, 0.4, 6))


def read_livelink(data: bytes) -> dict:
    """A Live Link Face packet, read by the published layout alone."""
    assert data[0] == 6
    (n,) = struct.unpack(">i", data[1:5])
    device = data[5 : 5 + n].decode()
    at = 5 + n
    (m,) = struct.unpack(">i", data[at : at + 4])
    subject = data[at + 4 : at + 4 + m].decode()
    at += 4 + m
    frame, part, numerator, denominator, count = struct.unpack(">ifiiB", data[at : at + 17])
    values = struct.unpack(f">{count}f", data[at + 17 :])
    names = [*ENGINE_ORDER, *(f"{what}{turn}" for what in ("Head", "LeftEye", "RightEye") for turn in ("Yaw", "Pitch", "Roll"))]
    assert count == 61 == len(names)
    numbers = {"frame": frame, "part": part, "numerator": numerator, "denominator": denominator}
    return {"device": device, "subject": subject, **numbers, "values": dict(zip(names, values, strict=True))}


def named(weights: np.ndarray) -> dict[str, float]:
    """Weights [52] by ARKit's names."""
    return dict(zip(ARKIT_NAMES, weights.tolist(), strict=True))
