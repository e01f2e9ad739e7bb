"""The head model: a FLAME-format rig and its forward pass."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)
JOINT_NAMES = ("root", "neck", "jaw", "left_eye", "right_eye")
NUM_FACE_LANDMARKS, NUM_LANDMARKS = 468, 478
"""MediaPipe's: those of the face's skin, and with the irises, which come last."""


def float_tensor(values: np.ndarray) -> Tensor:
    """Numbers of any type as a contiguous float32 tensor."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def half_tensor(values: np.ndarray) -> Tensor:
    """The same, rounded to the half precision in which head files keep bases: a head made here is then the one that is read back."""
    return float_tensor(np.asarray(values, np.float16))


@dataclass(frozen=True)
class Landmarks:
    """Where MediaPipe's landmarks lie on the mesh."""

    index: np.ndarray
    """[L] MediaPipe landmark indices, the irises' from NUM_FACE_LANDMARKS on."""
    face: np.ndarray
    """[L] index into the model's faces."""
    bary: np.ndarray
    """[L, 3] barycentric coordinates."""


@dataclass(frozen=True, eq=False)
class HeadModel:
    """A FLAME-format rig: identity and expression bases, pose correctives, linear blend skinning over five joints.

    Metres; +x the subject's left, +y up, +z out of the face. V vertices, F faces, S identity modes, E expressions.
    """

    name: str
    template: Tensor
    """[V, 3] neutral mean head."""
    shape_basis: Tensor
    """[V, 3, S]."""
    expr_basis: Tensor
    """[V, 3, E]."""
    pose_basis: Tensor
    """[V, 3, 36]: the columns are the elements of R - I (row major) of neck, jaw, left eye, right eye."""
    skin_weights: Tensor
    """[V, 5], rows sum to one."""
    joint_template: Tensor
    """[5, 3] joints of the template: joint_regressor @ template."""
    joint_shape_basis: Tensor
    """[5, 3, S] joints of the identity modes: joint_regressor @ shape_basis."""
    faces: Tensor
    """[F, 3] int64."""
    uv: np.ndarray
    """[F, 3, 2] texture coordinates of each face's corners, 0..1, v upwards."""
    regions: dict[str, np.ndarray]
    """Named sets of vertex indices: lips, eyelids, eyes, upper_teeth, lower_teeth, mouth_interior, scalp, neck, ..."""
    landmarks: Landmarks | None
    expr_names: tuple[str, ...]
    """E names where the basis is named, else empty."""
    licence: str
    redistributable: bool
    """Whether the arrays may be written into files that leave the machine."""
    jaw_open_angle: float
    """Rotation of the jaw about +x, radians, that ARKit's jawOpen = 1 stands for."""
    eyelid_basis: Tensor | None = None
    """[2, V, 3] displacement of the closed left and right lids, for models whose expressions have no blink."""
    parents: tuple[int, ...] = (-1, 0, 1, 1, 1)
    fingerprint: str = field(default="")

    def __post_init__(self) -> None:
        V, S, E = self.template.shape[0], self.shape_basis.shape[2], self.expr_basis.shape[2]
        expected = {
            "template": (V, 3), "shape_basis": (V, 3, S), "expr_basis": (V, 3, E), "pose_basis": (V, 3, 36),
            "skin_weights": (V, 5), "joint_template": (5, 3), "joint_shape_basis": (5, 3, S),
        }  # fmt: skip
        for name, shape in expected.items():
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(f"{name} has shape {tuple(getattr(self, name).shape)}, expected {shape}")
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", geometry_fingerprint(self))

    @property
    def num_vertices(self) -> int:
        return self.template.shape[0]

    @property
    def num_shape(self) -> int:
        return self.shape_basis.shape[2]

    @property
    def num_expr(self) -> int:
        return self.expr_basis.shape[2]

    @cached_property
    def offset_matrix(self) -> Tensor:
        """[E + 36, 3V]: one matrix product adds expressions and pose correctives."""
        offsets = torch.cat([self.expr_basis, self.pose_basis], dim=2)
        return offsets.reshape(-1, offsets.shape[2]).T.contiguous()

    @cached_property
    def _shape_matrix(self) -> Tensor:
        """[S, 3V]."""
        return self.shape_basis.reshape(-1, self.num_shape).T.contiguous()

    def shaped(self, shape: Tensor) -> Tensor:
        """Neutral vertices [..., V, 3] of the identity `shape` [..., S']; S' may be smaller than S."""
        offsets = shape @ self._shape_matrix[: shape.shape[-1]]
        return self.template + offsets.unflatten(-1, (-1, 3))

    def joints(self, shape: Tensor) -> Tensor:
        """Joint positions [..., 5, 3] of the identity `shape` [..., S']."""
        basis = self.joint_shape_basis[..., : shape.shape[-1]]
        return self.joint_template + torch.einsum("jcs,...s->...jc", basis, shape)

    def subset(self, vertices: np.ndarray) -> "HeadModel":
        """The same rig with only some vertices: forward costs in proportion.

        Faces, landmarks and regions that lose a vertex are dropped; the others are renumbered.

        Args:
            vertices: [V'] indices, unique.
        """
        vertices = np.asarray(vertices, np.int64)
        renumber = np.full(self.num_vertices, -1, np.int64)
        renumber[vertices] = np.arange(len(vertices))
        new_faces = renumber[self.faces.numpy()]
        kept = (new_faces >= 0).all(axis=1)
        landmarks = self.landmarks
        if landmarks is not None:
            alive = kept[landmarks.face]
            new_face_index = np.cumsum(kept) - 1
            landmarks = Landmarks(landmarks.index[alive], new_face_index[landmarks.face[alive]], landmarks.bary[alive])
        regions = {name: renumber[ids][renumber[ids] >= 0] for name, ids in self.regions.items()}
        rows = torch.from_numpy(vertices)
        per_vertex = ("template", "shape_basis", "expr_basis", "pose_basis", "skin_weights")
        return replace(
            self,
            **{name: getattr(self, name)[rows].contiguous() for name in per_vertex},
            eyelid_basis=None if self.eyelid_basis is None else self.eyelid_basis[:, rows].contiguous(),
            faces=torch.from_numpy(new_faces[kept]),
            uv=self.uv[kept],
            regions=regions,
            landmarks=landmarks,
        )

    def to(self, device: str | torch.device) -> "HeadModel":
        """The same rig on another device."""
        names = ("template", "shape_basis", "expr_basis", "pose_basis", "skin_weights", "joint_template", "joint_shape_basis", "faces")
        moved = {name: getattr(self, name).to(device) for name in names}
        lids = None if self.eyelid_basis is None else self.eyelid_basis.to(device)
        return replace(self, **moved, eyelid_basis=lids)


def geometry_fingerprint(head: HeadModel) -> str:
    """Sixteen hexadecimal digits that change whenever coefficients would mean another head."""
    digest = hashlib.sha256()
    for name in ("template", "shape_basis", "expr_basis", "pose_basis", "skin_weights", "joint_template", "joint_shape_basis", "faces"):
        digest.update(getattr(head, name).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def landmark_vertices(head: HeadModel) -> np.ndarray:
    """Sorted indices of the vertices that the landmarks touch: what a landmark tracker needs of the mesh."""
    if head.landmarks is None:
        raise ValueError(f"{head.name} has no landmark embedding")
    return np.unique(head.faces.numpy()[head.landmarks.face])


def axis_angle_to_matrix(rotvec: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] of rotation vectors [..., 3] (Rodrigues), smooth at zero for the gradients."""
    squared = (rotvec * rotvec).sum(-1)[..., None, None]
    small = squared < 1e-6
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    sine = torch.where(small, 1 - squared / 6, torch.sin(angle) / angle)
    cosine = torch.where(small, 0.5 - squared / 24, (1 - torch.cos(angle)) / safe)
    x, y, z = rotvec.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    return torch.eye(3, dtype=rotvec.dtype, device=rotvec.device) + sine * cross + cosine * (cross @ cross)


def joint_transforms(rotations: Tensor, joints: Tensor, translation: Tensor, neck_translation: Tensor | None, parents: tuple[int, ...]) -> Tensor:
    """Transforms [B, 5, 3, 4] that take rest-pose points to posed points, one per joint.

    Args:
        rotations: [B, 5, 3, 3] rotation of each joint relative to its parent.
        joints: [B, 5, 3] rest positions.
        translation: [B, 3] of the whole, applied last.
        neck_translation: [B, 3] shift of the neck joint in the torso's frame, or None.
        parents: parent of each joint, -1 for the root.
    """
    world_R: list[Tensor] = []
    world_t: list[Tensor] = []
    for joint, parent in enumerate(parents):
        if parent < 0:
            world_R.append(rotations[:, joint])
            world_t.append(joints[:, joint] + translation)
            continue
        offset = joints[:, joint] - joints[:, parent]
        if joint == NECK and neck_translation is not None:
            offset = offset + neck_translation
        world_R.append(world_R[parent] @ rotations[:, joint])
        world_t.append((world_R[parent] @ offset[..., None])[..., 0] + world_t[parent])
    R, t = torch.stack(world_R, dim=1), torch.stack(world_t, dim=1)
    t = t - (R @ joints[..., None])[..., 0]
    return torch.cat([R, t[..., None]], dim=-1)


def head_vertices(
    head: HeadModel,
    shape: Tensor,
    expr: Tensor,
    *,
    jaw_pose: Tensor,
    neck_pose: Tensor,
    eyes_pose: Tensor,
    rotation: Tensor,
    translation: Tensor,
    neck_translation: Tensor | None = None,
    eyelids: Tensor | None = None,
    vertex_offset: Tensor | None = None,
) -> Tensor:
    """Posed vertices [B, V, 3] (FLAME: Li et al. 2017, equations 2-5), differentiable in every argument.

    Args:
        head: the rig, or a `subset` of it.
        shape: [S'] or [B, S'] identity.
        expr: [B, E'] expression coefficients.
        jaw_pose: [B, 3] rotation vector, radians.
        neck_pose: [B, 3].
        eyes_pose: [B, 6], left eye then right eye.
        rotation: [B, 3] of the torso, the root joint.
        translation: [B, 3] metres.
        neck_translation: [B, 3] metres, in the torso's frame.
        eyelids: [B, 2] closure of the left and right lid, only with an `eyelid_basis`.
        vertex_offset: [V, 3] person-specific displacement of the neutral, metres.
    """
    B, E = expr.shape
    rest = head.shaped(shape)
    if vertex_offset is not None:
        rest = rest + vertex_offset
    joints = head.joints(shape).expand(B, 5, 3)
    poses = torch.stack([rotation, neck_pose, jaw_pose, eyes_pose[:, :3], eyes_pose[:, 3:]], dim=1)
    rotations = axis_angle_to_matrix(poses)
    features = (rotations[:, 1:] - torch.eye(3, dtype=expr.dtype, device=expr.device)).reshape(B, 36)
    matrix = head.offset_matrix
    whole = head.num_expr == E
    offsets = torch.cat([expr, features], dim=1) @ matrix if whole else expr @ matrix[:E] + features @ matrix[head.num_expr :]
    vertices = rest + offsets.unflatten(-1, (-1, 3))
    if eyelids is not None and head.eyelid_basis is not None:
        vertices = vertices + torch.einsum("bl,lvc->bvc", eyelids, head.eyelid_basis)
    transforms = joint_transforms(rotations, joints, translation, neck_translation, head.parents)
    blended = (head.skin_weights @ transforms.reshape(B, 5, 12)).unflatten(-1, (3, 4))
    return (blended[..., :3] @ vertices[..., None])[..., 0] + blended[..., 3]


def landmark_positions(vertices: Tensor, head: HeadModel) -> Tensor:
    """Landmarks [B, L, 3] of posed vertices [B, V, 3], in the order of `head.landmarks.index`."""
    if head.landmarks is None:
        raise ValueError(f"{head.name} has no landmark embedding")
    corners = head.faces[torch.from_numpy(head.landmarks.face)]
    bary = torch.from_numpy(head.landmarks.bary).to(vertices)
    return (vertices[:, corners] * bary[..., None]).sum(-2)
