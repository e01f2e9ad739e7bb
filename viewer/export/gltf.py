"""Binary glTF 2.0 (.glb): arrays become accessors of one buffer, JSON says what they are.

Layout after the Khronos glTF 2.0 specification, section 4: "glTF", version, length; a JSON chunk padded with spaces; a binary one padded with zeros.
"""

import json
import struct
from dataclasses import dataclass, field

import numpy as np

from avatar3d.errors import UserError
from viewer.export.frames import Frames
from viewer.export.provenance import provenance

ARRAY, ELEMENTS = 34962, 34963
"""What a buffer view is bound to: vertices, or indices of them."""
_COMPONENTS = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
_SHAPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
MOST = 0xFFFFFFFF
"""Bytes that the length in the header can say."""


@dataclass
class Buffer:
    """The arrays of one file, collected in order."""

    accessors: list[dict] = field(default_factory=list)
    views: list[dict] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    length: int = 0

    def view(self, data: bytes, target: int | None = None) -> int:
        """Bytes as a buffer view, which starts at a multiple of four; returns its index."""
        self.views.append({"buffer": 0, "byteOffset": self.length, "byteLength": len(data)} | ({} if target is None else {"target": target}))
        self.chunks += [data, b"\0" * (-len(data) % 4)]
        self.length += len(data) + -len(data) % 4
        return len(self.views) - 1

    def accessor(self, values: np.ndarray, target: int | None = None, *, bounds: bool = False, normalised: bool = False) -> int:
        """An array as an accessor; returns its index.

        Args:
            values: [N] or [N, 2|3|4] or [N, 4, 4], the matrices by columns; uint8, uint16, uint32 or float32.
            target: ARRAY for vertices, ELEMENTS for indices.
            bounds: whether to say the least and the largest value, as positions and times must.
            normalised: whether the whole range of the integers stands for 0 to 1.
        """
        entry = {"bufferView": self.view(_bytes(values), target), **_kind(values), "count": len(values)}
        if normalised:
            entry["normalized"] = True
        if bounds:
            entry |= {"min": _row(values.min(axis=0)), "max": _row(values.max(axis=0))}
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def sparse(self, count: int, index: np.ndarray, values: np.ndarray) -> int:
        """An accessor of `count` vectors that are zero but for `values` [n, 3] at the ascending `index` [n]; returns its index."""
        if not len(index):
            # The format has no sparse accessor without an element.
            index, values = np.zeros(1, np.int64), np.zeros((1, 3), np.float32)
        low, high = values.min(axis=0), values.max(axis=0)
        if len(index) < count:
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        stored = index.astype("u2" if count <= 0xFFFF else "u4")
        entry = {"count": len(index)}
        entry |= {"indices": {"bufferView": self.view(_bytes(stored)), "componentType": _COMPONENTS[stored.dtype.str[1:]]}}
        entry |= {"values": {"bufferView": self.view(_bytes(values))}}
        self.accessors.append(_kind(values) | {"count": count, "sparse": entry, "min": _row(low), "max": _row(high)})
        return len(self.accessors) - 1


def asset_entry(frames: Frames, extras: dict[str, str] | None = None) -> dict:
    """What a file says of itself: `asset` with version, generator, copyright, and everything else in its extras."""
    told = provenance(frames.avatar, "scene")
    return {"version": "2.0", "generator": told.generator, "copyright": told.sentence, "extras": frames.facts() | (extras or {})}


def write_glb(document: dict, buffer: Buffer) -> bytes:
    """The file's bytes.

    Args:
        document: the JSON, `asset` (`asset_entry`) included, without what the buffer knows.
        buffer: of all accessors that the document names.

    Raises:
        UserError: more than four gigabytes.
        ValueError: a number that JSON has no word for.
    """
    known = {"buffers": [{"byteLength": buffer.length}], "bufferViews": buffer.views, "accessors": buffer.accessors}
    text = json.dumps(document | known, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + buffer.length
    if total > MOST:
        raise UserError(f"{total / 1e9:.1f} GB: are more than a .glb can hold; choose fewer frames with --every, --start and --end")
    head = struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON")
    return b"".join([head, text, struct.pack("<I4s", buffer.length, b"BIN\0"), *buffer.chunks])


def _bytes(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _kind(values: np.ndarray) -> dict:
    return {"componentType": _COMPONENTS[values.dtype.str[1:]], "type": _SHAPES[values.shape[1:]]}


def _row(values: np.ndarray) -> list[float]:
    return [float(x) for x in np.atleast_1d(values)]
