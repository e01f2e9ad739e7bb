"""Landmarks to be explained by the condensed head: what is asked of a solution, and how much each part of it counts.

`recon.landmark_fit` solves it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from recon.landmark_rig import JAW, Evaluation, LandmarkRig, View, evaluate

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
"""Shares of a face that are seen: up to the first a frame has `LEAST_TRUST`, from the second on it is believed."""
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


def by_chunk(work: Callable[[slice], Piece], first: int, last: int) -> list[Piece]:
    """What `work` makes of every chunk of the frames first..last-1, in order."""
    chunks = [slice(k, min(k + CHUNK, last)) for k in range(first, last, CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, chunks))


def weigh(problem: Problem, state: Evaluation, depth_bias: Tensor, columns: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
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

    return torch.cat(by_chunk(chunk, 0, len(solution.params)))


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


def prior_terms(problem: Problem, x: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
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


def smoothness(problem: Problem, x: Tensor, first: int = 0) -> Tensor:
    """Gradient [N, P] of the temporal terms among the frames `first`, ... whose parameters are x; linear in x."""
    gradient = torch.zeros_like(x)
    if len(x) > 2:
        second = (x[:-2] - 2 * x[1:-1] + x[2:]) * problem.triples[first : first + len(x) - 2] * problem.prior.curvature
        gradient[:-2] += second
        gradient[1:-1] -= 2 * second
        gradient[2:] += second
    return gradient


def stiffness(problem: Problem, first: int, count: int) -> Tensor:
    """[count, P] diagonal of the temporal terms at the frames `first`, ..."""
    weights = torch.nn.functional.pad(problem.triples, (0, 0, 2, 2))
    return (weights[:-2] + 4 * weights[1:-1] + weights[2:])[first : first + count] * problem.prior.curvature
