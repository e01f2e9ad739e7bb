"""Registration: the embedded head is bent onto another head, so that what it knows can be handed over.

First a similarity from the eyes, then the identity that fits best, then a smooth displacement (non-rigid ICP with a Laplacian
regulariser that is relaxed step by step, after Amberg et al. 2007). Landmarks, where known on both heads, guide all three.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu
from scipy.spatial import KDTree
from trimesh.triangles import closest_point, points_to_barycentric

from avatar3d.head.model import LEFT_EYE, RIGHT_EYE, HeadModel
from avatar3d.head.similarity import fit_similarity
from avatar3d.render.mesh import vertex_normals

SKIN = ("face", "lips", "nose", "ears", "scalp", "neck", "shoulders", "left_eyelid", "right_eyelid")
INNER = ("upper_teeth", "lower_teeth", "tongue", "mouth_interior", "eye_sockets")
STIFFNESS = (30.0, 10.0, 3.0, 1.0, 0.5, 0.3)
"""Weight of the Laplacian term in the successive rounds."""
GUIDE_WEIGHT = 1.0
"""Of a landmark against a vertex in the stiffest round; it falls with the stiffness, because detections are good to a millimetre or two."""

TIE = 10.0
"""Of a tied pair against a vertex."""


@dataclass(frozen=True)
class Registration:
    """The source head in the target's place and shape."""

    vertices: np.ndarray
    """[V, 3] all source vertices, the inner ones carried along by the similarity and the identity."""
    rotation: np.ndarray
    """[3, 3], with `scale` and `translation` the similarity that came first."""
    scale: float
    translation: np.ndarray
    identity: np.ndarray
    """[S] coefficients of the source that came next."""
    lip_shift: np.ndarray
    """[3] how far the smooth displacement moved the lips: the inside of the mouth goes with them."""
    residual: float
    """Median distance in metres of the source's face from the target's surface."""


def closest_on_mesh(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, candidates: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Nearest face [N] and barycentric coordinates [N, 3] on it for each point [N, 3].

    Only the `candidates` faces with the nearest centres are looked at, which is exact unless triangles differ much in size.
    """
    count = min(candidates, len(faces))
    triangles = vertices[faces]
    centres = triangles.mean(1)
    distance, near = KDTree(centres).query(points, k=count)
    distance, near = (np.asarray(a).reshape(len(points), count) for a in (distance, near))
    # A face no corner of which reaches as near as the nearest centre lies cannot be the one.
    reach = np.linalg.norm(triangles - centres[:, None], axis=2).max(1)
    row, column = np.nonzero(distance - reach[near] <= distance[:, :1])
    on_face = closest_point(triangles[near[row, column]], points[row])
    squared = np.full(near.shape, np.inf)
    squared[row, column] = ((on_face - points[row]) ** 2).sum(1)
    best = squared.argmin(1)
    place = np.zeros(near.shape, np.int64)
    place[row, column] = np.arange(len(row))
    rows = np.arange(len(points))
    face, nearest = near[rows, best], on_face[place[rows, best]]
    with np.errstate(divide="ignore", invalid="ignore"):  # A triangle without area has no barycentrics; its middle will do.
        bary = points_to_barycentric(triangles[face], nearest)
    bary = np.clip(np.nan_to_num(bary, nan=1 / 3), 0, 1)
    return face, bary / bary.sum(1, keepdims=True)


def skin_faces(head: HeadModel) -> np.ndarray:
    """Indices of the faces that lie on the outer skin."""
    vertices = np.unique(np.concatenate([head.regions[name] for name in SKIN if name in head.regions]))
    return np.flatnonzero(np.isin(head.faces.numpy(), vertices).all(axis=1))


def outer_faces(head: HeadModel) -> np.ndarray:
    """Indices of the faces of a bare rig's skin: all but the eyeballs' and those of the inner parts that it names."""
    inner = (head.skin_weights[:, [LEFT_EYE, RIGHT_EYE]].sum(1) > 0.5).numpy()
    for name in INNER:
        inner[head.regions.get(name, np.zeros(0, np.int64))] = True
    return np.flatnonzero(~inner[head.faces.numpy()].any(axis=1))


def rim(faces: np.ndarray) -> np.ndarray:
    """Vertices on edges that belong to one face only."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, times = np.unique(edges, axis=0, return_counts=True)
    return np.unique(unique[times == 1])


def register(source: HeadModel, target: HeadModel, guides: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None) -> Registration:
    """Bend `source`, which has regions, onto `target`, a bare FLAME rig in the same axes.

    Args:
        source: the embedded head.
        target: the head to meet.
        guides: source face indices [L], barycentrics [L, 3] and the target's points [L, 3] of landmarks known on both.
    """
    eyes = [head.joint_template[[LEFT_EYE, RIGHT_EYE]].numpy().astype(np.float64) for head in (source, target)]
    s = float(np.linalg.norm(eyes[1][0] - eyes[1][1]) / np.linalg.norm(eyes[0][0] - eyes[0][1]))
    vertices, faces = target.template.numpy().astype(np.float64), target.faces.numpy()[outer_faces(target)]
    return register_surface(source, vertices, faces, (np.eye(3), eyes[1].mean(0) - s * eyes[0].mean(0), s), guides)


def register_surface(
    source: HeadModel,
    vertices: np.ndarray,
    faces: np.ndarray,
    start: tuple[np.ndarray, np.ndarray, float],
    guides: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    hold: float = 1e-6,
    ties: np.ndarray | None = None,
) -> Registration:
    """Bend `source` onto a surface.

    Args:
        source: the embedded head.
        vertices: [W, 3] of the surface.
        faces: [G, 3], skin alone.
        start: rotation, translation and scale that bring the source near it.
        guides: as in `register`.
        hold: how much a vertex that meets nothing keeps its place; on a surface that lacks the back of a head the bend would run away.
        ties: [K, 2] source vertices that come to lie at one place, for instance of closed lips.
    """
    goal = _Surface(vertices, faces)
    faces = source.faces.numpy()[skin_faces(source)]
    skin = np.unique(faces)
    template, basis = source.template.numpy().astype(np.float64), source.shape_basis.numpy().astype(np.float64)
    corners, bary, points = _guide_rows(source, guides)
    R, t, s = start
    # The neck and the shoulders of two models end at different heights and stand differently: the skull decides the pose.
    skull = np.intersect1d(skin, np.concatenate([source.regions[name] for name in ("face", "ears", "scalp")]))
    shape, z = template, np.zeros(basis.shape[2])
    for step in range(32):
        moved = s * shape @ R.T + t
        nearest, normals, weight = goal.match(moved, skull, faces)
        pairs = [shape[skull[weight > 0]], (shape[corners] * bary[..., None]).sum(1)]
        onto = [nearest[weight > 0], points]
        R, t, s = fit_similarity(np.concatenate(pairs), np.concatenate(onto))
        if step >= 8:
            z = _fit_identity(template, basis, skull, (nearest - t) @ R / s, normals @ R, weight, (corners, bary, (points - t) @ R / s))
            shape = template + basis @ z
    before = s * shape @ R.T + t
    fitted = _bend(before, faces, skin, goal, (corners, bary, points), hold, ties)
    nearest, _, weight = goal.match(fitted, np.intersect1d(skin, source.regions["face"]), faces)
    distance = np.linalg.norm(fitted[np.intersect1d(skin, source.regions["face"])] - nearest, axis=1)
    lip_shift = (fitted - before)[source.regions["lips"]].mean(0)
    return Registration(fitted, R, s, t, z, lip_shift, float(np.median(distance[weight > 0])))


def _guide_rows(source: HeadModel, guides) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if guides is None:
        return np.zeros((0, 3), np.int64), np.zeros((0, 3)), np.zeros((0, 3))
    face, bary, points = guides
    return source.faces.numpy()[face], np.asarray(bary, np.float64), np.asarray(points, np.float64)


class _Surface:
    """The target's skin, asked for closest points many times."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self.vertices, self.faces = vertices, faces
        self.normals = vertex_normals(vertices, faces)
        self.on_rim = np.zeros(len(vertices), bool)
        self.on_rim[rim(faces)] = True

    def match(self, moved: np.ndarray, chosen: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Closest points [N, 3] of the chosen vertices, the normals [N, 3] there and weights [N], 0 where the match is not to be believed."""
        points, normals = moved[chosen], vertex_normals(moved, faces)[chosen]
        face, bary = closest_on_mesh(points, self.vertices, self.faces, candidates=16)
        corners = self.faces[face]
        nearest = (self.vertices[corners] * bary[..., None]).sum(1)
        there = (self.normals[corners] * bary[..., None]).sum(1)
        there /= np.maximum(np.linalg.norm(there, axis=1, keepdims=True), 1e-9)
        alike = (normals * there).sum(1)
        distance = np.linalg.norm(points - nearest, axis=1)
        at_rim = self.on_rim[corners[np.arange(len(corners)), bary.argmax(1)]]
        far = distance > max(3 * float(np.median(distance)), 0.004)
        return nearest, there, np.where((alike < 0.5) | far | (at_rim & (distance > 0.003)), 0.0, 1.0)


def _fit_identity(template, basis, rows, goals, normals, weight, guides) -> np.ndarray:
    """Identity coefficients [S] by ridge regression: one standard deviation costs as much as 1 mm on every vertex.

    Distances count along the goal's normals, and a tenth of them in all directions: a surface may slide along itself.
    """
    corners, bary, points = guides
    root = np.sqrt(weight)
    rest, modes = goals - template[rows], basis[rows]
    A = [np.einsum("nc,ncs->ns", normals, modes) * root[:, None], (0.3 * root[:, None, None] * modes).reshape(-1, basis.shape[2])]
    b = [(normals * rest).sum(1) * root, (0.3 * root[:, None] * rest).ravel()]
    if len(corners):
        share = np.sqrt(len(rows) / (4 * len(corners)))
        A.append(share * (basis[corners] * bary[..., None, None]).sum(1).reshape(-1, basis.shape[2]))
        b.append(share * (points - (template[corners] * bary[..., None]).sum(1)).ravel())
    A, b = np.concatenate(A), np.concatenate(b)
    return np.linalg.solve(A.T @ A + len(rows) * 1e-6 * np.eye(A.shape[1]), A.T @ b)


def _bend(start: np.ndarray, faces: np.ndarray, skin: np.ndarray, goal: _Surface, guides, hold: float, ties: np.ndarray | None) -> np.ndarray:
    """Displace the skin smoothly onto the goal; the other vertices keep their place."""
    corners, bary, points = guides
    local = np.full(len(start), -1)
    local[skin] = np.arange(len(skin))
    laplacian = uniform_laplacian(local[faces], len(skin))
    smooth = (laplacian.T @ laplacian).tocsc()
    fitted = start.copy()
    known = np.isin(corners, skin).all(axis=1)
    corners, bary, points = corners[known], bary[known], points[known]
    rows = np.repeat(np.arange(len(corners)), 3)
    pick = sp.csr_matrix((bary.ravel(), (rows, local[corners].ravel())), (len(corners), len(skin)))
    apart = _differences(local[ties] if ties is not None else np.zeros((0, 2), np.int64), len(skin))
    tied = TIE * (apart.T @ apart)
    for stiffness in STIFFNESS:
        for _ in range(3):
            nearest, _, weight = goal.match(fitted, skin, faces)
            guide = GUIDE_WEIGHT * stiffness / STIFFNESS[0]
            system = sp.diags(weight) + stiffness * smooth + guide * (pick.T @ pick) + tied + sp.diags(np.where(weight > 0, 1e-6, hold))
            push = weight[:, None] * (nearest - start[skin]) + guide * (pick.T @ (points - pick @ start[skin])) - tied @ start[skin]
            fitted[skin] = start[skin] + splu(system.tocsc()).solve(push)
    return fitted


def _differences(pairs: np.ndarray, count: int) -> Any:
    """[K, count]: the first of each pair [K, 2] minus the second."""
    rows = np.repeat(np.arange(len(pairs)), 2)
    return sp.csr_matrix((np.tile([1.0, -1.0], len(pairs)), (rows, pairs.ravel())), (len(pairs), count))


def adjacency_of(faces: np.ndarray, count: int) -> Any:
    """[count, count] sparse, 1 where two vertices share an edge of a face [F, 3]."""
    a, b = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    adjacency = sp.coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), (count, count)).tocsr()
    adjacency.data[:] = 1
    return adjacency


def uniform_laplacian(faces: np.ndarray, count: int) -> Any:
    """I minus the mean over a vertex's neighbours."""
    adjacency = adjacency_of(faces, count)
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    return (sp.eye(count) - sp.diags(1 / degree) @ adjacency).tocsr()
