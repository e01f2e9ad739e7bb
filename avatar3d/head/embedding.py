"""Where MediaPipe's 478 landmarks lie on a head: detect them on renders of many identities and project back.

The detector is handed in, so that this package needs none.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from avatar3d.camera import look_at
from avatar3d.head.model import LEFT_EYE, NUM_FACE_LANDMARKS, NUM_LANDMARKS, RIGHT_EYE, HeadModel, Landmarks, head_vertices
from avatar3d.head.register import closest_on_mesh
from avatar3d.head.store import Detector
from avatar3d.progress import Progress, silent
from avatar3d.render.mesh import rasterize_mesh, shade_mesh, to_camera, vertex_normals

SIZE, FOCAL, DISTANCE = 640, 1100.0, 0.85
JAW_OPENING = 0.25
"""Share of jawOpen at which the inner lips are apart and still where they are detected."""
IRIS_RADIUS = 0.0059
"""Metres; adults' irises are 11.7 mm wide, give or take half a millimetre."""
YAWS = (-0.45, -0.2, 0.0, 0.2, 0.45)
TINTS = {
    "lips": (0.72, 0.42, 0.40), "mouth_interior": (0.35, 0.12, 0.12), "tongue": (0.7, 0.35, 0.35), "upper_teeth": (0.9, 0.88, 0.8),
    "lower_teeth": (0.9, 0.88, 0.8), "left_eye": (0.95, 0.95, 0.95), "right_eye": (0.95, 0.95, 0.95),
    "iris_left": (0.25, 0.15, 0.08), "iris_right": (0.25, 0.15, 0.08), "scalp": (0.25, 0.18, 0.14), "shoulders": (0.3, 0.35, 0.5),
}  # fmt: skip
BACKGROUND = np.array([0.55, 0.6, 0.65], np.float32)
SKIN = (0.80, 0.62, 0.52)


@dataclass(frozen=True)
class EmbeddingReport:
    """How well the embedding agrees with itself."""

    views: int
    """Renders on which a face was found."""
    spread: np.ndarray
    """[468] median distance in metres of a landmark's back-projections from where it was put."""


def tinted(head: HeadModel) -> np.ndarray:
    """Plain colours [V, 3] by region: enough of a face for a detector."""
    colors = np.tile(np.array(SKIN, np.float32), (head.num_vertices, 1))
    for name, color in TINTS.items():
        colors[head.regions.get(name, np.zeros(0, np.int64))] = color
    return colors


def embed_landmarks(head: HeadModel, detect: Detector, identities: int = 8, seed: int = 0, progress: Progress = silent) -> Landmarks:
    """The embedding alone; see `embed_with_report`."""
    return embed_with_report(head, detect, identities, seed, progress)[0]


def embed_with_report(
    head: HeadModel, detect: Detector, identities: int = 8, seed: int = 0, progress: Progress = silent
) -> tuple[Landmarks, EmbeddingReport]:
    """Render identities at several yaws, detect, project back, take robust means, make left and right alike on a symmetric head.

    Args:
        head: needs the regions face, left_eye and right_eye, and the more of TINTS the better;
        detect: the landmark detector.
        identities: random identities besides the mean head.
        seed: of the identities.
        progress: told of every render.

    Raises:
        ValueError: no face was found on any render.
    """
    faces = head.faces.numpy()
    random = np.random.default_rng(seed)
    shapes = np.concatenate([np.zeros((1, head.num_shape)), 0.7 * random.standard_normal((identities, head.num_shape))])
    colors = tinted(head)
    # On the face alone: a ray along the jaw's rim that misses it must not be taken to mean the neck or the ear behind.
    carrying = np.isin(faces, head.regions["face"]).all(axis=1)
    reference = _posed(head, shapes[0])
    samples, weights = [], []
    for count, shape in enumerate(shapes):
        vertices = _posed(head, shape)
        target = vertices[head.regions["face"]].mean(0) - [0, 0, 0.04]
        for view, yaw in enumerate(YAWS):
            seen = sight(vertices, faces, colors, carrying, detect, target, yaw, reference)
            if seen is not None:
                samples.append(seen[0])
                weights.append(seen[1])
            progress(count * len(YAWS) + view + 1, len(shapes) * len(YAWS))
    if not samples:
        raise ValueError("the detector found no face on any render")
    centre, spread = settle(samples, weights)
    partner = mirror_partners(head, detect) if _is_symmetric(head) else None
    if partner is not None:
        centre = np.where(partner[:, None] >= 0, (centre + centre[partner] * [-1.0, 1.0, 1.0]) / 2, centre)
    face, bary = closest_on_mesh(centre, reference, faces[carrying])
    face = np.flatnonzero(carrying)[face]
    iris_face, iris_bary = iris_landmarks(head)
    landmarks = Landmarks(
        np.arange(NUM_LANDMARKS), np.concatenate([face, iris_face]).astype(np.int64), np.concatenate([bary, iris_bary]).astype(np.float32)
    )
    return landmarks, EmbeddingReport(len(samples), spread)


def sight(
    vertices: np.ndarray,
    faces: np.ndarray,
    colors: np.ndarray,
    carrying: np.ndarray,
    detect: Detector,
    target: np.ndarray,
    yaw: float,
    reference: np.ndarray,
) -> tuple[np.ndarray, np.ndarray] | None:
    """The face's landmarks as one view sees them: points [468, 3] and weights [468], 0 where a ray misses; None where no face is found.

    Args:
        vertices: [V, 3] metres, upright, facing +z.
        faces: [F, 3].
        colors: [V, 3] 0..1.
        carrying: [F] bool, the faces that landmarks may lie on.
        detect: the landmark detector.
        target: [3] what the camera looks at.
        yaw: of the camera about the head, radians.
        reference: [V, 3] the mesh on which the points are given back.
    """
    eye = target + DISTANCE * np.array([np.sin(yaw), 0.05, np.cos(yaw)])
    camera = look_at(eye, target, focal=FOCAL, size=(SIZE, SIZE))
    found = detect(shade_mesh(vertices, faces, camera, colors, background=BACKGROUND))
    if found is None:
        return None
    points = to_camera(vertices, camera)
    normals = vertex_normals(points, faces)
    hit, bary = _back_project(points, faces[carrying], camera, found[:NUM_FACE_LANDMARKS, :2])
    corners = faces[carrying][hit]
    facing = -(normals[corners] * bary[..., None]).sum(1)[:, 2]
    return (reference[corners] * bary[..., None]).sum(1), np.where(hit >= 0, np.clip(facing, 0.02, 1) ** 2, 0)


def settle(samples: list[np.ndarray], weights: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where several sights [468, 3] with weights [468] put the landmarks, robustly, and their median distance [468] from there."""
    stack = np.stack(samples)
    centre = _robust_mean(stack, np.stack(weights))
    return centre, np.median(np.linalg.norm(stack - centre, axis=-1), axis=0)


def _posed(head: HeadModel, shape: np.ndarray) -> np.ndarray:
    zeros = torch.zeros(1, 3)
    jaw = torch.tensor([[JAW_OPENING * head.jaw_open_angle, 0.0, 0.0]])
    identity = torch.tensor(shape, dtype=torch.float32)
    expr = torch.zeros(1, head.num_expr)
    posed = head_vertices(head, identity, expr, jaw_pose=jaw, neck_pose=zeros, eyes_pose=torch.zeros(1, 6), rotation=zeros, translation=zeros)
    return posed[0].numpy().astype(np.float64)


def _back_project(points: np.ndarray, faces: np.ndarray, camera, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Face and barycentrics under each pixel; where a ray falls into a hole or past the rim, those of the nearest drawn pixel."""
    image = rasterize_mesh(points, faces, camera)
    rows, columns = np.nonzero(image.mask)
    drawn = np.stack([columns + 0.5, rows + 0.5], axis=1)
    distance, nearest = KDTree(drawn).query(pixels)
    row, column = rows[nearest], columns[nearest]
    face = np.where(distance < 0.03 * camera.width, image.face[row, column], -1)
    return face, image.bary[row, column]


def _robust_mean(samples: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean [L, 3] of samples [N, L, 3] by iterated reweighting (Geman-McClure, scale from the spread)."""
    centre = np.median(samples, axis=0)
    for _ in range(10):
        distance = np.linalg.norm(samples - centre, axis=-1)
        scale = np.maximum(np.median(distance, axis=0), 5e-4)
        robust = weight / (1 + (distance / (1.5 * scale)) ** 2) ** 2
        centre = (samples * robust[..., None]).sum(0) / np.maximum(robust.sum(0), 1e-9)[:, None]
    return centre


def _is_symmetric(head: HeadModel, tolerance: float = 1e-3) -> bool:
    """Whether the face's mirror image lies on the face, to a millimetre."""
    vertices = head.template.numpy().astype(np.float64)
    mirrored = vertices[head.regions["face"]] * [-1.0, 1.0, 1.0]
    faces = head.faces.numpy()
    face, bary = closest_on_mesh(mirrored, vertices, faces)
    nearest = (vertices[faces[face]] * bary[..., None]).sum(1)
    return bool(np.quantile(np.linalg.norm(nearest - mirrored, axis=1), 0.9) < tolerance)


def mirror_partners(head: HeadModel, detect: Detector) -> np.ndarray | None:
    """[468] index of each landmark's partner on the other side, from a frontal picture and its mirror image; -1 where unsure.

    In the mirrored picture landmark i is found where its partner is in the picture itself.
    """
    vertices = _posed(head, np.zeros(head.num_shape))
    target = vertices[head.regions["face"]].mean(0) * [0, 1, 1]
    camera = look_at(target + np.array([0, 0, DISTANCE]), target, focal=FOCAL, size=(SIZE, SIZE))
    picture = shade_mesh(vertices, head.faces.numpy(), camera, tinted(head), background=BACKGROUND)
    found, mirrored = detect(picture), detect(np.ascontiguousarray(picture[:, ::-1]))
    if found is None or mirrored is None:
        return None
    there = mirrored[:NUM_FACE_LANDMARKS, :2] * [-1, 1] + [SIZE, 0]
    _, partner = linear_sum_assignment(((there[:, None] - found[None, :NUM_FACE_LANDMARKS, :2]) ** 2).sum(-1))
    return np.where(partner[partner] == np.arange(NUM_FACE_LANDMARKS), partner, -1)


def iris_landmarks(head: HeadModel) -> tuple[np.ndarray, np.ndarray]:
    """Faces and barycentrics of landmarks 468..477: centre and rim of the subject's right iris, then of the left.

    The rim runs as MediaPipe's does in the picture: right, top, left, bottom.
    """
    faces, bary = [], []
    vertices = head.template.numpy().astype(np.float64)
    for joint, name in ((RIGHT_EYE, "right_eye"), (LEFT_EYE, "left_eye")):
        eye_faces = np.flatnonzero(np.isin(head.faces.numpy(), head.regions[name]).all(axis=1))
        centre = head.joint_template[joint].numpy().astype(np.float64)
        on_eye = vertices[head.regions[name]] - centre
        radius = np.median(np.linalg.norm(on_eye[on_eye[:, 2] > 0.5 * abs(on_eye).max()], axis=1))
        angle = np.arcsin(min(IRIS_RADIUS / radius, 0.9))
        turns = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]]) * np.sin(angle)
        directions = np.c_[turns, np.sqrt(1 - (turns**2).sum(1))]
        face, weights = closest_on_mesh(centre + radius * directions, vertices, head.faces.numpy()[eye_faces])
        faces.append(eye_faces[face])
        bary.append(weights)
    return np.concatenate(faces), np.concatenate(bary)
