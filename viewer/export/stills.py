"""One moment of an avatar as a file of Gaussians."""

import json
from pathlib import Path

from avatar3d.files import atomic_path
from avatar3d.progress import Progress
from viewer.export.frames import Frames
from viewer.export.options import FormatOptions
from viewer.export.ply import ply_bytes
from viewer.export.provenance import ascii_lines
from viewer.export.splat import facts_path, splat_bytes
from viewer.export.spz import spz_bytes


def write_ply(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write the first frame as PLY; see `formats.Writer`."""
    comments = ascii_lines(frames.facts())
    return _write(frames, path, ply_bytes(frames.gaussians(0), degree=options.sh_degree, normals=options.normals, comments=comments))


def write_splat(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write the first frame as .splat, and what it is beside it; see `formats.Writer`."""
    told = _write(frames, path, splat_bytes(frames.gaussians(0)))
    if path.is_file():
        with atomic_path(facts_path(path)) as temporary:
            temporary.write_text(json.dumps(frames.facts(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return told


def write_spz(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write the first frame as SPZ; see `formats.Writer`."""
    return _write(frames, path, spz_bytes(frames.gaussians(0), version=options.spz_version, facts=frames.facts()))


def _write(frames: Frames, path: Path, data: bytes) -> str:
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return f"{path}: {frames.num_gaussians} Gaussians, {len(data) / 1e6:.2f} MB\nnext: avatar3d check {path}"
