"""The inside of the mouth: teeth, tongue and cheeks of a rig, its own or those of the embedded head."""

from dataclasses import replace

import numpy as np
import torch
from scipy.spatial import KDTree

from avatar3d.head.model import JAW, NECK, HeadModel
from avatar3d.head.register import INNER, Registration, closest_on_mesh, outer_faces, skin_faces
from avatar3d.head.texture_transfer import fill_texture
from avatar3d.render.mesh import vertex_normals

UNDER_SKIN = 0.003
"""Metres that the inside of the mouth keeps from the cheeks' outside."""
INTERIOR = ("upper_teeth", "lower_teeth", "tongue", "mouth_interior")


def own_interior(head: HeadModel, bare: HeadModel, source: HeadModel, registration: Registration) -> HeadModel:
    """A rig that has an inside of its own keeps it; the tongue is what lies nearest to the source's, the texture as in `carried_texture`."""
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
        theirs = np.isin(source_faces, source.regions[name]).all(axis=1)
        fill_texture(uv, np.flatnonzero(inside), faces, vertices, source, np.flatnonzero(theirs), registration.vertices)
    return replace(head, regions=regions, uv=np.clip(uv, 0, 1).astype(np.float32))


def add_interior(head: HeadModel, source: HeadModel, registration: Registration) -> HeadModel:
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
