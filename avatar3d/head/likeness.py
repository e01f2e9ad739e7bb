"""The embedded head in the shape of a scan: a head of its own with the embedded one's mesh, texture layout and expressions.

The registration gives the skin. The inside follows it, eyes and teeth staying rigid; expressions, identity modes and pose correctives
are scaled and turned with the skin's local frame, so that the same coefficients do the same.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu
from scipy.spatial import KDTree

from avatar3d.arkit import EXPR_INDEX, LID_NAMES
from avatar3d.head.correspondence import LANDMARK_PAIRS
from avatar3d.head.lids import close_lid
from avatar3d.head.model import LEFT_EYE, RIGHT_EYE, HeadModel, float_tensor, half_tensor
from avatar3d.head.mouth_interior import under_skin
from avatar3d.head.register import Registration, closest_on_mesh, register_surface, skin_faces, uniform_laplacian
from avatar3d.head.scan import Placement, Scan

HOLD = 0.01
"""Of skin that meets nothing of the scan."""
OPEN_MOUTH = 0.006
"""Metres between the inner lips' landmarks; detectors see two or three on a closed mouth."""
MARGIN = 0.06
"""Metres around the placed head within which the scan is looked at."""
FRAME_RINGS = 6
"""Rounds of averaging over neighbours that make local frames smooth."""
STRETCH = (0.7, 1.4)
"""Bounds of a local frame's scale against the whole head's."""
NEIGHBOURS = 200
"""Skin vertices that a joint moves with."""


@dataclass(frozen=True)
class Fit:
    """How well the embedded head meets the scan."""

    distance: np.ndarray
    """[N] metres from the face's vertices to the scan, of those that meet it."""
    missed: float
    """Share of the face's vertices that meet nothing of the scan."""
    scale: float
    """Size of the head against the embedded one."""
    scan: np.ndarray
    """[V, 3] the scan's vertices in the head's place and metres."""


def fit_likeness(source: HeadModel, scan: Scan, placement: Placement, per_metre: float, name: str, licence: str) -> tuple[HeadModel, Fit]:
    """A head like the scan.

    Args:
        source: the embedded head.
        scan: the mesh.
        placement: where the embedded head lies in it.
        per_metre: how many of the scan's units make a metre.
        name: of the head.
        licence: what is said of its rights.
    """
    vertices = (scan.vertices - placement.translation) @ placement.rotation / per_metre
    size = placement.scale / per_metre
    faces = _near(vertices, scan.faces, size * source.template.numpy().astype(np.float64))
    assert source.landmarks is not None
    row = {int(index): at for at, index in enumerate(source.landmarks.index)}
    rows = np.array([row[int(index)] for index in placement.index])
    points = (placement.points - placement.translation) @ placement.rotation / per_metre
    guides = (source.landmarks.face[rows], source.landmarks.bary[rows], points)
    registration = register_surface(source, vertices, faces, (np.eye(3), np.zeros(3), size), guides, HOLD, _closed_lips(source, placement, points))
    head = _embody(source, registration, name, licence)
    return head, _measure(source, registration, vertices, faces)


def _closed_lips(source: HeadModel, placement: Placement, points: np.ndarray) -> np.ndarray | None:
    """[K, 2] vertices of the lips' inner edges that touch on the embedded head; None where the scan's mouth is open."""
    at = dict(zip(placement.index.tolist(), points, strict=True))
    gaps = [np.linalg.norm(at[upper] - at[lower]) for upper, lower in LANDMARK_PAIRS[0] if upper in at and lower in at]
    if gaps and np.median(gaps) > OPEN_MOUTH:
        return None
    upper, lower = source.regions["lip_inner_upper"], source.regions["lip_inner_lower"]
    template = source.template.numpy()
    distance, near = (np.asarray(a) for a in KDTree(template[lower]).query(template[upper]))
    touching = (distance < 5e-4) & (upper != lower[near])
    return np.stack([upper[touching], lower[near[touching]]], axis=1)


def _near(vertices: np.ndarray, faces: np.ndarray, head: np.ndarray) -> np.ndarray:
    """The faces [G, 3] around the head: a body would only cost time."""
    centres = vertices[faces].mean(1)
    inside = ((centres > head.min(0) - MARGIN) & (centres < head.max(0) + MARGIN)).all(axis=1)
    return faces[inside]


def _measure(source: HeadModel, registration: Registration, vertices: np.ndarray, faces: np.ndarray) -> Fit:
    face = source.regions["face"]
    points = registration.vertices[face]
    near, bary = closest_on_mesh(points, vertices, faces)
    distance = np.linalg.norm((vertices[faces[near]] * bary[..., None]).sum(1) - points, axis=1)
    # Beyond this it is a hole in the scan, not an error of the fit.
    met = distance < 0.01
    return Fit(distance[met], float(1 - met.mean()), registration.scale, (vertices - registration.translation) @ registration.rotation)


def _embody(source: HeadModel, registration: Registration, name: str, licence: str) -> HeadModel:
    s, R, t = registration.scale, registration.rotation, registration.translation
    template, identity = source.template.numpy().astype(np.float64), registration.identity
    before = s * (template + source.shape_basis.numpy() @ identity)
    after = (registration.vertices - t) @ R
    faces = source.faces.numpy()
    skin = np.unique(faces[skin_faces(source)])
    push = after - before
    eyes = {side: _eye_shift(source, before, after, side, s) for side in ("left", "right")}
    lips = push[source.regions["lips"]].mean(0)
    goal = np.tile(lips, (len(push), 1))
    for side, shift in eyes.items():
        sign = 1 if side == "left" else -1
        sockets = source.regions["eye_sockets"]
        for region in (source.regions[f"{side}_eye"], sockets[sign * template[sockets, 0] > 0]):
            goal[region] = shift
    rigid = np.unique(np.concatenate([source.regions[part] for part in ("upper_teeth", "lower_teeth", "tongue", "left_eye", "right_eye")]))
    push = _spread(push, goal, faces, skin, rigid)
    frames = _frames(template, before + push, faces, s)
    # What lies under the skin goes where the skin above it goes; alone it would come through in a smile.
    inner = np.setdiff1d(np.arange(len(push)), np.union1d(skin, rigid))
    _, above = KDTree(template[skin]).query(template[inner])
    frames[inner] = frames[skin[above]]
    frames[rigid] = s * np.eye(3)
    shaped = _tucked(source, before + push, skin)
    bases = ("shape_basis", "expr_basis", "pose_basis")
    turned = {part: np.einsum("vij,vjk->vik", frames, getattr(source, part).numpy().astype(np.float64)) for part in bases}
    blinks = turned["expr_basis"]
    for side, name in zip(("left", "right"), LID_NAMES, strict=True):
        column = EXPR_INDEX[name]
        lid = np.ascontiguousarray(blinks[:, :, column])
        close_lid(lid, shaped, faces, source.regions, side)
        blinks[:, :, column] = lid
    joints = s * (source.joint_template.numpy() + source.joint_shape_basis.numpy() @ identity)
    near = np.asarray(KDTree(before[skin]).query(joints, k=NEIGHBOURS)[1])
    joints = joints + push[skin][near].mean(1)
    for joint, side in ((LEFT_EYE, "left"), (RIGHT_EYE, "right")):
        joints[joint] += eyes[side] - push[skin][near[joint]].mean(0)
    return replace(
        source,
        name=name,
        licence=licence,
        template=float_tensor(shaped),
        **{part: half_tensor(basis) for part, basis in turned.items()},
        joint_template=float_tensor(joints),
        joint_shape_basis=float_tensor(s * source.joint_shape_basis.numpy()),
        fingerprint="",
    )


def _eye_shift(source: HeadModel, before: np.ndarray, after: np.ndarray, side: str, scale: float) -> np.ndarray:
    """[3] an eyeball's displacement: its lids' mean one, and back until the margins lie as far before the ball as the source's do."""
    margin = np.r_[source.regions[f"{side}_lid_upper"], source.regions[f"{side}_lid_lower"]]
    template = source.template.numpy().astype(np.float64)
    joint = source.joint_template[LEFT_EYE if side == "left" else RIGHT_EYE].numpy().astype(np.float64)
    lid = source.regions[f"{side}_eyelid"]
    shift = (after - before)[lid].mean(0)
    home = before[source.regions[f"{side}_eye"]].mean(0) + scale * (joint - template[source.regions[f"{side}_eye"]].mean(0))
    wanted = scale * np.quantile(np.linalg.norm(template[margin] - joint, axis=1), 0.1)
    for _ in range(10):
        lacking = wanted - np.quantile(np.linalg.norm(after[margin] - home - shift, axis=1), 0.1)
        shift[2] -= np.clip(lacking, -2e-4, 2e-4)
    return shift


def _tucked(source: HeadModel, vertices: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """The vertices with the inside of the mouth under the cheeks."""
    inner = np.setdiff1d(source.regions["mouth_interior"], skin)
    lips = vertices[np.r_[source.regions["lip_inner_upper"], source.regions["lip_inner_lower"]]]
    faces = source.faces.numpy()[skin_faces(source)]
    tucked = vertices.copy()
    tucked[inner] = under_skin(vertices[inner], np.ones(len(inner), bool), vertices, faces, lips)
    return tucked


def _spread(push: np.ndarray, goal: np.ndarray, faces: np.ndarray, skin: np.ndarray, rigid: np.ndarray) -> np.ndarray:
    """Displacements [V, 3]: the skin's as they are, the rigid parts' their goals, and between them smoothly near the goals."""
    V = len(push)
    laplacian = uniform_laplacian(faces, V)
    smooth = (laplacian.T @ laplacian).tocsr()
    fixed = np.zeros(V, bool)
    fixed[skin] = fixed[rigid] = True
    value = goal.copy()
    value[skin] = push[skin]
    free = np.flatnonzero(~fixed)
    held = np.flatnonzero(fixed)
    if len(free):
        pull = 1e-3
        system = (smooth[free][:, free] + pull * sp.eye(len(free))).tocsc()
        value[free] = splu(system).solve(pull * goal[free] - smooth[free][:, held] @ value[held])
    return value


def _frames(before: np.ndarray, after: np.ndarray, faces: np.ndarray, scale: float) -> np.ndarray:
    """[V, 3, 3] the rotation, times the stretch, that takes the surroundings of each vertex to what they became (Kabsch on the edges)."""
    V = len(before)
    a, b = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    old, new = before[b] - before[a], after[b] - after[a]
    edges = np.c_[np.einsum("ei,ej->eij", new, old).reshape(-1, 9), (new**2).sum(1), (old**2).sum(1)]
    sums = np.stack([np.bincount(a, column, V) + np.bincount(b, column, V) for column in edges.T], axis=1)
    average = sp.eye(V) - uniform_laplacian(faces, V)
    for _ in range(FRAME_RINGS):
        sums = (sums + average @ sums) / 2
    U, _, Vt = np.linalg.svd(sums[:, :9].reshape(V, 3, 3) + 1e-12 * np.eye(3))
    sign = np.ones((V, 3))
    sign[:, 2] = np.sign(np.linalg.det(U @ Vt))
    stretch = np.sqrt(sums[:, 9] / np.maximum(sums[:, 10], 1e-12))
    return (np.clip(stretch, STRETCH[0] * scale, STRETCH[1] * scale)[:, None, None]) * ((U * sign[:, None]) @ Vt)
