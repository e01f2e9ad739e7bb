"""Head models as files, and finding the one that a fingerprint names."""

import functools
import os
import zipfile
from pathlib import Path

import numpy as np
import torch

from avatar3d.data import data_path
from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from avatar3d.head.model import HeadModel, Landmarks

SCHEMA = 1
MAX_BYTES = 1 << 30
"""A head file that would unpack to more is refused."""
_HALF = ("shape_basis", "expr_basis", "pose_basis")
_FULL = ("template", "skin_weights", "joint_template", "joint_shape_basis")


def load_head(path: Path | str | None = None) -> HeadModel:
    """The embedded head, or the head in a file; loaded once per path and process.

    Raises:
        UserError: the file is not a head model.
    """
    if path is None:
        return _load_cached(data_path("head", "head.npz"), 0)
    path = Path(path).resolve()
    try:
        return _load_cached(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()}); give the path of a head model") from error


@functools.lru_cache(maxsize=8)
def _load_cached(path: Path, changed: int) -> HeadModel:
    """`changed` makes an edited file load anew."""
    del changed
    return read_head(path)


def save_head(head: HeadModel, path: Path | str, *, half: bool = True) -> None:
    """Write a head as `.npz`.

    Args:
        head: the model.
        path: output file.
        half: store the bases as float16; the fingerprint is that of the rounded bases.

    Raises:
        UserError: the file cannot be written.
    """
    arrays: dict[str, np.ndarray] = {name: getattr(head, name).numpy().astype(np.float16 if half else np.float32) for name in _HALF}
    arrays |= {name: getattr(head, name).numpy().astype(np.float32) for name in _FULL}
    arrays |= {
        "schema": np.array(SCHEMA),
        "name": np.array(head.name),
        "faces": head.faces.numpy().astype(np.int32),
        "uv": head.uv.astype(np.float32),
        "region_names": np.array(list(head.regions)),
        "region_sizes": np.array([len(ids) for ids in head.regions.values()], np.int64),
        "region_vertices": np.concatenate([np.asarray(ids, np.int32) for ids in head.regions.values()] or [np.zeros(0, np.int32)]),
        "expr_names": np.array(head.expr_names, dtype="U40"),
        "licence": np.array(head.licence),
        "redistributable": np.array(head.redistributable),
        "jaw_open_angle": np.array(head.jaw_open_angle, np.float64),
        "parents": np.array(head.parents, np.int64),
    }
    if head.eyelid_basis is not None:
        arrays["eyelid_basis"] = head.eyelid_basis.numpy().astype(np.float32)
    if head.landmarks is not None:
        arrays["landmark_index"] = head.landmarks.index.astype(np.int32)
        arrays["landmark_face"] = head.landmarks.face.astype(np.int32)
        arrays["landmark_bary"] = head.landmarks.bary.astype(np.float32)
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)


def read_head(path: Path) -> HeadModel:
    """Read a head written by `save_head`.

    Raises:
        UserError: not such a file, or an inconsistent one.
    """
    arrays = read_npz(path, "a head model (.npz)")
    try:
        if int(arrays["schema"]) > SCHEMA:
            raise UserError(f"{path}: was written by a newer avatar3d (head schema {int(arrays['schema'])}); update avatar3d")
        tensors = {name: torch.from_numpy(np.ascontiguousarray(arrays[name], np.float32)) for name in (*_HALF, *_FULL)}
        faces = arrays["faces"].astype(np.int64)
        V = len(arrays["template"])
        if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 0 or faces.max() >= V:
            raise ValueError("faces name vertices that do not exist")
        if arrays["uv"].shape != (len(faces), 3, 2):
            raise ValueError("uv does not fit the faces")
        bounds = np.cumsum(arrays["region_sizes"])[:-1]
        vertices = np.split(arrays["region_vertices"].astype(np.int64), bounds)
        if any(len(ids) and (ids.min() < 0 or ids.max() >= V) for ids in vertices):
            raise ValueError("regions name vertices that do not exist")
        landmarks = None
        if "landmark_index" in arrays:
            landmarks = Landmarks(
                arrays["landmark_index"].astype(np.int64), arrays["landmark_face"].astype(np.int64), arrays["landmark_bary"].astype(np.float32)
            )
            if landmarks.face.min() < 0 or landmarks.face.max() >= len(faces):
                raise ValueError("landmarks name faces that do not exist")
        lids = arrays.get("eyelid_basis")
        return HeadModel(
            name=str(arrays["name"]),
            template=tensors["template"],
            shape_basis=tensors["shape_basis"],
            expr_basis=tensors["expr_basis"],
            pose_basis=tensors["pose_basis"],
            skin_weights=tensors["skin_weights"],
            joint_template=tensors["joint_template"],
            joint_shape_basis=tensors["joint_shape_basis"],
            faces=torch.from_numpy(faces),
            uv=arrays["uv"].astype(np.float32),
            regions=dict(zip((str(name) for name in arrays["region_names"]), vertices, strict=True)),
            landmarks=landmarks,
            expr_names=tuple(str(name) for name in arrays["expr_names"]),
            licence=str(arrays["licence"]),
            redistributable=bool(arrays["redistributable"]),
            jaw_open_angle=float(arrays["jaw_open_angle"]),
            eyelid_basis=None if lids is None else torch.from_numpy(lids.astype(np.float32)),
            parents=tuple(int(parent) for parent in arrays["parents"]),
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise UserError(f"{path}: is not a complete head model ({error}); make it again") from error


def read_npz(path: Path, what: str) -> dict[str, np.ndarray]:
    """All arrays of an `.npz` that someone else may have written: no pickles, bounded size.

    Raises:
        UserError: not readable, not an `.npz`, or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise UserError(f"{path}: unpacks to {size >> 20} MB, more than {what} has; give another file")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError) as error:
        raise UserError(f"{path}: is not {what}; give another file") from error


def find_head(fingerprint: str) -> HeadModel:
    """The head that a file was made for: the embedded one, or one in `head_folders()`.

    Raises:
        UserError: there is none.
    """
    embedded = load_head()
    if embedded.fingerprint == fingerprint:
        return embedded
    for folder in head_folders():
        for path in sorted(folder.glob("*")) if folder.is_dir() else []:
            if path.suffix not in {".npz", ".pkl"}:
                continue
            try:
                head = load_head(path)
            except UserError:
                continue
            if head.fingerprint == fingerprint:
                return head
    raise UserError(f"head {fingerprint}: is not among the known heads; put its file into {head_folders()[-1]} or name it with --head")


def head_folders() -> list[Path]:
    """Where heads are looked for: the folders in $AVATAR3D_HEADS, then the user's own."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    listed = [Path(word) for word in os.environ.get("AVATAR3D_HEADS", "").split(os.pathsep) if word]
    return [*listed, config / "avatar3d" / "heads"]
