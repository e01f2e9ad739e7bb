"""Small mesh tools of the head's build: islands, loops, smooth fields, spheres, texture packing."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from avatar3d.head.register import adjacency_of


def face_labels(faces: np.ndarray, count: int) -> np.ndarray:
    """[F] number of the connected component that each face lies in."""
    a, b = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    _, labels = connected_components(sp.coo_matrix((np.ones(len(a)), (a, b)), (count, count)), directed=False)
    return labels[faces[:, 0]]


def laplacian(faces: np.ndarray, count: int) -> sp.csr_matrix:
    """Graph Laplacian of the mesh's edges."""
    adjacency = adjacency_of(faces, count)
    return (sp.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency).tocsr()


def rings(matrix: sp.csr_matrix, seeds: np.ndarray, steps: int) -> np.ndarray:
    """Vertices within `steps` edges of the seeds."""
    inside = np.zeros(matrix.shape[0], bool)
    inside[seeds] = True
    for _ in range(steps):
        inside |= (abs(matrix) @ inside) > 0
    return np.flatnonzero(inside)


def spread(matrix: sp.csr_matrix, handles: np.ndarray, values: np.ndarray, free: np.ndarray) -> np.ndarray:
    """A field [V, 3] with `values` at the handles, zero outside `free`, bi-harmonic (smooth) in between."""
    field = np.zeros((matrix.shape[0], values.shape[1]))
    field[handles] = values
    unknown = np.setdiff1d(free, handles)
    squared = (matrix @ matrix).tocsr()
    field[unknown] = spsolve(squared[unknown][:, unknown].tocsc(), -(squared[unknown] @ field)).reshape(len(unknown), -1)
    return field


def fit_sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre and radius, least squares."""
    system = np.c_[2 * points, np.ones(len(points))]
    solution = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


def triangulate(positions: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """[2Q, 3] corner numbers (0..3 within the quad, offset by 4 per quad), cut along the shorter diagonal."""
    corners = positions[quads]
    first = np.linalg.norm(corners[:, 0] - corners[:, 2], axis=1) <= np.linalg.norm(corners[:, 1] - corners[:, 3], axis=1)
    cut = np.where(first[:, None, None], [[0, 1, 2], [0, 2, 3]], [[0, 1, 3], [1, 2, 3]])
    return (cut + 4 * np.arange(len(quads))[:, None, None]).reshape(-1, 3)


def eyeball(segments: int, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A unit sphere with its poles on the z axis, the front one in the middle of the iris.

    Returns:
        directions [V, 3], faces [F, 3] seen from outside counter-clockwise, uv [F, 3, 2] on a disc around (0.5, 0.5).
    """
    turn = np.arange(segments) * 2 * np.pi / segments
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    directions = [[0.0, 0.0, 1.0]]
    for angle in angles:
        directions += [[np.sin(angle) * c, np.sin(angle) * s, np.cos(angle)] for c, s in ring]
    directions.append([0.0, 0.0, -1.0])
    last = len(directions) - 1
    faces = []
    for k in range(segments):
        n = (k + 1) % segments
        faces.append([0, 1 + k, 1 + n])
        for row in range(len(angles) - 1):
            a, b = 1 + row * segments, 1 + (row + 1) * segments
            faces += [[a + k, b + k, b + n], [a + k, b + n, a + n]]
        back = 1 + (len(angles) - 1) * segments
        faces.append([back + k, last, back + n])
    unit = np.array(directions)
    polar = np.arccos(np.clip(unit[:, 2], -1, 1)) / np.pi
    heading = unit[:, :2] / np.maximum(np.linalg.norm(unit[:, :2], axis=1, keepdims=True), 1e-9)
    triangles = np.array(faces)
    corners = 0.5 * polar[triangles][..., None] * heading[triangles]
    # The back pole is the whole rim of the disc: each triangle there takes the rim beside its other two corners.
    behind = triangles == last
    rim = (heading[triangles] * ~behind[..., None]).sum(1)
    rim = 0.5 * rim / np.linalg.norm(rim, axis=1, keepdims=True)
    return unit, triangles, 0.5 + np.where(behind[..., None], rim[:, None], corners)


def place(uv: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Texture coordinates moved into (left, bottom, width, height), proportions kept."""
    low, high = uv.reshape(-1, 2).min(0), uv.reshape(-1, 2).max(0)
    scale = min(box[2] / (high[0] - low[0]), box[3] / (high[1] - low[1]))
    return (uv - low) * scale + box[:2]
