"""Live Link Face: the packets that Epic's phone app sends, version 6, as UE's AppleARKitFaceSupport reads them.

Big-endian:

    u8 version = 6 | i32 n | n bytes device | i32 n | n bytes subject | i32 frame | f32 part of a frame | i32, i32 frames a second as a
    fraction | u8 count = 61 | 61 f32

A device is a UUID in text, so that a packet has 306 bytes and the subject's name; texts are UTF-8. Frames count from midnight, and on past
the next one. The 61 values are 52 weights in the order of UE's EARFaceBlendShape, then the turns of head and eyes in half turns. The app
sends packets that end before the count while it sees no face.
"""

import math
import struct
import uuid

import numpy as np

from avatar3d.arkit import ARKIT_NAMES
from avatar3d.arkit_file import FILE_ORDER, TURNS
from viewer.bridge.frame import BridgeFrame, DatagramError, Heard

PORT = 11111
NAMED = True
"""Packets say whose they are."""
VERSION = 6
VALUES = len(FILE_ORDER) + len(TURNS)
MAX_PACKET = 774
"""Bytes: UE refuses longer ones."""
_TEXT = struct.Struct(">i")
_FRAME = struct.Struct(">ifii")
_NUMBERS = struct.Struct(f">{VALUES}f")
_MOST = 8.0
"""No weight and no half turn is as large."""
_SWAPPED = {"JawLeft": "JawRight", "JawRight": "JawLeft", "MouthLeft": "MouthRight", "MouthRight": "MouthLeft"}
"""Where the engine's order, which packets have, is another one than that of the app's CSV."""
_OURS = [[name.lower() for name in ARKIT_NAMES].index(_SWAPPED.get(name, name).lower()) for name in FILE_ORDER]
_NAMES = [ARKIT_NAMES[index] for index in _OURS]


def encode(frame: BridgeFrame) -> list[bytes]:
    """The one packet of a frame; see `viewer.bridge.frame`."""
    counted = frame.seconds_of_day * frame.fps
    # A frame that is due on a whole count must not fall short of it by the last bit.
    whole = math.floor(counted + 1e-6)
    part = max(0.0, float(counted - whole))
    device, subject = str(uuid.uuid5(uuid.NAMESPACE_DNS, frame.subject)).encode(), frame.subject.encode()
    values = np.concatenate([frame.arkit[_OURS], np.concatenate([frame.head, frame.eyes]) / np.pi])
    head = b"".join((bytes([VERSION]), _TEXT.pack(len(device)), device, _TEXT.pack(len(subject)), subject))
    when = _FRAME.pack(whole & 0x7FFFFFFF, part, frame.fps.numerator, frame.fps.denominator)
    return [head + when + bytes([VALUES]) + _NUMBERS.pack(*values)]


def decode(data: bytes) -> Heard | None:
    """What a packet says; None for one without a face. See `viewer.bridge.frame`."""
    if not data or data[0] != VERSION:
        raise DatagramError(f"this is no Live Link Face packet of version {VERSION}")
    if len(data) > MAX_PACKET:
        raise DatagramError(f"a packet has {len(data)} bytes, and {MAX_PACKET} at most")
    _, at = _text(data, 1)
    subject, at = _text(data, at)
    if len(data) < at + _FRAME.size + 1:
        return None
    whole, part, numerator, denominator = _FRAME.unpack_from(data, at)
    at += _FRAME.size
    if data[at] == 0:
        return None
    if data[at] != VALUES or len(data) != at + 1 + _NUMBERS.size:
        raise DatagramError(f"a packet has {data[at]} values in {len(data) - at - 1} bytes, expected {VALUES} in {_NUMBERS.size}")
    values = np.array(_NUMBERS.unpack_from(data, at + 1))
    if not (np.isfinite(values) & (abs(values) <= _MOST)).all():
        raise DatagramError("a packet has values that are no weights")
    turns = np.pi * values[len(FILE_ORDER) :]
    # Some senders give no frame rate; their packets count as they come.
    timed = numerator > 0 and denominator > 0 and whole >= 0 and math.isfinite(part) and 0 <= part < 1
    return Heard(
        subject=subject,
        weights=dict(zip(_NAMES, values.tolist(), strict=False)),
        head=tuple(turns[:3].tolist()),
        eyes=tuple(turns[3:].tolist()),
        number=whole if timed else None,
        time=(whole + part) * denominator / numerator if timed else None,
    )


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A text with its length before it, and where it ends."""
    if len(data) < at + _TEXT.size:
        raise DatagramError("a packet breaks off")
    (size,) = _TEXT.unpack_from(data, at)
    start = at + _TEXT.size
    if not 0 <= size <= len(data) - start:
        raise DatagramError("a packet breaks off in a name")
    try:
        return data[start : start + size].decode(), start + size
    except UnicodeDecodeError as error:
        raise DatagramError("a packet has a name that is no text") from error
