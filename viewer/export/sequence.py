"""A folder with one file for each frame: written by all cores, and gone on with where it was stopped.

NAME/ holds NAME_00001.ply and so on (players take a folder's files by the number at the end of their names), NAME.wav where there is sound, and
manifest.json: what the folder is, how fast it plays, and the fingerprint of the export, by which a folder that was left unfinished is known again.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from avatar3d.errors import UserError
from avatar3d.files import check_output, write_whole
from avatar3d.progress import Progress
from avatar3d.threads import num_cores, one_torch_thread
from viewer.export.frames import Frames
from viewer.export.options import FormatOptions
from viewer.export.ply import ply_bytes, read_ply
from viewer.export.provenance import ascii_lines, provenance
from viewer.export.soundtrack import write_soundtrack
from viewer.export.splat import read_splat, splat_bytes
from viewer.export.splats import Splats, read_whole
from viewer.export.spz import read_spz, spz_bytes

MANIFEST = "manifest.json"
SCHEMA = 1
_DIGITS = 5
_MAX_RATE = 1e6
"""Frames a second that a manifest may claim."""


def write_sequence(
    frames: Frames,
    folder: Path,
    suffix: str,
    make: Callable[[int], bytes | memoryview],
    read: Callable[[Path], object],
    *,
    kind: str,
    told: str,
    parameters: dict,
    facts: dict[str, str],
    progress: Progress,
) -> str:
    """Write every frame that is not there yet, the sound and the manifest; returns what to tell the user.

    Args:
        frames: what is exported.
        folder: where; new, empty, or with this export or an unfinished one in it.
        suffix: of the files, for instance ".ply".
        make: the file of a frame; called from several threads at once.
        read: reads such a file to its end, and raises UserError where it is not whole; called from several threads at once.
        kind: name of the format.
        told: what its frames are, in words that follow their number.
        parameters: JSON-ready, all that the files depend on besides the frames: files made with others are not gone on with.
        facts: what the folder says of itself.
        progress: called after every frame.

    Raises:
        UserError: the folder holds something else, or cannot be written.
    """
    manifest = _manifest(frames, folder, suffix, kind, parameters, facts)
    names = [manifest["pattern"] % (index + 1) for index in range(frames.count)]
    notes = _prepare(folder, manifest, set(names))
    _write_manifest(folder, manifest)
    kept: list[int] = []
    damaged: list[int] = []

    def write(index: int) -> None:
        file = folder / names[index]
        if file.is_file():
            with contextlib.suppress(UserError):
                read(file)
                kept.append(index)
                return
            damaged.append(index)
        write_whole(file, make(index))

    with one_torch_thread():
        in_parallel(write, list(range(frames.count)), lambda finished: progress(finished, frames.count))
    if kept:
        notes.append(f"{len(kept)} of {frames.count} frames were there already")
    if damaged:
        notes.append(f"{len(damaged)} that were there were not whole, and are written anew")
    if manifest["sound"]:
        write_soundtrack(folder / manifest["sound"], frames, provenance(frames.avatar, "scene"))
    _write_manifest(folder, manifest | {"complete": True})
    size = sum((folder / name).stat().st_size for name in names)
    notes.append(f"{frames.count} {told} at {float(frames.fps):g}/s, {size / 1e6:.1f} MB ({size / frames.count / 1e3:.0f} kB each)")
    return f"{folder}: {'; '.join(notes)}\nnext: avatar3d check {folder}"


def in_parallel(work: Callable[[int], None], indices: list[int], finished: Callable[[int], None]) -> None:
    """Call `work` for every index on all cores, a few at a time, and stop at the first that fails.

    Args:
        work: lets the interpreter go for most of its time, as numba, zlib and the disk do.
        indices: in this order, nearly.
        finished: told the number that is done, on the calling thread.
    """
    threads = num_cores()
    rest, pending, done = iter(indices), set[Future](), 0
    with ThreadPoolExecutor(threads, thread_name_prefix="export") as pool:
        try:
            while True:
                for index in rest:
                    pending.add(pool.submit(work, index))
                    if len(pending) >= 2 * threads:
                        break
                if not pending:
                    return
                ready, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in ready:
                    future.result()
                    done += 1
                finished(done)
        finally:
            for future in pending:
                future.cancel()


def read_manifest(folder: Path) -> dict:
    """The manifest of a folder.

    Raises:
        UserError: there is none, or it makes no sense.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > 1 << 20:
            raise ValueError("too long")
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != "avatar3d sequence" or not isinstance(record["schema"], int):
            raise ValueError("not an export")
        if record["schema"] > SCHEMA:
            raise UserError(f"{path}: was written by a newer avatar3d; update avatar3d")
        if not re.fullmatch(r"[^/\\%]*_%0[1-9]d\.[a-z0-9]+", record["pattern"]) or not 1 <= int(record["count"]) <= 1_000_000:
            raise ValueError("its names or its count")
        if not 0 < float(record["fps"]) <= _MAX_RATE:
            raise ValueError("its frame rate")
        sound = record["sound"]
        if not isinstance(record["kind"], str) or not isinstance(sound, str | None) or Path(sound or "").name != (sound or ""):
            raise ValueError("its kind or its sound")
        return record
    except FileNotFoundError as error:
        raise UserError(f"{folder}: has no {MANIFEST}; it is no exported sequence") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: makes no sense ({str(error)[:60]}); export again into a new folder") from error


def _manifest(frames: Frames, folder: Path, suffix: str, kind: str, parameters: dict, facts: dict[str, str]) -> dict:
    # Players read the number at the end of the name and may take % for a place to put one.
    stem = re.sub(r"[%\\/]", "_", folder.resolve().name) or "frames"
    digits = max(_DIGITS, len(str(frames.count)))
    return {
        "format": "avatar3d sequence",
        "schema": SCHEMA,
        "kind": kind,
        "pattern": f"{stem}_%0{digits}d{suffix}",
        "first": 1,
        "count": frames.count,
        "fps": float(frames.fps),
        "fps_fraction": [frames.fps.numerator, frames.fps.denominator],
        "seconds": frames.duration,
        "gaussians": frames.num_gaussians,
        "sound": f"{stem}.wav" if frames.sound is not None else None,
        "parameters": parameters,
        "provenance": facts,
        "export": frames.fingerprint(f"{kind} {json.dumps(parameters, sort_keys=True)} {json.dumps(facts, sort_keys=True)}"),
        "complete": False,
    }


def _prepare(folder: Path, manifest: dict, names: set[str]) -> list[str]:
    """Make the folder ready: leave what belongs to this export, remove what an unfinished one left, refuse anything else."""
    check_output(folder)
    try:
        folder.mkdir(exist_ok=True)
        present = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise UserError(f"{folder}: cannot be made a folder ({(error.strerror or str(error)).lower()}); choose another name") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"{folder}: is not writable; choose another name")
    ours, same, finished = names | {MANIFEST, manifest["sound"]}, False, False
    if MANIFEST in present:
        earlier = read_manifest(folder)
        shape = re.compile(re.sub(r"%0\dd", r"\\d+", re.escape(earlier["pattern"]).replace("\\%", "%")))
        ours |= {name for name in present if shape.fullmatch(name)} | {earlier.get("sound")}
        same = earlier.get("export") == manifest["export"] and earlier["pattern"] == manifest["pattern"]
        finished = bool(earlier.get("complete")) and not same
    ours |= {f".{name}.part" for name in ours}
    strange = sorted(present - ours)
    if strange or (present and MANIFEST not in present):
        raise UserError(f"{folder}: holds other files ({(strange or sorted(present))[0]}); choose a new folder")
    if finished:
        # It would be lost before the new one is whole, which a full disk may prevent.
        raise UserError(f"{folder}: holds another finished export; delete it, or choose a new folder")
    stale = sorted(name for name in present if name != MANIFEST and not (same and name in names))
    for name in stale:
        (folder / name).unlink()
    return [] if same or not stale else [f"{len(stale)} files of another export, which was not finished, are replaced"]


def _write_manifest(folder: Path, manifest: dict) -> None:
    write_whole(folder / MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())


def write_ply_sequence(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a PLY for each frame; see `formats.Writer`."""
    comments = ascii_lines(frames.facts())

    def make(index: int) -> bytes:
        return ply_bytes(frames.gaussians(index), degree=options.sh_degree, normals=options.normals, comments=comments)

    parameters = {"sh_degree": options.sh_degree, "normals": options.normals}
    return _write_gaussians(frames, path, ".ply", make, read_ply, parameters, progress)


def write_splat_sequence(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a .splat for each frame; see `formats.Writer`."""
    return _write_gaussians(frames, path, ".splat", lambda index: splat_bytes(frames.gaussians(index)), read_splat, {}, progress)


def write_spz_sequence(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write an SPZ for each frame; see `formats.Writer`."""
    facts = frames.facts()

    def make(index: int) -> bytes:
        return spz_bytes(frames.gaussians(index), version=options.spz_version, facts=facts)

    parameters = {"spz_version": options.spz_version}
    return _write_gaussians(frames, path, ".spz", make, read_spz, parameters, progress)


def _write_gaussians(
    frames: Frames,
    path: Path,
    suffix: str,
    make: Callable[[int], bytes],
    reader: Callable[[bytes, str], Splats],
    parameters: dict,
    progress: Progress,
) -> str:
    """A sequence of files of Gaussians."""

    def read(file: Path) -> None:
        if reader(read_whole(file), str(file)).gaussians.position.shape[0] != frames.num_gaussians:
            raise UserError(f"{file}: is not this frame")

    told = f"frames of {frames.num_gaussians} Gaussians"
    kind = f"{suffix[1:]}-seq"
    return write_sequence(frames, path, suffix, make, read, kind=kind, told=told, parameters=parameters, facts=frames.facts(), progress=progress)
