"""One flat file of an avatar, and of a motion, for programs that pose Gaussians themselves: its bytes. `a3d_bundle` says what is in it.

docs/a3d.md describes it byte by byte. All little-endian:

    0   8   "A3DB" 0D 0A 1A 0A
    8   4   version, uint32
    12  4   flags, uint32: 1 where the last frame of the motion leads to its first
    16  8   length of the whole file, uint64
    24  4   n, number of sections, uint32
    28  4   CRC-32 of bytes 0 to 27 and of everything from byte 32 on, uint32
    32  64n the table: for each section its name (24 bytes, ASCII, zeros behind it), type, rank, shape [4] (uint32 each), offset and length (uint64)
    ..      the sections, each at a multiple of 16, zeros between them
"""

import json
import struct
import zlib
from dataclasses import dataclass, field
from math import prod

import numpy as np

from avatar3d.errors import UserError

MAGIC, VERSION = b"A3DB\r\n\x1a\n", 1
MAX_SIZE = 0x7FFFFFFF
"""Bytes of a file: every count in it fits a signed 32-bit number."""
_HEADER, _ENTRY = struct.Struct("<8sIIQI"), struct.Struct("<24sII4IQQ")
_HEAD = _HEADER.size + 4
_TYPES = {1: np.dtype("<f4"), 2: np.dtype("<u4"), 3: np.dtype("u1"), 4: np.dtype("<i2")}
_CODES = {dtype: code for code, dtype in _TYPES.items()}
_ALIGN, _MAX_SECTIONS, _MAX_RANK, _LONGEST_NAME = 16, 1024, 4, 23
_LOOPS = 1
_ABOUT = "about"


@dataclass(frozen=True, eq=False)
class Bundle:
    """What such a file holds."""

    about: dict
    """JSON-ready: who this is, with what consent."""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    """float32, uint32, uint8 or int16, by name."""
    loops: bool = False
    """Whether the last frame of the motion leads to its first."""


def write_bundle(bundle: Bundle) -> bytes:
    """The file's bytes; the same content gives the same bytes.

    Raises:
        UserError: more than a file can hold.
    """
    words = np.frombuffer(json.dumps(bundle.about, separators=(",", ":"), ensure_ascii=False).encode(), np.uint8)
    arrays = {_ABOUT: words} | bundle.arrays
    table, blobs = [], []
    offset = _aligned(_HEAD + _ENTRY.size * len(arrays))
    gap = offset - _HEAD - _ENTRY.size * len(arrays)
    for name, array in arrays.items():
        dtype = array.dtype.newbyteorder("<")
        if dtype not in _CODES or array.ndim > _MAX_RANK or not name.isascii() or len(name) > _LONGEST_NAME:
            raise ValueError(f"{name} is {array.dtype} of rank {array.ndim}, which no section can be")
        blob = np.ascontiguousarray(array, dtype).tobytes()
        shape = array.shape + (0,) * (_MAX_RANK - array.ndim)
        table.append(_ENTRY.pack(name.encode(), _CODES[dtype], array.ndim, *shape, offset, len(blob)))
        blobs += [blob, b"\0" * (_aligned(len(blob)) - len(blob))]
        offset += _aligned(len(blob))
    if offset > MAX_SIZE:
        raise UserError(f"the export: would be {offset / 1e9:.1f} GB and .a3d ends at 2.1 GB; choose a stretch with --start and --end")
    head = _HEADER.pack(MAGIC, VERSION, _LOOPS * bundle.loops, offset, len(arrays))
    body = b"".join([*table, b"\0" * gap, *blobs])
    return head + struct.pack("<I", zlib.crc32(body, zlib.crc32(head))) + body


def _aligned(size: int) -> int:
    return size + -size % _ALIGN


def read_bundle(data: bytes, name: str = "the .a3d file") -> Bundle:
    """Read it back. Sections that are not known here are read as well.

    Args:
        data: the whole file.
        name: of the file, for errors.

    Raises:
        UserError: not such a file, damaged, or from a newer version.
    """
    if len(data) < _HEAD or data[:8] != MAGIC:
        raise UserError(f"{name}: is not an .a3d file; export it again")
    _, version, flags, size, count = _HEADER.unpack_from(data)
    if version > VERSION:
        raise UserError(f"{name}: was written by a newer avatar3d (version {version}, this one reads {VERSION}); update avatar3d")
    if size != len(data) or size > MAX_SIZE:
        raise UserError(f"{name}: has {len(data)} bytes and says that it has {size}; copy it again")
    if version != VERSION or count > min(_MAX_SECTIONS, (size - _HEAD) // _ENTRY.size):
        raise UserError(f"{name}: has a table that makes no sense; export it again")
    view = memoryview(data)
    if struct.unpack_from("<I", data, _HEADER.size)[0] != zlib.crc32(view[_HEAD:], zlib.crc32(view[: _HEADER.size])):
        raise UserError(f"{name}: is damaged; copy it again")
    try:
        entries = [_ENTRY.unpack_from(data, _HEAD + _ENTRY.size * i) for i in range(count)]
        arrays = dict(_array(data, entry, _HEAD + _ENTRY.size * count) for entry in entries)
        if len(arrays) < count:
            raise ValueError("two sections of one name")
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        if not isinstance(about, dict):
            raise ValueError("no record of what it is")
    except (ValueError, KeyError, RecursionError) as error:
        raise UserError(f"{name}: is damaged ({str(error)[:120]}); export it again") from error
    return Bundle(about, arrays, bool(flags & _LOOPS))


def _array(data: bytes, entry: tuple, first: int) -> tuple[str, np.ndarray]:
    raw, code, rank, *sides, offset, length = entry
    name = raw.partition(b"\0")[0].decode("ascii")
    if code not in _TYPES or rank > _MAX_RANK or len(name) > _LONGEST_NAME:
        raise ValueError(f"section {name} is of no type that is known")
    shape, dtype = tuple(sides[:rank]), _TYPES[code]
    if offset % _ALIGN or offset < first or offset + length > len(data) or prod(shape) * dtype.itemsize != length:
        raise ValueError(f"section {name} lies outside the file")
    array = np.frombuffer(data, dtype, prod(shape), offset).astype(dtype.newbyteorder("=")).reshape(shape)
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"section {name} holds values that are not numbers")
    return name, array
