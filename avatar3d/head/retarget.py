"""Another head: the expressions and the jaw of a motion in the coefficients of another rig.

Each channel of the source moves points of its face; the target's coefficients are those that move the same points alike, once the
source's displacements are turned and scaled onto the target. Expressions and lids are compared in the rest pose, where rigs are linear,
and each rig turns its own offsets by its own jaw; the jaw is fitted first, over several angles, and what it leaves over goes to the
expressions. Coefficients with bounds (ARKit's 0..1, lids) are found frame by frame, because a matrix cannot keep to bounds.
"""

import functools
from dataclasses import dataclass, replace

import numpy as np
import torch

from avatar3d.arkit import ARKIT_NAMES, LID_NAMES
from avatar3d.errors import UserError
from avatar3d.head.bounded import bounded_least_squares
from avatar3d.head.correspondence import Compared, SurfacePoints, correspondence
from avatar3d.head.model import JAW, HeadModel, axis_angle_to_matrix, head_vertices
from avatar3d.head.similarity import fit_similarity
from avatar3d.motion import Motion

"""What the two columns of an `eyelid_basis` do, by ARKit's names."""
JAW_CHANNELS = ("jaw_pose_0", "jaw_pose_1", "jaw_pose_2")
OPENINGS = (0.25, 0.5, 0.75, 1.0)
"""Shares of jawOpen at which the jaws are compared."""
SIDEWAYS = 0.1
"""Radians of the jaw's yaw and roll at which they are compared."""
RIDGE = 1e-4
"""Metres: one standard deviation of an expression costs as much as this on every point."""
JAW_STD = 0.02
"""Radians; what the jaw adds to explain an expression is dear, so that what the jaw can do is not taken for it."""


@dataclass(frozen=True, eq=False)
class Retarget:
    """How the coefficients of one head become those of another. C coefficients: expressions, lids where the head has them, jaw."""

    source: str
    """Fingerprint of the head that motions come from."""
    target: str
    """Fingerprint of the head that they go to."""
    channels: tuple[str, ...]
    """[Cs] names of the source's coefficients."""
    coefficients: tuple[str, ...]
    """[Ct] names of the target's coefficients."""
    scale: float
    """Size of the target against the source."""
    jaw: np.ndarray
    """[3, 3] the target's jaw_pose of the source's; the expressions may add to it."""
    gram: np.ndarray
    """[Ct, Ct] normal matrix of the least squares, square metres."""
    cross: np.ndarray
    """[Ct, Cs] its right-hand side for one unit of each channel."""
    lower: np.ndarray
    """[Ct] bounds, infinite where there are none."""
    upper: np.ndarray
    source_expr: int
    """Expressions of the source."""
    target_expr: int
    num_shape: int
    """Identity modes of the target."""
    points: int
    """How many corresponding points it was fitted on."""
    size: np.ndarray
    """[Cs] root mean square displacement of the points at a channel's full strength on the target's scale, metres."""
    residual: np.ndarray
    """[Cs] what of it the target does not follow, metres."""

    @property
    def relative(self) -> np.ndarray:
        """[Cs] residual over size; 0 for a channel that moves nothing."""
        return self.residual / np.maximum(self.size, 1e-12)

    @functools.cached_property
    def matrix(self) -> np.ndarray:
        """[Ct, Cs] the linear map, exact as long as no bound is met."""
        linear = np.linalg.solve(self.gram, self.cross)
        linear[-3:, -3:] += self.jaw
        return linear


@functools.lru_cache(maxsize=8)
def fit_retarget(source: HeadModel, target: HeadModel, hinge: bool = False) -> Retarget:
    """The map from the source's coefficients to the target's, on the mean heads; about a second, kept for the process.

    Least squares with a ridge in standard deviations around the coefficients of the same name, where both heads have it. One
    standard deviation is 1 for expressions and lids. The blink is copied.

    Args:
        source: the head that motions come from.
        target: the head that they shall move.
        hinge: the target's jaw only opens; what goes sideways or turns becomes expressions, as ARKit has it.

    Raises:
        UserError: a head has no landmarks, or the two share too few.
    """
    ours, theirs, rows = correspondence(source, target)
    R, _, s = fit_similarity(ours.of(_template(source)), theirs.of(_template(target)))
    stretch = _stretch(ours.of(_template(source)), theirs.of(_template(target)), rows, s)

    def carried(moved: np.ndarray) -> np.ndarray:
        """Displacements [N, 3, ...] of the source on the target."""
        return s * np.einsum("ij,nj...->ni...", R, moved)

    names, coefficients = _names(source), _names(target)
    turn, leftover, jaw_size = _fit_jaw(source, target, ours, theirs, rows, carried, hinge)
    wanted = np.concatenate([rows.of(carried(_linear(source, ours)), stretch), leftover], axis=1)
    free = 1 if hinge else 3
    basis = np.concatenate([rows.of(_linear(target, theirs)), rows.of(_jaw_basis(target, theirs))], axis=1)
    basis[:, len(coefficients) - 3 + free :] = 0
    std = np.r_[np.ones(len(coefficients) - 3), np.full(3, JAW_STD)]
    penalty = np.diag((RIDGE / std) ** 2)
    alike = source.fingerprint == target.fingerprint
    prior = np.array([[a == b and (alike or a in ARKIT_NAMES) for b in names] for a in coefficients], np.float64)
    prior[-3:] = 0
    # On its own head a motion is what it is, bounds or not.
    bounded = np.array([name in ARKIT_NAMES and (hinge or not alike) for name in coefficients])
    gram, cross = basis.T @ basis + penalty, basis.T @ wanted + penalty @ prior
    # A lid at 1 is closed, on every head: it is copied, because a sliver of an eye shows where points agree to half a millimetre.
    for name in set(LID_NAMES) & set(names) & set(coefficients):
        cross[:, names.index(name)] = gram[:, coefficients.index(name)]
    mapping = Retarget(
        source=source.fingerprint, target=target.fingerprint, channels=names, coefficients=coefficients, scale=s, jaw=turn,
        gram=gram, cross=cross, lower=np.where(bounded, 0.0, -np.inf), upper=np.where(bounded, 1.0, np.inf),
        source_expr=source.num_expr, target_expr=target.num_expr, num_shape=target.num_shape, points=len(rows.weight),
        size=np.zeros(0), residual=np.zeros(0),
    )  # fmt: skip
    full = np.r_[np.ones(len(names) - 3), source.jaw_open_angle, SIDEWAYS, SIDEWAYS]
    found = _solve(mapping, np.diag(full)).T
    places = 3 * len(rows.weight)
    left = np.linalg.norm((wanted * full - basis @ found)[:places], axis=0)
    size = np.r_[np.linalg.norm((wanted * full)[:places, :-3], axis=0), jaw_size]
    return replace(mapping, size=size, residual=left)


def retarget(motion: Motion, mapping: Retarget, shape: np.ndarray | None = None) -> Motion:
    """The motion on the target head. Neck, eyes and rotation are carried over, translations scaled, sound and validity kept.

    Args:
        motion: of the source head.
        mapping: from `fit_retarget`.
        shape: [S] identity on the target, default its mean.

    Raises:
        UserError: the motion is of another head than the mapping's source.
    """
    if motion.head_fingerprint != mapping.source:
        raise UserError(f"motion of head {motion.head_fingerprint}: is not of head {mapping.source}, which it is to be carried from; give its head")
    if motion.expr.shape[1] != mapping.source_expr:
        raise UserError(f"motion of head {mapping.source}: has {motion.expr.shape[1]} expressions, the head {mapping.source_expr}; make it again")
    lids = len(mapping.channels) - 3 - mapping.source_expr
    closure = motion.eyelids if motion.eyelids is not None else np.zeros((len(motion), 2), np.float32)
    channels = np.concatenate([motion.expr, closure[:, :lids], motion.jaw_pose], axis=1).astype(np.float64)
    found = _solve(mapping, channels).astype(np.float32)
    E = mapping.target_expr
    torso = None if motion.neck_translation is None else (mapping.scale * motion.neck_translation).astype(np.float32)
    return replace(
        motion,
        expr=np.ascontiguousarray(found[:, :E]),
        jaw_pose=found[:, -3:] + (motion.jaw_pose @ mapping.jaw.T).astype(np.float32),
        eyelids=np.ascontiguousarray(found[:, E:-3]) if found.shape[1] > E + 3 else None,
        translation=(mapping.scale * motion.translation).astype(np.float32),
        neck_translation=torso,
        shape=np.zeros(mapping.num_shape, np.float32) if shape is None else np.asarray(shape, np.float32),
        head_fingerprint=mapping.target,
    )


def _solve(mapping: Retarget, channels: np.ndarray) -> np.ndarray:
    """Target coefficients [T, Ct] of source channels [T, Cs]; the jaw's are what comes on top of `mapping.jaw`."""
    return bounded_least_squares(mapping.gram, channels @ mapping.cross.T, mapping.lower, mapping.upper)


def _names(head: HeadModel) -> tuple[str, ...]:
    """Names of the coefficients: expressions, lids, jaw."""
    expressions = head.expr_names or tuple(f"expr_{index}" for index in range(head.num_expr))
    return (*expressions, *(LID_NAMES if head.eyelid_basis is not None else ()), *JAW_CHANNELS)


def _template(head: HeadModel) -> np.ndarray:
    return head.template.numpy().astype(np.float64)


def _linear(head: HeadModel, points: SurfacePoints) -> np.ndarray:
    """[N, 3, E or E + 2] displacements of expressions and lids in the rest pose."""
    bases = [points.of(head.expr_basis.numpy().astype(np.float64))]
    if head.eyelid_basis is not None:
        bases.append(points.of(head.eyelid_basis.permute(1, 2, 0).numpy().astype(np.float64)))
    return np.concatenate(bases, axis=2)


def _touched(head: HeadModel, points: SurfacePoints) -> tuple[HeadModel, SurfacePoints]:
    """The vertices that the points lie on, with nothing but the jaw to move them: the forward pass is asked dozens of times."""
    vertices, corners = np.unique(points.corners, return_inverse=True)
    bases = {name: torch.zeros(head.num_vertices, 3, 1) for name in ("shape_basis", "expr_basis")}
    bare = replace(head, **bases, joint_shape_basis=torch.zeros(5, 3, 1), eyelid_basis=None)
    return bare.subset(vertices), SurfacePoints(corners.reshape(-1, 3), points.bary)


def _jaw_moves(part: HeadModel, points: SurfacePoints, poses: np.ndarray) -> np.ndarray:
    """[N, 3, K] displacements by jaw poses [K, 3] of a head from `_touched`."""
    K = len(poses)
    zeros = torch.zeros(K, 3)
    posed = head_vertices(
        part, torch.zeros(1), torch.zeros(K, 1), jaw_pose=torch.from_numpy(np.asarray(poses, np.float32)), neck_pose=zeros,
        eyes_pose=torch.zeros(K, 6), rotation=zeros, translation=zeros,
    )  # fmt: skip
    return points.of((posed - part.template).permute(1, 2, 0).numpy().astype(np.float64))


def _jaw_basis(head: HeadModel, points: SurfacePoints) -> np.ndarray:
    """[N, 3, 3] displacement per radian about each axis, about a closed mouth."""
    part, on = _touched(head, points)
    step = 0.05
    return (_jaw_moves(part, on, step * np.eye(3)) - _jaw_moves(part, on, -step * np.eye(3))) / (2 * step)


def _fit_jaw(source: HeadModel, target: HeadModel, ours: SurfacePoints, theirs: SurfacePoints, rows: Compared, carried, hinge: bool):
    """Jaw to jaw [3, 3], the rows [3 (N + G), 3] that a radian leaves over in the rest pose, and [3] how far the jaw moves the points.

    Axis by axis: a jaw that opens straight opens straight on any head, whatever the points' errors say.
    """
    turn, sizes, leftover = np.zeros((3, 3)), np.zeros(3), []
    weight = theirs.of(target.skin_weights[:, JAW].numpy().astype(np.float64))
    (ours_part, ours_on), (theirs_part, theirs_on) = _touched(source, ours), _touched(target, theirs)
    for axis in range(3):
        angles = source.jaw_open_angle * np.array(OPENINGS) if axis == 0 else np.array([-SIDEWAYS, SIDEWAYS])
        about = np.eye(3)[axis]
        wanted = carried(_jaw_moves(ours_part, ours_on, about * angles[:, None]))

        def apart(x: np.ndarray, about=about, angles=angles, wanted=wanted) -> np.ndarray:
            return wanted - _jaw_moves(theirs_part, theirs_on, x * about * angles[:, None])

        if axis == 0 or not hinge:
            turn[axis, axis] = _gauss_newton(lambda x, apart=apart: rows.of(apart(x)), np.ones(1))[0]
        # What is left over becomes expressions, which the target's jaw will turn again.
        turned = axis_angle_to_matrix(torch.from_numpy(turn[axis, axis] * about * angles[:, None])).numpy()
        blended = np.eye(3) + weight[:, None, None, None] * (turned - np.eye(3))
        left = np.einsum("nkij,njk->nik", np.linalg.inv(blended), apart(turn[axis, axis]))
        leftover.append(rows.of(left @ angles / (angles**2).sum()))
        sizes[axis] = np.linalg.norm(rows.of(wanted[..., -1])[: 3 * len(rows.weight)])
    return turn, np.stack(leftover, axis=1), sizes


def _gauss_newton(residual, start: np.ndarray, step: float = 0.05, rounds: int = 2) -> np.ndarray:
    """x [n] that makes |residual(x)| smallest; the step of the differences is wide, because the forward pass is float32."""
    x = start.copy()
    for _ in range(rounds):
        slopes = [(residual(x + nudge) - residual(x - nudge)).ravel() / (2 * step) for nudge in step * np.eye(len(x))]
        x -= np.linalg.lstsq(np.stack(slopes, axis=1), residual(x).ravel(), rcond=1e-6)[0]
    return x


def _stretch(ours: np.ndarray, theirs: np.ndarray, rows: Compared, scale: float) -> np.ndarray:
    """[G] by how much more than `scale` a gap must change on the target: an open eye closes whole, whatever its opening."""
    before = np.linalg.norm(ours[rows.upper] - ours[rows.lower], axis=1)
    after = np.linalg.norm(theirs[rows.upper] - theirs[rows.lower], axis=1)
    # Lips rest on each other: their ratio says nothing.
    return np.where(before > 2e-3, np.clip(after / np.maximum(before * scale, 1e-9), 0.3, 3.0), 1.0)
