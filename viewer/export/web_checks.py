"""Reading the web player's pages back to the end: the avatar, its motions, its sound and its voice, in one file or in a folder."""

import base64
import binascii
import io
import json
import re
import zlib
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from avatar3d.errors import UserError
from avatar3d.files import read_bounded
from avatar3d.progress import Progress
from viewer.export.found import AGAIN, NOWHERE, Found
from viewer.export.packed import Packed, Quantised, read_packed
from viewer.export.provenance import FACTS

INDEX = "index.html"
_MAX_PAGE, _MAX_PART = 1 << 29, 1 << 30
"""Bytes of a page's text, and of a part when it is unpacked."""
_SHORT = 0.1
"""Seconds by which sound may be shorter than its motion: codecs cut it into pieces."""
_PACKED = ("avatar", "idle", "motion", "driver")
_DATA = re.compile(r'<script id="data-(\w+)" type="text/plain">([A-Za-z0-9+/=]*)</script>')
_CONFIG = re.compile(r'<script id="config" type="application/json">(.*?)</script>', re.DOTALL)


def is_page(text: str) -> bool:
    """Whether the text of a page is one of the web player's."""
    return _CONFIG.search(text) is not None


def check_page(path: Path, progress: Progress) -> Found:
    """Every part of a page: an .html that holds all of it, or the folder of its index.html.

    Raises:
        UserError: a part is missing, damaged, or holds what is no number.
    """
    page = path / INDEX if path.is_dir() else path
    contents, size = _contents(page)
    if "avatar" not in contents:
        raise UserError(f"{page}: holds no avatar; {AGAIN}")
    parts: dict[str, Packed] = {}
    for done, (name, content) in enumerate(contents.items(), 1):
        if name in _PACKED:
            parts[name] = _unpacked(page, name, content)
        elif name == "runtime":
            _inflated(page, name, content)
        progress(done, len(contents))
    header, motion = parts["avatar"].header, parts.get("motion")
    frames, fps = (1, 0.0) if motion is None else _timing(page, motion)
    if "sound" in contents:
        _check_sound(page, contents["sound"], frames / fps if fps else 0.0)
    layout: dict[str, object] = {"Gaussians": header.get("gaussians"), "moved by": "its rig" if header.get("mesh") == "rig" else "recorded tracks"}
    layout |= {"sound": "yes" if "sound" in contents else "none", "speaks by itself": "yes" if "driver" in contents else "no"}
    said = {name: str(header[name]) for name in FACTS if name in header}
    return Found("web", size, 0, NOWHERE, NOWHERE, frames, fps, layout, said)


def _contents(page: Path) -> tuple[dict[str, bytes], int]:
    """Bytes of each part by name, and of all files."""
    text = _read(page).decode("utf-8", "replace")
    config = _CONFIG.search(text)
    try:
        if config is None:
            raise ValueError("no settings")
        files = dict(json.loads(config[1])["files"])
        inside = {name: base64.b64decode(data, validate=True) for name, data in _DATA.findall(text)}
        beside = {str(name): page.parent / Path(str(file)).name for name, file in files.items()}
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError) as error:
        raise UserError(f"{page}: is damaged ({str(error)[:60]}); {AGAIN}") from error
    scripts = [page.parent / name for name in re.findall(r'<script src="([\w.-]+)">', text)]
    contents = inside | {name: _read(file) for name, file in beside.items()}
    size = len(text.encode()) + sum(map(len, (_read(script) for script in scripts))) + sum(len(contents[name]) for name in beside)
    return contents, size


def _read(path: Path) -> bytes:
    return read_bounded(path, _MAX_PAGE, f"the page needs it: {AGAIN}")


def _inflated(page: Path, name: str, content: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        data = unpacker.decompress(content, _MAX_PART)
    except zlib.error as error:
        raise UserError(f"{page}: its {name} is damaged ({str(error)[:60]}); {AGAIN}") from error
    if not unpacker.eof:
        raise UserError(f"{page}: its {name} breaks off; {AGAIN}")
    return data


def _unpacked(page: Path, name: str, content: bytes) -> Packed:
    packed = read_packed(_inflated(page, name, content), f"{page}: its {name}")
    for key, array in packed.arrays.items():
        numbers = array.scale if isinstance(array, Quantised) else array
        if not np.isfinite(numbers).all():
            raise UserError(f"{page}: its {name} has values in {key} that are not numbers; {AGAIN}")
    return packed


def _timing(page: Path, motion: Packed) -> tuple[int, float]:
    """Frames and frames a second."""
    try:
        frames, fps = int(motion.header["frames"]), motion.header["fps"][0] / motion.header["fps"][1]
        if frames < 1 or not 0 < fps < 1e4 or any(len(motion.values(name)) != frames for name in motion.arrays if name != "shape"):
            raise ValueError("its frames")
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise UserError(f"{page}: its motion makes no sense ({str(error)[:60]}); {AGAIN}") from error
    return frames, fps


def _check_sound(page: Path, content: bytes, seconds: float) -> None:
    """Refuse sound that cannot be decoded for as long as the motion lasts."""
    try:
        with av.open(io.BytesIO(content), "r") as container:
            heard = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    except (FFmpegError, OSError, IndexError, ValueError, ZeroDivisionError) as error:
        raise UserError(f"{page}: its sound is damaged ({str(error)[:60]}); {AGAIN}") from error
    if heard < max(seconds - _SHORT, 1e-6):
        raise UserError(f"{page}: its sound breaks off after {heard:.1f} of {seconds:.1f} s; {AGAIN}")
