"""Reading what other programs wrote: JSON, npz, numbers, pictures. Sizes are checked first, and nothing is unpickled.

Every reader raises ValueError with the reason; `named` turns that, and the system's errors, into the user's one line.
"""

import contextlib
import io
import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, UnidentifiedImageError

from avatar3d.errors import UserError

MAX_JSON = 256 << 20
MAX_ARRAYS = 64 << 20
MAX_NUMBERS = 1 << 20
MAX_SIDE = 8192
"""Bytes of a file of each kind, and pixels of a picture's side, beyond which it is refused."""


@contextlib.contextmanager
def named(path: Path, advice: str) -> Iterator[None]:
    """Errors in the block become `UserError`s that name the file and say what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {advice}") from error
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, MemoryError, RecursionError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{path}: cannot be used ({' '.join(reason.split())[:200]}); {advice}") from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise UserError(f"{path}: is not an .npz file; {advice}") from error


def read_json(path: Path) -> dict:
    """An object; UTF-8."""
    if path.stat().st_size > MAX_JSON:
        raise ValueError(f"larger than {MAX_JSON >> 20} MB")
    record = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    return record


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz."""
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_ARRAYS:
            raise ValueError(f"unpacks to more than {MAX_ARRAYS >> 20} MB")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def read_numbers(path: Path) -> np.ndarray:
    """[N] float64: all numbers of a text file or an .npy."""
    if path.stat().st_size > MAX_NUMBERS:
        raise ValueError(f"larger than {MAX_NUMBERS >> 10} kB")
    data = path.read_bytes()
    if path.suffix == ".npy":
        return finite(np.load(io.BytesIO(data), allow_pickle=False))
    return finite(np.array([float(word) for word in data.decode("utf-8").replace(",", " ").split()]))


def finite(value: ArrayLike) -> np.ndarray:
    """[N] float64, flattened.

    Raises:
        ValueError: something in it is no number, or not a finite one.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError("holds something that is not a number")
    array = array.astype(np.float64).reshape(-1)
    if not np.isfinite(array).all():
        raise ValueError("holds values that are not numbers")
    return array


def number(record: dict, key: str, low: float, high: float, default: float | None = None) -> float:
    """A number of a JSON object within bounds.

    Raises:
        ValueError: it is none, or beyond them.
        KeyError: it is not there and has no default.
    """
    if key not in record and default is not None:
        return default
    value = record[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{key} is {str(value)[:40]}, expected a number from {low:g} to {high:g}")
    return float(value)


def matrix(value: ArrayLike) -> np.ndarray:
    """[4, 4] float64: a rigid motion, its rotation made exact; from 16 numbers, or 12 without the last row.

    Raises:
        ValueError: another number of them, or no rigid motion.
    """
    found = finite(value)
    if found.size == 12:
        found = np.r_[found, 0, 0, 0, 1]
    if found.size != 16:
        raise ValueError("a pose is not a 4x4 matrix")
    pose = found.reshape(4, 4)
    U, S, Vt = np.linalg.svd(pose[:3, :3])
    if np.abs(S - 1).max() > 0.01 or np.linalg.det(U @ Vt) < 0 or np.abs(pose[3] - [0, 0, 0, 1]).max() > 1e-4:
        raise ValueError("a pose is not a rotation and a shift")
    pose[:3, :3] = U @ Vt
    return pose


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) from a picture's header."""
    try:
        with Image.open(path) as picture:
            width, height = picture.size
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise ValueError("not a picture") from error
    if not (8 <= width <= MAX_SIDE and 8 <= height <= MAX_SIDE):
        raise ValueError(f"{width}x{height} pixels; 8 to {MAX_SIDE} a side can be read")
    return width, height


def read_picture(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """RGB [H, W, 3] uint8, and opacity [H, W] uint8 where the file has it."""
    picture_size(path)
    raw = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None:
        raise ValueError("not a whole picture")
    if raw.dtype == np.uint16:
        raw = (raw // 256).astype(np.uint8)
    if raw.dtype != np.uint8:
        raise ValueError("not a picture of 8 or 16 bits")
    if raw.ndim == 2:
        return np.repeat(raw[..., None], 3, axis=2), None
    if raw.shape[2] == 4:
        return np.ascontiguousarray(raw[..., 2::-1]), np.ascontiguousarray(raw[..., 3])
    return np.ascontiguousarray(raw[..., ::-1]), None


def read_mask(path: Path) -> np.ndarray:
    """[H, W] uint8 opacity: the alpha channel where there is one, else the grey value."""
    rgb, alpha = read_picture(path)
    return rgb[..., 0].copy() if alpha is None else alpha
