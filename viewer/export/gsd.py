"""GSD version 1, a sequence in one file: what DazaiStudio's Splat Renderer plays in Unreal.

    0   4   "GSD1"
    4   4   H, length of the header, uint32
    8   H   header, JSON; spaces at its end
    ..      for each frame its length, uint32, and an LZ4 block

A frame is a stack of square RGBA pictures, a pixel for each Gaussian in Morton order: position (float32) z, x, -y; rotation (float16, as all others)
z, x, -y, w; standard deviations z, x, y and opacity; then the harmonics, four numbers a picture: red, green, blue of coefficient 0, of 1 and so on,
where degree 0 leaves the fourth zero. x, y, z are the axes of 3D Gaussian splatting files. Of each picture the first bytes of all pixels come first,
then the second ones: alike bytes side by side compress well.
"""

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import lz4.block
import numpy as np

from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from avatar3d.gaussians import Gaussians
from avatar3d.progress import Progress
from avatar3d.threads import in_order, one_torch_thread
from viewer.export.frames import Frames
from viewer.export.options import FormatOptions
from viewer.export.provenance import provenance
from viewer.export.soundtrack import name_beside, write_soundtrack
from viewer.export.splats import MAX_COUNT, Splats, gaussians_of

MAGIC = b"GSD1"
_FULL, _HALF = 0, 1
"""How the header calls float32 and float16."""
_FRAME_ROOM = 400
"""Bytes of the header that are kept free for each frame; its longest entry has fewer."""
_MAX_HEADER = 256 << 20
_PICTURES = {0: 1, 1: 3, 2: 7, 3: 12}
"""Pictures of harmonics by degree."""
_CENTIMETRES = 100.0
"""The header's bounds are in Unreal's units."""


def frame_blob(gaussians: Gaussians) -> bytes:
    """A frame, not yet compressed, of Gaussians in the file's axes (y down), unit quaternions."""
    order = morton_order(gaussians.position.numpy())
    side = texture_side(len(gaussians))
    degree = _degree(gaussians)
    pictures = np.zeros((3 + _PICTURES[degree], side * side, 4), np.float32)
    pictures[0, len(gaussians) :, 3] = pictures[1, len(gaussians) :, 3] = 1
    x, y, z = gaussians.position.numpy()[order].T
    w, qx, qy, qz = gaussians.rotation.numpy()[order].T
    sx, sy, sz = np.exp(gaussians.log_scale.numpy()[order]).T
    opacity = 1 / (1 + np.exp(-gaussians.opacity_logit.numpy()[order]))
    used = slice(0, len(gaussians))
    for picture, channels in zip(pictures[:3], ((z, x, -y), (qz, qx, -qy, w), (sz, sx, sy, opacity)), strict=True):
        picture[used, : len(channels)] = np.stack(channels, axis=1)
    flat = gaussians.sh.numpy()[order].reshape(len(gaussians), -1)
    flat = np.pad(flat, ((0, 0), (0, 4 * _PICTURES[degree] - flat.shape[1])))
    pictures[3:, used] = flat.reshape(len(gaussians), -1, 4).transpose(1, 0, 2)
    return _shuffled(pictures[0].astype("<f4")) + b"".join(_shuffled(picture.astype("<f2")) for picture in pictures[1:])


def _degree(gaussians: Gaussians) -> int:
    return math.isqrt(gaussians.sh.shape[1]) - 1


def texture_side(count: int) -> int:
    """Side of the square pictures that hold `count` Gaussians."""
    return math.isqrt(count - 1) + 1


def _shuffled(picture: np.ndarray) -> bytes:
    """Byte k of all pixels after byte k - 1 of all."""
    return picture.view(np.uint8).reshape(len(picture), -1).T.tobytes()


def morton_order(position: np.ndarray) -> np.ndarray:
    """[N] indices by Morton code of 10 bits an axis (z, x, -y), so that neighbours in space are neighbours in the picture."""
    axes = np.stack([position[:, 2], position[:, 0], -position[:, 1]], axis=1)
    low, extent = axes.min(axis=0), np.ptp(axes, axis=0)
    cells = ((axes - low) / np.where(extent == 0, 1, extent) * 1023).astype(np.uint32)
    code = _spread(cells[:, 0]) | (_spread(cells[:, 1]) << np.uint32(1)) | (_spread(cells[:, 2]) << np.uint32(2))
    return np.argsort(code, kind="stable")


def _spread(bits: np.ndarray) -> np.ndarray:
    """Ten bits with two zeros after each."""
    for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        bits = (bits | (bits << np.uint32(shift))) & np.uint32(mask)
    return bits


def write_gsd(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write all frames, and the sound beside them as NAME.gsd.wav; see `formats.Writer`."""
    entries = []
    first = frames.gaussians(0)
    room = 8 + len(_header(frames, path.stem, first, [])) + _FRAME_ROOM * frames.count
    with atomic_path(path) as temporary, one_torch_thread(), open(temporary, "wb", buffering=0) as stream:
        _write(stream, b" " * room)

        def pack(index: int) -> tuple[bytes, dict]:
            gaussians = frames.gaussians(index)
            packed = lz4.block.compress(frame_blob(gaussians), store_size=False)
            return packed, _entry(gaussians, len(packed))

        for packed, entry in in_order(pack, frames.count):
            _write(stream, struct.pack("<I", len(packed)) + packed)
            entries.append(entry)
            progress(len(entries), frames.count)
        header = _header(frames, path.stem, first, entries)
        stream.seek(0)
        _write(stream, MAGIC + struct.pack("<I", room - 8) + header.ljust(room - 8))
        size = stream.seek(0, 2)
    told = f"{path}: {frames.count} frames of {len(first)} Gaussians, {size / 1e6:.1f} MB ({size / frames.count / len(first):.1f} bytes each)"
    if frames.sound is not None and path.is_file():
        sound = path.with_name(name_beside(path, ".wav"))
        write_soundtrack(sound, frames, provenance(frames.avatar, "scene"))
        told += f"; its sound is {sound.name}"
    return f"{told}\nnext: avatar3d check {path}"


def _write(stream: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[stream.write(rest) :]


def _entry(gaussians: Gaussians, size: int) -> dict:
    side = texture_side(len(gaussians))
    axes = gaussians.position.numpy()[:, [2, 0, 1]] * np.float32(_CENTIMETRES) * np.array([1, 1, -1], np.float32)
    bounds = {name: dict(zip("xyz", map(float, edge), strict=True)) for name, edge in (("min", axes.min(axis=0)), ("max", axes.max(axis=0)))}
    return {
        "compressedSize": size, "textureWidth": side, "textureHeight": side, "gaussianCount": len(gaussians),
        "minPosition": bounds["min"], "maxPosition": bounds["max"],
    }  # fmt: skip


def _header(frames: Frames, name: str, first: Gaussians, entries: list[dict]) -> bytes:
    side = texture_side(len(first))
    header = {
        "version": 1, "compression": "shuffle_lz4", "sequenceName": name, "frameCount": frames.count, "targetFPS": float(frames.fps),
        "shDegree": _degree(first), "textureWidth": side, "textureHeight": side, "gaussianCount": len(first),
        "positionPrecision": _FULL, "rotationPrecision": _HALF, "scaleOpacityPrecision": _HALF, "shPrecision": _HALF,
        "provenance": frames.facts(), "frames": entries,
    }  # fmt: skip
    return json.dumps(header, separators=(",", ":")).encode()


def read_gsd(path: Path) -> tuple[dict, Iterator[Splats]]:
    """The header of a .gsd file, and its frames one after the other, in its own axes.

    Raises:
        UserError: not such a file; from the frames also where one is damaged.
    """
    try:
        with open(path, "rb") as stream:
            magic, length = struct.unpack("<4sI", stream.read(8).ljust(8))
            size = stream.seek(0, 2)
            if magic != MAGIC or length > min(_MAX_HEADER, size - 8):
                raise UserError(f"{path}: is not a .gsd sequence, or breaks off in its header; export it again")
            stream.seek(8)
            header = json.loads(stream.read(length))
        if header["version"] != 1 or header["compression"] != "shuffle_lz4":
            raise UserError(f"{path}: is GSD version {header['version']}, {header['compression']}; 1, shuffle_lz4 is read here")
        count, entries, degree = header["frameCount"], header["frames"], header["shDegree"]
        if not isinstance(count, int) or count < 1 or len(entries) != count or degree not in _PICTURES or not float(header["targetFPS"]) > 0:
            raise ValueError("its counts")
        if any(header[f"{part}Precision"] not in (_FULL, _HALF) for part in ("position", "rotation", "scaleOpacity", "sh")):
            raise ValueError("its precisions")
        for entry in entries:
            if not (1 <= entry["gaussianCount"] <= entry["textureWidth"] * entry["textureHeight"] <= MAX_COUNT):
                raise ValueError("its pictures")
            if not 1 <= entry["compressedSize"] <= size:
                raise ValueError("its frames")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; give a .gsd sequence") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()}); give a .gsd sequence") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: has a header that makes no sense ({str(error)[:60]}); export it again") from error
    return header, _frames(path, header, 8 + length)


def _frames(path: Path, header: dict, start: int) -> Iterator[Splats]:
    parts = ("position", "rotation", "scaleOpacity", *("sh",) * _PICTURES[header["shDegree"]])
    widths = [header[f"{part}Precision"] for part in parts]
    kinds = [np.dtype("<f4" if width == _FULL else "<f2") for width in widths]
    with open(path, "rb") as stream:
        stream.seek(start)
        for index, entry in enumerate(header["frames"]):
            name = f"{path}, frame {index + 1}"
            pixels = entry["textureWidth"] * entry["textureHeight"]
            whole = sum(4 * kind.itemsize * pixels for kind in kinds)
            head = stream.read(4)
            if len(head) < 4 or struct.unpack("<I", head)[0] != entry["compressedSize"]:
                raise UserError(f"{name}: is not where the header says; copy the file again")
            packed = stream.read(entry["compressedSize"])
            # No LZ4 block grows more than 255 times.
            if whole > 255 * len(packed):
                raise UserError(f"{name}: claims {whole} bytes in {len(packed)}; copy the file again")
            try:
                blob = lz4.block.decompress(packed, uncompressed_size=whole)
            except lz4.block.LZ4BlockError as error:
                raise UserError(f"{name}: is damaged; copy the file again") from error
            if len(blob) != whole:
                raise UserError(f"{name}: has {len(blob)} bytes where {whole} belong; copy the file again")
            yield _splats(blob, kinds, pixels, entry["gaussianCount"], header["shDegree"], name)


def _splats(blob: bytes, kinds: list[np.dtype], pixels: int, count: int, degree: int, name: str) -> Splats:
    pictures, start = [], 0
    for kind in kinds:
        size = 4 * kind.itemsize * pixels
        part = np.frombuffer(blob, np.uint8, size, start).reshape(4 * kind.itemsize, pixels).T
        pictures.append(np.ascontiguousarray(part).view(kind).astype(np.float32)[:count])
        start += size
    place, turn, size_opacity = pictures[:3]
    position = np.stack([place[:, 1], -place[:, 2], place[:, 0]], axis=1)
    rotation = np.stack([turn[:, 3], turn[:, 1], -turn[:, 2], turn[:, 0]], axis=1)
    with np.errstate(divide="ignore"):
        log_scale = np.log(np.maximum(size_opacity[:, [1, 2, 0]], 1e-8))
    opacity = np.clip(size_opacity[:, 3], 1e-6, 1 - 1e-6)
    bands = (degree + 1) ** 2
    sh = np.concatenate(pictures[3:], axis=1)[:, : 3 * bands].reshape(count, bands, 3)
    return Splats(gaussians_of(name, position, rotation, log_scale, np.log(opacity / (1 - opacity)), sh), "gsd", {"degree": degree})
