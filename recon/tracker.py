"""From landmarks to motion: one identity, one camera, and for every frame the pose and expression that explain it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.errors import UserError
from avatar3d.head.model import NUM_LANDMARKS, HeadModel
from avatar3d.motion import Motion
from avatar3d.progress import Progress, silent
from avatar3d.threads import one_torch_thread
from recon.face_regions import REGIONS
from recon.iris_bias import iris_offsets
from recon.landmark_fit import depth_bias, solve_frames, solve_shared
from recon.landmark_frames import (
    REFERENCE_SIZE,
    first_poses,
    landmark_weights,
    likeness,
    motion_of,
    on_skull,
    place_camera,
    posed_params,
    start_params,
    targets_of,
    view_of,
)
from recon.landmark_gaps import gap_targets, learn_gaps, lips_touch
from recon.landmark_problem import Problem, Solution, mean_miss, misses, trust
from recon.landmark_rig import JAW, ROTATION, landmark_rig, visibility
from recon.steadiness import steadiness
from recon.tracking_prior import frame_prior

FOCAL_PRIOR = 1.8
"""Focal length over the side of the crop: landmarks cannot observe it."""
NUM_SHAPE = 50
SHARED_FRAMES = 64
"""Identity and landmark offsets are learned from at most this many frames."""
SHARED_STEPS = (4, 6)
"""Gauss-Newton steps without and with landmark offsets."""
FRAME_STEPS = (2, 4)
"""Steps for the rigid pose alone and for everything."""
STEADY_STEPS = 2
"""Steps for the faces once the heads' poses have been corrected."""


@dataclass(frozen=True, eq=False)
class Tracking:
    """The tracked head of T frames. Until the torso is tracked, it moves with the head and the neck is straight."""

    motion: Motion
    camera: Camera
    offsets: np.ndarray
    """[478, 3] metres: this person's displacement of each landmark on the neutral head."""
    residuals: np.ndarray
    """[T, 478] distance of model and landmark in pixels; NaN without a face or an embedding of the landmark."""
    shared_frames: np.ndarray
    """Indices of the frames from which identity and offsets were learned."""
    trust: np.ndarray
    """[T] 0..1 how far each frame's landmarks were believed: little in profile and behind a hand; 0 without a face."""

    def errors(self, size: int) -> dict[str, float]:
        """Mean error in pixels of a 512 crop, over all landmarks and by region."""
        scale = REFERENCE_SIZE / size
        regions = {"mean": range(NUM_LANDMARKS), **REGIONS}
        return {name: float(np.nanmean(self.residuals[:, list(ids)]) * scale) for name, ids in regions.items()}


@one_torch_thread()
def track(
    landmarks: np.ndarray,
    valid: np.ndarray,
    size: int,
    fps: Fraction,
    head: HeadModel,
    *,
    focal: float | None = None,
    shared_frames: np.ndarray | None = None,
    shown: np.ndarray | None = None,
    cuts: Sequence[int] = (),
    steady: Callable[[Motion, Camera], Motion] | None = None,
    progress: Progress = silent,
) -> Tracking:
    """Track one head through a sequence.

    Args:
        landmarks: [T, 478, 3] MediaPipe landmarks, pixels of the square crop (z: the same unit, smaller is nearer).
        valid: [T] bool, whether a frame has landmarks.
        size: side of the crop, pixels.
        fps: frames per second.
        head: a head with a landmark embedding.
        focal: focal length in pixels of the crop; by default FOCAL_PRIOR x size.
        shared_frames: [T] bool, the frames from which identity, camera and landmark offsets may be learned.
        shown: [T, 478] how much each landmark counts: less where something is in front of the face; default all alike.
        cuts: frames at which a new shot begins: nothing is smoothed across them.
        steady: gives the head better poses than landmarks can (`recon.skull_flow`); the faces are fitted to the landmarks again.
        progress: told how many frames are done.

    Raises:
        UserError: there is no face to learn from.
    """
    valid = np.asarray(valid, bool)
    usable = valid if shared_frames is None else valid & shared_frames
    if not usable.any():
        raise UserError("no face was found in the frames that the identity is learned from; use footage in which the face is visible")
    focal = FOCAL_PRIOR * size if focal is None else float(focal)
    rig = landmark_rig(head, min(NUM_SHAPE, head.num_shape))
    frames = np.flatnonzero(valid)
    seen = torch.from_numpy(np.ascontiguousarray(landmarks[frames], dtype=np.float32))
    rotations, centres = first_poses(rig, seen, focal, size)
    learnable = usable[frames]
    camera = place_camera(rig, centres[torch.from_numpy(learnable)], focal, size)
    view = view_of(camera)
    start = start_params(rig, view, rotations, centres)
    weights, targets = landmark_weights(rig, landmarks[frames]), targets_of(rig, seen)
    if shown is not None:
        weights = weights * torch.from_numpy(np.asarray(shown, np.float32)[frames])[:, rig.index]
    gaps = learn_gaps(rig, view, targets, start, np.flatnonzero(learnable), float(fps))
    neutral, no_offsets = torch.zeros(rig.joint_shape_basis.shape[2]), torch.zeros(rig.num_landmarks, 3)
    linked = torch.from_numpy(_triples(frames, cuts))[:, None].float()
    problem = Problem(
        rig=rig,
        view=view,
        targets=targets,
        weights=weights * visibility(rig, start, view),
        on_skull=on_skull(rig),
        prior=frame_prior(head, float(fps)),
        triples=linked,
        pixel=size / REFERENCE_SIZE,
        total=float(weights[learnable].sum(1).max()),
        closed=lips_touch(gaps, rig, view, targets, start),
        gap_targets=gap_targets(gaps, rig, view, targets, start, neutral),
    )

    sample = _choose_frames(start, seen, np.flatnonzero(learnable))
    shared = problem.frames(sample)
    solution = Solution(neutral, no_offsets, depth_bias(shared, neutral, no_offsets, start[sample]), start[sample])
    solution = solve_frames(shared, solution, FRAME_STEPS[0], rigid=True)
    precision = torch.ones(len(solution.shape))
    solution = solve_shared(shared, solution, SHARED_STEPS[0], precision, fit_offsets=False)
    solution = solve_shared(shared, solution, SHARED_STEPS[1], precision, fit_offsets=True)
    solution = replace(solution, offsets=solution.offsets + iris_offsets(rig, view, solution.shape, solution.offsets, solution.params))

    solution = solve_frames(problem, replace(solution, params=start), FRAME_STEPS[0], rigid=True)
    problem = replace(problem, gap_targets=gap_targets(gaps, rig, view, targets, solution.params, solution.shape))
    for step in range(FRAME_STEPS[1]):
        if step == 0:
            # Every frame by itself first: what moves is then told from what trembles, and a face from a guess.
            solution = solve_frames(replace(problem, triples=torch.zeros_like(linked)), solution, 1)
        else:
            calm = steadiness(solution.params, problem.prior.curvature, linked)
            missed = mean_miss(problem, misses(problem, solution))
            problem = replace(problem, trust=trust(problem, missed, float(missed[torch.from_numpy(learnable)].median())), triples=calm)
            solution = solve_frames(problem, solution, 1)
        progress(len(valid) * (step + 1) // FRAME_STEPS[1], len(valid))
    if steady is not None:
        tracked = _tracking(head, problem, solution, frames, valid, fps, cuts, camera, frames[sample.numpy()])
        params = posed_params(head, rig, solution.params, steady(tracked.motion, camera).frames(frames))
        solution = solve_frames(problem, replace(solution, params=params), STEADY_STEPS, held=True)
    return _tracking(head, problem, solution, frames, valid, fps, cuts, camera, frames[sample.numpy()])


def _triples(frames: np.ndarray, cuts: Sequence[int]) -> np.ndarray:
    """[F - 2] whether three frames in a row are neighbours in time and of one shot."""
    shot = np.searchsorted(np.sort(np.asarray(cuts, np.int64)), frames, side="right")
    linked = (np.diff(frames) == 1) & (np.diff(shot) == 0)
    return linked[:-1] & linked[1:]


def _choose_frames(start: Tensor, seen: Tensor, candidates: np.ndarray) -> Tensor:
    """Up to SHARED_FRAMES of the candidates: half evenly spaced, half as unlike one another as can be.

    Unlike in what rigid motion leaves of the landmarks, and in the head's rotation: open mouths and blinks are rare, but
    offsets learned without them would be wrong just there.
    """
    if len(candidates) <= SHARED_FRAMES:
        return torch.from_numpy(candidates)
    even = np.unique(np.linspace(0, len(candidates) - 1, SHARED_FRAMES // 2).round().astype(int))
    features = likeness(seen[candidates], start[candidates, ROTATION])
    nearest = torch.full((len(candidates),), torch.inf)
    chosen = [int(i) for i in even]
    for index in chosen:
        nearest = torch.minimum(nearest, (features - features[index]).norm(dim=1))
    while len(chosen) < SHARED_FRAMES:
        index = int(nearest.argmax())
        chosen.append(index)
        nearest = torch.minimum(nearest, (features - features[index]).norm(dim=1))
    return torch.from_numpy(candidates[np.unique(chosen)])


def _tracking(
    head: HeadModel,
    problem: Problem,
    solution: Solution,
    frames: np.ndarray,
    valid: np.ndarray,
    fps: Fraction,
    cuts: Sequence[int],
    camera: Camera,
    shared: np.ndarray,
) -> Tracking:
    rig, T = problem.rig, len(valid)
    residuals = np.full((T, NUM_LANDMARKS), np.nan, np.float32)
    residuals[frames[:, None], rig.index.numpy()] = misses(problem, solution).numpy()
    offsets = np.zeros((NUM_LANDMARKS, 3), np.float32)
    offsets[rig.index.numpy()] = solution.offsets.numpy()
    params = torch.from_numpy(_bridge(solution.params.numpy(), frames, T, cuts))
    motion = motion_of(head, rig, solution.shape, params, fps, valid)
    believed = np.zeros(T, np.float32)
    believed[frames] = 1.0 if problem.trust is None else problem.trust.numpy()
    return Tracking(motion, camera, offsets, residuals, shared, believed)


def _bridge(params: np.ndarray, frames: np.ndarray, T: int, cuts: Sequence[int]) -> np.ndarray:
    """[T, P] parameters of all frames: gaps are interpolated (rotations on the sphere), ends and cuts are held."""
    full = np.empty((T, params.shape[1]), np.float32)
    full[frames] = params
    missing = np.setdiff1d(np.arange(T), frames)
    if not len(missing):
        return full
    borders = np.sort(np.asarray(cuts, np.int64))
    after = np.searchsorted(frames, missing)
    left, right = np.clip(after - 1, 0, len(frames) - 1), np.clip(after, 0, len(frames) - 1)
    shot = np.searchsorted(borders, np.arange(T), side="right")
    # A neighbour of another shot says nothing about this one, unless it is all there is.
    foreign_left, foreign_right = shot[frames[left]] != shot[missing], shot[frames[right]] != shot[missing]
    left, right = np.where(foreign_left & ~foreign_right, right, left), np.where(foreign_right & ~foreign_left, left, right)
    span = np.maximum(frames[right] - frames[left], 1)
    share = np.clip((missing - frames[left]) / span, 0.0, 1.0).astype(np.float32)
    full[missing] = params[left] * (1 - share[:, None]) + params[right] * share[:, None]
    for block in (ROTATION, JAW, slice(9, 12), slice(12, 15)):
        for frame, a, b, s in zip(missing, left, right, share, strict=True):
            pair = Rotation.from_rotvec(np.stack([params[a, block], params[b, block]]))
            full[frame, block] = Slerp([0.0, 1.0], pair)(s).as_rotvec()
    return full
