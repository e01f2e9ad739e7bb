"""The files of a streamed avatar's page."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from viewer.export.packed import Packed, write_packed
from viewer.export.web import page_html, player_script


@dataclass(frozen=True)
class Part:
    """One file."""

    kind: str
    """Media type."""
    content: bytes
    packed: bytes | None = None
    """The same as gzip, for browsers that take it so."""


def page_files(parts: Mapping[str, Packed], background: str, socket: str) -> tuple[dict[str, Part], str]:
    """All files by name, and the fingerprint of the avatar among them.

    Args:
        parts: "avatar" and "idle", as `viewer.export.web.page_parts` makes them.
        background: behind the avatar, a CSS colour or "transparent".
        socket: the WebSocket's name.

    Raises:
        UserError: the player has not been built.
    """
    contents = {name: gzip.compress(write_packed(parts[name]), 9, mtime=0) for name in ("avatar", "idle")}
    fingerprint = hashlib.sha256(contents["avatar"]).hexdigest()[:16]
    files = {name: f"{name}.bin" for name in contents}
    page = page_html(parts["avatar"].header, background, files, {"player.js": player_script()}, stream={"socket": socket, "avatar": fingerprint})
    script = player_script().encode()
    out = {f"{name}.bin": Part("application/octet-stream", content) for name, content in contents.items()}
    out["player.js"] = Part("text/javascript; charset=utf-8", script, gzip.compress(script, 6, mtime=0))
    out[""] = Part("text/html; charset=utf-8", page.encode())
    return out, fingerprint
