"""ue://: the parameter stream in datagrams, for the Unreal plugin in viewer/unreal and for programs of one's own.

The packets are those of docs/stream.md, byte by byte: frames and ends as on the WebSocket, and introductions instead of descriptions, since those are
JSON and longer than one datagram may be. Each packet is at most MAX_PACKET bytes, so that no network takes it apart.
"""

import math
import secrets
import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from avatar3d.arkit import ARKIT_NAMES
from avatar3d.errors import UserError
from viewer.bridge.frame import MAX_SUBJECT, BridgeFrame, DatagramError, Heard
from viewer.stream.packets import HEADER, MAGIC, VERSION, Description, End, Frame, PacketError, Sound, pack
from viewer.stream.packets import unpack as unpack_any

PORT = 11120
"""Nobody else's that is registered."""
NAMED = True
MAX_PACKET = 1200
"""Bytes: what passes every network whole, IPv6 and tunnels included."""
INTRODUCTION = 5
MAX_VALUES = (MAX_PACKET - 24 - 2 - 4 * MAX_SUBJECT) // 4
MAX_CHANNELS, MAX_NAME, MAX_HEAD = 24, 23, 64
FACE = (("arkit", len(ARKIT_NAMES)), ("head", 3), ("eyes", 6))
"""What every frame begins with, whatever the rig."""
_FACE_WIDTH = sum(width for _, width in FACE)
MAX_TIME = 1e12
"""Seconds; beyond, a float64 tells moments no better than a frame apart."""
_INTRODUCTION = struct.Struct("<IIHHHH")
_CHANNEL = struct.Struct("<HB")
_SUBJECT = struct.Struct("<H")
_SESSION = secrets.randbits(32)
"""Sets the streams of this process apart from those of every other one."""


@dataclass(frozen=True)
class Introduction:
    """What a stream is: sent with its first frame, and again twice a second."""

    stream: int
    time: float
    subject: str
    head: str
    """Fingerprint of the head that the rig's channels are of; empty where there are none."""
    fps: Fraction
    channels: tuple[tuple[str, int], ...]
    """Names and widths, in the order in which frames hold them."""

    @property
    def width(self) -> int:
        """Numbers in a frame."""
        return sum(width for _, width in self.channels)


Packet = Introduction | Frame | End


def encode(frame: BridgeFrame, stream: int | None = None) -> list[bytes]:
    """The datagrams of a frame: twice a second an introduction, and the frame.

    Their time is that of the day, so that engines which keep the time of day have a time code.

    Args:
        frame: what is sent.
        stream: uint32, another one for every performance; by default of the subject and this process.

    Raises:
        UserError: the head has more numbers than a datagram holds.
    """
    stream = stream_of(frame.subject) if stream is None else stream
    rig = {name: np.asarray(values, np.float32).reshape(-1) for name, values in frame.rig.items()}
    values = np.concatenate([frame.arkit, frame.head, frame.eyes, *rig.values()])
    if len(values) > MAX_VALUES:
        raise UserError(f"ue://: the head has {len(values)} numbers in a frame, and a datagram holds {MAX_VALUES}; stream it with --to ws")
    subject = frame.subject[:MAX_SUBJECT].encode()
    made = [pack(Frame(stream, frame.seconds_of_day, frame.number, values)) + _SUBJECT.pack(len(subject)) + subject]
    if frame.number % max(1, math.ceil(frame.fps / 2)) == 0:
        channels = (*FACE, *((name, len(part)) for name, part in rig.items()))
        head = frame.head_fingerprint if rig else ""
        made.insert(0, introduce(Introduction(stream, frame.seconds_of_day, frame.subject, head, frame.fps, channels)))
    return made


def stream_of(subject: str) -> int:
    """The number of a subject's stream from this process."""
    return zlib.crc32(subject.encode(), _SESSION)


def introduce(packet: Introduction) -> bytes:
    """The bytes of an introduction."""
    subject, head = packet.subject[:MAX_SUBJECT].encode(), packet.head.encode("ascii")
    parts = [
        HEADER.pack(MAGIC, VERSION, INTRODUCTION, packet.stream, packet.time),
        _INTRODUCTION.pack(packet.fps.numerator, packet.fps.denominator, len(head), len(subject), len(packet.channels), 0),
        head,
        subject,
    ]
    for name, width in packet.channels:
        parts += [_CHANNEL.pack(width, len(name)), name.encode("ascii")]
    return b"".join(parts)


def unpack(data: bytes) -> Packet | None:
    """The packet that a datagram is; None for a kind that is not read here, which is to be passed over.

    Raises:
        DatagramError: it is no packet, or one of a version that cannot be read.
    """
    if len(data) > MAX_PACKET:
        raise DatagramError(f"a datagram of ue:// has at most {MAX_PACKET} bytes, this has {len(data)}")
    try:
        found = unpack_any(data)
    except PacketError as error:
        raise DatagramError(str(error)) from error
    if found is None and data[3] == INTRODUCTION:
        _, _, _, stream, time = HEADER.unpack_from(data)
        found = _introduction(stream, time, data[HEADER.size :])
    if found is None or isinstance(found, Description | Sound):
        return None
    if abs(found.time) > MAX_TIME:
        raise DatagramError("a packet's time is not a moment")
    return found


def _introduction(stream: int, time: float, body: bytes) -> Introduction:
    if len(body) < _INTRODUCTION.size:
        raise DatagramError("an introduction breaks off")
    numerator, denominator, head_size, subject_size, count, _ = _INTRODUCTION.unpack_from(body)
    if not numerator or not denominator or not Fraction(1, 1000) <= Fraction(numerator, denominator) <= 1000:
        raise DatagramError(f"an introduction has {numerator}/{denominator} frames a second")
    if head_size > MAX_HEAD or not 0 < subject_size <= 4 * MAX_SUBJECT or not 0 < count <= MAX_CHANNELS:
        raise DatagramError("an introduction has names or channels of no possible size")
    at = _INTRODUCTION.size
    head, subject = body[at : at + head_size], body[at + head_size : at + head_size + subject_size]
    at += head_size + subject_size
    channels: dict[str, int] = {}
    for _ in range(count):
        if len(body) < at + _CHANNEL.size:
            raise DatagramError("an introduction breaks off")
        width, size = _CHANNEL.unpack_from(body, at)
        at += _CHANNEL.size
        if not 0 < size <= MAX_NAME or len(body) < at + size:
            raise DatagramError("an introduction's channel has no name")
        name = _ascii(body[at : at + size])
        at += size
        if not width or name in channels:
            raise DatagramError("an introduction's channels are not distinct names with a width each")
        channels[name] = width
    if sum(channels.values()) > MAX_VALUES:
        raise DatagramError(f"an introduction has more than {MAX_VALUES} numbers in a frame")
    if len(_text(subject)) > MAX_SUBJECT:
        raise DatagramError(f"an introduction has a subject of more than {MAX_SUBJECT} letters")
    return Introduction(stream, time, _text(subject), _ascii(head), Fraction(numerator, denominator), tuple(channels.items()))


def _ascii(data: bytes) -> str:
    if any(not 0x20 < byte < 0x7F for byte in data):
        raise DatagramError("an introduction's name has characters that are none")
    return data.decode("ascii")


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise DatagramError("a subject is not text") from error
    if any(ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 for sign in text):
        raise DatagramError("a subject has control characters")
    return text


def introduction(data: bytes) -> Introduction | None:
    """The introduction that a datagram is; None where it is another packet.

    Raises:
        DatagramError: it is no packet, or one of a version that cannot be read.
    """
    packet = unpack(data)
    return packet if isinstance(packet, Introduction) else None


def decode(data: bytes) -> Heard | None:
    """What a frame says of the face, without its introduction; what the numbers behind it are needs that.

    Raises:
        DatagramError: it is no packet, or one of a version that cannot be read.
    """
    packet = unpack(data)
    if not isinstance(packet, Frame):
        return None
    arkit, head, eyes = np.split(packet.values[:_FACE_WIDTH], np.cumsum([width for _, width in FACE])[:-1])
    if len(eyes) < FACE[2][1]:
        raise DatagramError(f"a frame has {len(packet.values)} numbers, and a face {_FACE_WIDTH}")
    weights = dict(zip(ARKIT_NAMES, arkit.tolist(), strict=True))
    subject = _subject_of(data[HEADER.size + 8 + 4 * len(packet.values) :])
    rig = packet.values[_FACE_WIDTH:].copy()
    return Heard(subject, weights, tuple(head.tolist()), tuple(eyes.tolist()), packet.number, packet.time, stream=packet.stream, rig=rig)


def _subject_of(rest: bytes) -> str:
    """The subject behind a frame's numbers."""
    if len(rest) < _SUBJECT.size:
        raise DatagramError("a frame names no subject")
    (size,) = _SUBJECT.unpack_from(rest)
    if not 0 < size <= min(4 * MAX_SUBJECT, len(rest) - _SUBJECT.size):
        raise DatagramError("a frame's subject breaks off")
    return _text(rest[_SUBJECT.size : _SUBJECT.size + size])
