"""Folders of one file per frame: written in parallel, resumed where they were left, and under their name only when they are whole."""

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avatar3d.errors import UserError
from avatar3d.files import atomic_path, check_output
from avatar3d.progress import Progress

_RECIPE = ".recipe"


def write_frame_folder(
    path: Path,
    names: list[str],
    write: Callable[[int, Path], None],
    finish: Callable[[Path], None],
    recipe: str,
    workers: int,
    progress: Progress,
) -> int:
    """Write a folder with one file per frame; returns how many were there already from an interrupted run.

    Until it is whole the folder is called .NAME.part. After an interruption the same call goes on there; one with another recipe begins anew.

    Args:
        path: the folder; an old one of the same kind is replaced at the end.
        names: of the files, one per frame.
        write: writes frame i to a path; called from several threads.
        finish: writes what else belongs into the folder.
        recipe: whatever decides about the contents, see `digest`.
        workers: how many frames are made at once.
        progress: called after every frame.

    Raises:
        UserError: the folder cannot be written.
    """
    path = check_output(path)
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: is a file; give the name of a folder")
    if path.is_dir() and any(path.iterdir()) and not (path / _RECIPE).is_file():
        raise UserError(f"{path}: holds other files; give the name of a new folder")
    part = path.parent / f".{path.name}.part"
    marker = part / _RECIPE
    if part.exists() and not (marker.is_file() and marker.read_text() == recipe):
        shutil.rmtree(part, ignore_errors=True)
    with atomic_path(marker) as temporary:
        temporary.write_text(recipe)
    left = [index for index, name in enumerate(names) if not (part / name).is_file()]
    there = len(names) - len(left)

    def one(index: int) -> None:
        with atomic_path(part / names[index]) as temporary:
            write(index, temporary)

    try:
        for done, _ in enumerate(_ahead(one, left, workers), start=1):
            progress(there + done, len(names))
        finish(part)
        if path.exists():
            shutil.rmtree(path)
        part.replace(path)
    except (UserError, OSError) as error:
        if not any((part / name).is_file() for name in names):
            shutil.rmtree(part, ignore_errors=True)
            raise
        raise UserError(f"{error}; what is done waits in {part}, and the same command goes on from there") from error
    return there


def _ahead(work: Callable[[int], None], indices: list[int], workers: int) -> Iterable[None]:
    """Results of `work` in order, a few frames of it under way at a time."""
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[None]] = deque()
        try:
            for index in indices:
                if len(pending) >= 2 * workers:
                    yield pending.popleft().result()
                pending.append(pool.submit(work, index))
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def digest(*parts: Any) -> str:
    """Hexadecimal digits that change with any part: arrays, tensors, dataclasses, and what JSON can hold."""
    total = hashlib.sha256()
    for part in parts:
        _feed(total, part)
    return total.hexdigest()


def _feed(total: "hashlib._Hash", part: Any) -> None:
    if isinstance(part, (np.ndarray, torch.Tensor)):
        array = np.ascontiguousarray(part)
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(array.data)
    elif is_dataclass(part) and not isinstance(part, type):
        for entry in fields(part):
            total.update(entry.name.encode())
            _feed(total, getattr(part, entry.name))
    elif isinstance(part, (tuple, list)):
        total.update(f"{len(part)}".encode())
        for each in part:
            _feed(total, each)
    else:
        total.update(json.dumps(part, sort_keys=True, default=str).encode())
