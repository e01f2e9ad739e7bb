"""Reading films, pictures, motions and recorded pages back to the end."""

import base64
import json
import re
import zipfile
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from PIL import Image

from avatar3d.arkit_file import notice_of, read_arkit
from avatar3d.errors import UserError
from avatar3d.files import read_bounded
from avatar3d.media import open_media, sound_stream
from avatar3d.progress import Progress
from avatar3d.spherical import read_stereo
from viewer.export.found import AGAIN, NOWHERE, Check, Found
from viewer.export.motion_files import JSON_FORMAT, JSON_VERSION
from viewer.export.provenance import FACTS
from viewer.export.web_checks import check_page, is_page

MAX_TEXT = 1 << 29
"""Bytes of a text file that are read."""
_BRITTLE = frozenset({"h264"})
"""Codecs whose decoder stumbles over nearly any damage, since each number tells where the next one lies."""


def check_film(path: Path, progress: Progress) -> Found:
    """Every frame and all the sound of a film. Raises UserError where it is not whole."""
    layout: dict[str, object] = {}
    frames = 0
    with open_media(path, "video") as container:
        if not container.streams.video:
            raise UserError(f"{path}: has no pictures; {AGAIN}")
        stream = container.streams.video[0]
        context, sound = stream.codec_context, sound_stream(container)
        alpha = "yuva" in str(context.pix_fmt) or stream.metadata.get("ALPHA_MODE") == "1"
        layout |= {"codec": context.name, "size": f"{context.width} x {context.height}", "alpha": "straight" if alpha else "none"}
        layout["sound"] = "none" if sound is None else f"{sound.codec_context.name}, {sound.rate} Hz"
        fps, facts = float(stream.average_rate or 0), {key.lower(): value for key, value in container.metadata.items()}
        try:
            # FFmpeg reports damage inside a packet and goes on; here it shall stop.
            context.options = {"err_detect": "explode"}
            for packet in container.demux([stream] if sound is None else [stream, sound]):
                for frame in packet.decode():
                    frames += isinstance(frame, av.VideoFrame)
                progress(frames, stream.frames or frames)
        except (FFmpegError, OSError) as error:
            raise UserError(f"{path}: is damaged after frame {frames} ({error.strerror or error}); {AGAIN}") from error
    # MP4 and MOV count their frames, WebM says how long it is.
    hours, minutes, seconds = (float(part) for part in (re.findall(r"[\d.]+", stream.metadata.get("DURATION", "")) or "000")[:3])
    expected = stream.frames or round((3600 * hours + 60 * minutes + seconds) * fps)
    if frames == 0 or frames < expected:
        raise UserError(f"{path}: breaks off after frame {frames} of {expected}; {AGAIN}")
    if path.suffix.lower() != ".webm":
        stereo = read_stereo(path)
        if stereo is not None:
            layout["stereo"] = ("over-under" if stereo.over_under else "side-by-side") + (", half sphere" if stereo.half_sphere else "")
    elif "stereo_mode" in stream.metadata:
        layout["stereo"] = {"top_bottom": "over-under", "left_right": "side-by-side"}.get(stream.metadata["stereo_mode"], "of another kind")
    said = {name: facts[name] for name in ("title", "comment") if name in facts}
    unseen = "" if context.name in _BRITTLE else f"{context.name} has no checksums: every frame is there, damage inside a picture may go unseen"
    remarks = (unseen,) if unseen else ()
    return Found(path.suffix[1:].lower(), path.stat().st_size, 0, NOWHERE, NOWHERE, frames, fps, layout, said, remarks)


def check_picture(path: Path) -> dict[str, object]:
    """A picture of a folder to its end, and its layout. Raises UserError where it is not whole."""
    try:
        if path.suffix.lower() == ".exr":
            with av.open(f"file:{path}") as container:
                frame = next(container.decode(video=0))
            return {"size": f"{frame.width} x {frame.height}", "numbers": frame.format.name}
        with Image.open(path, formats=["PNG"]) as image:
            image.load()
            return {"size": f"{image.width} x {image.height}", "numbers": image.mode}
    except (OSError, FFmpegError, StopIteration, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: is no whole picture; delete it and run the same export again") from error


def check_arkit(path: Path, progress: Progress) -> Found:
    """A take of Live Link Face. Raises UserError where a line makes no sense."""
    take = read_arkit(path)
    said = _noticed(path)
    progress(len(take.weights), len(take.weights))
    layout: dict[str, object] = {"weights": take.weights.shape[1]}
    return Found("arkit-csv", path.stat().st_size, 0, NOWHERE, NOWHERE, len(take.weights), float(take.fps), layout, said)


def check_motion_json(path: Path, progress: Progress) -> Found:
    """A motion as text. Raises UserError where a number is missing or none."""
    record = _record(path)
    try:
        if record["format"] != JSON_FORMAT:
            raise ValueError("not a motion")
        if int(record["version"]) > JSON_VERSION:
            raise UserError(f"{path}: was written by a newer avatar3d; update avatar3d")
        frames, channels = record["frames"], dict(record["channels"])
        if len(frames) != record["frame_count"] or not frames:
            raise ValueError(f"{len(frames)} of {record['frame_count']} frames")
        for name, width in channels.items():
            values = np.array([frame[name] for frame in frames], np.float64)
            if values.shape != (len(frames), width) or not np.isfinite(values).all():
                raise ValueError(f"{name} is not {width} numbers a frame")
        fps = record["fps"][0] / record["fps"][1]
        said = {name: str(record[name]) for name in FACTS}
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError, AttributeError) as error:
        raise UserError(f"{path}: is not a whole motion ({str(error)[:60]}); {AGAIN}") from error
    progress(len(frames), len(frames))
    layout: dict[str, object] = {name: width for name, width in channels.items()}
    return Found("motion-json", path.stat().st_size, 0, NOWHERE, NOWHERE, len(frames), fps, layout, said)


def check_bvh(path: Path, progress: Progress) -> Found:
    """A skeleton's motion. Raises UserError where it breaks off."""
    head, _, motion = _text(path).partition("MOTION")
    lines = [line for line in motion.splitlines() if line.strip()]
    channels = sum(int(count) for count in re.findall(r"CHANNELS\s+(\d{1,3})\b", head))
    try:
        count, seconds = int(lines[0].split(":")[1]), float(lines[1].split(":")[1])
        widths = {len(line.split()) for line in lines[2:]}
        values = np.array([line.split() for line in lines[2:]], np.float64) if widths == {channels} else np.zeros((0, 0))
        if not (count >= 1 and len(values) == count and np.isfinite(values).all() and 0 < seconds < 1e4):
            raise ValueError("frames")
    except (IndexError, ValueError) as error:
        raise UserError(f"{path}: is no whole BVH; {AGAIN}") from error
    progress(count, count)
    said = _noticed(path)
    layout: dict[str, object] = {"joints": len(re.findall(r"^\s*(?:ROOT|JOINT)\s", head, re.M))}
    return Found("bvh", path.stat().st_size, 0, NOWHERE, NOWHERE, count, 1 / seconds, layout, said)


def check_html(path: Path, progress: Progress) -> Found:
    """A page of the web player's, or the recording in one of viser's. Raises UserError where it is neither, or damaged."""
    import msgspec
    import zstandard

    page = _text(path)
    if is_page(page):
        return check_page(path, progress)
    at = page.find('window.__VISER_EMBED_DATA__="')
    if at < 0:
        raise UserError(f"{path}: is no page that avatar3d exports; open it in a browser to see whether it plays")
    try:
        data = base64.b64decode(page[at + 29 : page.index('"', at + 29)], validate=True)
        # Eight bytes of length, then the compressed recording: eight bytes of length, a header, arrays.
        if int.from_bytes(data[:8], "little") > 4 * MAX_TEXT:
            raise ValueError("too long")
        inner = zstandard.ZstdDecompressor().decompress(data[8:], max_output_size=4 * MAX_TEXT)
        header = msgspec.msgpack.decode(inner[8 : 8 + int.from_bytes(inner[:8], "little")])
        times = {float(time) for time, _ in header["messages"]}
        said = {name: text for name, text in re.findall(r'<meta name="avatar3d:(\w+)" content="([^"]*)">', page)}
        duration = float(header["durationSeconds"])
    except (ValueError, KeyError, TypeError, zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise UserError(f"{path}: its recording is damaged; {AGAIN}") from error
    count = max(len(times), 1)
    progress(count, count)
    layout: dict[str, object] = {"recorded with viser": header.get("viserVersion")}
    return Found("viser-html", path.stat().st_size, 0, NOWHERE, NOWHERE, count, count / duration if duration else 0.0, layout, said)


def check_vhap(folder: Path, progress: Progress) -> Found:
    """Every frame of a folder in VHAP's layout. Raises UserError where a file is missing or damaged."""
    export = _record(folder / "export.json")
    if not export.get("complete"):
        raise UserError(f"{folder}: is not complete; run the same export again, it goes on where it stopped")
    record, size, index = _record(folder / "transforms.json"), 0, 0
    try:
        frames = list(record["frames"])
        if not frames:
            raise ValueError("there is none")
        for index, frame in enumerate(frames):
            for key in ("file_path", "fg_mask_path"):
                check_picture(folder / frame[key])
            with np.load(folder / frame["flame_param_path"], allow_pickle=False) as arrays:
                if not all(np.isfinite(arrays[name]).all() for name in arrays.files):
                    raise ValueError(f"frame {index}: values that are not numbers")
            size += sum((folder / frame[key]).stat().st_size for key in ("file_path", "fg_mask_path", "flame_param_path"))
            progress(index + 1, len(frames))
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder}: frame {index} is not whole ({str(error)[:60]}); delete its files and run the same export again") from error
    said = {name: str(export[name]) for name in FACTS if name in export}
    layout: dict[str, object] = {"size": f"{record.get('w')} x {record.get('h')}"}
    return Found("vhap", size, 0, NOWHERE, NOWHERE, len(frames), 0.0, layout, said)


def _noticed(path: Path) -> dict[str, str]:
    """What a file says of itself in the notice beside it."""
    notice = notice_of(path)
    record = _record(notice) if notice.is_file() else {}
    return {name: str(record[name]) for name in FACTS if name in record}


def _record(path: Path) -> dict:
    try:
        record = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not JSON; {AGAIN}") from error
    if not isinstance(record, dict):
        raise UserError(f"{path}: is no record; {AGAIN}")
    return record


def _text(path: Path) -> str:
    try:
        return read_bounded(path, MAX_TEXT, AGAIN).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no text; {AGAIN}") from error


MEDIA_CHECKS: dict[str, Check] = {
    ".mp4": check_film, ".mov": check_film, ".webm": check_film, ".csv": check_arkit, ".bvh": check_bvh, ".json": check_motion_json,
    ".html": check_html, ".htm": check_html,
}  # fmt: skip
"""By the ending of the name."""
PICTURES = frozenset({".png", ".exr"})
"""Endings of the files of a folder of pictures."""
