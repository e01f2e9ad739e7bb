"""Reading exported files back to the end: what they hold, and whether they are whole."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from avatar3d.progress import Progress, silent
from viewer.export.gsd import read_gsd
from viewer.export.ply import read_ply
from viewer.export.sequence import read_manifest
from viewer.export.splat import facts_path, read_splat
from viewer.export.splats import Splats, read_whole
from viewer.export.spz import read_spz


@dataclass(frozen=True, eq=False)
class Found:
    """What a file or a folder holds."""

    kind: str
    """Name of the format."""
    size: int
    """Bytes, of all files."""
    count: int
    """Gaussians of a frame; 0 where there are none."""
    low: np.ndarray
    """[3] least centre of all frames, in the file's axes and units."""
    high: np.ndarray
    """[3] greatest."""
    frames: int = 1
    fps: float = 0.0
    """0 where it does not move."""
    layout: dict[str, object] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    """What it says of itself."""
    remarks: tuple[str, ...] = ()
    """What else the user should know."""


Check = Callable[[Path, Progress], Found]
"""Reads a file or a folder to the end. Raises UserError where it is not whole."""


def check_file(path: Path, progress: Progress = silent) -> Found:
    """Read an exported file or a sequence's folder to the end.

    Raises:
        UserError: not whole, or nothing that is known here.
    """
    if path.is_dir():
        return _sequence(path, progress)
    if path.suffix.lower() not in CHECKS:
        raise UserError(f"{path}: is nothing that avatar3d exports; it knows {', '.join(CHECKS)} and the folders of sequences")
    return CHECKS[path.suffix.lower()](path, progress)


def is_exported(path: Path) -> bool:
    """Whether `check_file` is who should read this."""
    return (path / "manifest.json").is_file() if path.is_dir() else path.suffix.lower() in CHECKS


def describe(path: Path, found: Found) -> list[str]:
    """Lines that say what was found."""
    what = f"{found.count} Gaussians" if found.count else "no Gaussians"
    moving = f", {found.frames} frames" + (f" at {found.fps:g}/s ({found.frames / found.fps:.2f} s)" if found.fps else "") if found.frames > 1 else ""
    each = f" ({found.size / found.frames / found.count:.1f} bytes a Gaussian a frame)" if found.count else ""
    layout = ", ".join(f"{name} {value}" for name, value in found.layout.items() if name != "names")
    extent = " x ".join(f"{side:.3g}" for side in found.high - found.low)
    lines = [f"{path}: {found.kind}, {what}{moving}", f"  {found.size / 1e6:.2f} MB{each}" + (f"; {layout}" if layout else "")]
    if found.count:
        corners = " to ".join("(" + ", ".join(f"{x:.4g}" for x in corner) + ")" for corner in (found.low, found.high))
        lines.append(f"  centres lie within {extent}: {corners}")
    said = "; ".join(f"{name}: {text}" for name, text in found.facts.items())
    lines.append(f"  says of itself: {said or 'nothing (it was written elsewhere, or its words were lost)'}")
    return lines + [f"  {remark}" for remark in found.remarks]


def _found(kind: str, size: int, read: Iterable[Splats], progress: Progress, frames: int, **more: object) -> Found:
    """What all frames hold together; one is in memory at a time."""
    low, high, first, done = np.full(3, np.inf), np.full(3, -np.inf), None, 0
    remarks: list[str] = []
    for splats in read:
        position = splats.gaussians.position.numpy()
        low, high = np.minimum(low, position.min(axis=0)), np.maximum(high, position.max(axis=0))
        if first is None:
            first = (len(position), dict(splats.layout), splats.facts)
        elif len(position) != first[0] and not remarks:
            remarks.append(f"frame {done + 1} has {len(position)} Gaussians and the first {first[0]}: players that expect one number stumble")
        if splats.binding is not None:
            triangles = int(splats.binding.max()) + 1
            remarks.append(f"its Gaussians are bound to triangles (up to number {triangles - 1}): these are places on a mesh, not in space")
        done += 1
        progress(done, frames)
    if first is None:
        raise UserError("the file: holds no frame; export it again")
    values = {"layout": first[1], "facts": first[2], "remarks": tuple(remarks)} | more
    return Found(kind, size, first[0], low, high, done, **values)  # pyright: ignore[reportArgumentType]


def _single(kind: str, read: Callable[[bytes, str], Splats]) -> Check:
    def check(path: Path, progress: Progress) -> Found:
        data = read_whole(path)
        more = {"facts": _facts_beside(path)} if kind == "splat" else {}
        return _found(kind, len(data), [read(data, str(path))], progress, 1, **more)

    return check


def _facts_beside(path: Path) -> dict[str, str]:
    try:
        return {str(key): str(value) for key, value in json.loads(facts_path(path).read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _gsd(path: Path, progress: Progress) -> Found:
    header, frames = read_gsd(path)
    facts = header.get("provenance")
    facts = {str(key): str(value) for key, value in facts.items()} if isinstance(facts, dict) else {}
    fps = float(header["targetFPS"]) if header["frameCount"] > 1 else 0.0
    return _found("gsd", path.stat().st_size, frames, progress, header["frameCount"], fps=fps, facts=facts)


_READERS: dict[str, Callable[[bytes, str], Splats]] = {".ply": read_ply, ".splat": read_splat, ".spz": read_spz}


def _sequence(folder: Path, progress: Progress) -> Found:
    """Every frame of a sequence's folder."""
    manifest = read_manifest(folder)
    count, kind = int(manifest["count"]), str(manifest.get("kind"))
    paths = [folder / (manifest["pattern"] % (index + 1)) for index in range(count)]
    missing = sum(not path.is_file() for path in paths)
    if missing or not manifest.get("complete"):
        raise UserError(f"{folder}: {missing} of {count} frames are missing; run the same export again, it goes on where it stopped")
    sound = manifest.get("sound")
    if sound and not (folder / str(sound)).is_file():
        raise UserError(f"{folder}: its sound {sound} is missing; run the same export again")
    suffix = paths[0].suffix
    if suffix not in _READERS:
        raise UserError(f"{folder}: holds {suffix} files, which are not read here")
    facts = manifest.get("provenance") if isinstance(manifest.get("provenance"), dict) else {}
    size = sum(path.stat().st_size for path in paths)
    read = (_READERS[suffix](read_whole(path), str(path)) for path in paths)
    return _found(kind, size, read, progress, count, fps=float(manifest.get("fps", 0)), facts=facts)


CHECKS: dict[str, Check] = {suffix: _single(suffix[1:], read) for suffix, read in _READERS.items()} | {".gsd": _gsd}
"""By the ending of the name."""
