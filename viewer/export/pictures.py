"""Folders of pictures for compositing: PNG or EXR, of colour, depth or normals, with the sound and a record beside them.

PNG: 8-bit sRGB, alpha straight; depth 16-bit millimetres, 0 where there is nothing. EXR: 32-bit numbers, scan lines, uncompressed or ZIP; colour in
linear light and multiplied by alpha, as that format has it; depth millimetres in the channel Y; normals -1 to 1 in R, G, B.
"""

import io
import struct
import threading
from pathlib import Path

import av
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from avatar3d.progress import Progress
from viewer.export.frames import Frames
from viewer.export.media_checks import check_picture
from viewer.export.options import FormatOptions
from viewer.export.provenance import Provenance, provenance
from viewer.export.sequence import write_sequence
from viewer.export.shooting import Shooting, shooting
from viewer.straight_alpha import as_integers
from viewer.views import Brush, Layer

PNG_LEVEL = 4
"""Of zlib's nine: higher ones take long and save little of a drawn picture."""


def write_pictures(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a folder of pictures; see `formats.Writer`."""
    return shoot_pictures(frames, path, shooting(frames.avatar, options), progress)


def shoot_pictures(frames: Frames, path: Path, shot: Shooting, progress: Progress) -> str:
    """Draw the frames as pictures; returns what to tell the user.

    Raises:
        UserError: the folder cannot be written.
    """
    facts, own = provenance(frames.avatar, "picture"), threading.local()
    pack = _exr if shot.filming.exr else _png

    def make(index: int) -> bytes:
        if not hasattr(own, "brush"):
            own.brush = Brush()
        return pack(shot, shot.layer(frames, index, own.brush), facts)

    suffix = ".exr" if shot.filming.exr else ".png"
    width, height = shot.view.size
    told, parameters = f"pictures of {width} x {height}", _record(shot)
    return write_sequence(
        frames, path, suffix, make, check_picture, kind="png-seq", told=told, parameters=parameters, facts=facts.fields(), progress=progress
    )


def _record(shot: Shooting) -> dict:
    """What somebody who uses the pictures must know."""
    show, exr = shot.filming.show, shot.filming.exr
    values = {
        "colour": "linear light of sRGB's primaries" if exr else "sRGB",
        "depth": f"millimetres {'from the eye' if shot.view.half_sphere else 'along the optical axis'}, 0 where there is nothing",
        "normals": f"unit normals in the camera's axes (x right, y up, z towards it) as {'numbers' if exr else '(n + 1) / 2'}, zero where nothing is",
    }[show]
    if show == "depth" or shot.background is not None:
        alpha = "none"
    else:
        alpha = "colours are multiplied by it" if exr and show == "colour" else "straight: colours are not multiplied by it; composite in sRGB values"
    background = None if shot.background is None or show != "colour" else [round(float(value), 4) for value in shot.background]
    return {"holds": show, "values": values, "alpha": alpha, "background": background, "size": list(shot.view.size), **shot.record()}


def _png(shot: Shooting, layer: Layer, facts: Provenance) -> bytes:
    texts = PngInfo()
    for name, text in (("Title", facts.title), ("Description", facts.sentence), ("Copyright", facts.licence), ("Software", facts.generator)):
        texts.add_itxt(name, text)
    if shot.filming.show == "depth":
        image = Image.fromarray(np.minimum(shot.depth(layer) + 0.5, 65535).astype(np.uint16))
    else:
        image = Image.fromarray(as_integers(shot.picture(layer), 8))
        if shot.filming.show == "colour":
            # Rendering intent 0 of the chunk that says sRGB.
            texts.add(b"sRGB", b"\0")
    packed = io.BytesIO()
    image.save(packed, "PNG", pnginfo=texts, compress_level=PNG_LEVEL)
    return packed.getvalue()


def _exr(shot: Shooting, layer: Layer, facts: Provenance) -> bytes:
    if shot.filming.show == "depth":
        return exr_bytes(shot.depth(layer), facts.sentence)
    picture = shot.picture(layer)
    if shot.filming.show == "normals":
        return exr_bytes(np.dstack([2 * picture[..., :3] - 1, picture[..., 3:]]), facts.sentence)
    linear = np.where(picture[..., :3] <= 0.04045, picture[..., :3] / 12.92, ((picture[..., :3] + 0.055) / 1.055) ** 2.4)
    return exr_bytes(np.dstack([linear * picture[..., 3:], picture[..., 3:]] if picture.shape[2] == 4 else [linear]), facts.sentence)


def exr_bytes(values: np.ndarray, comment: str) -> bytes:
    """An OpenEXR file of [H, W], [H, W, 3] or [H, W, 4] float32 with a comment."""
    height, width = values.shape[:2]
    planes = 1 if values.ndim == 2 else values.shape[2]
    encoder = av.CodecContext.create("exr", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, {1: "grayf32le", 3: "gbrpf32le", 4: "gbrapf32le"}[planes]  # pyright: ignore[reportAttributeAccessIssue]
    encoder.time_base = 1  # pyright: ignore[reportAttributeAccessIssue]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values, np.float32), encoder.pix_fmt)  # pyright: ignore
    packets = encoder.encode(frame) + encoder.encode(None)  # pyright: ignore[reportAttributeAccessIssue]
    return _with_comment(b"".join(bytes(packet) for packet in packets), comment)


def _with_comment(file: bytes, comment: str) -> bytes:
    """The standard attribute `comments` added to an EXR file, whose places of scan lines move by its length."""
    text = comment.encode("utf-8")
    added = b"comments\0string\0" + struct.pack("<i", len(text)) + text
    end = 8
    while file[end] != 0:
        kind = file.index(b"\0", end) + 1
        size = file.index(b"\0", kind) + 1
        end = size + 4 + struct.unpack_from("<i", file, size)[0]
    end += 1
    first = struct.unpack_from("<Q", file, end)[0]
    places = np.frombuffer(file, "<u8", (first - end) // 8, end) + np.uint64(len(added))
    return file[:8] + added + file[8:end] + places.tobytes() + file[first:]
