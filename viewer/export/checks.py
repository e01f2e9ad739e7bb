"""Reading exported files back to the end: what they hold, and whether they are whole."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from avatar3d.progress import Progress, silent
from viewer.export.a3d_bundle import check_a3d
from viewer.export.found import Check, Found
from viewer.export.glb_files import is_splats_glb, read_rigged_glb, read_splats_glb
from viewer.export.gsd import read_gsd
from viewer.export.media_checks import MEDIA_CHECKS, PICTURES, check_picture, check_vhap
from viewer.export.sequence import MANIFEST, read_manifest
from viewer.export.splat_files import READERS, read_splats
from viewer.export.splats import Splats, read_whole
from viewer.export.usd_files import read_usd
from viewer.export.web_checks import INDEX, check_page


def check_file(path: Path, progress: Progress = silent) -> Found:
    """Read an exported file or a sequence's folder to the end.

    Raises:
        UserError: not whole, or nothing that is known here.
    """
    if path.is_dir() and _is_page_folder(path):
        return check_page(path, progress)
    if path.is_dir():
        return check_vhap(path, progress) if (path / "export.json").is_file() else _sequence(path, progress)
    told = path.with_suffix("")
    if path.suffix.lower() == ".json" and told.suffix.lower() in CHECKS and told.is_file():
        raise UserError(f"{path}: says what {told.name} is; run `avatar3d check {told}`")
    if path.suffix.lower() not in CHECKS:
        raise UserError(f"{path}: is nothing that avatar3d exports; it knows {', '.join(CHECKS)} and the folders of sequences")
    return CHECKS[path.suffix.lower()](path, progress)


def is_exported(path: Path) -> bool:
    """Whether `check_file` is who should read this."""
    if path.is_dir():
        return _is_page_folder(path) or any((path / name).is_file() for name in (MANIFEST, "export.json"))
    return path.suffix.lower() in CHECKS


def _is_page_folder(path: Path) -> bool:
    return (path / INDEX).is_file()


def describe(path: Path, found: Found) -> list[str]:
    """Lines that say what was found."""
    what = f", {found.count} Gaussians" if found.count else ""
    moving = f", {found.frames} frames" + (f" at {found.fps:g}/s ({found.frames / found.fps:.2f} s)" if found.fps else "") if found.frames > 1 else ""
    each = f" ({found.size / found.frames / found.count:.1f} bytes a Gaussian a frame)" if found.count else ""
    layout = ", ".join(f"{name} {value}" for name, value in found.layout.items() if name != "names")
    extent = " x ".join(f"{side:.3g}" for side in found.high - found.low)
    lines = [f"{path}: {found.kind}{what}{moving}", f"  {found.size / 1e6:.2f} MB{each}" + (f"; {layout}" if layout else "")]
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


def _single(path: Path, progress: Progress) -> Found:
    splats = read_splats(path)
    return _found(splats.kind, path.stat().st_size, [splats], progress, 1)


def _gsd(path: Path, progress: Progress) -> Found:
    header, frames = read_gsd(path)
    facts = header.get("provenance")
    facts = {str(key): str(value) for key, value in facts.items()} if isinstance(facts, dict) else {}
    fps = float(header["targetFPS"]) if header["frameCount"] > 1 else 0.0
    return _found("gsd", path.stat().st_size, frames, progress, header["frameCount"], fps=fps, facts=facts)


def _glb(path: Path, progress: Progress) -> Found:
    data = read_whole(path)
    if is_splats_glb(data, str(path)):
        return _found("glb", len(data), [read_splats_glb(data, str(path))], progress, 1)
    rig = read_rigged_glb(data, str(path))
    sound = rig.facts.get("sound")
    remarks = (
        () if not sound or (path.parent / Path(sound).name).is_file() else (f"its sound {sound} is not beside it: export again, or copy it here",)
    )
    return Found("rig-glb", len(data), 0, rig.low, rig.high, rig.frames, rig.fps, rig.layout, rig.facts, remarks)


def _usd(path: Path, progress: Progress) -> Found:
    header, frames = read_usd(path)
    found = _found("usd", path.stat().st_size, frames, progress, header["count"], fps=header["fps"] if header["count"] > 1 else 0.0)
    return replace(found, remarks=(*found.remarks, *header["complaints"]))


def _sequence(folder: Path, progress: Progress) -> Found:
    """Every frame of a sequence's folder."""
    manifest = read_manifest(folder)
    count, kind = int(manifest["count"]), manifest["kind"]
    paths = [folder / (manifest["pattern"] % (index + 1)) for index in range(count)]
    missing = sum(not path.is_file() for path in paths)
    if missing or not manifest.get("complete"):
        raise UserError(f"{folder}: {missing} of {count} frames are missing; run the same export again, it goes on where it stopped")
    sound = manifest["sound"]
    if sound and not (folder / sound).is_file():
        raise UserError(f"{folder}: its sound {sound} is missing; run the same export again")
    suffix, remarks = paths[0].suffix, _strange(folder, {path.name for path in paths} | {MANIFEST, str(sound)})
    if suffix in PICTURES:
        return replace(_pictures(manifest, paths, progress), remarks=remarks)
    if suffix not in READERS:
        raise UserError(f"{folder}: holds {suffix} files, which are not read here; give a folder that `avatar3d export` wrote")
    facts = manifest.get("provenance") if isinstance(manifest.get("provenance"), dict) else {}
    size = sum(path.stat().st_size for path in paths)
    read = (READERS[suffix](read_whole(path), str(path)) for path in paths)
    found = _found(kind, size, read, progress, count, fps=float(manifest["fps"]), facts=facts)
    return replace(found, remarks=(*found.remarks, *remarks))


def _strange(folder: Path, own: set[str]) -> tuple[str, ...]:
    """A remark on files in a sequence's folder that are none of its own."""
    strange = sorted(entry.name for entry in folder.iterdir() if entry.name not in own)
    if not strange:
        return ()
    return (f"{len(strange)} files in it are not of this export ({strange[0]}): players that take all files of a folder play them, too",)


def _pictures(manifest: dict, paths: list[Path], progress: Progress) -> Found:
    """Every picture of a sequence's folder."""
    layout: dict[str, object] = {}
    for index, path in enumerate(paths):
        found = check_picture(path)
        if layout and found != layout:
            raise UserError(f"{path}: is of another size or kind than {paths[0].name}; delete it and run the same export again")
        layout = found
        progress(index + 1, len(paths))
    told, facts = (part if isinstance(part, dict) else {} for part in (manifest.get("parameters"), manifest.get("provenance")))
    layout |= {name: told[name] for name in ("holds", "values", "alpha") if name in told}
    size, nowhere = sum(path.stat().st_size for path in paths), np.zeros(3)
    return Found(manifest["kind"], size, 0, nowhere, nowhere, len(paths), float(manifest["fps"]), layout, facts)


_OWN: dict[str, Check] = {".gsd": _gsd, ".glb": _glb, ".usdc": _usd, ".usdz": _usd, ".a3d": check_a3d}
CHECKS: dict[str, Check] = dict.fromkeys(READERS, _single) | _OWN | MEDIA_CHECKS
"""By the ending of the name."""
