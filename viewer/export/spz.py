"""SPZ, Niantic's compressed Gaussians, versions 3 (one gzip stream) and 4 (a plain header and one zstd stream for each attribute).

Both hold, attribute by attribute: positions as 24-bit fixed point with `fractional bits` behind the point, alpha as uint8, colour as uint8
(255 (0.15 sh + 0.5)), log-scale as uint8 (16 (s + 10)), the quaternion x, y, z, w in 32 bits (index of the largest component, then sign and nine bits
of each other, of 1/sqrt 2), harmonics above degree 0 as uint8 (128 + 128 sh), coefficient by coefficient, red green blue. Axes: x right, y up, z
back.

The reference writer has 12 fractional bits, a quarter of a millimetre in metres; here they are 18, four thousandths, or as many as fit. What the
file is stands in version 4 as an extension record (skipped by readers that do not know it), in version 3 as the comment of the gzip header.
"""

import json
import struct
import zlib
from itertools import pairwise

import numpy as np
import zstandard

from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from viewer.export.splats import MAX_COUNT, Splats, gaussians_of

MAGIC = 0x5053474E
MOST_BITS, FEWEST_BITS = 18, 8
EXTENSION = 0xA3D40001
"""Type of the record that holds our words, JSON in UTF-8."""
_HEADER3, _HEADER4 = struct.Struct("<IIIBBBB"), struct.Struct("<IIIBBBBI12x")
_HAS_EXTENSIONS = 2
_COLOUR = 0.15
_BITS = 511
_LEVEL3, _LEVEL4 = 4, 9
_MAX_RATIO = 1100
"""No deflate stream grows by more; a header that promises more is refused before anything is allocated."""
_WINDOW = 1 << 27
_PIECE = 1 << 20


def spz_bytes(gaussians: Gaussians, *, version: int = 4, facts: dict[str, str] | None = None) -> bytes:
    """The file.

    Args:
        gaussians: in its axes (y up), unit quaternions.
        version: 3 or 4.
        facts: what it says of itself.

    Raises:
        UserError: too far from the origin for 24 bits.
    """
    bits = fractional_bits(gaussians)
    degree = int(np.sqrt(gaussians.sh.shape[1])) - 1
    streams = _streams(gaussians, bits)
    words = json.dumps(facts, ensure_ascii=version == 3).encode() if facts else b""
    if version == 3:
        body = _HEADER3.pack(MAGIC, 3, len(gaussians), degree, bits, 0, 0) + b"".join(streams)
        return _gzip(body, words)
    record = struct.pack("<II", EXTENSION, len(words)) + words if words else b""
    packer = zstandard.ZstdCompressor(level=_LEVEL4)
    packed = [(packer.compress(stream), len(stream)) for stream in streams if stream]
    flags = _HAS_EXTENSIONS if record else 0
    header = _HEADER4.pack(MAGIC, 4, len(gaussians), degree, bits, flags, len(packed), _HEADER4.size + len(record))
    contents = b"".join(struct.pack("<QQ", len(data), size) for data, size in packed)
    return b"".join([header, record, contents, *(data for data, _ in packed)])


def fractional_bits(gaussians: Gaussians) -> int:
    """As many bits behind the point as 24 bits leave.

    Raises:
        UserError: too far from the origin.
    """
    reach = float(gaussians.position.abs().max())
    bits = MOST_BITS if reach == 0 else min(MOST_BITS, int(np.floor(np.log2(((1 << 23) - 1) / reach))))
    if bits < FEWEST_BITS:
        raise UserError(f"spz: Gaussians lie {reach:.3g} from the origin, too far for its 24 bits; export with --unit m or a smaller --scale")
    return bits


def _streams(gaussians: Gaussians, bits: int) -> list[bytes]:
    """The six attributes, packed."""
    fixed = np.round(gaussians.position.numpy().astype(np.float64) * (1 << bits)).astype("<i4")
    position = fixed.view(np.uint8).reshape(-1, 4)[:, :3]
    alpha = _byte(255 / (1 + np.exp(-gaussians.opacity_logit.numpy())))
    colour = _byte(255 * (_COLOUR * gaussians.sh[:, 0].numpy() + 0.5))
    scale = _byte(16 * (gaussians.log_scale.numpy() + 10))
    rest = _byte(128 + 128 * gaussians.sh[:, 1:].numpy())
    return [part.tobytes() for part in (position, alpha, colour, scale, _smallest_three(gaussians.rotation.numpy()), rest)]


def _byte(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _smallest_three(rotation: np.ndarray) -> np.ndarray:
    """[N] uint32 of unit quaternions [N, 4] wxyz."""
    xyzw = rotation[:, [1, 2, 3, 0]]
    largest = np.argmax(np.abs(xyzw), axis=1)
    xyzw = np.where(np.take_along_axis(xyzw, largest[:, None], axis=1) < 0, -xyzw, xyzw)
    size = np.minimum(np.floor(_BITS * np.sqrt(2) * np.abs(xyzw) + 0.5), _BITS).astype(np.uint32)
    stored = np.where(xyzw < 0, np.uint32(512), np.uint32(0)) | size
    packed = largest.astype(np.uint32)
    for component in range(4):
        packed = np.where(largest == component, packed, (packed << np.uint32(10)) | stored[:, component])
    return packed.astype("<u4")


def _unpack_rotation(packed: np.ndarray) -> np.ndarray:
    """The inverse of `_smallest_three`."""
    largest = packed >> np.uint32(30)
    xyzw = np.zeros((len(packed), 4), np.float32)
    rest = packed.copy()
    for component in (3, 2, 1, 0):
        here = largest != component
        size = (rest & np.uint32(_BITS)).astype(np.float32) / np.float32(_BITS * np.sqrt(2))
        xyzw[:, component] = np.where(here, np.where(rest & np.uint32(512), -size, size), 0)
        rest = np.where(here, rest >> np.uint32(10), rest)
    missing = np.sqrt(np.maximum(1 - np.square(xyzw).sum(axis=1), 0))
    np.put_along_axis(xyzw, largest[:, None].astype(np.int64), missing[:, None], axis=1)
    return xyzw[:, [3, 0, 1, 2]]


def _gzip(body: bytes, comment: bytes) -> bytes:
    """One gzip member without a date, so that the same content gives the same bytes; the comment is ASCII (RFC 1952)."""
    flags = 16 if comment else 0
    packer = zlib.compressobj(_LEVEL3, zlib.DEFLATED, -zlib.MAX_WBITS)
    header = struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, flags, 0, 0, 255) + (comment + b"\0" if comment else b"")
    return header + packer.compress(body) + packer.flush() + struct.pack("<II", zlib.crc32(body), len(body) & 0xFFFFFFFF)


def read_spz(data: bytes, name: str = "the SPZ file") -> Splats:
    """Gaussians from an SPZ file of version 3 or 4, in its axes (y up).

    Args:
        data: the whole file.
        name: of the file, for errors.

    Raises:
        UserError: not such a file, damaged, or of another version.
    """
    if data[:2] == b"\x1f\x8b":
        return _read_3(data, name)
    if len(data) >= _HEADER4.size and struct.unpack_from("<I", data)[0] == MAGIC:
        return _read_4(data, name)
    raise UserError(f"{name}: is not an SPZ file; export it again")


def _sizes(count: int, degree: int, name: str) -> list[int]:
    """Bytes of the six attributes."""
    if not 0 < count <= MAX_COUNT or degree > 3:
        raise UserError(f"{name}: claims {count} Gaussians with harmonics of degree {degree}; export it again")
    return [size * count for size in (9, 1, 3, 3, 4, 3 * ((degree + 1) ** 2 - 1))]


def _read_3(data: bytes, name: str) -> Splats:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        head = unpacker.decompress(data, _HEADER3.size)
        if len(head) < _HEADER3.size:
            raise UserError(f"{name}: breaks off in its header; copy it again")
        magic, version, count, degree, bits, _, _ = _HEADER3.unpack(head)
        if magic != MAGIC:
            raise UserError(f"{name}: is not an SPZ file; export it again")
        if version != 3:
            raise UserError(f"{name}: is SPZ version {version}, and 3 and 4 are read here; write it anew with splat-transform")
        sizes = _sizes(count, degree, name)
        if sum(sizes) > _MAX_RATIO * len(data):
            raise UserError(f"{name}: claims {count} Gaussians, which {len(data)} bytes cannot hold; copy it again")
        body = unpacker.decompress(unpacker.unconsumed_tail, sum(sizes))
        # What follows the attributes are extension records of others; only behind them lies the sum that tells whether all of it is as written.
        while not unpacker.eof and unpacker.decompress(unpacker.unconsumed_tail, _PIECE):
            pass
    except zlib.error as error:
        raise UserError(f"{name}: is damaged ({str(error)[:60]}); copy it again") from error
    if len(body) < sum(sizes) or not unpacker.eof:
        raise UserError(f"{name}: breaks off; copy it again")
    edges = np.cumsum([0, *sizes])
    parts = [body[start:stop] for start, stop in pairwise(edges)]
    return _splats(parts, count, degree, bits, 3, _gzip_comment(data), name)


def _gzip_comment(data: bytes) -> dict[str, str]:
    """Our words in the header of a gzip stream that has a comment and nothing else."""
    if len(data) < 10 or data[3] != 16:
        return {}
    return _facts(data[10 : max(data.find(b"\0", 10, 10 + (1 << 16)), 10)])


def _facts(words: bytes) -> dict[str, str]:
    try:
        read = json.loads(words)
        return {str(key): str(value) for key, value in read.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}


def _read_4(data: bytes, name: str) -> Splats:
    _, version, count, degree, bits, flags, num_streams, contents = _HEADER4.unpack_from(data)
    if version != 4:
        raise UserError(f"{name}: is SPZ version {version}, and 3 and 4 are read here; write it anew with splat-transform")
    sizes = _sizes(count, degree, name)
    wanted = [size for size in sizes if size]
    start = contents + 16 * num_streams
    if num_streams != len(wanted) or contents < _HEADER4.size or start > len(data):
        raise UserError(f"{name}: has a table of contents that makes no sense; copy it again")
    parts = []
    for index, size in enumerate(wanted):
        packed, whole = struct.unpack_from("<QQ", data, contents + 16 * index)
        if whole != size or packed > len(data) - start:
            raise UserError(f"{name}: has a table of contents that makes no sense; copy it again")
        parts.append(_zstd(data[start : start + packed], size, name))
        start += packed
    parts += [b""] * (6 - len(parts))
    facts = _extension(data[_HEADER4.size : contents]) if flags & _HAS_EXTENSIONS else {}
    return _splats(parts, count, degree, bits, 4, facts, name)


def _zstd(packed: bytes, size: int, name: str) -> bytes:
    """`size` bytes; read as a stream, which allocates what is asked for and not what the frame claims."""
    try:
        with zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(packed) as stream:
            content = stream.read(size + 1)
    except zstandard.ZstdError as error:
        raise UserError(f"{name}: is damaged ({str(error)[:60]}); copy it again") from error
    if len(content) != size:
        raise UserError(f"{name}: has {len(content)} bytes where {size} belong; copy it again")
    return content


def _extension(records: bytes) -> dict[str, str]:
    """Our words among the extension records."""
    start = 0
    while start + 8 <= len(records):
        kind, length = struct.unpack_from("<II", records, start)
        if kind == EXTENSION:
            return _facts(records[start + 8 : start + 8 + length])
        start += 8 + length
    return {}


def _splats(parts: list[bytes], count: int, degree: int, bits: int, version: int, facts: dict[str, str], name: str) -> Splats:
    if bits > 24:
        raise UserError(f"{name}: claims {bits} fractional bits; export it again")
    position, alpha, colour, scale, rotation, rest = (np.frombuffer(part, np.uint8) for part in parts)
    fixed = np.zeros((count * 3, 4), np.uint8)
    fixed[:, 1:] = position.reshape(-1, 3)
    # The three bytes fill the upper part of an int32, so that the shift brings the sign along.
    centres = (fixed.view("<i4").reshape(count, 3) >> 8).astype(np.float64) / (1 << bits)
    opacity = np.clip(alpha / np.float32(255), 1 / 255, 254 / 255)
    sh = np.empty((count, (degree + 1) ** 2, 3), np.float32)
    sh[:, 0] = (colour.reshape(count, 3) / np.float32(255) - 0.5) / _COLOUR
    sh[:, 1:] = (rest.reshape(count, -1, 3).astype(np.float32) - 128) / 128
    log_scale = scale.reshape(count, 3).astype(np.float32) / 16 - 10
    quaternions = _unpack_rotation(rotation.view("<u4").astype(np.uint32))
    gaussians = gaussians_of(name, centres, quaternions, log_scale, np.log(opacity / (1 - opacity)), sh)
    return Splats(gaussians, "spz", {"version": version, "bits": bits, "degree": degree}, facts)
