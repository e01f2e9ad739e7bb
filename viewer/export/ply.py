"""PLY as INRIA's 3D Gaussian splatting writes it: what most programs read.

One element `vertex`, binary little-endian float32: x y z, optionally nx ny nz (zeros), f_dc_0..2, f_rest_0.. (harmonics above degree 0, all of red,
then green, then blue), opacity (logit), scale_0..2 (natural logarithm), rot_0..3 (w, x, y, z). With normals and degree 3 that is 62 floats. Reading
goes by name, so that any order and any further property will do; `binding_0`, the triangle, is GaussianAvatars'.
"""

from collections.abc import Sequence

import numpy as np

from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from viewer.export.splats import MAX_COUNT, Splats, gaussians_of

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
_NEEDED = ("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")
_MAX_HEADER = 1 << 16


def ply_names(degree: int, normals: bool) -> list[str]:
    """Names of the properties, in order."""
    rest = 3 * ((degree + 1) ** 2 - 1)
    return [
        *("x", "y", "z"), *(("nx", "ny", "nz") if normals else ()), *(f"f_dc_{i}" for i in range(3)), *(f"f_rest_{i}" for i in range(rest)),
        "opacity", *(f"scale_{i}" for i in range(3)), *(f"rot_{i}" for i in range(4)),
    ]  # fmt: skip


def ply_bytes(gaussians: Gaussians, *, degree: int = 3, normals: bool = True, comments: Sequence[str] = ()) -> bytes:
    """The file.

    Args:
        gaussians: in the file's axes, unit quaternions.
        degree: of the harmonics written; missing ones are zero.
        normals: write zeros for them.
        comments: lines of ASCII for the header.
    """
    names = ply_names(degree, normals)
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments), f"element vertex {len(gaussians)}"]
    header = "\n".join([*lines, *(f"property float {name}" for name in names), "end_header\n"])
    rows = np.zeros((len(gaussians), len(names)), "<f4")
    rows[:, :3] = gaussians.position
    first = names.index("f_dc_0")
    rows[:, first : first + 3] = gaussians.sh[:, 0]
    bands = (degree + 1) ** 2
    kept = min(bands, gaussians.sh.shape[1])
    for channel in range(3):
        start = first + 3 + channel * (bands - 1)
        rows[:, start : start + kept - 1] = gaussians.sh[:, 1:kept, channel]
    rows[:, -8] = gaussians.opacity_logit
    rows[:, -7:-4] = gaussians.log_scale
    rows[:, -4:] = gaussians.rotation
    return header.encode("ascii") + rows.tobytes()


def read_ply(data: bytes, name: str = "the PLY file") -> Splats:
    """Gaussians from a PLY of any program's, in its own axes.

    Args:
        data: the whole file.
        name: of the file, for errors.

    Raises:
        UserError: not a PLY of Gaussians, damaged, or in a form that is not read here.
    """
    order, elements, comments, start = _header(data, name)
    if any(element == "chunk" for element, _, _ in elements):
        raise UserError(f"{name}: is SuperSplat's compressed PLY; make it plain with `npx @playcanvas/splat-transform {name} plain.ply`")
    rows = _vertices(data, order, elements, start, name)
    names = rows.dtype.names or ()
    missing = [key for key in _NEEDED if key not in names]
    if missing:
        raise UserError(f"{name}: is a PLY without {', '.join(missing[:4])}; it holds no Gaussians")
    facts = dict(line.split(": ", 1) for line in comments if ": " in line)
    layout = {"stride": rows.dtype.itemsize, "normals": "nx" in names, "names": names, "degree": _degree(names, name)}
    binding = rows["binding_0"].astype(np.int64) if "binding_0" in names else None
    return Splats(_gaussians(rows, name, int(layout["degree"])), "ply", layout, facts, binding)


def _header(data: bytes, name: str) -> tuple[str, list[tuple[str, int, list[tuple[str, str]]]], list[str], int]:
    """Byte order, elements (name, count, properties), comments, and where the rows begin."""
    end = data.find(b"end_header", 0, _MAX_HEADER)
    after = data.find(b"\n", end, end + 16)
    if not data.startswith(b"ply") or end < 0 or after < 0:
        raise UserError(f"{name}: is not a PLY file; export it again")
    order, elements, comments = "", [], []
    try:
        for line in data[:end].decode("latin-1").splitlines()[1:]:
            words = line.split()
            if not words:
                continue
            if words[0] == "format":
                if words[1] not in _ORDERS:
                    raise UserError(f"{name}: is a PLY in {words[1]}; save it as binary")
                order = _ORDERS[words[1]]
            elif words[0] in {"comment", "obj_info"}:
                comments.append(line.split(maxsplit=1)[1] if len(words) > 1 else "")
            elif words[0] == "element":
                elements.append((words[1], _count(words[2], name), []))
            elif words[0] == "property":
                elements[-1][2].append((words[-1], "list" if words[1] == "list" else _TYPES[words[1]]))
    except (IndexError, KeyError, ValueError) as error:
        raise UserError(f"{name}: has a header that makes no sense ({str(error)[:60]}); export it again") from error
    properties = [key for _, _, listed in elements for key, _ in listed]
    if not order or not elements or any(len({key for key, _ in listed}) != len(listed) for _, _, listed in elements) or len(properties) > 1000:
        raise UserError(f"{name}: has a header that makes no sense; export it again")
    return order, elements, comments, after + 1


def _vertices(data: bytes, order: str, elements: list[tuple[str, int, list[tuple[str, str]]]], start: int, name: str) -> np.ndarray:
    """The rows of the element `vertex`; what stands before it is skipped."""
    for element, count, properties in elements:
        if any(kind == "list" for _, kind in properties):
            raise UserError(f"{name}: has lists in its element {element} before the Gaussians; save it as a PLY of points")
        kinds = np.dtype([(key, order + kind) for key, kind in properties])
        if count * kinds.itemsize > len(data) - start:
            raise UserError(f"{name}: breaks off: it claims {count} rows of {element} and has {len(data) - start} bytes; copy it again")
        if element == "vertex":
            return np.frombuffer(data, kinds, count, start)
        start += count * kinds.itemsize
    raise UserError(f"{name}: is a PLY without points; it holds no Gaussians")


def _count(word: str, name: str) -> int:
    count = int(word)
    if not 0 <= count <= MAX_COUNT:
        raise UserError(f"{name}: claims {word[:20]} rows; export it again")
    return count


def _degree(names: Sequence[str], name: str) -> int:
    rest = 0
    while f"f_rest_{rest}" in names:
        rest += 1
    if rest not in (0, 9, 24, 45):
        raise UserError(f"{name}: has {rest} harmonics f_rest_, which is no whole degree; export it again")
    return (0, 9, 24, 45).index(rest)


def _gaussians(rows: np.ndarray, name: str, degree: int) -> Gaussians:
    def columns(*keys: str) -> np.ndarray:
        return np.stack([rows[key].astype(np.float32) for key in keys], axis=1)

    bands = (degree + 1) ** 2
    sh = np.empty((len(rows), bands, 3), np.float32)
    for channel in range(3):
        sh[:, 0, channel] = rows[f"f_dc_{channel}"]
        for band in range(1, bands):
            sh[:, band, channel] = rows[f"f_rest_{channel * (bands - 1) + band - 1}"]
    rotation, log_scale = columns("rot_0", "rot_1", "rot_2", "rot_3"), columns("scale_0", "scale_1", "scale_2")
    return gaussians_of(name, columns("x", "y", "z"), rotation, log_scale, rows["opacity"].astype(np.float32), sh)
