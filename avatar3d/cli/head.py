"""head: information about head models, and conversion to our format."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from avatar3d.cli.common import open_head, say


def head(
    action: Positional[Literal["info", "convert"]], file: Positional[Path | None] = None, /, out: Annotated[Path | None, arg(aliases=["-o"])] = None
) -> None:
    """Describe a head model, or convert one to avatar3d's own format where its licence lets it be copied.

    Args:
        action: info or convert.
        file: a head model: our .npz, a FLAME .pkl or .npz; default the embedded head.
        out: for convert, the .npz to write.
    """
    from avatar3d.errors import UserError
    from avatar3d.head.info import convert_head, head_info

    if action == "info":
        say(head_info(open_head(file)))
        return
    if file is None or out is None:
        raise UserError("head convert: give the head model and the output with -o")
    convert_head(file, out)
    say(f"{out}: written")
