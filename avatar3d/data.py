"""Where the shipped data lies, in a checkout and in an installed wheel alike."""

from pathlib import Path

from avatar3d.errors import UserError

_PACKAGE = Path(__file__).resolve().parent


def data_path(*parts: str) -> Path:
    """Path of a shipped file, for instance `data_path("head", "head.npz")`.

    Raises:
        UserError: the file is not there (an incomplete installation).
    """
    for root in (_PACKAGE.parent / "data", _PACKAGE / "_data"):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise UserError(f"{'/'.join(parts)}: missing from the installation; install avatar3d again")
