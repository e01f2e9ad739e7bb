"""Where the Gaussians start: on the mesh by area and importance, and off it where the matte shows hair or clothes."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from avatar3d.camera import Camera
from avatar3d.carriers import CARRIER_WEIGHTS
from avatar3d.head.model import ROOT, HeadModel
from avatar3d.posing import triangle_areas, triangle_frames
from avatar3d.render.mesh import rasterize_mesh, to_camera

DENSITY = {
    "lips": 4.0, "mouth_interior": 2.0, "upper_teeth": 4.0, "lower_teeth": 4.0, "tongue": 2.0,
    "left_eyelid": 4.0, "right_eyelid": 4.0, "left_eye": 5.0, "right_eye": 5.0, "nose": 2.5, "face": 2.0, "shoulders": 2.0,
}  # fmt: skip
"""Gaussians per area relative to the rest of the head; where regions overlap the densest counts."""
DETAIL_RANGE = (0.5, 4.0)
"""Least and greatest factor by which the detail of the pictures changes the density of a triangle."""
BACK_DENSITY = 0.3
"""For triangles that face away from the camera in the neutral pose."""
THICKNESS = 0.35
"""Start of a Gaussian's extent along the normal, relative to its extent along the surface."""


@dataclass(frozen=True, eq=False)
class Seeds:
    """N starting Gaussians in the frames of their triangles."""

    face: np.ndarray
    """[N] int32."""
    bary: np.ndarray
    """[N, 3]."""
    position: np.ndarray
    """[N, 3] metres."""
    log_scale: np.ndarray
    """[N, 3] log metres."""

    def __add__(self, other: "Seeds") -> "Seeds":
        names = ("face", "bary", "position", "log_scale")
        return Seeds(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))


def seed_mesh(head: HeadModel, rest: np.ndarray, count: int, seed: int, detail: np.ndarray | None = None) -> Seeds:
    """Gaussians on the head's own triangles, by area times the density of their region.

    Args:
        head: the rig without carriers.
        rest: [V, 3] the person's neutral vertices.
        count: how many.
        seed: of the random feet.
        detail: [F] factor of the density, from `face_detail`; default one everywhere.
    """
    faces = head.faces.numpy()
    areas = triangle_areas(rest, faces.astype(np.int32))
    density = np.ones(len(faces))
    for name, value in DENSITY.items():
        members = np.zeros(head.num_vertices, bool)
        members[head.regions.get(name, np.zeros(0, np.int64))] = True
        density = np.maximum(density, np.where(members[faces].all(axis=1), value, 0.0))
    corners = rest[faces]
    normal_z = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    away = normal_z < -0.3 * 2 * areas
    density[away] = np.minimum(density[away], 1.0) * BACK_DENSITY
    if detail is not None:
        density = density * detail
    mass = areas * density
    rng = np.random.default_rng(seed)
    # Systematic sampling spreads the feet evenly over the cumulative mass instead of in clumps.
    ticks = (np.arange(count) + rng.uniform(size=count)) / count * mass.sum()
    face = np.minimum(np.searchsorted(np.cumsum(mass), ticks), len(faces) - 1).astype(np.int32)
    root, side = np.sqrt(rng.uniform(size=count)), rng.uniform(size=count)
    bary = np.stack([1 - root, root * (1 - side), root * side], axis=1).astype(np.float32)
    spacing = np.sqrt(mass.sum() / count / density[face])
    log_scale = np.log(0.7 * spacing)[:, None] + np.log([1.0, 1.0, THICKNESS])
    return Seeds(face, bary, np.zeros((count, 3), np.float32), log_scale.astype(np.float32))


def face_detail(faces: np.ndarray, views: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], camera: Camera) -> np.ndarray:
    """How much finer than the average the pictures are on each triangle [F]: a patterned tie needs more Gaussians than a plain coat.

    Args:
        faces: [F, 3] of the head without carriers.
        views: posed vertices [V, 3], picture [H, W, 3] uint8 and matte [H, W] uint8, some frames spread over the capture.
        camera: of the frames.
    """
    found, seen = np.zeros(len(faces)), np.zeros(len(faces))
    for vertices, picture, matte in views:
        image = rasterize_mesh(to_camera(vertices, camera), faces, camera)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        # What a blur of a few pixels loses is what larger Gaussians could not show.
        lost = np.asarray(cv2.GaussianBlur(np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 2.5)), (0, 0), 4.0))
        pixels = (image.face >= 0) & (matte > 200)
        found += np.bincount(image.face[pixels], lost[pixels], len(faces))
        seen += np.bincount(image.face[pixels], minlength=len(faces))
    typical = found.sum() / max(seen.sum(), 1)
    factor = np.where(seen > 0, found / np.maximum(seen, 1) / max(typical, 1e-6), 1.0)
    return np.clip(factor, *DETAIL_RANGE)


def seed_loose(rig: HeadModel, rest: np.ndarray, views: Iterable[tuple[np.ndarray, np.ndarray]], camera: Camera, count: int, seed: int) -> Seeds:
    """Gaussians on carriers where the matte covers what the mesh does not.

    Args:
        rig: the rig with carriers.
        rest: [V, 3] the person's neutral vertices.
        views: pairs of posed vertices [V, 3] and matte [H, W] uint8, some frames spread over the capture.
        camera: of the frames.
        count: how many at most; fewer where the mesh covers nearly everything.
        seed: of the random pixels.
    """
    empty = Seeds(np.zeros(0, np.int32), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))
    if count == 0:
        return empty
    rng = np.random.default_rng(seed)
    faces = rig.faces.numpy().astype(np.int32)
    carriers = len(faces) - len(CARRIER_WEIGHTS) + np.arange(len(CARRIER_WEIGHTS))
    rest_area = triangle_areas(rest, faces)
    follow = 1 - rig.skin_weights[:, ROOT].numpy()
    views = list(views)
    found: list[Seeds] = []
    for vertices, matte in views:
        image = rasterize_mesh(to_camera(vertices, camera).astype(np.float32), faces[: -len(CARRIER_WEIGHTS)], camera)
        bare = (matte > 200) & (image.face < 0)
        rows, columns = np.nonzero(bare)
        if len(rows) == 0:
            continue
        chosen = np.sort(rng.choice(len(rows), min(len(rows), -(-count // len(views))), replace=False))
        rows, columns = rows[chosen], columns[chosen]
        # The nearest covered pixel tells the depth and what part of the body the pixel moves with.
        _, labels = cv2.distanceTransformWithLabels((image.face < 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        covered = np.nonzero(image.face >= 0)
        by_label = np.zeros(labels.max() + 1, np.int64)
        by_label[labels[covered]] = np.arange(len(covered[0]))
        nearest = by_label[np.asarray(labels, np.int64)[rows, columns]]
        source = image.face[covered[0][nearest], covered[1][nearest]]
        depth = image.depth[covered[0][nearest], covered[1][nearest]]
        weight = follow[faces[source]].mean(axis=1)
        carrier = carriers[np.abs(weight[:, None] - np.array(CARRIER_WEIGHTS)).argmin(axis=1)]
        rays = np.stack([(columns + 0.5 - camera.cx) / camera.fx, (rows + 0.5 - camera.cy) / camera.fy, np.ones(len(rows))], axis=1)
        T = camera.T_cam_world
        points = (rays * depth[:, None] - T[:3, 3]) @ T[:3, :3]
        frames = triangle_frames(vertices, faces, rest_area)
        foot = vertices[faces[carrier]].mean(axis=1)
        local = np.einsum("nji,nj->ni", frames.rotation[carrier], points - foot)
        spacing = depth / camera.fx * np.sqrt(bare.sum() / len(rows))
        log_scale = np.repeat(np.log(np.minimum(0.6 * spacing, 0.006))[:, None], 3, axis=1)
        found.append(
            Seeds(carrier.astype(np.int32), np.full((len(rows), 3), 1 / 3, np.float32), local.astype(np.float32), log_scale.astype(np.float32))
        )
    return sum(found, empty)
