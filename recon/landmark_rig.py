"""The head model boiled down to MediaPipe's landmarks: positions and their exact derivatives, batched over frames.

A landmark is a fixed point of a triangle, so under linear blend skinning it is a sum over joints of
R_joint (a linear function of identity, expression and pose correctives). Keeping that sum per joint instead of per
vertex makes a landmark as cheap as a vertex, and its derivatives closed forms.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avatar3d.arkit import LID_NAMES
from avatar3d.head.model import HeadModel, axis_angle_to_matrix, landmark_vertices
from avatar3d.render.mesh import vertex_normals
from recon.face_regions import LOWER_EDGES, UPPER_EDGES
from recon.lip_embedding import lips_on_edges

ROTATION, POSITION, JAW, EYES, EXPR = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 15), slice(15, None)
"""Columns of a frame's parameter vector: head rotation, head position, jaw, eyes, expressions then eyelids."""
NUM_POSE = 15
SEEN, HIDDEN = 0.4, -0.2
"""Cosines between the skin's normal and the way to the camera at which a place is seen as well as can be, and not at all."""
LEAST_VISIBLE = 0.05
NEIGHBOURHOOD = 0.008
"""Metres."""
_CORRECTIVES = 27
"""Elements of R - I of jaw and both eyes; the neck's are zero, because the head is tracked as one rigid body."""
_GENERATORS = torch.tensor([[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 0]]]).float()
"""[3, 3, 3] cross-product matrices of the axes."""


@dataclass(frozen=True, eq=False)
class _JointPart:
    """What one joint moves: n of the landmarks, each with its share."""

    rows: Tensor
    """[n] positions in the list of landmarks."""
    weight: Tensor
    """[n] share of the joint."""
    template: Tensor
    """[n, 3], already multiplied with the share, as are the bases."""
    shape_basis: Tensor
    """[n, 3, S]."""
    linear_basis: Tensor
    """[n, 3, E + lids + 27]."""


@dataclass(frozen=True, eq=False)
class LandmarkRig:
    """L landmarks of a head whose neck is straight; see `landmark_rig`."""

    index: Tensor
    """[L] MediaPipe's numbers of the landmarks."""
    opposite: tuple[Tensor, Tensor]
    """Rows of the landmarks on upper edges (lids, inner lips) and of those that they meet, [N] each."""
    parts: tuple[_JointPart, ...]
    """Head (root and neck together), jaw, left eye, right eye."""
    joints: Tensor
    """[3, 3] jaw, left eye, right eye."""
    joint_shape_basis: Tensor
    """[3, 3, S]."""
    pivot: Tensor
    """[3] the head turns about this point of the rest pose: its rotation and position are then nearly independent."""
    normal: Tensor
    """[L, 3] of the skin at the landmarks, unit, on the mean head."""
    blinks: tuple[int, ...]
    """Columns of the left and the right blink among the parameters; empty where the head has none."""
    num_expr: int
    num_lids: int

    @property
    def num_landmarks(self) -> int:
        return len(self.index)

    @property
    def num_params(self) -> int:
        return NUM_POSE + self.num_expr + self.num_lids


@dataclass(frozen=True, eq=False)
class View:
    """The camera as tensors: rotation [3, 3], translation [3], focal and centre [2] in pixels."""

    R: Tensor
    t: Tensor
    focal: Tensor
    centre: Tensor


def landmark_rig(head: HeadModel, num_shape: int) -> LandmarkRig:
    """Condense a head with a landmark embedding; only the first `num_shape` identity modes are kept."""
    head = lips_on_edges(head)
    small = head.subset(landmark_vertices(head))
    if small.landmarks is None:
        raise ValueError(f"{head.name} has no landmark embedding")
    corners = small.faces[torch.from_numpy(small.landmarks.face)]
    bary = torch.from_numpy(small.landmarks.bary).float()
    linear = small.expr_basis
    if small.eyelid_basis is not None:
        linear = torch.cat([linear, small.eyelid_basis.permute(1, 2, 0)], dim=2)
    linear = torch.cat([linear, small.pose_basis[..., 9:]], dim=2)
    shape = small.shape_basis[..., :num_shape]
    weights = torch.cat([small.skin_weights[:, :2].sum(1, keepdim=True), small.skin_weights[:, 2:]], dim=1)

    def part(joint: int) -> _JointPart:
        share = weights[corners, joint] * bary
        rows = torch.nonzero(share.sum(1) > 1e-6)[:, 0]
        share, vertices = share[rows], corners[rows]
        return _JointPart(
            rows,
            share.sum(1),
            (share[..., None] * small.template[vertices]).sum(1),
            torch.einsum("nk,nkcs->ncs", share, shape[vertices]),
            torch.einsum("nk,nkce->nce", share, linear[vertices]),
        )

    parts = tuple(part(joint) for joint in range(4))
    return LandmarkRig(
        index=torch.from_numpy(small.landmarks.index).long(),
        opposite=_opposite_rows(small.landmarks.index),
        parts=parts,
        joints=small.joint_template[2:],
        joint_shape_basis=small.joint_shape_basis[2:, :, :num_shape],
        pivot=parts[0].template.sum(0) / parts[0].weight.sum(),
        normal=_normals(head),
        blinks=_blink_columns(head),
        num_expr=head.num_expr,
        num_lids=0 if head.eyelid_basis is None else 2,
    )


def _normals(head: HeadModel) -> Tensor:
    """Averaged over a neighbourhood, since the edges of lips and lids look anywhere."""
    assert head.landmarks is not None
    corners, bary = head.faces.numpy()[head.landmarks.face], torch.from_numpy(head.landmarks.bary)[..., None].float()
    normals = torch.from_numpy(vertex_normals(head.template.numpy(), head.faces.numpy())).float()
    places = (head.template[corners] * bary).sum(1)
    near = torch.exp(-0.5 * (torch.cdist(places, places) / NEIGHBOURHOOD).square())
    return torch.nn.functional.normalize(near @ (normals[corners] * bary).sum(1), dim=1)


def _blink_columns(head: HeadModel) -> tuple[int, ...]:
    if all(name in head.expr_names for name in LID_NAMES):
        return tuple(NUM_POSE + head.expr_names.index(name) for name in LID_NAMES)
    return () if head.eyelid_basis is None else (NUM_POSE + head.num_expr, NUM_POSE + head.num_expr + 1)


def _opposite_rows(index: np.ndarray) -> tuple[Tensor, Tensor]:
    row = {int(landmark): position for position, landmark in enumerate(index)}
    pairs = [(row[a], row[b]) for a, b in zip(UPPER_EDGES, LOWER_EDGES, strict=True) if a in row and b in row]
    return torch.tensor([a for a, _ in pairs], dtype=torch.long), torch.tensor([b for _, b in pairs], dtype=torch.long)


def rotation_jacobian(rotvec: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation matrices [..., 3, 3] of rotation vectors [..., 3], and their derivatives [..., 3, 3, 3] (last: component).

    Rodrigues' formula R = I + a K + b K^2 differentiated; by hand, because functional autodiff takes seconds to start.
    """
    squared = (rotvec * rotvec).sum(-1)[..., None, None]
    small = squared < 1e-4
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    a = torch.where(small, 1 - squared / 6, torch.sin(angle) / angle)
    b = torch.where(small, 0.5 - squared / 24, (1 - torch.cos(angle)) / safe)
    # Derivatives of a and b by the squared angle, times two.
    slope_a = torch.where(small, -1 / 3 + squared / 30, (torch.cos(angle) - a) / safe)
    slope_b = torch.where(small, -1 / 12 + squared / 180, (a - 2 * b) / safe)
    K = torch.einsum("...k,kij->...ij", rotvec, _GENERATORS)
    K2 = K @ K
    R = torch.eye(3) + a * K + b * K2
    by_length = slope_a * K + slope_b * K2
    columns = [rotvec[..., k, None, None] * by_length + a * _GENERATORS[k] + b * (_GENERATORS[k] @ K + K @ _GENERATORS[k]) for k in range(3)]
    return R, torch.stack(columns, dim=-1)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Landmarks of F frames as the detector would see them and what is needed to differentiate them."""

    places: Tensor
    """[F, L, 3]: pixels, and depth relative to the pivot in pixels at the pivot's distance, as MediaPipe gives it."""
    camera_points: Tensor
    """[F, L, 3] metres, in the camera's frame."""
    pivot_depth: Tensor
    """[F, 1, 1] metres."""
    rest: Tensor
    """[F, L, 3] before the head's rigid motion."""
    local: tuple[Tensor, ...]
    """Per part [F, n, 3]: before the joint's rotation, relative to the joint."""
    R_joint: tuple[Tensor | None, ...]
    """Per part [F, 3, 3], None for the head."""
    dR_joint: tuple[Tensor | None, ...]
    R: Tensor
    """[F, 3, 3] head rotation."""
    dR: Tensor


def evaluate(rig: LandmarkRig, shape: Tensor, offsets: Tensor, params: Tensor, view: View) -> Evaluation:
    """Project the landmarks.

    Args:
        rig: the condensed head.
        shape: [S] identity.
        offsets: [L, 3] person-specific displacement of the landmarks on the neutral head, metres.
        params: [F, P] frame parameters.
        view: the camera.
    """
    F = len(params)
    rotvecs = torch.stack([params[:, ROTATION], params[:, JAW], params[:, 9:12], params[:, 12:15]], dim=1)
    matrices, derivatives = rotation_jacobian(rotvecs)
    correctives = (matrices[:, 1:] - torch.eye(3)).reshape(F, _CORRECTIVES)
    coefficients = torch.cat([params[:, EXPR], correctives], dim=1)
    joints = rig.joints + rig.joint_shape_basis @ shape
    rest = params.new_zeros(F, rig.num_landmarks, 3)
    local: list[Tensor] = []
    for number, part in enumerate(rig.parts):
        neutral = part.template + part.shape_basis @ shape + part.weight[:, None] * offsets[part.rows]
        moved = neutral + (coefficients @ part.linear_basis.flatten(0, 1).T).unflatten(1, (-1, 3))
        if number == 0:
            rest[:, part.rows] += moved
            local.append(moved)
            continue
        lever = part.weight[:, None] * joints[number - 1]
        moved = moved - lever
        rest[:, part.rows] += moved @ matrices[:, number].transpose(1, 2) + lever
        local.append(moved)
    R = matrices[:, 0]
    world = (rest - rig.pivot) @ R.transpose(1, 2) + rig.pivot + params[:, None, POSITION]
    camera_points = world @ view.R.T + view.t
    pixels = camera_points[..., :2] / camera_points[..., 2:] * view.focal + view.centre
    pivot_depth = ((rig.pivot + params[:, POSITION]) @ view.R[2] + view.t[2])[:, None, None]
    depth = (camera_points[..., 2:] - pivot_depth) * (view.focal[0] / pivot_depth)
    R_joint = (None, *(matrices[:, number] for number in (1, 2, 3)))
    dR_joint = (None, *(derivatives[:, number] for number in (1, 2, 3)))
    return Evaluation(torch.cat([pixels, depth], dim=-1), camera_points, pivot_depth, rest, tuple(local), R_joint, dR_joint, R, derivatives[:, 0])


def _by_world(state: Evaluation, view: View) -> Tensor:
    """[F, L, 3, 3] derivative of the places by world positions, the pivot held."""
    x, y, z = state.camera_points.unbind(-1)
    zero = torch.zeros_like(z)
    rows = [torch.stack([1 / z, zero, -x / (z * z)], -1), torch.stack([zero, 1 / z, -y / (z * z)], -1)]
    rows.append(torch.stack([zero, zero, (1 / state.pivot_depth[..., 0]).expand_as(z)], -1))
    focal = torch.stack([view.focal[0], view.focal[1], view.focal[0]])
    return (torch.stack(rows, -2) * focal[:, None]) @ view.R


def _linear_columns(rig: LandmarkRig, state: Evaluation, A: Tensor, basis: str, columns: slice) -> Tensor:
    """[F, L, 3, C] derivative by coefficients of a per-part basis; A [F, L, 3, 3] by positions before the head's motion."""
    F, L = A.shape[:2]
    width = len(range(*columns.indices(getattr(rig.parts[0], basis).shape[2])))
    out = A.new_zeros(L, F * 3, width)
    for part, R in zip(rig.parts, state.R_joint, strict=True):
        if not len(part.rows):
            continue
        rows = A[:, part.rows] if R is None else A[:, part.rows] @ R[:, None]
        product = torch.bmm(rows.transpose(0, 1).reshape(len(part.rows), F * 3, 3), getattr(part, basis)[..., columns])
        if len(part.rows) == L:
            out += product
        else:
            out.index_add_(0, part.rows, product)
    return out.unflatten(1, (F, 3)).transpose(0, 1)


def rigid_jacobian(rig: LandmarkRig, state: Evaluation, view: View) -> Tensor:
    """[F, L, 3, 6] derivative of the places by the head's rotation and position."""
    by_world = _by_world(state, view)
    turned = torch.einsum("fijk,flj->flik", state.dR, state.rest - rig.pivot)
    shifted = by_world.clone()
    shifted[:, :, 2] = 0
    return torch.cat([by_world @ turned, shifted], dim=-1)


def jacobian(rig: LandmarkRig, state: Evaluation, view: View) -> Tensor:
    """[F, L, 3, P] derivative of the places by the frame parameters."""
    F, L = state.rest.shape[:2]
    A = _by_world(state, view) @ state.R[:, None]
    C = rig.num_expr + rig.num_lids
    out = A.new_empty(F, L, 3, NUM_POSE + C)
    out[..., : POSITION.stop] = rigid_jacobian(rig, state, view)
    out[..., EXPR] = _linear_columns(rig, state, A, "linear_basis", slice(0, C))
    for number in (1, 2, 3):
        part, dR = rig.parts[number], state.dR_joint[number]
        assert dR is not None
        by_rotvec = A.new_zeros(F, L, 3, 3)
        by_rotvec[:, part.rows] = torch.einsum("fijk,fnj->fnik", dR, state.local[number])
        first = C + 9 * (number - 1)
        for other, R in zip(rig.parts, state.R_joint, strict=True):
            corrective = torch.einsum("nce,fek->fnck", other.linear_basis[..., first : first + 9], dR.flatten(1, 2))
            by_rotvec[:, other.rows] += corrective if R is None else R[:, None] @ corrective
        out[..., 3 + 3 * number : 6 + 3 * number] = A @ by_rotvec
    return out


def shape_jacobian(rig: LandmarkRig, state: Evaluation, view: View) -> Tensor:
    """[F, L, 3, S] derivative of the places by identity; that a joint moves with identity is left out as negligible."""
    A = _by_world(state, view) @ state.R[:, None]
    return _linear_columns(rig, state, A, "shape_basis", slice(None))


def offset_jacobian(rig: LandmarkRig, state: Evaluation, view: View) -> Tensor:
    """[F, L, 3, 3] derivative of each landmark's place by its own offset."""
    A = _by_world(state, view) @ state.R[:, None]
    skin = A.new_zeros(*state.rest.shape, 3)
    for part, R in zip(rig.parts, state.R_joint, strict=True):
        skin[:, part.rows] += part.weight[:, None, None] * (torch.eye(3) if R is None else R[:, None])
    return A @ skin


def rigid_motion(rig: LandmarkRig, params: Tensor) -> tuple[Tensor, Tensor]:
    """The head's motion x -> R x + t: R [F, 3, 3], t [F, 3]."""
    R = axis_angle_to_matrix(params[:, ROTATION])
    return R, rig.pivot + params[:, POSITION] - rig.pivot @ R.transpose(1, 2)


def visibility(rig: LandmarkRig, params: Tensor, view: View) -> Tensor:
    """[F, L] 0..1 how well the skin at each landmark shows: less the more it turns away, least on the far side of the head.

    What a detector says of a place that it does not see is a guess.
    """
    R, t = rigid_motion(rig, params)
    places = torch.zeros(rig.num_landmarks, 3)
    for part in rig.parts:
        places.index_add_(0, part.rows, part.template)
    towards = -view.R.T @ view.t - (places @ R.transpose(1, 2) + t[:, None])
    cosine = ((rig.normal @ R.transpose(1, 2)) * torch.nn.functional.normalize(towards, dim=-1)).sum(-1)
    # Places that a facing head shows askew as well, such as its outline, are judged by what the turn takes away.
    usual = rig.normal[:, 2].clamp(max=SEEN)
    share = ((cosine - HIDDEN) / (usual - HIDDEN).clamp(min=0.1)).clamp(0, 1)
    return LEAST_VISIBLE + (1 - LEAST_VISIBLE) * share
