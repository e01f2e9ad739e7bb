"""An independent reader of splat files."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from avatar3d.gaussians import Gaussians
from tests.npm import npm_package


@pytest.fixture(scope="session")
def splat_transform() -> Callable[[Path], Gaussians]:
    """PlayCanvas's converter: any file as PLY, which plyfile then reads."""
    program = npm_package("@playcanvas/splat-transform", "2.7.1") / "bin" / "cli.mjs"

    def read(path: Path) -> Gaussians:
        made = path.with_suffix(".made.ply")
        done = subprocess.run(["node", str(program), "-w", str(path), str(made)], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0 and made.is_file(), done.stdout + done.stderr
        return read_with_plyfile(made)

    return read


def read_with_plyfile(path: Path) -> Gaussians:
    """A PLY by the package plyfile."""
    plyfile = pytest.importorskip("plyfile")
    rows = plyfile.PlyData.read(str(path))["vertex"].data
    names = rows.dtype.names
    rest = [name for name in names if name.startswith("f_rest_")]

    def columns(wanted: list[str]) -> np.ndarray:
        return np.stack([rows[name] for name in wanted], axis=1).astype(np.float32)

    colour = columns([f"f_dc_{i}" for i in range(3)])[:, None]
    more = columns([f"f_rest_{i}" for i in range(len(rest))]).reshape(len(rows), 3, -1).transpose(0, 2, 1) if rest else colour[:, :0]
    arrays = {
        "position": columns(["x", "y", "z"]),
        "rotation": columns([f"rot_{i}" for i in range(4)]),
        "log_scale": columns([f"scale_{i}" for i in range(3)]),
        "opacity_logit": rows["opacity"].astype(np.float32),
        "sh": np.concatenate([colour, more], axis=1),
    }
    return Gaussians(**{name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items()})
