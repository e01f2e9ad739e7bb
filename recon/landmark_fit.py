"""Fitting the condensed head to landmarks: damped Gauss-Newton over all frames at once.

The frames are coupled only by light temporal terms (squared second differences). Each step's joint system is solved by
conjugate gradients over a window of frames, preconditioned by every frame's own Cholesky factor: exact, and hardly
dearer than to solve every frame alone, since the derivatives are what costs.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from recon.landmark_rig import (
    JAW,
    POSITION,
    ROTATION,
    Evaluation,
    LandmarkRig,
    View,
    evaluate,
    jacobian,
    offset_jacobian,
    rigid_jacobian,
    shape_jacobian,
)

CHUNK = 16
"""Frames whose derivatives are in memory together (0.4 MB each): few enough for the processor's cache."""
THREADS = 2
"""Chunks that are worked on at once; the results do not depend on it."""
EFFECTIVE_LANDMARKS = 60.0
"""The errors of neighbouring landmarks go together: all of them count as this many independent ones."""
HUBER_PIXELS = 2.0
"""At 512 pixels; beyond it an error counts linearly."""
TRUSTED_PIXELS, TRUSTED_SHARE = 1.2, 1.5
"""Mean distance of landmarks, at 512 pixels and over the usual one of the clip, up to which a frame is believed."""
TRUST_POWER = 6.0
PROFILE = (0.62, 0.74)
LEAST_TRUST = 0.003
DEPTH_WEIGHT = 0.2
"""Of the depth of a landmark on the skull, beside its place in the picture: of a nod, the detector's places show only
two thirds, its depths nearly all."""
DEPTH_HUBER_PIXELS = 6.0
EDGE_WEIGHT = 3.0
GAP_WEIGHT = 10.0
"""Weight of the opening between opposite edges, beside a landmark's 1: where the edges are matters less than whether
they meet."""
SHUT_JAW, SHUT_JAW_STD = 0.008, 0.015
"""Radians of the jaw while the lips touch: mean and standard deviation."""
BOUND_STD = 0.03
"""How far a bounded coefficient may leave its range."""
WINDOW = 1024
"""Frames whose temporal coupling is solved exactly; between windows the last step's values stand in."""
CG_STEPS = 60
SHAPE_FRAMES = 0.6
"""However many frames are given, identity is weighed against its prior as if this many were independent: where the
detector sees a landmark on this person is off by the same millimetres in all of them. With more, the head's size and
depth start to explain those errors."""
OFFSET_STD = (0.006, 0.006, 0.005)
"""Metres, prior of a landmark's offset, for an error of one pixel."""
IRIS_OFFSET_STD = 0.0015
"""The same for landmarks on the eyeballs, whose offset and usual gaze look alike (`recon.iris_bias`)."""
OPPOSITE_STD = 0.00003
"""Metres, of the difference of two offsets on opposite edges, but sideways: what is learned of openings is learned elsewhere."""
HELD = 1e6
"""By how much stiffer a pose is than its landmarks make it, where it is to be left as it is."""
DAMPING = 1e-4
MAX_STEP = 0.5


RIGID = slice(ROTATION.start, POSITION.stop)


@dataclass(frozen=True, eq=False)
class Prior:
    """What is likely of a frame's P parameters, before its landmarks are seen."""

    precision: Tensor
    """[P, P] inverse covariance around zero."""
    lower: Tensor
    """[P] softly enforced, -inf where free."""
    upper: Tensor
    curvature: Tensor
    """[P] inverse variance of the second difference over time, at 25 frames a second."""


@dataclass(frozen=True, eq=False)
class Problem:
    """F frames of landmarks to be explained."""

    rig: LandmarkRig
    view: View
    targets: Tensor
    """[F, L, 3] pixels, and MediaPipe's depth relative to the frame's mean."""
    weights: Tensor
    """[F, L] relative weight of each landmark."""
    on_skull: Tensor
    """[L] 1 where a landmark hardly moves but with the head: there its depth counts; else 0."""
    prior: Prior
    triples: Tensor
    """[F - 2, 1 or P] weight of the second difference of frames i, i+1, i+2 (`recon.steadiness`); 0 unless they follow one
    another within one shot."""
    pixel: float
    """Size of a reference pixel (512 across the crop) in pixels of the crop."""
    total: float | None = None
    """Sum of the weights of a face that is seen whole: what is hidden then counts less. None: every frame counts as much."""
    trust: Tensor | None = None
    """[F] 0..1 weight of a frame's landmarks (`trust`); None believes all alike."""
    closed: Tensor | None = None
    """[F] 0..1 how surely the lips touch: then the jaw is nearly shut."""
    gap_targets: Tensor | None = None
    """[F, N] pixels between opposite edges, as learned of this person (`recon.landmark_gaps`); None takes what is detected."""

    def frames(self, selection: Tensor) -> "Problem":
        """Some frames only, without temporal terms."""
        none = torch.zeros(max(len(selection) - 2, 0), 1)
        per_frame = {name: getattr(self, name) for name in ("targets", "weights", "trust", "closed", "gap_targets")}
        chosen = {name: None if value is None else value[selection] for name, value in per_frame.items()}
        return replace(self, triples=none, **chosen)


@dataclass(frozen=True, eq=False)
class Solution:
    """What the landmarks were explained by."""

    shape: Tensor
    """[S]."""
    offsets: Tensor
    """[L, 3] metres."""
    depth_bias: Tensor
    """[L] pixels at 512 by which the model is deeper than the detector finds it on this person."""
    params: Tensor
    """[F, P]."""


Piece = TypeVar("Piece")


def _by_chunk(work: Callable[[slice], Piece], first: int, last: int) -> list[Piece]:
    """What `work` makes of every chunk of the frames first..last-1, in order."""
    chunks = [slice(k, min(k + CHUNK, last)) for k in range(first, last, CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, chunks))


def _weigh(problem: Problem, state: Evaluation, depth_bias: Tensor, columns: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Residuals [F, N] and their derivatives [F, N, C] times the root of their weights: landmarks, then gaps.

    Landmarks are weighed by Huber; all weights are such that the landmarks together count as EFFECTIVE_LANDMARKS.

    Args:
        problem: the landmarks.
        state: the model's landmarks.
        depth_bias: [L] see `Solution`.
        columns: [F, L, 3, C] their derivatives.
        rows: which frames these are.
    """
    residual, weights = state.places - problem.targets[rows], problem.weights[rows]
    residual[..., 2] -= depth_bias * problem.pixel
    total = weights.sum(1, keepdim=True).clamp(min=1e-6) if problem.total is None else weights.new_full((len(weights), 1), problem.total)
    scale = EFFECTIVE_LANDMARKS / total / problem.pixel**2
    if problem.trust is not None:
        scale = scale * problem.trust[rows, None]
    gap, gap_columns = _gaps(problem, state, residual, columns, rows)
    length = residual[..., :2].norm(dim=-1) / problem.pixel
    depth = residual[..., 2].abs() / problem.pixel
    robust = HUBER_PIXELS / length.clamp(min=HUBER_PIXELS)
    robust_depth = DEPTH_WEIGHT * problem.on_skull * DEPTH_HUBER_PIXELS / depth.clamp(min=DEPTH_HUBER_PIXELS)
    root = ((weights * scale)[..., None] * torch.stack([robust, robust, robust_depth], dim=-1)).sqrt()
    edges = torch.minimum(*(weights[:, side] for side in problem.rig.opposite)) / EDGE_WEIGHT
    gap_root = (GAP_WEIGHT * scale * edges).sqrt()
    weighed = torch.cat([(residual * root).flatten(1), gap * gap_root], dim=1)
    return weighed, torch.cat([(columns * root[..., None]).flatten(1, 2), gap_columns * gap_root[..., None]], dim=1)


def _gaps(problem: Problem, state: Evaluation, residual: Tensor, columns: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """By how much the openings between opposite edges are off [F, N] pixels, and their derivatives [F, N, C].

    Where openings have targets of their own, what they say of the edges is taken out of `residual` and `columns`, in place:
    of two opposite landmarks only the middle is then believed.
    """
    upper, lower = problem.rig.opposite
    # An opening is measured along the head's own vertical: sideways, opposite points need not lie opposite exactly.
    vertical = torch.nn.functional.normalize((problem.view.R @ state.R)[:, :2, 1], dim=1)
    gap = torch.einsum("fa,fla->fl", vertical, (residual[:, upper] - residual[:, lower])[..., :2])
    gap_columns = torch.einsum("fa,flac->flc", vertical, (columns[:, upper] - columns[:, lower])[:, :, :2])
    if problem.gap_targets is None:
        return gap, gap_columns
    half = 0.5 * vertical[:, None] * gap[..., None]
    half_columns = 0.5 * vertical[:, None, :, None] * gap_columns[:, :, None]
    residual[:, upper, :2] -= half
    residual[:, lower, :2] += half
    columns[:, upper, :2] -= half_columns
    columns[:, lower, :2] += half_columns
    opening = torch.einsum("fa,fla->fl", vertical, (state.places[:, upper] - state.places[:, lower])[..., :2])
    return opening - problem.gap_targets[rows], gap_columns


def misses(problem: Problem, solution: Solution) -> Tensor:
    """[F, L] pixels by which the landmarks are missed, once what is known of this person's openings is allowed for."""
    upper, lower = problem.rig.opposite

    def chunk(rows: slice) -> Tensor:
        state = evaluate(problem.rig, solution.shape, solution.offsets, solution.params[rows], problem.view)
        residual = (state.places - problem.targets[rows])[..., :2]
        if problem.gap_targets is not None:
            vertical = torch.nn.functional.normalize((problem.view.R @ state.R)[:, :2, 1], dim=1)
            detected = torch.einsum("fa,fla->fl", vertical, (problem.targets[rows][:, upper] - problem.targets[rows][:, lower])[..., :2])
            shift = 0.5 * vertical[:, None] * (detected - problem.gap_targets[rows])[..., None]
            residual[:, upper] += shift
            residual[:, lower] -= shift
        return residual.norm(dim=-1)

    return torch.cat(_by_chunk(chunk, 0, len(solution.params)))


def mean_miss(problem: Problem, missed: Tensor) -> Tensor:
    """[F] weighted mean of the pixels [F, L] by which the landmarks are missed (`misses`), at 512."""
    return (problem.weights * missed).sum(1) / problem.weights.sum(1) / problem.pixel


def trust(problem: Problem, missed: Tensor, usual: float) -> Tensor:
    """[F] how far to believe each frame's landmarks, from how well a face explains them: 1 at most.

    Of a head in profile, or behind a hand, a detector still gives a face, though not this one.

    Args:
        problem: the landmarks.
        missed: [F] pixels (`mean_miss`).
        usual: what `missed` is on this person.
    """
    usual = max(TRUSTED_PIXELS, TRUSTED_SHARE * usual)
    shown = torch.ones(()) if problem.total is None else problem.weights.sum(1) / problem.total
    profile = ((shown - PROFILE[0]) / (PROFILE[1] - PROFILE[0])).clamp(LEAST_TRUST, 1.0)
    return profile * (usual / missed.clamp(min=usual)) ** TRUST_POWER


def _prior_terms(problem: Problem, x: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Gradient [N, P] and curvature [N, P, P] of everything that is neither landmark nor smoothness, at the parameters x [N, P]."""
    prior = problem.prior
    below, above = x < prior.lower, x > prior.upper
    excess = torch.where(below, x - prior.lower, torch.where(above, x - prior.upper, torch.zeros_like(x)))
    gradient = x @ prior.precision + excess / BOUND_STD**2
    H = prior.precision + torch.diag_embed((below | above) / BOUND_STD**2)
    if problem.closed is not None:
        # Where the chin is on this person and how far the jaw is open look alike: lips that touch tell them apart.
        weight = problem.closed[rows] / SHUT_JAW_STD**2
        gradient[:, JAW.start] += weight * (x[:, JAW.start] - SHUT_JAW)
        H[:, JAW.start, JAW.start] += weight
    return gradient, H


def _smoothness(problem: Problem, x: Tensor, first: int = 0) -> Tensor:
    """Gradient [N, P] of the temporal terms among the frames `first`, ... whose parameters are x; linear in x."""
    gradient = torch.zeros_like(x)
    if len(x) > 2:
        second = (x[:-2] - 2 * x[1:-1] + x[2:]) * problem.triples[first : first + len(x) - 2] * problem.prior.curvature
        gradient[:-2] += second
        gradient[1:-1] -= 2 * second
        gradient[2:] += second
    return gradient


def _stiffness(problem: Problem, first: int, count: int) -> Tensor:
    """[count, P] diagonal of the temporal terms at the frames `first`, ..."""
    weights = torch.nn.functional.pad(problem.triples, (0, 0, 2, 2))
    return (weights[:-2] + 4 * weights[1:-1] + weights[2:])[first : first + count] * problem.prior.curvature


def _factor(H: Tensor) -> tuple[Tensor, Tensor]:
    """Cholesky factors of symmetric positive H [F, P, P] scaled to unit diagonal, and the scale [F, P].

    Metres and coefficients differ by six orders of magnitude in curvature, which float32 would not survive unscaled.
    """
    scale = H.diagonal(dim1=-2, dim2=-1).clamp(min=1e-12).rsqrt()
    scaled = H * scale[..., :, None] * scale[..., None, :]
    scaled.diagonal(dim1=-2, dim2=-1).add_(DAMPING)
    return torch.linalg.cholesky_ex(scaled)[0], scale


def _back_substitute(factor: tuple[Tensor, Tensor], right: Tensor) -> Tensor:
    """H^-1 right [F, P, K]."""
    return torch.cholesky_solve(right * factor[1][..., None], factor[0]) * factor[1][..., None]


def solve_frames(problem: Problem, solution: Solution, iterations: int, rigid: bool = False, held: bool = False) -> Solution:
    """Improve the frame parameters with identity and offsets held.

    Args:
        problem: the landmarks.
        solution: where to start.
        iterations: sweeps over all frames.
        rigid: move the head only, and smooth nothing: to come near from afar.
        held: leave the head's pose as it is, and move the face only.
    """
    params = solution.params.clone()
    active = RIGID if rigid else slice(0, params.shape[1])
    smooth = not rigid and bool(problem.triples.any())
    for _ in range(iterations):
        for first in range(0, len(params), WINDOW):
            rows = slice(first, min(first + WINDOW, len(params)))
            pieces = _by_chunk(lambda chunk: normal_equations(problem, solution, params, chunk, active), first, rows.stop)
            H, g = (torch.cat(items) for items in zip(*pieces, strict=True))
            if held:
                H.diagonal(dim1=-2, dim2=-1)[:, RIGID] *= HELD
                g[:, RIGID] = 0
            if smooth:
                step = _coupled_step(problem, H, g + _smoothness(problem, params)[rows], first)
            else:
                step = _back_substitute(_factor(H), g[..., None])[..., 0]
            params[rows, active] -= step.clamp(-MAX_STEP, MAX_STEP)
    return replace(solution, params=params)


def normal_equations(problem: Problem, solution: Solution, params: Tensor, rows: slice, active: slice) -> tuple[Tensor, Tensor]:
    """Curvature [N, A, A] and gradient [N, A] of the frames `rows` by their active parameters, temporal terms left out."""
    state = evaluate(problem.rig, solution.shape, solution.offsets, params[rows], problem.view)
    columns = (rigid_jacobian if active == RIGID else jacobian)(problem.rig, state, problem.view)
    residual, J = _weigh(problem, state, solution.depth_bias, columns, rows)
    gradient, H = _prior_terms(problem, params[rows], rows)
    gradient = gradient[:, active] + (J.transpose(1, 2) @ residual[..., None])[..., 0]
    return H[:, active, active] + J.transpose(1, 2) @ J, gradient


def _coupled_step(problem: Problem, H: Tensor, g: Tensor, first: int) -> Tensor:
    """(H + temporal terms)^-1 g [N, P] by preconditioned conjugate gradients; frames outside the window hold still."""
    N = len(H)
    before, after = min(2, first), min(2, len(problem.targets) - first - N)

    def product(x: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(x, (0, 0, before, after))
        return (H @ x[..., None])[..., 0] + _smoothness(problem, padded, first - before)[before : before + N]

    factor = _factor(H + torch.diag_embed(_stiffness(problem, first, N)))
    x, residual = torch.zeros_like(g), g
    z = _back_substitute(factor, residual[..., None])[..., 0]
    direction, energy = z, (residual * z).sum()
    for _ in range(CG_STEPS):
        image = product(direction)
        length = energy / (direction * image).sum().clamp(min=1e-30)
        x, residual = x + length * direction, residual - length * image
        z = _back_substitute(factor, residual[..., None])[..., 0]
        previous, energy = energy, (residual * z).sum()
        if energy < 1e-6 * (g * x).sum().abs():
            break
        direction = z + energy / previous * direction
    return x


def solve_shared(problem: Problem, solution: Solution, iterations: int, shape_precision: Tensor, fit_offsets: bool) -> Solution:
    """Improve identity, landmark offsets and frame parameters together.

    The frame parameters are eliminated from the normal equations (Schur complement), so identity sees what it costs
    after every frame has adapted. Offsets follow in closed form, from what identity and expressions left over.

    Args:
        problem: the landmarks; its temporal terms are ignored.
        solution: where to start.
        iterations: Gauss-Newton steps.
        shape_precision: [S] inverse variance of identity.
        fit_offsets: whether landmark offsets may change.
    """
    shape, offsets, params, bias = solution.shape, solution.offsets, solution.params, solution.depth_bias
    F = len(params)
    precision = shape_precision * (F / min(F, SHAPE_FRAMES))
    for _ in range(iterations):
        now = Solution(shape, offsets, bias, params)
        pieces = _by_chunk(lambda rows, now=now: _eliminated(problem, now, rows), 0, F)
        by_shape, plain, curvatures, gradients = (list(items) for items in zip(*pieces, strict=True))
        H_shape, g_shape = torch.diag(precision) + torch.stack(curvatures).sum(0), precision * shape + torch.stack(gradients).sum(0)
        step = _back_substitute(_factor(H_shape), g_shape[:, None])[:, 0].clamp(-3 * MAX_STEP, 3 * MAX_STEP)
        shape = shape - step
        params = params - (torch.cat(plain) - torch.cat(by_shape) @ step).clamp(-MAX_STEP, MAX_STEP)
        if fit_offsets:
            offsets = _fit_offsets(problem, shape, offsets, params)
        bias = depth_bias(problem, shape, offsets, params)
    return Solution(shape, offsets, bias, params)


def _eliminated(problem: Problem, solution: Solution, rows: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The frames `rows` without their own parameters.

    Returns:
        by how much identity moves each frame's best parameters [N, P, S], their step with identity held [N, P], and the
        curvature [S, S] and gradient [S] that are left to identity.
    """
    S = len(solution.shape)
    state = evaluate(problem.rig, solution.shape, solution.offsets, solution.params[rows], problem.view)
    columns = torch.cat([jacobian(problem.rig, state, problem.view), shape_jacobian(problem.rig, state, problem.view)], dim=-1)
    residual, J = _weigh(problem, state, solution.depth_bias, columns, rows)
    normal = J.transpose(1, 2) @ J
    gradient = (J.transpose(1, 2) @ residual[..., None])[..., 0]
    g_prior, H_prior = _prior_terms(problem, solution.params[rows], rows)
    H, cross = normal[:, :-S, :-S] + H_prior, normal[:, :-S, -S:]
    solved = _back_substitute(_factor(H), torch.cat([cross, (gradient[:, :-S] + g_prior)[..., None]], dim=2))
    by_shape, plain = solved[..., :S], solved[..., S]
    left = (normal[:, -S:, -S:] - cross.transpose(1, 2) @ by_shape).sum(0)
    return by_shape, plain, left, (gradient[:, -S:] - (cross.transpose(1, 2) @ plain[..., None])[..., 0]).sum(0)


def depth_bias(problem: Problem, shape: Tensor, offsets: Tensor, params: Tensor) -> Tensor:
    """[L] by how much deeper the model is than the detector finds it, on average, in pixels at 512."""

    def deeper(rows: slice) -> Tensor:
        state = evaluate(problem.rig, shape, offsets, params[rows], problem.view)
        return (state.places - problem.targets[rows])[..., 2].sum(0)

    return torch.stack(_by_chunk(deeper, 0, len(params))).sum(0) / len(params) / problem.pixel


def _fit_offsets(problem: Problem, shape: Tensor, offsets: Tensor, params: Tensor) -> Tensor:
    """The offsets [L, 3] that explain best what remains: a 3x3 system per landmark, against the prior OFFSET_STD."""

    def terms(rows: slice) -> tuple[Tensor, Tensor]:
        state = evaluate(problem.rig, shape, offsets, params[rows], problem.view)
        residual = (state.places - problem.targets[rows])[..., :2] / problem.pixel
        robust = HUBER_PIXELS / residual.norm(dim=-1).clamp(min=HUBER_PIXELS) / len(params)
        J = offset_jacobian(problem.rig, state, problem.view)[:, :, :2] / problem.pixel
        weighted = J * robust[..., None, None]
        left = residual - (J @ offsets[..., None])[..., 0]
        return torch.einsum("flai,flaj->lij", weighted, J), torch.einsum("flai,fla->li", weighted, left)

    H, g = (torch.stack(items).sum(0) for items in zip(*_by_chunk(terms, 0, len(params)), strict=True))
    std = torch.tensor(OFFSET_STD).repeat(problem.rig.num_landmarks, 1)
    for part in problem.rig.parts[2:]:
        std[part.rows[part.weight > 0.5]] = IRIS_OFFSET_STD
    H += torch.diag_embed(std**-2)
    offsets = -torch.linalg.solve(H, g[..., None])[..., 0]
    upper, lower = problem.rig.opposite
    tie = torch.diag(torch.tensor([0.0, OPPOSITE_STD**-2, OPPOSITE_STD**-2]))
    pair = torch.cat(
        [torch.cat([H[upper] + tie, (-tie).expand(len(upper), 3, 3)], 2), torch.cat([(-tie).expand(len(upper), 3, 3), H[lower] + tie], 2)], 1
    )
    solved = -torch.linalg.solve(pair, torch.cat([g[upper], g[lower]], 1)[..., None])[..., 0]
    offsets[upper], offsets[lower] = solved[:, :3], solved[:, 3:]
    return offsets
