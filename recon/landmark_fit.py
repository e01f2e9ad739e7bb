"""Fitting the condensed head to landmarks: damped Gauss-Newton over all frames at once.

The frames are coupled only by light temporal terms (squared second differences). Each step's joint system is solved by
conjugate gradients over a window of frames, preconditioned by every frame's own Cholesky factor: exact, and hardly
dearer than to solve every frame alone, since the derivatives are what costs.
"""

from dataclasses import replace

import torch
from torch import Tensor

from recon.landmark_problem import HUBER_PIXELS, Problem, Solution, by_chunk, prior_terms, smoothness, stiffness, weigh
from recon.landmark_rig import POSITION, ROTATION, evaluate, jacobian, offset_jacobian, rigid_jacobian, shape_jacobian

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
            pieces = by_chunk(lambda chunk: normal_equations(problem, solution, params, chunk, active), first, rows.stop)
            H, g = (torch.cat(items) for items in zip(*pieces, strict=True))
            if held:
                H.diagonal(dim1=-2, dim2=-1)[:, RIGID] *= HELD
                g[:, RIGID] = 0
            if smooth:
                step = _coupled_step(problem, H, g + smoothness(problem, params)[rows], first)
            else:
                step = _back_substitute(_factor(H), g[..., None])[..., 0]
            params[rows, active] -= step.clamp(-MAX_STEP, MAX_STEP)
    return replace(solution, params=params)


def normal_equations(problem: Problem, solution: Solution, params: Tensor, rows: slice, active: slice) -> tuple[Tensor, Tensor]:
    """Curvature [N, A, A] and gradient [N, A] of the frames `rows` by their active parameters, temporal terms left out."""
    state = evaluate(problem.rig, solution.shape, solution.offsets, params[rows], problem.view)
    columns = (rigid_jacobian if active == RIGID else jacobian)(problem.rig, state, problem.view)
    residual, J = weigh(problem, state, solution.depth_bias, columns, rows)
    gradient, H = prior_terms(problem, params[rows], rows)
    gradient = gradient[:, active] + (J.transpose(1, 2) @ residual[..., None])[..., 0]
    return H[:, active, active] + J.transpose(1, 2) @ J, gradient


def _coupled_step(problem: Problem, H: Tensor, g: Tensor, first: int) -> Tensor:
    """(H + temporal terms)^-1 g [N, P] by preconditioned conjugate gradients; frames outside the window hold still."""
    N = len(H)
    before, after = min(2, first), min(2, len(problem.targets) - first - N)

    def product(x: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(x, (0, 0, before, after))
        return (H @ x[..., None])[..., 0] + smoothness(problem, padded, first - before)[before : before + N]

    factor = _factor(H + torch.diag_embed(stiffness(problem, first, N)))
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
        pieces = by_chunk(lambda rows, now=now: _eliminated(problem, now, rows), 0, F)
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
    residual, J = weigh(problem, state, solution.depth_bias, columns, rows)
    normal = J.transpose(1, 2) @ J
    gradient = (J.transpose(1, 2) @ residual[..., None])[..., 0]
    g_prior, H_prior = prior_terms(problem, solution.params[rows], rows)
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

    return torch.stack(by_chunk(deeper, 0, len(params))).sum(0) / len(params) / problem.pixel


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

    H, g = (torch.stack(items).sum(0) for items in zip(*by_chunk(terms, 0, len(params)), strict=True))
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
