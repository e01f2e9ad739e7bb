"""The vertices and polygons of Wavefront OBJ files in the files' own order, which readers made for drawing do not keep."""

import itertools
from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from avatar3d.files import read_bounded

MAX_BYTES = 64 << 20
"""A file larger than this is refused."""


def obj_vertices(path: Path) -> np.ndarray:
    """[V, 3] float64 of the `v` lines, in their order.

    Raises:
        UserError: not readable, too large, or not an OBJ.
    """
    return _vertices(path, _lines(path))


def obj_mesh(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] and triangles [F, 3]: polygons are cut into fans about their first corner.

    Raises:
        UserError: as `obj_vertices`, or faces that name vertices which do not exist.
    """
    lines = _lines(path)
    vertices = _vertices(path, lines)
    triangles = []
    try:
        for line in lines:
            if line.startswith(b"f "):
                corners = [int(word.split(b"/", 1)[0]) for word in line.split()[1:]]
                triangles += [(corners[0], b, c) for b, c in itertools.pairwise(corners[1:])]
        faces = np.array(triangles, np.int64).reshape(-1, 3)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path}: has a face that is not made of numbers; get the file again") from error
    # Vertices count from one; negative numbers count back from the last.
    faces = np.where(faces < 0, faces + len(vertices), faces - 1)
    if not len(faces) or faces.min() < 0 or faces.max() >= len(vertices):
        raise UserError(f"{path}: has no faces, or faces that name vertices which do not exist; get the file again")
    return vertices, faces


def _lines(path: Path) -> list[bytes]:
    return read_bounded(path, MAX_BYTES, "get the file again").splitlines()


def _vertices(path: Path, lines: list[bytes]) -> np.ndarray:
    found = [line for line in lines if line.startswith(b"v ")]
    try:
        vertices = np.loadtxt(found, usecols=(1, 2, 3), ndmin=2) if found else np.zeros((0, 3))
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}: has a vertex that is not three numbers; get the file again") from error
    if not len(vertices) or not np.isfinite(vertices).all():
        raise UserError(f"{path}: has no vertices, or some that are not numbers; get the file again")
    return vertices
