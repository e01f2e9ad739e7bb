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

from avatar3d.arkit import EXPR_INDEX, LID_NAMES
from avatar3d.errors import UserError
from avatar3d.head.embedding import IRIS_RADIUS, YAWS, embed_landmarks, iris_landmarks
from avatar3d.head.lids import close_lid
from avatar3d.head.model import (
    JAW,
    LEFT_EYE,
    NECK,
    NUM_FACE_LANDMARKS,
    NUM_LANDMARKS,
    RIGHT_EYE,
    HeadModel,
    Landmarks,
    axis_angle_to_matrix,
    head_vertices,
)
from avatar3d.head.mouth_interior import add_interior, own_interior
from avatar3d.head.register import Registration, closest_on_mesh, outer_faces, register, rim, skin_faces
from avatar3d.head.store import Detector, Watch, read_head, save_head
from avatar3d.head.texture_transfer import carried_texture
from avatar3d.progress import Progress, silent

VERSION = 1
"""Raised when the transfer changes, so that old cache files are not used."""
IDENTITIES = 5
"""On which the landmarks are detected, the mean among them."""
STAGE = 10
"""A registration with its transfer takes about as long as this many detections."""
APART = 0.3
"""Share of jawOpen at which closest points are looked for: with the mouth shut, upper and lower lip coincide."""
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
    face = found.index < NUM_FACE_LANDMARKS
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
    match = _Match(skin, source_faces[face_ids[face]], bary)

    regions = _regions(bare, source, match, posed_source, posed_target)
    uv = carried_texture(bare, source, outer, posed_source, posed_target)
    whole = replace(bare, uv=uv, regions=regions, fingerprint=bare.fingerprint)
    if LID_NAMES[0] not in bare.expr_names:
        lids = np.zeros((2, bare.num_vertices, 3))
        for side, name in enumerate(LID_NAMES):
            blink = source.expr_basis[:, :, EXPR_INDEX[name]].numpy().astype(np.float64)
            lids[side, skin] = s * match.carry(blink) @ R.T
            close_lid(lids[side], bare.template.numpy(), bare.faces.numpy(), regions, name.removeprefix("eyeBlink").lower())
        whole = replace(whole, eyelid_basis=torch.from_numpy(lids.astype(np.float32)))
    whole = replace(whole, landmarks=_carry_landmarks(whole, source, posed_source, posed_target, outer))
    return own_interior(whole, bare, source, registration) if "upper_teeth" in bare.regions else add_interior(whole, source, registration)


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


def _carry_landmarks(whole: HeadModel, source: HeadModel, posed_source: np.ndarray, posed_target: np.ndarray, outer: np.ndarray) -> Landmarks:
    known = source.landmarks
    assert known is not None
    face = known.index < NUM_FACE_LANDMARKS
    points = (posed_source[source.faces.numpy()[known.face[face]]] * known.bary[face][..., None]).sum(1)
    faces = whole.faces.numpy()
    carrying = outer[np.isin(faces[outer], whole.regions["face"]).all(axis=1)]
    near, bary = closest_on_mesh(points, posed_target, faces[carrying])
    iris_face, iris_bary = iris_landmarks(whole)
    return Landmarks(
        np.concatenate([known.index[face], np.arange(NUM_FACE_LANDMARKS, NUM_LANDMARKS)]),
        np.concatenate([carrying[near], iris_face]).astype(np.int64),
        np.concatenate([bary, iris_bary]).astype(np.float32),
    )
