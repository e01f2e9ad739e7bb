"""The web player's page: an avatar and a motion that any browser shows, as a folder or as one file, without asking any other host."""

import base64
import functools
import gzip
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.files import atomic_folder, atomic_path
from avatar3d.motion import Motion
from viewer.export.idle import idle_motion
from viewer.export.motion_track import pack_motion, pack_sound
from viewer.export.packed import Packed, write_packed
from viewer.export.provenance import program_version
from viewer.export.vertex_tracks import pack_tracks
from viewer.export.web_bundle import pack_avatar

WEB = Path(__file__).resolve().parents[1] / "web"
_NAMES = {
    "avatar": "avatar.bin", "motion": "motion.bin", "idle": "idle.bin", "sound": "sound.webm", "driver": "driver.bin", "runtime": "runtime.bin",
}  # fmt: skip
_PLAYER, _SPEECH, _RUNTIME, _INDEX = "player.js", "speech.js", "runtime.wasm.gz", "index.html"
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:; worker-src blob: data:; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' data: blob:"
)
"""What the browser lets the page ask for: nothing but itself."""


def export_web(
    avatar: Avatar, motion: Motion | None, path: Path | str, *, background: str = "#d8dce2", exact: bool = False, driver: Packed | None = None
) -> dict[str, int]:
    """Write a page that shows an avatar.

    Args:
        avatar: who.
        motion: what it performs, with its sound; None for one that only idles.
        path: a name that ends in .html for one file, else a folder with an index.html.
        background: behind the avatar, a CSS colour as #rrggbb, or "transparent".
        exact: float32 throughout, for checks of the player itself.
        driver: what lets the page speak any sound by itself (docs/web.md); needs an avatar whose rig the page may carry.

    Returns:
        the bytes of each part.

    Raises:
        UserError: the player has not been built, the folder holds other files, the head's licence keeps speech out of a page, or the files
            cannot be written.
    """
    path = Path(path)
    _check_folder(path)
    if background != "transparent" and not re.fullmatch(r"#[0-9a-fA-F]{6}", background):
        raise UserError(f"--background {background}: give a code such as #204060, or transparent")
    if driver is not None:
        check_may_speak(avatar)
    scripts = {_PLAYER: player_script()} | ({} if driver is None else {_SPEECH: _built(_SPEECH).decode()})
    parts = page_parts(avatar, motion, exact=exact) | ({} if driver is None else {"driver": driver})
    facts = parts["avatar"].header
    contents = {name: gzip.compress(write_packed(part), 9, mtime=0) for name, part in parts.items()}
    if motion is not None and motion.sound is not None:
        contents["sound"] = pack_sound(_fitted(motion.sound, motion.duration, motion.sound_rate), motion.sound_rate)
    if driver is not None:
        contents["runtime"] = _built(_RUNTIME)
    sizes = {name: len(content) for name, content in contents.items()}
    sizes |= {name.removesuffix(".js"): len(script.encode()) for name, script in scripts.items()}
    if path.suffix.lower() in {".html", ".htm"}:
        page = page_html(facts, background, {}, scripts, contents=contents, inside=True)
        with atomic_path(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        return sizes
    page = page_html(facts, background, {name: _NAMES[name] for name in contents}, scripts)
    with atomic_folder(path) as folder:
        for name, content in contents.items():
            (folder / _NAMES[name]).write_bytes(content)
        for name, script in scripts.items():
            (folder / name).write_text(script, encoding="utf-8")
        (folder / _INDEX).write_text(page, encoding="utf-8")
    return sizes


def check_may_speak(avatar: Avatar) -> None:
    """Refuse an avatar whose page would lack the rig that speech moves.

    Raises:
        UserError: the licence of its head keeps the rig out of pages.
    """
    if not avatar.head.redistributable:
        raise UserError(f"speech in a page: needs the rig of head {avatar.head.name} in it, which its licence keeps out; export without --speech")


def _check_folder(path: Path) -> None:
    """A folder is replaced as a whole: refuse one with anything in it that is not an exported page's."""
    if path.is_dir():
        strange = sorted({entry.name for entry in path.iterdir()} - {*_NAMES.values(), _PLAYER, _SPEECH, _INDEX})
        if strange:
            raise UserError(f"{path}: holds other files ({strange[0]}), which would be lost; choose a new folder")


def page_parts(avatar: Avatar, motion: Motion | None, *, exact: bool = False) -> dict[str, Packed]:
    """What a page carries: the avatar, its idle loop, and the motion where there is one."""
    motions = {"idle": idle_motion(avatar)} | ({} if motion is None else {"motion": motion})
    packed = pack_avatar(avatar, exact=exact)
    if not avatar.head.redistributable:
        return {"avatar": packed} | pack_tracks(avatar, packed, motions)
    return {"avatar": packed} | {name: pack_motion(each, exact=exact) for name, each in motions.items()}


@functools.cache
def player_script() -> str:
    """The built player.

    Raises:
        UserError: it is not there.
    """
    return _built(_PLAYER).decode()


def _built(name: str) -> bytes:
    built = WEB / "dist" / name
    try:
        return built.read_bytes()
    except OSError as error:
        raise UserError(f"{built}: the web player is not built; run `npm ci && npm run build` in {WEB}, or install avatar3d again") from error


def page_html(
    facts: dict,
    background: str,
    files: Mapping[str, str],
    scripts: Mapping[str, str],
    *,
    contents: Mapping[str, bytes] | None = None,
    inside: bool = False,
    stream: Mapping[str, str] | None = None,
) -> str:
    """The page itself.

    Args:
        facts: header of the packed avatar.
        background: a CSS colour as #rrggbb, or "transparent".
        files: names of the parts that lie beside the page.
        scripts: by name, in the order in which they run.
        contents: bytes of the parts that lie inside it.
        inside: whether the scripts do.
        stream: name of the WebSocket that moves the head ("socket"), and the fingerprint of the avatar that it moves ("avatar").
    """
    description = f"{facts['synthetic']} Subject: {facts['subject']}. Consent: {facts['consent']}."
    settings = {"files": dict(files), "background": background} | ({} if stream is None else {"stream": dict(stream)})
    config = json.dumps(settings).replace("<", "\\u003c")
    texts = {name: base64.b64encode(content).decode() for name, content in (contents or {}).items()}
    data = "\n".join(f'<script id="data-{name}" type="text/plain">{text}</script>' for name, text in texts.items())
    tags = [f"<script>{_harmless(script)}</script>" if inside else f'<script src="{name}"></script>' for name, script in scripts.items()]
    shown: dict[str, str] = {"title": f"avatar3d: {facts['subject']}", "version": program_version(), "description": description, "policy": _POLICY}
    # A frame whose colour scheme is not that of the page around it is opaque, whatever its background.
    shown["scheme"] = "normal" if background == "transparent" else "light dark"
    shown |= {"subject": facts["subject"], "consent": facts["consent"], "background": background}
    values = {key: html.escape(text) for key, text in shown.items()}
    values |= {"config": config, "data": data, "script": "\n".join(tags)}
    template = (WEB / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


def _harmless(script: str) -> str:
    """A script without what may not stand inside a page's; in strings and patterns the backslash changes nothing."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _fitted(sound: np.ndarray, seconds: float, rate: int) -> np.ndarray:
    """Sound as long as its motion: cut, or with silence at its end."""
    count = round(seconds * rate)
    return np.pad(sound[:count], (0, max(count - len(sound), 0)))
