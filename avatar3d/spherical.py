"""Telling players of MP4 and MOV that a film is for two eyes, or shows the half of a sphere.

The boxes st3d and sv3d of Google's Spherical Video V2 specification (github.com/google/spatial-media/blob/master/docs/spherical-video-v2-rfc.md),
which YouTube and players on headsets read, inserted into a finished file: the library that writes the file has no way to ask for them.
"""

import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avatar3d.errors import UserError

_FOLDERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_ENTRY_HEADER = 78
"""Bytes of a picture's sample entry before the boxes in it (ISO 14496-12, 8.5.2 and 12.1.3)."""
_MAX_HEADER = 1 << 28
_QUARTER = 1 << 30
"""A quarter of the sphere's width, as the 0.32 fixed point number that the bounds of an equirectangular picture are."""


@dataclass(frozen=True)
class Stereo:
    """How the pictures of two eyes share a frame."""

    over_under: bool
    """Left eye above right; else left beside right."""
    half_sphere: bool
    """Each eye's picture is the front half of a sphere, equirectangular."""


@dataclass
class _Box:
    kind: bytes
    content: "bytes | list[_Box]"

    def packed(self) -> bytes:
        inner = self.content if isinstance(self.content, bytes) else b"".join(box.packed() for box in self.content)
        return struct.pack(">I4s", 8 + len(inner), self.kind) + inner

    def all(self, kind: bytes) -> "list[_Box]":
        """The boxes of a kind below, at any depth."""
        below = [] if isinstance(self.content, bytes) else self.content
        return [box for box in below if box.kind == kind] + [found for box in below for found in box.all(kind)]


def stereo_boxes(stereo: Stereo) -> bytes:
    """The boxes st3d and, of a half sphere, sv3d."""
    boxes = _box(b"st3d", struct.pack(">IB", 0, 1 if stereo.over_under else 2))
    if stereo.half_sphere:
        heading = _box(b"svhd", struct.pack(">I", 0) + b"avatar3d\0")
        pose = _box(b"prhd", struct.pack(">Iiii", 0, 0, 0, 0))
        bounds = _box(b"equi", struct.pack(">IIIII", 0, 0, 0, _QUARTER, _QUARTER))
        boxes += _box(b"sv3d", heading + _box(b"proj", pose + bounds))
    return boxes


def mark_stereo(path: Path, stereo: Stereo) -> None:
    """Insert the boxes into a whole MP4 or MOV file, whose other bytes stay as they are.

    Raises:
        UserError: not such a file.
        OSError: it cannot be written.
    """
    other = path.with_name(path.name + ".marked")
    try:
        with path.open("rb") as source, other.open("wb") as target:
            start, size = _find_header(path, source)
            source.seek(start)
            header = _Box(b"moov", _boxes(source.read(size)[8:]))
            grown = len(_with_boxes(path, header, stereo_boxes(stereo)).packed()) - size
            # What lies behind the header moves by what the header has grown.
            for kind, code in ((b"stco", "I"), (b"co64", "Q")):
                for table in header.all(kind):
                    table.content = _moved(bytes(table.content), code, lambda at: at + grown if at >= start else at)  # pyright: ignore[reportArgumentType]
            source.seek(0)
            _copy(source, target, start)
            target.write(header.packed())
            source.seek(start + size)
            shutil.copyfileobj(source, target, 1 << 20)
        other.replace(path)
    finally:
        other.unlink(missing_ok=True)


def read_stereo(path: Path) -> Stereo | None:
    """What a file's boxes say; None where there are none.

    Raises:
        UserError: not an MP4 or MOV file.
    """
    with path.open("rb") as source:
        start, size = _find_header(path, source)
        source.seek(start)
        entry = _picture_entry(path, _Box(b"moov", _boxes(source.read(size)[8:])))
    boxes = {box.kind: bytes(box.content) for box in _boxes(bytes(entry.content)[16 + _ENTRY_HEADER :])}  # pyright: ignore[reportArgumentType]
    if b"st3d" not in boxes:
        return None
    return Stereo(boxes[b"st3d"][4] == 1, b"sv3d" in boxes)


def _with_boxes(path: Path, header: _Box, boxes: bytes) -> _Box:
    """The header with boxes added to the description of its pictures."""
    entries = _picture_entry(path, header)
    content = bytes(entries.content)  # pyright: ignore[reportArgumentType]
    # A full box's eight bytes of version and count, then the first and only entry.
    size, kind = struct.unpack(">I4s", content[8:16])
    entries.content = content[:8] + struct.pack(">I4s", size + len(boxes), kind) + content[16 : 8 + size] + boxes + content[8 + size :]
    return header


def _picture_entry(path: Path, header: _Box) -> _Box:
    """The box that describes the pictures' coding."""
    for track in header.all(b"trak"):
        if any(bytes(box.content)[8:12] == b"vide" for box in track.all(b"hdlr")):  # pyright: ignore[reportArgumentType]
            # A full box's eight bytes of version and count, and the header of the first entry.
            for box in track.all(b"stsd"):
                if len(box.content) >= 16 + _ENTRY_HEADER:
                    return box
    raise UserError(f"{path}: has no pictures; give a film")


def _find_header(path: Path, source) -> tuple[int, int]:
    """Where the box moov starts, and its size."""
    at, end = 0, path.stat().st_size
    while at + 16 <= end:
        source.seek(at)
        size, kind, large = struct.unpack(">I4sQ", source.read(16))
        size = large if size == 1 else size or end - at
        if kind == b"moov" and 8 <= size <= min(_MAX_HEADER, end - at):
            return at, size
        if size < 8:
            break
        at += size
    raise UserError(f"{path}: is not an MP4 file; give one that a media player can play")


def _boxes(data: bytes, depth: int = 0) -> list[_Box]:
    boxes, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if not 8 <= size <= len(data) - at:
            break
        inner = data[at + 8 : at + size]
        boxes.append(_Box(kind, _boxes(inner, depth + 1) if kind in _FOLDERS and depth < len(_FOLDERS) else inner))
        at += size
    return boxes


def _box(kind: bytes, content: bytes) -> bytes:
    return _Box(kind, content).packed()


def _moved(table: bytes, code: str, move: Callable[[int], int]) -> bytes:
    """A table of places in the file: eight bytes of version and count, then as many places."""
    count = struct.unpack_from(">I", table, 4)[0]
    places = struct.unpack_from(f">{count}{code}", table, 8)
    return table[:8] + struct.pack(f">{count}{code}", *map(move, places))


def _copy(source, target, count: int) -> None:
    while count > 0:
        piece = source.read(min(count, 1 << 20))
        if not piece:
            return
        target.write(piece)
        count -= len(piece)
