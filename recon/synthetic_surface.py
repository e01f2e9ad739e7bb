"""The surface of a synthetic person: flat Gaussians on the mesh, as dense as each part needs."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from avatar3d.head.model import NUM_LANDMARKS, HeadModel, head_vertices, landmark_positions
from avatar3d.posing import triangle_areas
from avatar3d.render.mesh import vertex_normals
from recon.synthetic_light import irradiance
from recon.synthetic_person import Person

SPACING = {
    "shoulders": 1.5, "neck": 1.1, "scalp": 1.8, "ears": 0.8, "face": 0.75, "nose": 0.6, "lips": 0.5, "left_eyelid": 0.45, "right_eyelid": 0.45,
    "upper_teeth": 0.6, "lower_teeth": 0.6, "tongue": 1.0, "mouth_interior": 2.0, "eye_sockets": 2.5, "left_eye": 0.55, "right_eye": 0.55,
    "iris_left": 0.28, "iris_right": 0.28,
}  # fmt: skip
"""Millimetres between neighbours; where regions overlap the later one counts."""
HIDDEN = 3.0
"""Wider spacing of what faces away from the camera."""
_SPREAD, _THICKNESS = 0.78, 0.2
"""Standard deviations along the surface and across it, in spacings."""


@dataclass(frozen=True, eq=False)
class Surface:
    """N points on a person's neutral mesh."""

    head: HeadModel
    person: Person
    rest: np.ndarray
    """[V, 3] float32 neutral vertices."""
    faces: np.ndarray
    """[F, 3] int32."""
    face: np.ndarray
    """[N] int32."""
    bary: np.ndarray
    """[N, 3]."""
    spacing: np.ndarray
    """[N] metres to the neighbours."""

    def at_points(self, values: np.ndarray) -> np.ndarray:
        """[N, ...] of values [V, ...] at the vertices."""
        return np.einsum("nk,nk...->n...", self.bary, values[self.faces[self.face]])

    @cached_property
    def position(self) -> np.ndarray:
        """[N, 3] metres."""
        return self.at_points(self.rest.astype(np.float64))

    @cached_property
    def template(self) -> np.ndarray:
        """[N, 3] where the same points lie on the mean head: a place name that does not depend on the person."""
        return self.at_points(self.head.template.numpy().astype(np.float64))

    @cached_property
    def normal(self) -> np.ndarray:
        """[N, 3] unit, smooth."""
        normals = self.at_points(vertex_normals(self.rest, self.faces))
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)

    @cached_property
    def lit(self) -> np.ndarray:
        """[N] light on the neutral face with its shadows; on the lids as much as they get when they are shut."""
        light = self.person.look.light
        open_eyed, shut = (irradiance(pose, self.faces, light) for pose in (self.rest, _extreme_poses(self.head, self.person)[1]))
        lids = np.union1d(self.head.regions["left_eyelid"], self.head.regions["right_eyelid"])
        open_eyed[lids] = np.maximum(open_eyed[lids], 0.85 * shut[lids])
        return self.at_points(open_eyed)

    @cached_property
    def landmarks(self) -> np.ndarray:
        """[478, 3] MediaPipe's landmarks on the neutral head, metres."""
        points = np.zeros((NUM_LANDMARKS, 3))
        assert self.head.landmarks is not None
        points[self.head.landmarks.index] = landmark_positions(torch.from_numpy(self.rest)[None], self.head)[0].numpy()
        return points

    def inside(self, *regions: str) -> np.ndarray:
        """[N] bool: on triangles that lie whole in the regions taken together."""
        members = np.any([self._members(region) for region in regions], axis=0)
        return members[self.faces[self.face]].all(axis=1)

    def mask(self, *regions: str, blur: int = 1) -> np.ndarray:
        """[N] 0..1, soft at the regions' edges: averaged `blur` times over neighbouring vertices."""
        value = np.any([self._members(region) for region in regions], axis=0).astype(np.float64)
        edges = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]])
        degree = np.bincount(edges.ravel(), minlength=len(self.rest))
        for _ in range(blur):
            total = np.bincount(edges[:, 0], value[edges[:, 1]], len(value)) + np.bincount(edges[:, 1], value[edges[:, 0]], len(value))
            value = 0.5 * value + 0.5 * total / np.maximum(degree, 1)
        return self.at_points(value)

    def near(self, landmark: int, radius: float) -> np.ndarray:
        """[N] 0..1 bump of so many metres around a landmark."""
        distance = np.linalg.norm(self.position - self.landmarks[landmark], axis=1)
        return np.exp(-((distance / radius) ** 2) / 2)

    def _members(self, region: str) -> np.ndarray:
        members = np.zeros(len(self.rest), bool)
        members[self.head.regions[region]] = True
        return members


def sample_surface(head: HeadModel, person: Person, coarseness: float = 1.0) -> Surface:
    """Points on the person's mesh at the densities of `SPACING`.

    Args:
        head: the embedded head.
        person: whose.
        coarseness: all spacings are multiplied by it; 2 gives a quarter of the points.
    """
    faces = np.ascontiguousarray(head.faces.numpy().astype(np.int32))
    rest = np.ascontiguousarray(head.shaped(torch.from_numpy(person.shape)).numpy())
    spacing = np.full(len(faces), 1.2)
    for region, millimetres in SPACING.items():
        members = np.zeros(len(rest), bool)
        members[head.regions[region]] = True
        spacing[members[faces].all(axis=1)] = millimetres
    corners = rest[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    away = normal[:, 2] < -0.45 * np.linalg.norm(normal, axis=1)
    spacing = np.where(away, np.minimum(spacing * HIDDEN, 4.0), spacing) * coarseness * 1e-3
    rng = np.random.default_rng([person.seed, 2])
    count = np.floor(_largest_areas(head, person, faces) / spacing**2 + rng.uniform(size=len(faces))).astype(int)
    face = np.repeat(np.arange(len(faces)), count)
    # A low-discrepancy sequence in every triangle (Roberts' R2), shifted at random, leaves no holes and no clumps.
    step = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    square = (step[:, None] * [0.7548776662466927, 0.5698402909980532] + rng.uniform(size=(len(faces), 2))[face]) % 1.0
    square = np.where(square.sum(axis=1, keepdims=True) > 1, 1 - square, square)
    bary = np.column_stack([1 - square.sum(axis=1), square])
    return Surface(head, person, rest, faces, face.astype(np.int32), bary, spacing[face])


def _largest_areas(head: HeadModel, person: Person, faces: np.ndarray) -> np.ndarray:
    """[F] the area of each triangle in the pose where it is largest: a stretched triangle must not show holes."""
    return np.max([triangle_areas(np.ascontiguousarray(v), faces) for v in _extreme_poses(head, person)], axis=0)


def _extreme_poses(head: HeadModel, person: Person) -> np.ndarray:
    """[4, V, 3] rest, shut lids, open jaw, pursed lips."""
    poses = torch.zeros(4, 15)
    poses[2, 6] = 0.4 * head.jaw_open_angle
    expr = torch.zeros(4, head.num_expr)
    for row, prefix in ((1, "eyeBlink"), (3, "mouthPucker")):
        expr[row, [i for i, name in enumerate(head.expr_names) if name.startswith(prefix)]] = 1.0
    return head_vertices(
        head, torch.from_numpy(person.shape), expr,
        rotation=poses[:, :3], neck_pose=poses[:, 3:6], jaw_pose=poses[:, 6:9], eyes_pose=poses[:, 9:], translation=torch.zeros(4, 3),
    ).numpy()  # fmt: skip


def flat_scales(surface: Surface) -> np.ndarray:
    """[N, 3] standard deviations of flat Gaussians that close the surface, the third across it."""
    return surface.spacing[:, None] * np.array([_SPREAD, _SPREAD, _THICKNESS])
