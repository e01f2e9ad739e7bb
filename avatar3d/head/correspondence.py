"""Which points of two heads are the same: landmarks, the face where both have one texture, the rings of lips and lids."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from avatar3d.errors import UserError
from avatar3d.head.model import NUM_FACE_LANDMARKS, HeadModel
from avatar3d.head.register import closest_on_mesh
from avatar3d.head.similarity import fit_similarity

FINE = ("lips", "left_eyelid", "right_eyelid")
FINE_WEIGHT = 3.0
GAP_WEIGHT = 10.0
"""Of the distance between two lips or lids against one point's place: it decides what touches."""
RINGS = (
    ("lip_inner_upper", "lip_inner_lower"), ("left_lid_upper", "left_lid_lower"), ("right_lid_upper", "right_lid_lower"),
)  # fmt: skip
LANDMARK_PAIRS = (
    ((13, 14), (82, 87), (81, 178), (80, 88), (312, 317), (311, 402), (310, 318)),
    ((386, 374), (385, 380), (387, 373), (384, 381), (388, 390)), ((159, 145), (158, 153), (160, 144), (157, 154), (161, 163)),
)  # fmt: skip
"""MediaPipe's upper and lower landmarks of the inner lips and the lids, for heads whose rings do not correspond."""
SAME_TEXTURE = 2e-3
"""Heads whose landmarks lie this close in the texture (median) share its layout, and points this close are the same point."""
STRAY = 2e-3
"""Metres that a point may lie off where its neighbours' displacements put it."""


@dataclass(frozen=True)
class SurfacePoints:
    """N points on one head's surface, in the order of the other head's."""

    corners: np.ndarray
    """[N, 3] vertices."""
    bary: np.ndarray
    """[N, 3]."""

    def of(self, values: np.ndarray) -> np.ndarray:
        """Vertex values [V, ...] at the points [N, ...]."""
        return np.einsum("nk,nk...->n...", self.bary, values[self.corners])


@dataclass(frozen=True)
class Compared:
    """What is compared of the points' displacements: their places, and the gaps between lips or lids."""

    weight: np.ndarray
    """[N] square roots; the squares sum to one."""
    upper: np.ndarray
    """[G] points of upper lips and lids."""
    lower: np.ndarray
    """[G] those below them."""
    gap_weight: np.ndarray
    """[G] square roots."""

    def of(self, moved: np.ndarray, stretch: np.ndarray | float = 1.0) -> np.ndarray:
        """Rows [3 (N + G), ...] of displacements [N, 3, ...]; gaps are multiplied by `stretch`, one number or [G]."""
        extend = (...,) + (None,) * (moved.ndim - 1)
        gaps = (moved[self.upper] - moved[self.lower]) * (self.gap_weight * stretch)[extend]
        rows = np.concatenate([moved * self.weight[extend], gaps])
        return rows.reshape(-1, *moved.shape[2:])


def correspondence(source: HeadModel, target: HeadModel) -> tuple[SurfacePoints, SurfacePoints, Compared]:
    """The same points on both heads, and how their displacements are compared.

    Heads that are completed from the embedded one have its texture and its rings; between any others only the landmarks are known.

    Raises:
        UserError: a head has no landmarks, or the two share too few.
    """
    for head in (source, target):
        if head.landmarks is None:
            raise UserError(f"head {head.name} ({head.fingerprint}): has no landmarks to compare it by; give a head that has them")
    assert source.landmarks is not None and target.landmarks is not None
    # The irises go with the eyes' joints.
    common, rows, columns = np.intersect1d(source.landmarks.index, target.landmarks.index, return_indices=True)
    face = common < NUM_FACE_LANDMARKS
    rows, columns, common = rows[face], columns[face], common[face]
    if len(common) < 60:
        raise UserError(f"heads {source.name} and {target.name}: share {len(common)} landmarks, 60 are needed; give heads with MediaPipe's landmarks")
    ours = [(source.faces.numpy()[source.landmarks.face[rows]], source.landmarks.bary[rows])]
    theirs = [(target.faces.numpy()[target.landmarks.face[columns]], target.landmarks.bary[columns])]
    alike = _share_texture(source, target, rows, columns)
    if alike:
        near, there = _by_texture(source, target)
        ours.append(near)
        theirs.append(there)
    pairs: list[tuple[int, int]] = []
    place = {int(index): row for row, index in enumerate(common)}
    count = sum(len(corners) for corners, _ in ours)
    for (upper, lower), landmarks in zip(RINGS, LANDMARK_PAIRS, strict=True):
        if alike and all(len(source.regions.get(ring, ())) == len(target.regions.get(ring, ())) > 0 for ring in (upper, lower)):
            for head, parts in ((source, ours), (target, theirs)):
                ring = np.concatenate([head.regions[upper], head.regions[lower]])
                parts.append((np.repeat(ring[:, None], 3, axis=1), np.tile([1.0, 0.0, 0.0], (len(ring), 1))))
            size = len(source.regions[upper])
            x = [source.template[source.regions[ring], 0].numpy() for ring in (upper, lower)]
            below = abs(x[0][:, None] - x[1]).argmin(1)
            pairs += [(count + index, count + size + int(under)) for index, under in enumerate(below)]
            count += size + len(x[1])
        else:
            pairs += [(place[above], place[below]) for above, below in landmarks if above in place and below in place]
    points = [SurfacePoints(*(np.concatenate(part) for part in zip(*parts, strict=True))) for parts in (ours, theirs)]
    fine = np.zeros(source.num_vertices, bool)
    for name in FINE:
        fine[source.regions.get(name, np.zeros(0, np.int64))] = True
    weight = np.where(fine[points[0].corners].any(axis=1), FINE_WEIGHT, 1.0)
    upper, lower = np.array(pairs, np.int64).reshape(-1, 2).T
    compared = Compared(np.sqrt(weight / weight.sum()), upper, lower, np.full(len(pairs), np.sqrt(GAP_WEIGHT / weight.sum())))
    return points[0], points[0] if source.fingerprint == target.fingerprint else points[1], compared


def _share_texture(source: HeadModel, target: HeadModel, rows: np.ndarray, columns: np.ndarray) -> bool:
    """Whether the landmarks lie at the same places of the two heads' textures."""
    places = []
    for head, chosen in ((source, rows), (target, columns)):
        assert head.landmarks is not None
        places.append((head.uv[head.landmarks.face[chosen]] * head.landmarks.bary[chosen][..., None]).sum(1))
    # A head without texture coordinates has them all at one place.
    return float(np.median(np.linalg.norm(places[0] - places[1], axis=1))) < SAME_TEXTURE and float(np.ptp(places[0])) > 0.05


def _by_texture(source: HeadModel, target: HeadModel):
    """The source's face vertices, and the points of the target's face at the same texture coordinates, as corners and barycentrics."""
    face = np.concatenate([source.regions.get(name, np.zeros(0, np.int64)) for name in ("face", *FINE)])
    wanted = np.flatnonzero(np.isin(source.faces.numpy(), face).all(axis=1))
    corners = source.faces.numpy()[wanted].ravel()
    vertices, first = np.unique(corners, return_index=True)
    flat = np.pad(source.uv[wanted].reshape(-1, 2)[first].astype(np.float64), ((0, 0), (0, 1)))
    skin = np.concatenate([target.regions.get(name, np.zeros(0, np.int64)) for name in ("face", *FINE)])
    carrying = np.flatnonzero(np.isin(target.faces.numpy(), skin).all(axis=1))
    sheet = np.pad(target.uv[carrying].reshape(-1, 2).astype(np.float64), ((0, 0), (0, 1)))
    near, bary = closest_on_mesh(flat, sheet, np.arange(len(sheet)).reshape(-1, 3))
    found = (sheet.reshape(-1, 3, 3)[near] * bary[..., None]).sum(1)
    there = (target.template.numpy().astype(np.float64)[target.faces.numpy()[carrying[near]]] * bary[..., None]).sum(1)
    good = (np.linalg.norm(found - flat, axis=1) < SAME_TEXTURE) & _in_company(source.template.numpy().astype(np.float64)[vertices], there)
    own = np.repeat(vertices[good, None], 3, axis=1), np.tile([1.0, 0.0, 0.0], (int(good.sum()), 1))
    return own, (target.faces.numpy()[carrying[near[good]]], bary[good])


def _in_company(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """[N] whether a point [N, 3] went where its neighbours went: where triangles overlap in the texture, some land on the wrong one."""
    R, t, s = fit_similarity(before, after)
    strayed = after - (s * before @ R.T + t)
    _, near = KDTree(before).query(before, k=min(12, len(before)))
    return np.linalg.norm(strayed - np.median(strayed[near], axis=1), axis=1) < STRAY
