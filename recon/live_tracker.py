"""Tracking as the frames come: the batch tracker's costs, of which only what lies behind is known.

Identity is learned on the way, from a few frames as unlike one another as can be, ever more rarely as it settles.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from avatar3d.threads import one_torch_thread
from recon.causal import Belief, nothing, predict, update
from recon.landmark_fit import MAX_STEP, depth_bias, normal_equations, solve_frames, solve_shared
from recon.landmark_frames import (
    REFERENCE_SIZE,
    first_poses,
    landmark_weights,
    likeness,
    motion_of,
    on_skull,
    place_camera,
    start_params,
    targets_of,
    view_of,
)
from recon.landmark_gaps import Gaps, gap_targets, learn_gaps, lips_touch
from recon.landmark_problem import Prior, Problem, Solution, mean_miss, misses, trust
from recon.landmark_rig import POSITION, ROTATION, LandmarkRig, View, landmark_rig, visibility
from recon.steadiness import tail_weights
from recon.tracker import FOCAL_PRIOR, NUM_SHAPE
from recon.tracking_prior import frame_prior

KEPT = 24
"""Frames that identity is learned from."""
RECENT = 250
"""Frames from which it is learned what a detected opening of lids and lips means."""
LEARN_AT = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256)
"""Faces seen after which identity is learned anew; then whenever their number has doubled."""
SHARED_STEPS = 2
RIGID_STEPS, FIRST_STEPS, STEPS = 2, 3, 2
"""Gauss-Newton steps of a first frame, for the pose and for everything, and of one that continues another."""
LEAST_RECENT = 12
"""Faces from which on it is known what is usual."""
LIKE_THE_FACE = 2.0
"""Frames missed by more than this many times the usual teach nothing about identity."""
LOST_TURN, LOST_WAY = 0.6, 0.1
"""Radians and metres by which a frame may differ from what was expected; beyond it is a cut."""


@dataclass(frozen=True, eq=False)
class Kept:
    """Frames that identity is learned from."""

    targets: Tensor
    """[N, L, 3]."""
    weights: Tensor
    """[N, L]."""
    params: Tensor
    """[N, P]."""
    likeness: Tensor
    """[N, D] (`recon.landmark_frames.likeness`)."""


@dataclass(frozen=True, eq=False)
class LiveState:
    """All that the tracker knows after some frames; not changed by `track_frame`, which returns a new one."""

    head: HeadModel
    rig: LandmarkRig
    prior: Prior
    on_skull: Tensor
    fps: Fraction
    size: int
    focal: float
    camera: Camera | None = None
    """From the first face on."""
    shape: Tensor | None = None
    """[S]."""
    offsets: Tensor | None = None
    """[L, 3] metres."""
    bias: Tensor | None = None
    """[L] (`recon.landmark_problem.Solution`)."""
    gaps: Gaps | None = None
    belief: Belief | None = None
    """About the last two frames of this shot."""
    params: Tensor | None = None
    """[P] of the last face."""
    kept: Kept | None = None
    recent: tuple[tuple[Tensor, Tensor, float], ...] = ()
    """Targets [L, 3], params [P] and mean miss in pixels of the last faces."""
    faces: int = 0
    """Seen so far."""


def start_tracking(head: HeadModel, size: int, fps: Fraction = Fraction(25), focal: float | None = None) -> LiveState:
    """The state before the first frame.

    Args:
        head: with a landmark embedding.
        size: side of the square pictures, pixels.
        fps: frames per second.
        focal: focal length in pixels; by default what `recon.tracker` takes.
    """
    rig = landmark_rig(head, min(NUM_SHAPE, head.num_shape))
    focal = FOCAL_PRIOR * size if focal is None else float(focal)
    return LiveState(head, rig, frame_prior(head, float(fps)), on_skull(rig), Fraction(fps), size, focal)


@one_torch_thread()
def track_frame(state: LiveState, landmarks: np.ndarray | None, learn: bool = True) -> tuple[LiveState, Motion]:
    """Track the next frame.

    Args:
        state: from `start_tracking` or the frame before.
        landmarks: [478, 3] as the detector gives them, pixels of the square picture; None where no face is seen.
        learn: learn identity when it is due, which then takes longer than a frame; or leave that to `learn_identity`.

    Returns:
        the state for the next frame, and the motion of this one, a single frame; without a face that of the last one, not valid.
        Until the torso is tracked it moves with the head.
    """
    if landmarks is None:
        return replace(state, belief=None), _motion(state, state.params, seen=False)
    seen = torch.from_numpy(np.ascontiguousarray(landmarks[None], dtype=np.float32))
    rotations, centres = first_poses(state.rig, seen, state.focal, state.size)
    if state.camera is None:
        neutral = torch.zeros(state.rig.joint_shape_basis.shape[2])
        camera = place_camera(state.rig, centres, state.focal, state.size)
        state = replace(state, camera=camera, shape=neutral, offsets=torch.zeros(state.rig.num_landmarks, 3))
    view = _view(state)
    start = start_params(state.rig, view, rotations, centres)
    problem = _problem(state, view, targets_of(state.rig, seen), landmark_weights(state.rig, landmarks[None]), start)
    params, belief, missed = _solve(state, problem, start[0])
    recent = (*state.recent, (problem.targets[0], params, missed))[-RECENT:]
    kept = _keep(state, problem, seen, params) if missed <= _usual(state) * LIKE_THE_FACE else state.kept
    state = replace(state, params=params, belief=belief, faces=state.faces + 1, kept=kept, recent=recent)
    if learn and learning_due(state):
        state = learn_identity(state)
    return state, _motion(state, params, seen=True)


def learning_due(state: LiveState) -> bool:
    """Whether identity should be learned again after this frame."""
    return state.faces in LEARN_AT or (state.faces > LEARN_AT[-1] and state.faces & (state.faces - 1) == 0)


@one_torch_thread()
def learn_identity(state: LiveState) -> LiveState:
    """Learn identity, landmark offsets and what openings mean from the frames kept; the pose of the last frame stays."""
    kept, shape, offsets = state.kept, state.shape, state.offsets
    if kept is None or shape is None or offsets is None:
        return state
    view = _view(state)
    if len(state.recent) > 1:
        targets, params = torch.stack([entry[0] for entry in state.recent]), torch.stack([entry[1] for entry in state.recent])
        state = replace(state, gaps=learn_gaps(state.rig, view, targets, params, np.arange(len(targets)), float(state.fps)))
    problem = _problem(state, view, kept.targets, kept.weights, kept.params)
    bias = depth_bias(problem, shape, offsets, kept.params)
    solution = Solution(shape, offsets, bias, kept.params)
    solution = solve_shared(problem, solution, SHARED_STEPS, torch.ones(len(shape)), fit_offsets=True)
    return replace(state, shape=solution.shape, offsets=solution.offsets, bias=solution.depth_bias, kept=replace(kept, params=solution.params))


def _view(state: LiveState) -> View:
    assert state.camera is not None
    return view_of(state.camera)


def _problem(state: LiveState, view: View, targets: Tensor, weights: Tensor, poses: Tensor) -> Problem:
    """Frames as the fit wants them, given poses [F, P] near to theirs."""
    rig, gaps = state.rig, state.gaps
    shape = torch.zeros(rig.joint_shape_basis.shape[2]) if state.shape is None else state.shape
    return Problem(
        rig=rig,
        view=view,
        targets=targets,
        weights=weights * visibility(rig, poses, view),
        on_skull=state.on_skull,
        prior=state.prior,
        triples=torch.zeros(max(len(targets) - 2, 0), 1),
        pixel=state.size / REFERENCE_SIZE,
        total=float(weights.sum(1).max()),
        closed=None if gaps is None else lips_touch(gaps, rig, view, targets, poses),
        gap_targets=None if gaps is None else gap_targets(gaps, rig, view, targets, poses, shape),
    )


def _usual(state: LiveState) -> float:
    """Pixels by which this person's landmarks are missed as a rule."""
    return float(np.median([missed for _, _, missed in state.recent])) if len(state.recent) >= LEAST_RECENT else np.inf


def _solve(state: LiveState, problem: Problem, start: Tensor) -> tuple[Tensor, Belief, float]:
    """Parameters [P] of a frame, what is then known of it and the one before, and its mean miss in pixels."""
    assert state.shape is not None and state.offsets is not None
    curvature = usual = state.prior.curvature.double().numpy()
    belief = nothing(len(start)) if state.belief is None else state.belief
    expected, precision = predict(belief, curvature)
    if len(belief.mean) and _elsewhere(expected, start.numpy()):
        belief = nothing(len(start))
        expected, precision = predict(belief, curvature)
    fresh = not len(belief.mean)
    params = start[None] if fresh else torch.from_numpy(expected).float()[None]
    bias = depth_bias(problem, state.shape, state.offsets, params) if state.bias is None else state.bias
    solution = Solution(state.shape, state.offsets, bias, params)
    if fresh:
        solution = solve_frames(problem, solution, RIGID_STEPS, rigid=True)
    x, H, missed = solution.params[0].double().numpy(), np.zeros_like(precision), 0.0
    steps = FIRST_STEPS if fresh else STEPS
    for step_number in range(steps):
        now = torch.from_numpy(x).float()[None]
        if step_number == steps - 1:
            mean = mean_miss(problem, misses(problem, replace(solution, params=now)))
            problem, missed = replace(problem, trust=trust(problem, mean, min(_usual(state), float(mean)))), float(mean)
        own, gradient = normal_equations(problem, solution, now, slice(0, 1), slice(0, len(x)))
        H = own[0].double().numpy()
        step = np.linalg.solve(H + precision, gradient[0].double().numpy() + precision @ (x - expected))
        x = x - np.clip(step, -MAX_STEP, MAX_STEP)
        if len(belief.mean) == 2:
            # The whole surprise is taken for this frame's own: to wait for what the frames before had to do with it would be to lag.
            curvature = usual * tail_weights(torch.from_numpy(x - expected), torch.from_numpy(usual)).numpy()
            expected, precision = predict(belief, curvature)
    return torch.from_numpy(x).float(), update(belief, curvature, x, H), missed


def _elsewhere(expected: np.ndarray, found: np.ndarray) -> bool:
    """Whether a pose [P] is too far from the expected one to continue it."""
    turn = np.linalg.norm(expected[ROTATION] - found[ROTATION])
    return bool(turn > LOST_TURN or np.linalg.norm(expected[POSITION] - found[POSITION]) > LOST_WAY)


def _keep(state: LiveState, problem: Problem, seen: Tensor, params: Tensor) -> Kept:
    """The frames kept, with this one if it is unlike them."""
    now = Kept(problem.targets, problem.weights, params[None], likeness(seen, params[None, ROTATION]))
    old = state.kept
    if old is None:
        return now
    distance = torch.cdist(now.likeness, old.likeness)[0]
    among = torch.cdist(old.likeness, old.likeness) + torch.diag(torch.full((len(old.likeness),), torch.inf))
    if len(distance) < KEPT:
        rows = torch.arange(len(distance))
    elif distance.min() > among.min():
        # Of the two most alike the one is dropped that is nearer to the others, too.
        first, second = divmod(int(among.argmin()), len(among))
        dropped = min((first, second), key=lambda row: float(among[row].sort().values[1]))
        rows = torch.tensor([row for row in range(len(among)) if row != dropped])
    else:
        return old
    return Kept(*(torch.cat([getattr(old, name)[rows], getattr(now, name)]) for name in ("targets", "weights", "params", "likeness")))


def _motion(state: LiveState, params: Tensor | None, seen: bool) -> Motion:
    params = torch.zeros(state.rig.num_params) if params is None else params
    shape = torch.zeros(state.rig.joint_shape_basis.shape[2]) if state.shape is None else state.shape
    return motion_of(state.head, state.rig, shape, params[None], state.fps, np.array([seen]))
