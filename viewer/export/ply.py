"""PLY as INRIA's 3D Gaussian splatting writes it: what most programs read.

One element `vertex`, binary little-endian float32: x y z, optionally nx ny nz (zeros), f_dc_0..2, f_rest_0.. (harmonics above degree 0, all of red,
then green, then blue), opacity (logit), scale_0..2 (natural logarithm), rot_0..3 (w, x, y, z). With normals and degree 3 that is 62 floats.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from avatar3d.files import atomic_path
from avatar3d.gaussians import Gaussians
from avatar3d.progress import Progress
from viewer.export.frames import Frames
from viewer.export.options import FormatOptions
from viewer.export.provenance import provenance


def ply_names(degree: int, normals: bool) -> list[str]:
    """Names of the properties, in order."""
    rest = 3 * ((degree + 1) ** 2 - 1)
    return [
        *("x", "y", "z"), *(("nx", "ny", "nz") if normals else ()), *(f"f_dc_{i}" for i in range(3)), *(f"f_rest_{i}" for i in range(rest)),
        "opacity", *(f"scale_{i}" for i in range(3)), *(f"rot_{i}" for i in range(4)),
    ]  # fmt: skip


def ply_bytes(gaussians: Gaussians, *, degree: int = 3, normals: bool = True, comments: Sequence[str] = ()) -> bytes:
    """The file.

    Args:
        gaussians: in the file's axes.
        degree: of the harmonics written; missing ones are zero.
        normals: write zeros for them.
        comments: lines of ASCII for the header.
    """
    names = ply_names(degree, normals)
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments), f"element vertex {len(gaussians)}"]
    header = "\n".join([*lines, *(f"property float {name}" for name in names), "end_header\n"])
    rows = np.zeros((len(gaussians), len(names)), "<f4")
    rows[:, :3] = gaussians.position
    first = names.index("f_dc_0")
    rows[:, first : first + 3] = gaussians.sh[:, 0]
    kept = min((degree + 1) ** 2, gaussians.sh.shape[1]) - 1
    if kept:
        # [N, bands, 3] becomes [N, 3, bands]: the file is channel by channel.
        rest = rows[:, first + 3 : first + 3 + 3 * ((degree + 1) ** 2 - 1)].reshape(len(gaussians), 3, -1)
        rest[:, :, :kept] = gaussians.sh[:, 1 : kept + 1].transpose(1, 2)
        rows[:, first + 3 : first + 3 + rest.shape[1] * rest.shape[2]] = rest.reshape(len(gaussians), -1)
    rows[:, -8] = gaussians.opacity_logit
    rows[:, -7:-4] = gaussians.log_scale
    rows[:, -4:] = gaussians.rotation
    return header.encode("ascii") + rows.tobytes()


def write_ply(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write the first frame; see `formats.Writer`."""
    comments = provenance(frames.avatar, "scene").ascii_lines()
    data = ply_bytes(frames.gaussians(0), degree=options.sh_degree, normals=options.normals, comments=comments)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return f"{path}: {len(frames.avatar)} Gaussians, {len(data) / 1e6:.1f} MB\nnext: avatar3d check {path}"
