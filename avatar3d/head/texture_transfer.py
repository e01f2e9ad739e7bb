"""Texture coordinates for a rig that has none, taken over from a head that is laid over it."""

import numpy as np

from avatar3d.head.model import LEFT_EYE, RIGHT_EYE, HeadModel
from avatar3d.head.register import closest_on_mesh, skin_faces


def carried_texture(bare: HeadModel, source: HeadModel, outer: np.ndarray, posed_source: np.ndarray, posed_target: np.ndarray) -> np.ndarray:
    """Texture coordinates [F, 3, 2] for a rig: each triangle lies where the source triangle under its middle does, seams included.

    Args:
        bare: the rig, of F faces.
        source: the head whose texture it takes over.
        outer: indices of the rig's faces that are skin.
        posed_source: [V, 3] the source laid over the rig, the mouth a little open.
        posed_target: [V, 3] the rig, as far open.
    """
    faces = bare.faces.numpy()
    uv = np.zeros((len(faces), 3, 2))
    fill_texture(uv, outer, faces, posed_target, source, skin_faces(source), posed_source)
    for side, joint in (("left", LEFT_EYE), ("right", RIGHT_EYE)):
        eye = np.flatnonzero((bare.skin_weights[:, joint] > 0.5).numpy()[faces].all(axis=1))
        source_eye = np.flatnonzero(np.isin(source.faces.numpy(), source.regions[f"{side}_eye"]).all(axis=1))
        centre, home = bare.joint_template[joint].numpy().astype(np.float64), source.joint_template[joint].numpy().astype(np.float64)
        template = source.template.numpy().astype(np.float64)
        radius = np.median(np.linalg.norm(template[source.regions[f"{side}_eye"]] - home, axis=1))
        spoke = bare.template.numpy().astype(np.float64) - centre
        on_source = home + radius * spoke / np.maximum(np.linalg.norm(spoke, axis=1, keepdims=True), 1e-9)
        fill_texture(uv, eye, faces, on_source, source, source_eye, template)
    return np.clip(uv, 0, 1).astype(np.float32)


def fill_texture(
    uv: np.ndarray,
    target_ids: np.ndarray,
    target_faces: np.ndarray,
    target_points: np.ndarray,
    source: HeadModel,
    source_ids: np.ndarray,
    source_points: np.ndarray,
) -> None:
    """Write texture coordinates: barycentrics of a face's corners in the plane of the one source triangle under its middle.

    Args:
        uv: [F, 3, 2] of the target, written at `target_ids` in place.
        target_ids: the faces to fill.
        target_faces: [F, 3].
        target_points: [V, 3].
        source: whose coordinates are taken.
        source_ids: its faces that may lie underneath.
        source_points: [V, 3] its vertices, laid over the target.
    """
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
