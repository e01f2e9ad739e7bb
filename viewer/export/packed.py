"""One flat file of named arrays, small integers that stand for real numbers among them: what the web player reads.

docs/web.md lists it byte by byte:

    0   4   "A3DP"
    4   4   version, uint32
    8   4   H, length of the header, uint32
    12  H   header, JSON in UTF-8, padded with spaces so that 12 + H is a multiple of 8
    ..      the arrays, each at 12 + H + its offset, a multiple of 8

All little-endian. The header holds what the writer put there and `arrays`: for each name `type`, `shape`, `offset`, and where it is quantised
`scale` and `shift`, one number for all or one for each index of the last axis. The value is shift + scale * stored.
"""

import json
import struct
from dataclasses import dataclass, field
from math import prod

import numpy as np

from avatar3d.errors import UserError

MAGIC, VERSION = b"A3DP", 1
_TYPES = {"i1": np.int8, "u1": np.uint8, "i2": np.int16, "u2": np.uint16, "i4": np.int32, "u4": np.uint32, "f4": np.float32}
_ALIGN = 8
MAX_HEADER = 16 << 20


@dataclass(frozen=True, eq=False)
class Quantised:
    """Integers that stand for real numbers."""

    stored: np.ndarray
    """[..., C] of an integer type."""
    scale: np.ndarray
    """[1] or [C] float32."""
    shift: np.ndarray
    """[1] or [C] float32."""

    def values(self) -> np.ndarray:
        """[..., C] float32: shift + scale * stored."""
        return self.shift + self.scale * self.stored.astype(np.float32)


@dataclass
class Packed:
    """A header and its arrays, each a plain array or a `Quantised` one."""

    header: dict
    arrays: dict[str, np.ndarray | Quantised] = field(default_factory=dict)

    def values(self, name: str) -> np.ndarray:
        """The array as its values: float32 where it is quantised, as stored otherwise. Raises KeyError where there is none."""
        array = self.arrays[name]
        return array.values() if isinstance(array, Quantised) else array


def quantised(values: np.ndarray, kind: str = "i2", *, columns: bool = True) -> Quantised:
    """Real numbers as integers that use their type's whole range.

    Args:
        values: [..., C].
        kind: "i1" or "i2".
        columns: whether each index of the last axis has a range of its own.
    """
    info = np.iinfo(_TYPES[kind])
    flat = np.asarray(values, np.float64).reshape(-1, values.shape[-1] if columns else 1)
    low, high = (flat.min(axis=0), flat.max(axis=0)) if len(flat) else (np.zeros(flat.shape[1]), np.zeros(flat.shape[1]))
    # One number of the integers' range stays unused, so that it is as wide below zero as above.
    scale = (np.maximum(high - low, 1e-12) / (2 * info.max)).astype(np.float32)
    shift = ((high + low) / 2).astype(np.float32)
    stored = np.clip(np.round((flat - shift) / scale), -info.max, info.max).astype(info.dtype)
    return Quantised(stored.reshape(values.shape), scale, shift)


def as_float(values: np.ndarray) -> np.ndarray:
    """Real numbers as they are, where nothing may be rounded: stands in for `quantised`."""
    return np.ascontiguousarray(values, np.float32)


def write_packed(packed: Packed) -> bytes:
    """The file's bytes; the same content gives the same bytes."""
    entries, blobs, offset = {}, [], 0
    for name, array in packed.arrays.items():
        plain = array.stored if isinstance(array, Quantised) else array
        kind = plain.dtype.str[1:]
        if kind not in _TYPES:
            raise ValueError(f"{name} has type {plain.dtype}, expected one of {', '.join(_TYPES)}")
        blob = np.ascontiguousarray(plain).astype(plain.dtype.newbyteorder("<"), copy=False).tobytes()
        entries[name] = {"type": kind, "shape": list(plain.shape), "offset": offset}
        if isinstance(array, Quantised):
            entries[name] |= {key: [float(x) for x in getattr(array, key)] for key in ("scale", "shift")}
        blobs += [blob, b"\0" * (-len(blob) % _ALIGN)]
        offset += len(blob) + -len(blob) % _ALIGN
    header = json.dumps(packed.header | {"arrays": entries}, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-(12 + len(header)) % _ALIGN)
    return b"".join([MAGIC, struct.pack("<II", VERSION, len(header)), header, *blobs])


def read_packed(data: bytes, name: str = "the packed file") -> Packed:
    """Read it back.

    Args:
        data: the whole file.
        name: of the file, for errors.

    Raises:
        UserError: not such a file, damaged, or from a newer version.
    """
    if data[:4] != MAGIC or len(data) < 12:
        raise UserError(f"{name}: is not a packed avatar or motion; export it again")
    version, length = struct.unpack_from("<II", data, 4)
    if version > VERSION:
        raise UserError(f"{name}: was written by a newer avatar3d (version {version}, this one reads {VERSION}); update avatar3d")
    if length > min(MAX_HEADER, len(data) - 12):
        raise UserError(f"{name}: breaks off in its header; export it again")
    try:
        header = json.loads(data[12 : 12 + length])
        entries = header.pop("arrays")
        arrays = {key: _array(data, 12 + length, entry) for key, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{name}: is damaged ({str(error)[:120]}); export it again") from error
    return Packed(header, arrays)


def _array(data: bytes, base: int, entry: dict) -> np.ndarray | Quantised:
    kind, shape, start = _TYPES[entry["type"]], tuple(entry["shape"]), entry["offset"]
    if not all(isinstance(n, int) and n >= 0 for n in (*shape, start)):
        raise ValueError("a shape or an offset is not a whole number")
    count = prod(shape)
    if start % _ALIGN or base + start + count * np.dtype(kind).itemsize > len(data):
        raise ValueError("an array lies outside the file")
    stored = np.frombuffer(data, np.dtype(kind).newbyteorder("<"), count, base + start).astype(kind).reshape(shape)
    if "scale" not in entry:
        return stored
    scale, shift = (np.array(entry[key], np.float32) for key in ("scale", "shift"))
    if scale.shape not in {(1,), shape[-1:]} or shift.shape != scale.shape or not np.isfinite([scale, shift]).all():
        raise ValueError("a scale does not fit its array")
    return Quantised(stored, scale, shift)
