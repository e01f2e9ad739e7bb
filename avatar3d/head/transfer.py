"""What FLAME and ICT-FaceKit lack is taken over from the embedded head: texture coordinates, regions, lids, mouth interior, landmarks.

Done once per model (some ten seconds with a landmark detector) and kept in the user's cache, under the model's fingerprint.
"""

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import KDTree

from avatar3d.arkit import EXPR_INDEX
from avatar3d.camera import look_at
from avatar3d.errors import UserError
from avatar3d.head.embedding import IRIS_RADIUS, YAWS, embed_landmarks, iris_landmarks
from avatar3d.head.model import JAW, LEFT_EYE, NECK, RIGHT_EYE, HeadModel, Landmarks, axis_angle_to_matrix, head_vertices
from avatar3d.head.register import INNER, Registration, closest_on_mesh, outer_faces, register, rim, skin_faces
from avatar3d.head.store import Detector, Watch, read_head, save_head
from avatar3d.progress import Progress, silent
from avatar3d.render.mesh import rasterize_mesh, to_camera, vertex_normals

VERSION = 1
"""Raised when the transfer changes, so that old cache files are not used."""
IDENTITIES = 5
"""On which the landmarks are detected, the mean among them."""
STAGE = 10
"""A registration with its transfer takes about as long as this many detections."""
APART = 0.3
"""Share of jawOpen at which closest points are looked for: with the mouth shut, upper and lower lip coincide."""
UNDER_SKIN = 0.003
"""Metres that the inside of the mouth keeps from the cheeks' outside."""
INTERIOR = ("upper_teeth", "lower_teeth", "tongue", "mouth_interior")
RINGS = {
    "lip_inner_upper": "upper_lip", "lip_inner_lower": "lower_lip",
    "left_lid_upper": "left_eyelid_upper", "left_lid_lower": "left_eyelid_lower",
    "right_lid_upper": "right_eyelid_upper", "right_lid_lower": "right_eyelid_lower",
}  # fmt: skip
"""Ordered rings, and the region that each lies in."""


def complete_head(
    bare: HeadModel, source: HeadModel, detect: Detector | None = None, cache: Path | None = None, watch: Watch | None = None
) -> HeadModel:
    """A bare rig with everything that tracking and fitting need; its coefficients and fingerprint stay as they are.

    Args:
        bare: from `flame.read_flame` or `ict.read_ict`.
        source: the embedded head.
        detect: landmark detector; without one the landmarks are the embedded head's, carried over.
        cache: folder for the result, `cache_folder()` by default.
        watch: shows the progress of a model's first use.
    """
    kind = "detected" if detect is not None else "carried"
    folder = cache_folder() if cache is None else cache
    name = f"{bare.fingerprint}-{source.fingerprint}-v{VERSION}"
    for path in [folder / f"{name}-{word}.npz" for word in dict.fromkeys((kind, "detected"))]:
        if path.is_file():
            try:
                return replace(read_head(path), fingerprint=bare.fingerprint)
            except UserError:
                continue
    with contextlib.nullcontext(silent) if watch is None else watch(f"first use of {bare.name}") as progress:
        head = _complete(bare, source, detect, progress)
    # A cache that cannot be written costs time at the next start, nothing else.
    with contextlib.suppress(UserError):
        save_head(head, folder / f"{name}-{kind}.npz", half=False)
    return head


def _complete(bare: HeadModel, source: HeadModel, detect: Detector | None, progress: Progress) -> HeadModel:
    views = IDENTITIES * len(YAWS) if detect is not None else 0
    total = views + 2 * STAGE
    progress(0, total)
    head = transfer(bare, source, register(source, bare))
    progress(STAGE, total)
    if detect is not None:
        # A detector that sees no face in plain renders of this head leaves it with the landmarks carried over.
        with contextlib.suppress(ValueError):
            found = embed_landmarks(head, detect, IDENTITIES - 1, progress=_shifted(progress, STAGE, total))
            head = _guided(bare, source, head, found)
    progress(total, total)
    return head


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    """Progress of a part of the work, `before` steps into it."""

    whole = total

    def shifted(done: int, total: int, **figures: float) -> None:
        del total
        progress(before + done, whole, **figures)

    return shifted


def _guided(bare: HeadModel, source: HeadModel, head: HeadModel, found: Landmarks) -> HeadModel:
    """The transfer again, its registration led by the landmarks found on the first one's result."""
    known = source.landmarks
    assert known is not None
    face = found.index < 468
    vertices = bare.template.numpy().astype(np.float64)
    points = (vertices[head.faces.numpy()[found.face[face]]] * found.bary[face][..., None]).sum(1)
    at = {int(index): row for row, index in enumerate(known.index)}
    rows = np.array([at[int(index)] for index in found.index[face]])
    registration = register(source, bare, (known.face[rows], known.bary[rows], points))
    return replace(transfer(bare, source, registration), landmarks=found)


def cache_folder() -> Path:
    """The user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "avatar3d" / "heads"


@dataclass(frozen=True)
class _Match:
    """Where each skin vertex of the target lies on the source's skin."""

    skin: np.ndarray
    """[N] target vertices."""
    corners: np.ndarray
    """[N, 3] source vertices."""
    bary: np.ndarray
    """[N, 3]."""
    face: np.ndarray
    """[N] source face."""

    def carry(self, values: np.ndarray) -> np.ndarray:
        """Source values [V, ...] at the target's skin vertices [N, ...]."""
        bary = self.bary.reshape(*self.bary.shape, *[1] * (values.ndim - 1))
        return (values[self.corners] * bary).sum(1)


def transfer(bare: HeadModel, source: HeadModel, registration: Registration) -> HeadModel:
    """Hand over everything through a registration; landmarks are carried over as well."""
    s, R = registration.scale, registration.rotation
    posed_source = _open_source(source, bare, registration)
    posed_target = _open_target(bare)
    target_faces = bare.faces.numpy()
    outer = outer_faces(bare)
    skin = np.unique(target_faces[outer])
    face_ids = skin_faces(source)
    source_faces = source.faces.numpy()
    face, bary = closest_on_mesh(posed_target[skin], posed_source, source_faces[face_ids])
    match = _Match(skin, source_faces[face_ids[face]], bary, face_ids[face])

    regions = _regions(bare, source, match, posed_source, posed_target)
    uv = _texture(bare, source, match, outer, posed_source, posed_target)
    whole = replace(bare, uv=uv, regions=regions, fingerprint=bare.fingerprint)
    if "eyeBlinkLeft" not in bare.expr_names:
        lids = np.zeros((2, bare.num_vertices, 3))
        for side, name in enumerate(("eyeBlinkLeft", "eyeBlinkRight")):
            blink = source.expr_basis[:, :, EXPR_INDEX[name]].numpy().astype(np.float64)
            lids[side, skin] = s * match.carry(blink) @ R.T
            close_lid(lids[side], bare.template.numpy(), bare.faces.numpy(), regions, name.removeprefix("eyeBlink").lower())
        whole = replace(whole, eyelid_basis=torch.from_numpy(lids.astype(np.float32)))
    whole = replace(whole, landmarks=_carry_landmarks(whole, source, posed_source, posed_target, outer))
    return _own_interior(whole, bare, source, registration) if "upper_teeth" in bare.regions else _add_interior(whole, source, registration)


def _open_source(source: HeadModel, bare: HeadModel, registration: Registration) -> np.ndarray:
    """The bent source with its mouth opened about the target's jaw: not a rig any more, but its weights still hold."""
    angle = APART * bare.jaw_open_angle
    turn = axis_angle_to_matrix(torch.tensor([angle, 0.0, 0.0])).numpy().astype(np.float64)
    features = np.zeros(36)
    features[9:18] = (turn - np.eye(3)).ravel()
    offsets = source.pose_basis.numpy().astype(np.float64) @ features
    rest = registration.vertices + registration.scale * offsets @ registration.rotation.T
    hinge = bare.joint_template[JAW].numpy().astype(np.float64)
    weight = source.skin_weights[:, JAW].numpy()[:, None]
    return rest + weight * ((rest - hinge) @ turn.T + hinge - rest)


def _open_target(bare: HeadModel) -> np.ndarray:
    zeros = torch.zeros(1, 3)
    jaw = torch.tensor([[APART * bare.jaw_open_angle, 0.0, 0.0]])
    posed = head_vertices(
        bare, torch.zeros(1), torch.zeros(1, bare.num_expr), jaw_pose=jaw, neck_pose=zeros, eyes_pose=torch.zeros(1, 6),
        rotation=zeros, translation=zeros,
    )  # fmt: skip
    return posed[0].numpy().astype(np.float64)


def _regions(bare: HeadModel, source: HeadModel, match: _Match, posed_source: np.ndarray, posed_target: np.ndarray) -> dict[str, np.ndarray]:
    regions: dict[str, np.ndarray] = {}
    for name, ids in source.regions.items():
        member = np.zeros(source.num_vertices)
        member[ids] = 1
        on_skin = np.isin(ids, np.unique(source.faces.numpy()[skin_faces(source)])).mean() > 0.5
        if on_skin and name not in RINGS and name != "boundary":
            regions[name] = match.skin[match.carry(member) > 0.5]
    for ring, inside in RINGS.items():
        candidates = regions[inside] if len(regions[inside]) else match.skin
        _, near = KDTree(posed_target[candidates]).query(posed_source[source.regions[ring]])
        regions[ring] = candidates[near]
    weights = bare.skin_weights.numpy()
    for side, joint in (("left", LEFT_EYE), ("right", RIGHT_EYE)):
        eye = np.flatnonzero(weights[:, joint] > 0.5)
        spoke = bare.template.numpy()[eye] - bare.joint_template[joint].numpy()
        length = np.linalg.norm(spoke, axis=1)
        regions[f"{side}_eye"] = eye
        regions[f"iris_{side}"] = eye[(np.hypot(spoke[:, 0], spoke[:, 1]) < 1.05 * IRIS_RADIUS) & (spoke[:, 2] > 0.5 * length)]
    faces = bare.faces.numpy()[outer_faces(bare)]
    edge = rim(faces)
    low = bare.joint_template[NECK, 1].item() + 0.02
    regions["boundary"] = edge[bare.template.numpy()[edge, 1] < low]
    return regions


def _texture(bare, source: HeadModel, match: _Match, outer: np.ndarray, posed_source: np.ndarray, posed_target: np.ndarray) -> np.ndarray:
    """[F, 3, 2]: each target triangle lies in the texture where the source triangle under its middle does, seams included."""
    faces = bare.faces.numpy()
    uv = np.zeros((len(faces), 3, 2))
    _fill(uv, outer, faces, posed_target, source, skin_faces(source), posed_source)
    for side, joint in (("left", LEFT_EYE), ("right", RIGHT_EYE)):
        eye = np.flatnonzero((bare.skin_weights[:, joint] > 0.5).numpy()[faces].all(axis=1))
        source_eye = np.flatnonzero(np.isin(source.faces.numpy(), source.regions[f"{side}_eye"]).all(axis=1))
        centre, home = bare.joint_template[joint].numpy().astype(np.float64), source.joint_template[joint].numpy().astype(np.float64)
        template = source.template.numpy().astype(np.float64)
        radius = np.median(np.linalg.norm(template[source.regions[f"{side}_eye"]] - home, axis=1))
        spoke = bare.template.numpy().astype(np.float64) - centre
        on_source = home + radius * spoke / np.maximum(np.linalg.norm(spoke, axis=1, keepdims=True), 1e-9)
        _fill(uv, eye, faces, on_source, source, source_eye, template)
    return np.clip(uv, 0, 1).astype(np.float32)


def _fill(uv, target_ids, target_faces, target_points, source: HeadModel, source_ids, source_points) -> None:
    """Write the texture coordinates of the target faces: barycentrics of their corners in the plane of one source triangle."""
    corners = target_points[target_faces[target_ids]]
    faces = source.faces.numpy()
    near, _ = closest_on_mesh(corners.mean(1), source_points, faces[source_ids])
    chosen = source_ids[near]
    a, b, c = (source_points[faces[chosen, k]] for k in range(3))
    edges = np.stack([b - a, c - a], axis=2)
    gram = np.einsum("nki,nkj->nij", edges, edges) + 1e-14 * np.eye(2)
    local = np.linalg.solve(gram[:, None], np.einsum("nki,nck->nci", edges, corners - a[:, None])[..., None])[..., 0]
    # A triangle larger than the source's reaches past it; the plane is trusted for two triangle sizes, not further.
    local = np.clip(local, -2, 3)
    u = source.uv[chosen]
    uv[target_ids] = u[:, :1] + local @ np.stack([u[:, 1] - u[:, 0], u[:, 2] - u[:, 0]], axis=1)


def close_lid(lid: np.ndarray, template: np.ndarray, faces: np.ndarray, regions: dict[str, np.ndarray], side: str) -> None:
    """Stretch a lid's displacement [V, 3], in place, until the upper margin meets the lower one: the eye's opening is the model's own."""
    upper, lower = regions[f"{side}_lid_upper"], regions[f"{side}_lid_lower"]
    moving = np.flatnonzero(np.linalg.norm(lid, axis=1) > 0)
    for _ in range(3):
        closed = template + lid
        order = lower[np.argsort(closed[lower, 0])]
        goal = np.interp(closed[upper, 0], closed[order, 0], closed[order, 1])
        travel = lid[upper, 1]
        good = abs(travel) > 0.25 * abs(travel).max()
        if good.sum() < 4:
            return
        # The factor varies smoothly along the lid; a parabola cannot follow a single bad vertex.
        factor = np.clip(1 + (goal - closed[upper, 1])[good] / travel[good], 0.3, 3.0)
        curve = np.polynomial.Polynomial.fit(template[upper[good], 0], factor, 2)
        low, high = template[upper[good], 0].min(), template[upper[good], 0].max()
        lid[moving] *= np.clip(curve(np.clip(template[moving, 0], low, high)), 0.3, 3.0)[:, None]
    # What the parabola leaves open is closed for the whole lid at once, as long as the eye shows from the front.
    # Too far is hidden behind the lower lid, too little is a staring sleeper.
    for _ in range(8):
        if _visible_eye(template + lid, faces, regions[f"{side}_eye"]) == 0:
            return
        lid[moving] *= 1.05


def _visible_eye(vertices: np.ndarray, faces: np.ndarray, eye: np.ndarray) -> int:
    """Pixels of an eyeball seen from the front, at about four to the millimetre."""
    middle = vertices[eye].mean(0)
    camera = look_at(middle + np.array([0, 0, 0.4]), middle, focal=1500, size=(160, 160))
    image = rasterize_mesh(to_camera(vertices, camera), faces, camera)
    return int(np.isin(faces[image.face[image.mask]], eye).all(axis=1).sum())


def _carry_landmarks(whole: HeadModel, source: HeadModel, posed_source, posed_target, outer) -> Landmarks:
    known = source.landmarks
    assert known is not None
    face = known.index < 468
    points = (posed_source[source.faces.numpy()[known.face[face]]] * known.bary[face][..., None]).sum(1)
    faces = whole.faces.numpy()
    carrying = outer[np.isin(faces[outer], whole.regions["face"]).all(axis=1)]
    near, bary = closest_on_mesh(points, posed_target, faces[carrying])
    iris_face, iris_bary = iris_landmarks(whole)
    return Landmarks(
        np.concatenate([known.index[face], np.arange(468, 478)]),
        np.concatenate([carrying[near], iris_face]).astype(np.int64),
        np.concatenate([bary, iris_bary]).astype(np.float32),
    )


def _own_interior(head: HeadModel, bare: HeadModel, source: HeadModel, registration: Registration) -> HeadModel:
    """A rig that has an inside of its own keeps it; the tongue is what lies nearest to the source's, the texture as in `_texture`."""
    sources = np.unique(np.concatenate([source.regions[name] for name in INTERIOR]))
    mouth = bare.regions["mouth_interior"]
    _, near = KDTree(registration.vertices[sources] + registration.lip_shift).query(bare.template.numpy()[mouth].astype(np.float64))
    on_tongue = np.isin(sources[near], source.regions["tongue"])
    regions = head.regions | bare.regions | {"tongue": mouth[on_tongue], "mouth_interior": mouth[~on_tongue]}
    vertices = bare.template.numpy().astype(np.float64)
    faces, source_faces = bare.faces.numpy(), source.faces.numpy()
    uv = head.uv.astype(np.float64)
    for name in INNER:
        inside = np.isin(faces, regions[name]).any(axis=1)
        _fill(uv, np.flatnonzero(inside), faces, vertices, source, np.flatnonzero(np.isin(source_faces, source.regions[name]).all(axis=1)),
              registration.vertices)  # fmt: skip
    return replace(head, regions=regions, uv=np.clip(uv, 0, 1).astype(np.float32))


def _add_interior(head: HeadModel, source: HeadModel, registration: Registration) -> HeadModel:
    """Append teeth, tongue and the inside of the mouth: rigid with neck or jaw, moved with the lips by the identity."""
    ids = np.unique(np.concatenate([source.regions[name] for name in INTERIOR]))
    faces = source.faces.numpy()
    kept = np.flatnonzero(np.isin(faces, ids).all(axis=1) & ~np.isin(np.arange(len(faces)), skin_faces(source)))
    ids = np.unique(faces[kept])
    place = np.full(source.num_vertices, -1)
    place[ids] = np.arange(len(ids)) + head.num_vertices
    added = _tuck_in(head, source, registration, ids)
    jaw = source.skin_weights[ids, JAW].clamp(0, 1)
    weights = torch.zeros(len(ids), 5)
    weights[:, JAW], weights[:, NECK] = jaw, 1 - jaw
    upper, lower = (head.shape_basis[head.regions[name]].mean(0) for name in ("upper_lip", "lower_lip"))
    shape = (1 - jaw)[:, None, None] * upper + jaw[:, None, None] * lower
    regions = head.regions | {name: place[source.regions[name]][place[source.regions[name]] >= 0] for name in INTERIOR}
    count = len(ids)
    return replace(
        head,
        template=torch.cat([head.template, torch.from_numpy(added.astype(np.float32))]),
        shape_basis=torch.cat([head.shape_basis, shape]).contiguous(),
        expr_basis=torch.cat([head.expr_basis, torch.zeros(count, 3, head.num_expr)]),
        pose_basis=torch.cat([head.pose_basis, torch.zeros(count, 3, 36)]),
        skin_weights=torch.cat([head.skin_weights, weights]),
        eyelid_basis=None if head.eyelid_basis is None else torch.cat([head.eyelid_basis, torch.zeros(2, count, 3)], dim=1),
        faces=torch.cat([head.faces, torch.from_numpy(place[faces[kept]])]),
        uv=np.concatenate([head.uv, source.uv[kept]]),
        regions=regions,
    )


def _tuck_in(head: HeadModel, source: HeadModel, registration: Registration, ids: np.ndarray) -> np.ndarray:
    """Places of the interior's vertices: as the similarity and the identity put them, moved with the lips, and under the skin."""
    points = registration.vertices[ids] + registration.lip_shift
    vertices = head.template.numpy().astype(np.float64)
    faces = head.faces.numpy()[outer_faces(head)]
    lips = vertices[np.r_[head.regions["lip_inner_upper"], head.regions["lip_inner_lower"]]]
    return under_skin(points, np.isin(ids, source.regions["mouth_interior"]), vertices, faces, lips)


def under_skin(points: np.ndarray, inside: np.ndarray, vertices: np.ndarray, faces: np.ndarray, lips: np.ndarray) -> np.ndarray:
    """The points [N, 3], those that are `inside` [N] the mouth pushed under the skin where they are not.

    Args:
        points: [N, 3].
        inside: [N] bool.
        vertices: [V, 3] of the head.
        faces: [F, 3] its skin.
        lips: [M, 3] of the lips' inner edges.
    """
    normals = vertex_normals(vertices, faces)
    face, bary = closest_on_mesh(points, vertices, faces)
    surface = (vertices[faces[face]] * bary[..., None]).sum(1)
    normal = (normals[faces[face]] * bary[..., None]).sum(1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    outside = inside & (((points - surface) * normal).sum(1) > -UNDER_SKIN)
    # Beside the lips' inner edge there is no inside to be pushed to.
    outside &= KDTree(lips).query(points)[0] > 0.008
    return np.where(outside[:, None], surface - UNDER_SKIN * normal, points)
