"""Reading binary glTF back: Gaussians by KHR_gaussian_splatting, and what a mesh with a rig holds.

Nothing in the file is trusted: every number that says where something lies is checked before it is used.
"""

import json
import struct
from dataclasses import dataclass
from math import isqrt, prod

import numpy as np

from avatar3d.errors import UserError
from viewer.export.splats import MAX_COUNT, Splats, gaussians_of

EXTENSION = "KHR_gaussian_splatting"
_TYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": (), "VEC2": (2,), "VEC3": (3,), "VEC4": (4,), "MAT4": (16,)}
_MAX_JSON = 256 << 20
_WRONG = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, struct.error)
"""What a file that is not as it should be makes a reader stumble over."""


@dataclass(frozen=True)
class Rigged:
    """What a file with a mesh holds."""

    low: np.ndarray
    """[3] least vertex at rest."""
    high: np.ndarray
    """[3] greatest."""
    frames: int
    """Key frames of the first animation; 1 without one."""
    fps: float
    layout: dict[str, object]
    """vertices, faces, morphs, joints."""
    facts: dict[str, str]


@dataclass(frozen=True)
class _Document:
    json: dict
    binary: memoryview

    @property
    def facts(self) -> dict[str, str]:
        extras = self.json.get("asset", {}).get("extras", {})
        return {str(key): str(value) for key, value in extras.items()} if isinstance(extras, dict) else {}

    def values(self, index: int) -> np.ndarray:
        """An accessor without sparse parts as float32."""
        return self._values(self.json["accessors"][index])

    def check_numbers(self) -> None:
        """Refuse arrays, sparse ones too, that hold what is no number. Raises ValueError."""
        for index, entry in enumerate(self.json["accessors"]):
            sparse = entry.get("sparse")
            parts = [self._values(entry)] if "bufferView" in entry else []
            if sparse is not None:
                which = self._values(entry | {"count": sparse["count"], "type": "SCALAR", "normalized": False, "byteOffset": 0} | sparse["indices"])
                if which.max(initial=0) >= entry["count"]:
                    raise ValueError(f"array {index} names elements that it does not have")
                parts.append(self._values(entry | {"count": sparse["count"], "byteOffset": 0} | sparse["values"]))
            if not all(np.isfinite(part).all() for part in parts):
                raise ValueError(f"array {index} has values that are not numbers")

    def _values(self, entry: dict) -> np.ndarray:
        view, kind, tail = self.json["bufferViews"][entry["bufferView"]], _TYPES[entry["componentType"]], _WIDTHS[entry["type"]]
        count, start = entry["count"], view.get("byteOffset", 0) + entry.get("byteOffset", 0)
        if not (isinstance(count, int) and isinstance(start, int) and 0 <= count <= MAX_COUNT and start >= 0 and view.get("buffer", 0) == 0):
            raise ValueError("an accessor is out of range")
        width = prod(tail) * np.dtype(kind).itemsize
        stride = view.get("byteStride", width)
        if not isinstance(stride, int) or stride < width or start + (count - 1) * stride + width > len(self.binary):
            raise ValueError("an accessor lies outside the file")
        rows = np.ndarray(
            (count, *tail), np.dtype(kind).newbyteorder("<"), self.binary, start, (stride, *((np.dtype(kind).itemsize,) if tail else ()))
        )
        values = rows.astype(np.float32)
        return np.maximum(values / np.iinfo(kind).max, -1) if entry.get("normalized") else values


def _document(data: bytes, name: str) -> _Document:
    try:
        magic, version, total = struct.unpack_from("<4sII", data)
        length, kind = struct.unpack_from("<I4s", data, 12)
        if magic != b"glTF" or version != 2 or kind != b"JSON":
            raise UserError(f"{name}: is no binary glTF 2.0; export it again")
        if total > len(data) or 20 + length > total or length > _MAX_JSON:
            raise UserError(f"{name}: breaks off; export it again")
        document = json.loads(data[20 : 20 + length])
        binary = memoryview(b"")
        if 28 + length <= total:
            size, kind = struct.unpack_from("<I4s", data, 20 + length)
            if kind != b"BIN\0" or 28 + length + size > total:
                raise UserError(f"{name}: breaks off; export it again")
            binary = memoryview(data)[28 + length : 28 + length + size]
        if not isinstance(document, dict):
            raise ValueError("its JSON is no object")
        return _Document(document, binary)
    except _WRONG as error:
        raise UserError(f"{name}: is damaged ({str(error)[:80]}); export it again") from error


def is_splats_glb(data: bytes, name: str) -> bool:
    """Whether the first mesh is Gaussians.

    Raises:
        UserError: not whole.
    """
    try:
        return EXTENSION in _document(data, name).json["meshes"][0]["primitives"][0].get("extensions", {})
    except _WRONG as error:
        raise UserError(f"{name}: holds no mesh; export it again") from error


def read_splats_glb(data: bytes, name: str) -> Splats:
    """The Gaussians of the first mesh.

    Args:
        data: the whole file.
        name: of the file, for errors.

    Raises:
        UserError: not whole, or a mesh of triangles.
    """
    if not is_splats_glb(data, name):
        raise UserError(f"{name}: is a mesh, not Gaussians; give a file that was exported with --format glb")
    document = _document(data, name)
    try:
        attributes = document.json["meshes"][0]["primitives"][0]["attributes"]
        part = {key.removeprefix(f"{EXTENSION}:"): document.values(index) for key, index in attributes.items() if key != "COLOR_0"}
        bands = sum(key.startswith("SH_DEGREE_") for key in part)
        degree = isqrt(bands) - 1
        if bands not in (1, 4, 9, 16):
            raise ValueError(f"{bands} coefficients are no degree of harmonics")
        sh = np.stack([part[f"SH_DEGREE_{d}_COEF_{n}"] for d in range(degree + 1) for n in range(2 * d + 1)], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            opacity, log_scale = part["OPACITY"], np.log(part["SCALE"])
            logit = np.log(opacity) - np.log1p(-opacity)
        if len({len(values) for values in part.values()}) != 1 or part["ROTATION"].shape[1:] != (4,):
            raise ValueError("its attributes do not go together")
        gaussians = gaussians_of(name, part["POSITION"], part["ROTATION"][:, [3, 0, 1, 2]], log_scale, logit, sh)
        return Splats(gaussians, "glb", {"degree": degree}, document.facts)
    except _WRONG as error:
        raise UserError(f"{name}: is damaged ({str(error)[:80]}); export it again") from error


def read_rigged_glb(data: bytes, name: str) -> Rigged:
    """What the first mesh and its rig are made of.

    Raises:
        UserError: not whole.
    """
    document = _document(data, name)
    try:
        mesh = document.json["meshes"][0]
        (primitive,) = mesh["primitives"]
        document.check_numbers()
        points = document.values(primitive["attributes"]["POSITION"])
        corners = document.values(primitive["indices"])
        if not len(points) or corners.max(initial=0) >= len(points):
            raise ValueError("its vertices make no sense")
        layout: dict[str, object] = {"vertices": len(points), "faces": len(corners) // 3, "morphs": len(primitive.get("targets", []))}
        layout["joints"] = len(document.json["skins"][0]["joints"]) if document.json.get("skins") else 0
        frames, fps = 1, 0.0
        for animation in document.json.get("animations", [])[:1]:
            times = document.values(animation["samplers"][0]["input"])
            frames = len(times)
            fps = float((frames - 1) / (times[-1] - times[0])) if frames > 1 else 0.0
        return Rigged(points.min(axis=0), points.max(axis=0), frames, round(fps, 4), layout, document.facts)
    except (*_WRONG, ZeroDivisionError) as error:
        raise UserError(f"{name}: is damaged ({str(error)[:80]}); export it again") from error
