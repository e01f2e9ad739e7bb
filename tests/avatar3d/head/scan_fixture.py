"""Scans made from the embedded head: another identity, bent smoothly, remeshed, turned, in another unit. No person is shown."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from avatar3d.head.register import skin_faces
from avatar3d.head.store import load_head
from tests.avatar3d.head.flame_fixture import swelling


@dataclass(frozen=True)
class MadeScan:
    """A scan and what it was made from."""

    mesh: trimesh.Trimesh
    """In its own unit and axes."""
    truth: np.ndarray
    """[V, 3] where the embedded head's vertices lie, metres, in the embedded head's axes."""
    to_scan: np.ndarray
    """[3, 3] and `shift`, in the scan's unit, and `per_metre`: scan = per_metre * truth @ to_scan.T + shift."""
    shift: np.ndarray
    per_metre: float


def make_scan(seed: int = 0, per_metre: float = 1000.0, turn: np.ndarray | None = None, cut: float | None = None) -> MadeScan:
    """A scan of the skin with the eyeballs' fronts.

    Args:
        seed: of identity and bend.
        per_metre: the unit.
        turn: rotation vector of the scan's axes.
        cut: height in metres below, and depth behind which nothing was scanned; default all of the bust is there.
    """
    random = np.random.default_rng(seed)
    head = load_head()
    truth = head.template.numpy() + head.shape_basis.numpy() @ (0.7 * random.standard_normal(head.num_shape)).astype(np.float32)
    anchors = truth.astype(np.float64)
    for eye in ("left_eye", "right_eye"):
        anchors[head.regions[eye]] = truth[head.regions[eye]].mean(0)
    truth = 1.05 * (truth + swelling(random)(anchors))
    faces = head.faces.numpy()
    eyes = np.isin(faces, np.concatenate([head.regions[name] for name in ("left_eye", "right_eye")])).all(axis=1)
    kept = np.union1d(skin_faces(head), np.flatnonzero(eyes))
    mesh = trimesh.Trimesh(truth, faces[kept], process=False)
    mesh.remove_unreferenced_vertices()
    vertices, triangles = trimesh.remesh.subdivide_to_size(mesh.vertices, mesh.faces, 0.004)
    vertices, triangles = _shuffled(vertices + random.normal(0, 5e-5, vertices.shape), triangles, random)
    if cut is not None:
        triangles = triangles[((vertices[triangles, 1] > -0.13) & (vertices[triangles, 2] > cut)).all(axis=1)]
    rotation = Rotation.from_rotvec(np.zeros(3) if turn is None else turn).as_matrix()
    shift = per_metre * np.array([0.3, 1.5, -0.2])
    mesh = trimesh.Trimesh(per_metre * vertices @ rotation.T + shift, triangles, process=False)
    mesh.remove_unreferenced_vertices()
    return MadeScan(mesh, truth, rotation, shift, per_metre)


def write_scan(path: Path, made: MadeScan) -> Path:
    """The scan as a file of the suffix's format."""
    made.mesh.export(path)
    return path


def _shuffled(vertices: np.ndarray, faces: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    order = random.permutation(len(vertices))
    return vertices[order], np.argsort(order)[faces]


def landmarks_of(made: MadeScan, seed: int = 0) -> dict[str, list[float]]:
    """Every third of MediaPipe's landmarks in the scan's coordinates, a millimetre off, as the JSON file has them."""
    head = load_head()
    assert head.landmarks is not None
    rows = np.flatnonzero((head.landmarks.index < 468) & (head.landmarks.index % 3 == 0))
    points = (made.truth[head.faces.numpy()[head.landmarks.face[rows]]] * head.landmarks.bary[rows][..., None]).sum(1)
    points += np.random.default_rng(seed).normal(0, 6e-4, points.shape)
    points = made.per_metre * points @ made.to_scan.T + made.shift
    return {str(index): point for index, point in zip(head.landmarks.index[rows].tolist(), points.tolist(), strict=True)}
