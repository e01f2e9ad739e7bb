"""Head models as files, and finding the one that a fingerprint names."""

import functools
import os
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch

from avatar3d.data import data_path
from avatar3d.errors import UserError
from avatar3d.file_kinds import HEAD, check_kind
from avatar3d.files import atomic_path
from avatar3d.head.model import HeadModel, Landmarks, float_tensor
from avatar3d.progress import Progress

Detector = Callable[[np.ndarray], np.ndarray | None]
"""Picture [H, W, 3] uint8 RGB -> landmarks [478, 2 or more] in pixels, or None where there is no face."""
Watch = Callable[[str], AbstractContextManager[Progress]]
"""What a model's first use is shown with, for instance `progress.console`."""
SCHEMA = 1
MAX_BYTES = 1 << 30
"""A head file that would unpack to more is refused."""
_HALF = ("shape_basis", "expr_basis", "pose_basis")
_FULL = ("template", "skin_weights", "joint_template", "joint_shape_basis")


def load_head(path: Path | str | None = None, detect: Detector | None = None, watch: Watch | None = None) -> HeadModel:
    """The embedded head, or the head at a path: our own `.npz`, FLAME as `.pkl` or `.npz`, or ICT-FaceKit's folder.

    Loaded once per path and process.

    Args:
        path: the file or folder; None is the embedded head.
        detect: landmark detector that places MediaPipe's landmarks on another head the first time it is seen (some ten seconds);
            without one the embedded head's are carried over, less exactly.
        watch: shows the progress of that first time.

    Raises:
        UserError: the file is not a head model, or asks for anything but data.
    """
    if path is None:
        return _load_cached(data_path("head", "head.npz"), 0, None, None)
    path = Path(path).resolve()
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()}); give the path of a head model") from error
    return _load_cached(path, changed, detect, watch)


@functools.lru_cache(maxsize=8)
def _load_cached(path: Path, changed: int, detect: Detector | None, watch: Watch | None) -> HeadModel:
    """`changed` makes an edited file load anew."""
    del changed
    bare = read_bare_head(path)
    from avatar3d.head.register import INNER

    # A bare rig knows its inner parts at most.
    if set(bare.regions) - set(INNER):
        return bare
    from avatar3d.head.transfer import complete_head

    return complete_head(bare, load_head(), detect, watch=watch)


def read_bare_head(path: Path) -> HeadModel:
    """The head at a path as it is there: FLAME and ICT-FaceKit stay without all that `transfer.complete_head` adds.

    Raises:
        UserError: as `load_head`.
    """
    from avatar3d.head.flame import is_flame, read_flame
    from avatar3d.head.ict import is_ict, read_ict

    if path.is_dir():
        if not is_ict(path):
            raise UserError(f"{path}: is a folder, and not ICT-FaceKit's; give that, or a head model's file (.npz, or FLAME's .pkl)")
        return read_ict(path)
    try:
        with path.open("rb") as handle:
            start = handle.read(2)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()}); give the path of a head model") from error
    if start != b"PK":
        return read_flame(path)
    arrays = read_npz(path, "a head model (.npz)")
    return read_flame(path, arrays) if is_flame(arrays) else _from_arrays(path, arrays)


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
    return _from_arrays(path, read_npz(path, "a head model (.npz)"))


def _from_arrays(path: Path, arrays: dict[str, np.ndarray]) -> HeadModel:
    try:
        if int(arrays["schema"]) > SCHEMA:
            raise UserError(f"{path}: was written by a newer avatar3d (head schema {int(arrays['schema'])}); update avatar3d")
        tensors = {name: float_tensor(arrays[name]) for name in (*_HALF, *_FULL)}
        if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
            raise ValueError("some of its values are not numbers")
        if tuple(arrays["parents"].tolist()) != HeadModel.parents:
            raise ValueError("its joints are not root, neck, jaw and two eyes")
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
            if landmarks.face.min() < 0 or landmarks.face.max() >= len(faces) or landmarks.bary.shape != (len(landmarks.face), 3):
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
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        check_kind(path, HEAD)
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


def find_head(fingerprint: str, detect: Detector | None = None, watch: Watch | None = None) -> HeadModel:
    """The head that a file was made for: the embedded one, or one in `head_folders()`.

    Raises:
        UserError: there is none.
    """
    from avatar3d.head.ict import is_ict

    embedded = load_head()
    if embedded.fingerprint == fingerprint:
        return embedded
    for folder in head_folders():
        for path in sorted(folder.glob("*")) if folder.is_dir() else []:
            if path.suffix not in {".npz", ".pkl"} and not is_ict(path):
                continue
            try:
                found = read_bare_head(path).fingerprint
            except UserError:
                continue
            if found == fingerprint:
                return load_head(path, detect, watch)
    raise UserError(f"head {fingerprint}: is not among the known heads; put its file into {head_folders()[-1]} or name it with --head")


def head_folders() -> list[Path]:
    """Where heads are looked for: the folders in $AVATAR3D_HEADS, then the user's own."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    listed = [Path(word) for word in os.environ.get("AVATAR3D_HEADS", "").split(os.pathsep) if word]
    return [*listed, config / "avatar3d" / "heads"]
