"""Files that a browser sends: kept in a folder of ours under a name of ours."""

import itertools
from pathlib import Path

from avatar3d.errors import UserError

LARGEST = 256 << 20
"""Bytes."""
_number = itertools.count()


def kept_upload(upload, folder: Path, suffixes: tuple[str, ...]) -> Path:
    """The file of an upload button's value, written into `folder`.

    Args:
        upload: with `name` and `content`.
        folder: where it is kept; of its name only the suffix is.
        suffixes: that are taken, in small letters; none takes all.

    Raises:
        UserError: another kind of file, empty, or too large.
    """
    suffix = Path(upload.name).suffix.lower()
    if suffixes and suffix not in suffixes:
        raise UserError(f"{upload.name}: give a file that ends in {' or '.join(suffixes)}")
    if not upload.content or len(upload.content) > LARGEST:
        raise UserError(f"{upload.name}: has {len(upload.content)} bytes; give a file of up to {LARGEST >> 20} MB")
    if not all(letter.isalnum() or letter == "." for letter in suffix):
        suffix = ""
    path = folder / f"upload-{next(_number)}{suffix}"
    path.write_bytes(upload.content)
    return path
