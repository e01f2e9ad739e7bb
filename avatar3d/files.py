"""Files that are either whole or absent, and errors that name them."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from avatar3d.errors import UserError


def check_output(path: Path | str, *inputs: Path | None) -> Path:
    """The path, once its folder exists and can be written to: called before long work so that the work is not lost.

    Args:
        path: what will be written.
        inputs: what it must not overwrite.

    Raises:
        UserError: the parent cannot be a folder or is not writable, or the path is one of the inputs.
    """
    path = Path(path)
    for given in inputs:
        if given is not None and path.exists() and given.exists() and path.samefile(given):
            raise UserError(f"{path}: is also an input and would be overwritten; choose another output path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot make the folder {path.parent} ({_reason(error)}); choose another output path") from error
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{path}: the folder {path.parent} is not writable; choose another output path")
    if path.exists() and not os.access(path, os.W_OK):
        raise UserError(f"{path}: is not writable; choose another output path")
    return path


def check_input(path: Path, kind: str) -> None:
    """Refuse a file that is not there, before its content is judged.

    Args:
        path: of the file.
        kind: what it should be, for the message.

    Raises:
        UserError: no such file, or a folder.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file; give the path of {kind}")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give the path of {kind}")


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    The temporary name keeps the suffix, because writers choose their format by it. A device such as /dev/full is
    written to directly: it cannot be renamed over.

    Raises:
        UserError: the file cannot be written (folder, permission, full disk).
    """
    path = check_output(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        with _named_errors(path):
            yield path
        return
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give the name of a file")
    with _named_errors(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            # mkstemp makes the file private; a finished output gets the permissions that any new file would get.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def read_bounded(path: Path, most: int, remedy: str) -> bytes:
    """The bytes of a file from outside, whose size is looked at before it is read.

    Args:
        path: the file.
        most: bytes that it may have.
        remedy: what to do where it cannot be used, for the message.

    Raises:
        UserError: not there, not readable, or larger.
    """
    try:
        if path.stat().st_size > most:
            raise UserError(f"{path}: is larger than {most >> 20} MB; {remedy}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {remedy}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({_reason(error)}); {remedy}") from error


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write one of many files of a folder that exists, under a hidden name first; may be called from several threads at once.

    Raises:
        UserError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    with _named_errors(path):
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Like `atomic_path` for a folder: an existing folder of that name is replaced only when the block ends well."""
    path = check_output(path)
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: is a file; give the name of a folder")
    with _named_errors(path):
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o755)
            if path.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
                path.replace(old / path.name)
                temporary.replace(path)
                shutil.rmtree(old, ignore_errors=True)
            else:
                temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({_reason(error)}); free some space or choose another output path") from error


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
