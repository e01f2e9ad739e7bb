"""Open Sound Control 1.0: messages and bundles as bytes, and back. Big-endian, every part filled up to four bytes.

A message is an address, a text of type letters that begins with a comma, and the arguments; a bundle is "#bundle", a time, and messages or
bundles with their lengths before them. Nothing is believed before it is checked.
"""

import math
import struct
from collections.abc import Sequence

from viewer.bridge.frame import DatagramError

Argument = float | int | str
Message = tuple[str, tuple]
"""Address and arguments."""
ROOM = 1400
"""Bytes of a datagram that no network between here and there cuts in two."""
MAX_MESSAGES = 4096
"""In one datagram."""
_AT_ONCE = 1
"""The time of a bundle that is meant for now."""
_FIXED = {"i": ">i", "f": ">f", "h": ">q", "d": ">d", "t": ">Q", "c": ">i", "r": ">I", "m": ">I"}
_ALONE = {"T": True, "F": False, "N": None, "I": math.inf}
"""Types that are their value."""


def message(address: str, *arguments: Argument) -> bytes:
    """The bytes of a message; float32, int32 and texts."""
    types, body = ",", b""
    for argument in arguments:
        if isinstance(argument, str):
            types, body = types + "s", body + _filled(argument.encode())
        elif isinstance(argument, int):
            types, body = types + "i", body + struct.pack(">i", argument)
        else:
            types, body = types + "f", body + struct.pack(">f", argument)
    return _filled(address.encode()) + _filled(types.encode()) + body


def bundles(messages: Sequence[bytes], room: int = ROOM) -> list[bytes]:
    """Messages, in their order, in as few bundles as have room for them."""
    out, parts, size = [], [], 16
    for each in messages:
        if parts and size + 4 + len(each) > room:
            out.append(_bundle(parts))
            parts, size = [], 16
        parts.append(each)
        size += 4 + len(each)
    return [*out, _bundle(parts)] if parts else out


def messages(data: bytes) -> list[Message]:
    """All messages of a datagram, those of its bundles too, in their order.

    Raises:
        DatagramError: these bytes are no OSC.
    """
    found: list[Message] = []
    # What is still to be read, the next one last.
    waiting = [(0, len(data))]
    while waiting:
        start, end = waiting.pop()
        if len(found) >= MAX_MESSAGES or len(waiting) > MAX_MESSAGES:
            raise DatagramError("a bundle has too many messages")
        if data[start : start + 8] == b"#bundle\0":
            waiting += reversed(_elements(data, start + 16, end))
        else:
            found.append(_message(data, start, end))
    return found


def _filled(text: bytes) -> bytes:
    return text + bytes(4 - len(text) % 4)


def _bundle(parts: list[bytes]) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", _AT_ONCE) + b"".join(struct.pack(">i", len(part)) + part for part in parts)


def _elements(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where the elements of a bundle begin and end."""
    if start > end:
        raise DatagramError("a bundle breaks off")
    places = []
    while start < end:
        if end - start < 4:
            raise DatagramError("a bundle breaks off")
        (size,) = struct.unpack_from(">i", data, start)
        start += 4
        if not 0 < size <= end - start or size % 4:
            raise DatagramError("a bundle breaks off")
        places.append((start, start + size))
        start += size
    return places


def _message(data: bytes, start: int, end: int) -> Message:
    address, at = _text(data, start, end)
    if not address.startswith("/"):
        raise DatagramError("this is no OSC message")
    types, at = _text(data, at, end) if at < end else (",", at)
    if not types.startswith(","):
        raise DatagramError("a message does not say its types")
    arguments = []
    for kind in types[1:]:
        if kind in _FIXED:
            value, at = _fixed(data, at, end, _FIXED[kind])
        elif kind in "sS":
            value, at = _text(data, at, end)
        elif kind == "b":
            size, at = _fixed(data, at, end, ">i")
            if not 0 <= size <= end - at:
                raise DatagramError("a message breaks off")
            value, at = data[at : at + size], at + size + -size % 4
        elif kind in _ALONE:
            value = _ALONE[kind]
        else:
            raise DatagramError(f"a message has an argument of the unknown type {kind!r}")
        arguments.append(value)
    return address, tuple(arguments)


def _fixed(data: bytes, at: int, end: int, layout: str):
    size = struct.calcsize(layout)
    if end - at < size:
        raise DatagramError("a message breaks off")
    return struct.unpack_from(layout, data, at)[0], at + size


def _text(data: bytes, start: int, end: int) -> tuple[str, int]:
    """A text that a zero ends, and where what follows it begins."""
    stop = data.find(b"\0", start, end)
    if stop < 0:
        raise DatagramError("a message breaks off in a text")
    try:
        return data[start:stop].decode(), stop + 4 - (stop - start) % 4
    except UnicodeDecodeError as error:
        raise DatagramError("a message has a text that is none") from error
