"""`NAME.avatar`: a stored zip of `avatar.json`, `avatar.safetensors` and a preview picture.

A head model's own arrays go into no file; the avatar names its head by fingerprint. docs/avatar-file.md lists the fields.
"""

import contextlib
import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.file_kinds import AVATAR, check_kind
from avatar3d.files import atomic_path
from avatar3d.head.model import HeadModel
from avatar3d.statistics import MotionStatistics

SCHEMA = 1
MAX_BYTES = 2 << 30
"""No avatar is as large; a file that claims to be is refused before anything is allocated."""
DRIVER = "driver.safetensors"
"""The member that holds the person's own driver, where there is one."""
MAX_DRIVER_BYTES = 200 << 20
DRIVER_REMEDY = "make it again with `avatar3d adapt`, or give --no-own-driver"
"""What to do where an own driver cannot be used."""
Migration = Callable[[dict, dict[str, torch.Tensor]], tuple[dict, dict[str, torch.Tensor]]]
MIGRATIONS: dict[int, Migration] = {}
"""From each earlier schema, what brings a record and its tensors one schema further."""
_TENSORS = (
    "shape", "vertex_offset", "position", "rotation", "log_scale", "opacity_logit", "colour",
    "position_basis", "rotation_basis", "colour_basis", "input_mean", "input_std",
)  # fmt: skip
_CHANNELS = ("rest", "low", "high")
_ZIP_ERRORS = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, struct.error, NotImplementedError, RuntimeError)
"""What reading a damaged zip raises."""


def save_avatar(avatar: Avatar, path: Path | str, preview: np.ndarray | None = None) -> None:
    """Write an avatar.

    Args:
        avatar: what to write.
        path: conventionally ending in `.avatar`.
        preview: [H, W, 3] uint8 picture for file browsers.

    Raises:
        UserError: the file cannot be written.
    """
    statistics = avatar.statistics
    tensors = {name: getattr(avatar, name).contiguous() for name in _TENSORS}
    tensors |= {"face": torch.from_numpy(avatar.face), "bary": torch.from_numpy(avatar.bary)}
    for index, (weight, bias) in enumerate(avatar.layers):
        tensors |= {f"network.{index}.weight": weight.contiguous(), f"network.{index}.bias": bias.contiguous()}
    for group in _CHANNELS:
        tensors |= {f"statistics.{group}.{name}": torch.from_numpy(value) for name, value in getattr(statistics, group).items()}
    for name in ("mean", "components", "deviation"):
        tensors[f"statistics.{name}"] = torch.from_numpy(np.ascontiguousarray(getattr(statistics, name)))
    record = {
        "schema": SCHEMA,
        "head": {"name": avatar.head.name, "fingerprint": avatar.head.fingerprint, "licence": avatar.head.licence},
        "gaussians": len(avatar),
        "bases": avatar.position_basis.shape[0],
        "metadata": avatar.metadata,
    }
    # Packed in memory first: a zip that meets a full disk half-way complains once more when it is collected.
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        # A fixed date makes the same avatar the same bytes.
        _write(archive, "avatar.json", json.dumps(record, indent=1, sort_keys=True).encode())
        _write(archive, "avatar.safetensors", save_tensors(tensors))
        if preview is not None:
            _write(archive, "preview.png", _png(preview))
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed.getbuffer())


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "png")
    return stream.getvalue()


def set_driver(path: Path | str, weights: bytes | None) -> None:
    """Give an avatar file a driver of its own, or take it away.

    Args:
        path: of the avatar; all else in it stays as it is.
        weights: a weights file of the driver, which only `driver.weights` understands; None to take it away.

    Raises:
        UserError: the avatar cannot be read or written.
    """
    path = Path(path)
    _read(path)
    packed = io.BytesIO()
    with _damage(path), zipfile.ZipFile(path) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for info in before.infolist():
            if info.filename != DRIVER:
                _write(archive, info.filename, before.read(info))
        if weights is not None:
            _write(archive, DRIVER, weights)
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed.getbuffer())


def read_driver(path: Path | str) -> bytes | None:
    """The weights file of an avatar's own driver; None where it has none.

    Raises:
        UserError: the file cannot be read.
    """
    path = Path(path)
    with _damage(path), zipfile.ZipFile(path) as archive:
        if DRIVER not in archive.namelist():
            return None
        try:
            if archive.getinfo(DRIVER).file_size > MAX_DRIVER_BYTES:
                raise EOFError("it claims to be larger than any")
            return archive.read(DRIVER)
        except _ZIP_ERRORS as error:
            raise UserError(f"{path}: its own driver is damaged ({_one_line(error)}); {DRIVER_REMEDY}") from error


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """What a damaged zip raises, as the one line that names it."""
    try:
        yield
    except _ZIP_ERRORS as error:
        raise UserError(f"{path}: is not an avatar or is damaged ({_one_line(error)}); fit it again or restore a copy") from error


def read_record(path: Path | str) -> dict:
    """The `avatar.json` of a file, brought to the current schema, without loading the tensors.

    Raises:
        UserError: missing, damaged, or from a newer version.
    """
    return _read(Path(path))[0]


def load_avatar(path: Path | str, find_head: Callable[[str, str], HeadModel]) -> Avatar:
    """Read an avatar.

    Args:
        path: the file.
        find_head: (fingerprint, name) -> the head model; raises UserError where it is not to be found.

    Raises:
        UserError: missing, damaged, from a newer version, or its head is not at hand.
    """
    path = Path(path)
    record, tensors = _read(path)
    head = find_head(record["head"]["fingerprint"], record["head"]["name"])
    try:
        avatar = _assemble(record, tensors, head)
        _check(avatar)
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        raise UserError(f"{path}: is damaged ({_one_line(error)}); fit it again or restore a copy") from error
    return avatar


def _assemble(record: dict, tensors: dict[str, torch.Tensor], head: HeadModel) -> Avatar:
    layers = []
    while f"network.{len(layers)}.weight" in tensors:
        layers.append((tensors[f"network.{len(layers)}.weight"], tensors[f"network.{len(layers)}.bias"]))
    groups: dict[str, dict[str, np.ndarray]] = {
        group: {key.split(".")[2]: value.numpy() for key, value in tensors.items() if key.startswith(f"statistics.{group}.")} for group in _CHANNELS
    }
    mean, components, deviation = (tensors[f"statistics.{name}"].numpy() for name in ("mean", "components", "deviation"))
    statistics = MotionStatistics(groups["rest"], groups["low"], groups["high"], mean, components, deviation)
    return Avatar(
        head=head,
        **{name: tensors[name] for name in _TENSORS},
        face=tensors["face"].numpy(),
        bary=tensors["bary"].numpy(),
        layers=tuple(layers),
        statistics=statistics,
        metadata=dict(record["metadata"]),
    )


def _check(avatar: Avatar) -> None:
    """Raises ValueError where arrays do not fit each other: a kernel must never index out of bounds."""
    N, K = len(avatar), avatar.position_basis.shape[0]
    expected = {
        "shape": (avatar.head.num_shape,), "vertex_offset": (avatar.head.num_vertices, 3),
        "face": (N,), "bary": (N, 3), "position": (N, 3), "rotation": (N, 4), "log_scale": (N, 3), "opacity_logit": (N,), "colour": (N, 3),
        "position_basis": (K, N, 3), "rotation_basis": (K, N, 4), "colour_basis": (K, N, 3),
    }  # fmt: skip
    for name, shape in expected.items():
        if tuple(getattr(avatar, name).shape) != shape:
            raise ValueError(f"{name} has shape {tuple(getattr(avatar, name).shape)}, expected {shape}")
    if avatar.face.dtype != np.int32 or avatar.face.min(initial=0) < 0 or avatar.face.max(initial=0) >= len(avatar.faces):
        raise ValueError("a Gaussian is bound to a triangle that the head does not have")
    width = len(avatar.input_mean)
    for weight, bias in avatar.layers:
        if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
            raise ValueError("the layers of the network do not fit each other")
        width = weight.shape[0]
    if width != K or len(avatar.input_std) != len(avatar.input_mean):
        raise ValueError("the network does not fit the bases")
    for name in _TENSORS:
        if not torch.isfinite(getattr(avatar, name)).all():
            raise ValueError(f"{name} has values that are not numbers")


def _read(path: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if sum(sizes.values()) > MAX_BYTES:
                raise UserError(f"{path}: claims {sum(sizes.values()) >> 20} MiB, more than any avatar has; it is damaged")
            record = json.loads(archive.read("avatar.json"))
            tensors = load_tensors(archive.read("avatar.safetensors"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; make an avatar with `avatar3d fit VIDEO -o {path.name}`") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder; give the .avatar file") from error
    except (*_ZIP_ERRORS, SafetensorError) as error:
        check_kind(path, AVATAR)
        raise UserError(f"{path}: is not an avatar or is damaged ({_one_line(error)}); fit it again or restore a copy") from error
    return _migrated(record, tensors, path)


def _migrated(record: dict, tensors: dict[str, torch.Tensor], path: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    """A record of any earlier schema as one of the current schema."""
    if not isinstance(record, dict) or not isinstance(record.get("schema"), int):
        raise UserError(f"{path}: is not an avatar (avatar.json has no schema version); make one with `avatar3d fit`")
    if record["schema"] > SCHEMA:
        raise UserError(f"{path}: was written by a newer avatar3d (schema {record['schema']}, this one reads {SCHEMA}); update avatar3d")
    while record["schema"] < SCHEMA:
        if record["schema"] not in MIGRATIONS:
            raise UserError(f"{path}: has schema {record['schema']}, which no avatar3d ever wrote; it is damaged")
        record, tensors = MIGRATIONS[record["schema"]](record, tensors)
    missing = [key for key in ("head", "metadata") if not isinstance(record.get(key), dict)]
    if missing or not {"name", "fingerprint"} <= record["head"].keys():
        raise UserError(f"{path}: avatar.json is incomplete; fit it again or restore a copy")
    return record, tensors


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
