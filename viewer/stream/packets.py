"""What travels: small packets that describe a stream, move a head, and sound. The same bytes go into a WebSocket message or a datagram.

docs/stream.md lists them byte by byte. All little-endian; every packet begins with

    0   2   "A3"
    2   1   version
    3   1   kind
    4   4   stream, uint32: another number for every performance; what was known of another one is forgotten
    8   8   time, float64: seconds on the stream's own clock

Nothing in a packet is believed before it is checked: a reader either gets a whole packet or a `PacketError`.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MAGIC, VERSION = b"A3", 1
DESCRIPTION, FRAME, SOUND, END = 1, 2, 3, 4
MAX_PACKET = 1 << 16
"""Bytes; longer ones are refused unread."""
OPUS, PCM16 = 1, 2
CODECS = {"opus": OPUS, "pcm16": PCM16}
"""Sound as one Opus packet, or as 16-bit little-endian samples; mono."""
MAX_CHANNELS, MAX_VALUES = 64, 4096
HEADER = struct.Struct("<2sBBId")
_FRAME = struct.Struct("<IHH")
_SOUND = struct.Struct("<IHBB")


class PacketError(ValueError):
    """These bytes are no packet that this version reads."""


@dataclass(frozen=True)
class Description:
    """What a stream is: sent first, and again whenever somebody may have missed it."""

    stream: int
    channels: tuple[tuple[str, int], ...]
    """Names and widths, in the order in which frames hold them."""
    facts: dict
    """Everything else that the sender says of itself, as JSON has it: docs/stream.md lists it."""
    time: float = 0.0

    @property
    def width(self) -> int:
        """Numbers in a frame."""
        return sum(width for _, width in self.channels)


@dataclass(frozen=True, eq=False)
class Frame:
    """The head at one moment."""

    stream: int
    time: float
    number: int
    """Counts up by one from frame to frame; a gap tells what was lost or skipped."""
    values: np.ndarray
    """[width] float32, the channels one after the other."""


@dataclass(frozen=True)
class Sound:
    """A piece of sound; `time` is that of its first sample."""

    stream: int
    time: float
    number: int
    samples: int
    """How many samples it lasts, at the rate of the description."""
    codec: int
    data: bytes


@dataclass(frozen=True)
class End:
    """The performance is over at `time`; nothing follows."""

    stream: int
    time: float


Packet = Description | Frame | Sound | End


def pack(packet: Packet) -> bytes:
    """The bytes of a packet."""
    if isinstance(packet, Description):
        facts = packet.facts | {"channels": [list(channel) for channel in packet.channels]}
        text = json.dumps(facts, separators=(",", ":"), ensure_ascii=False).encode()
        return _header(DESCRIPTION, packet) + text
    if isinstance(packet, Frame):
        values = np.ascontiguousarray(packet.values, "<f4")
        return _header(FRAME, packet) + _FRAME.pack(packet.number & 0xFFFFFFFF, len(values), 0) + values.tobytes()
    if isinstance(packet, Sound):
        return _header(SOUND, packet) + _SOUND.pack(packet.number & 0xFFFFFFFF, packet.samples, packet.codec, 0) + packet.data
    return _header(END, packet)


def _header(kind: int, packet: Packet) -> bytes:
    return HEADER.pack(MAGIC, VERSION, kind, packet.stream, packet.time)


def unpack(data: bytes) -> Packet | None:
    """The packet that these bytes are; None for a kind that only newer senders know, which is to be passed over.

    Raises:
        PacketError: they are no packet, or one of a version that cannot be read.
    """
    if not HEADER.size <= len(data) <= MAX_PACKET:
        raise PacketError(f"a packet has {HEADER.size} to {MAX_PACKET} bytes, this has {len(data)}")
    magic, version, kind, stream, time = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise PacketError("this is no packet of avatar3d's")
    if version != VERSION:
        raise PacketError(f"this is a packet of version {version}, and version {VERSION} is read here; update avatar3d")
    if not math.isfinite(time):
        raise PacketError("a packet's time is not a number")
    body = data[HEADER.size :]
    if kind == DESCRIPTION:
        return _description(stream, time, body)
    if kind == FRAME:
        return _frame(stream, time, body)
    if kind == SOUND:
        return _sound(stream, time, body)
    return End(stream, time) if kind == END else None


def _description(stream: int, time: float, body: bytes) -> Description:
    try:
        facts = json.loads(body)
        channels = tuple((name, width) for name, width in facts.pop("channels"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PacketError(f"a description cannot be read ({str(error)[:80]})") from error
    whole = all(isinstance(name, str) and type(width) is int and 0 < width <= MAX_VALUES for name, width in channels)
    if not whole or len(channels) > MAX_CHANNELS or len({name for name, _ in channels}) < len(channels):
        raise PacketError("a description's channels are not distinct names with a width each")
    if sum(width for _, width in channels) > MAX_VALUES:
        raise PacketError(f"a description has more than {MAX_VALUES} numbers in a frame")
    return Description(stream, channels, facts, time)


def _frame(stream: int, time: float, body: bytes) -> Frame:
    if len(body) < _FRAME.size:
        raise PacketError("a frame breaks off")
    number, count, _ = _FRAME.unpack_from(body)
    if count > MAX_VALUES or len(body) < _FRAME.size + 4 * count:
        raise PacketError("a frame breaks off")
    values = np.frombuffer(body, "<f4", count, _FRAME.size).astype(np.float32)
    if not np.isfinite(values).all():
        raise PacketError("a frame has values that are not numbers")
    return Frame(stream, time, number, values)


def _sound(stream: int, time: float, body: bytes) -> Sound:
    if len(body) < _SOUND.size:
        raise PacketError("a piece of sound breaks off")
    number, samples, codec, _ = _SOUND.unpack_from(body)
    data = body[_SOUND.size :]
    if codec == PCM16 and len(data) != 2 * samples:
        raise PacketError("a piece of sound breaks off")
    return Sound(stream, time, number, samples, codec, bytes(data))


def joined(values: Mapping[str, np.ndarray], channels: Sequence[tuple[str, int]]) -> np.ndarray:
    """Named channels as the [width] numbers of a frame.

    Raises:
        KeyError: a channel is missing.
        ValueError: one has another width.
    """
    parts = [np.asarray(values[name], np.float32).reshape(-1) for name, _ in channels]
    for part, (name, width) in zip(parts, channels, strict=True):
        if len(part) != width:
            raise ValueError(f"{name} has {len(part)} numbers, expected {width}")
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def parted(values: np.ndarray, channels: Sequence[tuple[str, int]]) -> dict[str, np.ndarray]:
    """The inverse of `joined`.

    Raises:
        PacketError: so many numbers are no frame of these channels.
    """
    if len(values) != sum(width for _, width in channels):
        raise PacketError(f"a frame has {len(values)} numbers, and its description {sum(width for _, width in channels)}")
    parts, start = {}, 0
    for name, width in channels:
        parts[name] = values[start : start + width]
        start += width
    return parts
