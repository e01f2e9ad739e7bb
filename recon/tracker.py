"""From landmarks to motion: one identity, one camera, and for every frame the pose and expression that explain it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from avatar3d.progress import Progress, silent
from avatar3d.threads import one_torch_thread
from recon.face_regions import LEFT_IRIS, REGIONS, RIGHT_IRIS, eye_aperture
from recon.landmark_fit import Problem, Solution, depth_bias, solve_frames, solve_shared
from recon.landmark_rig import EXPR, EYES, JAW, NUM_POSE, POSITION, ROTATION, LandmarkRig, View, evaluate, landmark_rig, rigid_motion
from recon.landmarks import OVAL
from recon.tracking_prior import frame_prior

FOCAL_PRIOR = 1.8
"""Focal length over the side of the crop: landmarks cannot observe it."""
NUM_SHAPE = 50
SHARED_FRAMES = 64
"""Identity and landmark offsets are learned from at most this many frames."""
REFERENCE_SIZE = 512.0
EMPHASIS = 3.0
"""Weight of lips, lids and irises."""
OVAL_WEIGHT = 0.5
"""The face's outline slides over the skin when the head turns."""
SHARED_STEPS = (4, 6)
"""Gauss-Newton steps without and with landmark offsets."""
FRAME_STEPS = (2, 3)
"""Steps for the rigid pose alone and for everything."""


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

    def errors(self, size: int) -> dict[str, float]:
        """Mean error in pixels of a 512 crop, over all landmarks and by region."""
        scale = REFERENCE_SIZE / size
        regions = {"mean": range(478), **REGIONS}
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
    cuts: Sequence[int] = (),
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
        cuts: frames at which a new shot begins: nothing is smoothed across them.
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
    rotations, centres = _procrustes(rig, seen, focal, size)
    learnable = usable[frames]
    camera = _place_camera(rig, centres[torch.from_numpy(learnable)], focal, size)
    view = _view(camera)
    problem = Problem(
        rig=rig,
        view=view,
        targets=_targets(seen)[:, rig.index].contiguous(),
        weights=_weights(rig, landmarks[frames]),
        on_skull=_on_skull(rig),
        prior=frame_prior(head, float(fps)),
        triples=torch.from_numpy(_triples(frames, cuts)),
        pixel=size / REFERENCE_SIZE,
    )
    start = _start(rig, view, rotations, centres)

    sample = _choose_frames(start, seen, np.flatnonzero(learnable))
    shared = problem.frames(sample)
    neutral, no_offsets = torch.zeros(rig.joint_shape_basis.shape[2]), torch.zeros(rig.num_landmarks, 3)
    solution = Solution(neutral, no_offsets, depth_bias(shared, neutral, no_offsets, start[sample]), start[sample])
    solution = solve_frames(shared, solution, FRAME_STEPS[0], rigid=True)
    precision = torch.ones(len(solution.shape))
    solution = solve_shared(shared, solution, SHARED_STEPS[0], precision, fit_offsets=False)
    solution = solve_shared(shared, solution, SHARED_STEPS[1], precision, fit_offsets=True)

    solution = solve_frames(problem, replace(solution, params=start), FRAME_STEPS[0], rigid=True)
    for step in range(FRAME_STEPS[1]):
        solution = solve_frames(problem, solution, 1)
        progress(len(valid) * (step + 1) // FRAME_STEPS[1], len(valid))
    return _tracking(head, problem, solution, frames, valid, fps, cuts, camera, frames[sample.numpy()])


def _procrustes(rig: LandmarkRig, seen: Tensor, focal: float, size: int) -> tuple[Tensor, Tensor]:
    """First poses, from MediaPipe's own depths: rotation [F, 3, 3] to the camera and place [F, 3] of the pivot in it.

    Umeyama's similarity between the neutral head and the landmarks, read as weak perspective (scale = focal / depth).
    """
    points = seen[:, rig.index]
    neutral = rig.parts[0].template.new_zeros(rig.num_landmarks, 3)
    for part in rig.parts:
        neutral.index_add_(0, part.rows, part.template)
    neutral = neutral - rig.pivot
    middle, centre = neutral.mean(0), points.mean(1)
    source, target = neutral - middle, points - centre[:, None]
    U, S, Vt = torch.linalg.svd(target.transpose(1, 2) @ source)
    flip = torch.ones_like(S)
    flip[:, 2] = torch.det(U @ Vt).sign()
    R = (U * flip[:, None]) @ Vt
    scale = (S * flip).sum(1) / source.square().sum()
    origin = centre - scale[:, None] * (R @ middle)
    depth = focal / scale
    place = torch.cat([(origin[:, :2] - size / 2) / focal * depth[:, None], depth[:, None]], dim=1)
    return R, place


def _targets(seen: Tensor) -> Tensor:
    """The landmarks [F, 478, 3] with depths relative to the mean of each frame's skin."""
    depth = seen[..., 2:] - seen[:, :468, 2:].mean(1, keepdim=True)
    return torch.cat([seen[..., :2], depth], dim=-1)


def _place_camera(rig: LandmarkRig, centres: Tensor, focal: float, size: int) -> Camera:
    """The camera that sees the head, resting where the model has it and facing +z, where the median frame shows it."""
    T_cam_world = np.diag([1.0, -1.0, -1.0, 1.0])
    T_cam_world[:3, 3] = centres.median(0).values.double().numpy() - T_cam_world[:3, :3] @ rig.pivot.double().numpy()
    return Camera(focal, focal, size / 2, size / 2, size, size, T_cam_world)


def _view(camera: Camera) -> View:
    pose = torch.from_numpy(camera.T_cam_world).float()
    return View(pose[:3, :3], pose[:3, 3], torch.tensor([camera.fx, camera.fy]).float(), torch.tensor([camera.cx, camera.cy]).float())


def _start(rig: LandmarkRig, view: View, rotations: Tensor, centres: Tensor) -> Tensor:
    params = torch.zeros(len(rotations), rig.num_params)
    rotvec = Rotation.from_matrix((view.R.T @ rotations).double().numpy()).as_rotvec()
    params[:, ROTATION] = torch.from_numpy(rotvec).float()
    params[:, POSITION] = (centres - view.t) @ view.R - rig.pivot
    return params


def _weights(rig: LandmarkRig, landmarks: np.ndarray) -> Tensor:
    """[F, L]: lips, lids and irises count more; the iris of a closing eye is a guess and counts less."""
    weights = np.ones((len(landmarks), 478), np.float32)
    weights[:, list(OVAL)] = OVAL_WEIGHT
    for name in ("lips", "eyes", "iris"):
        weights[:, list(REGIONS[name])] = EMPHASIS
    openness = np.clip((eye_aperture(landmarks) - 0.08) / 0.1, 0.02, 1.0)
    for side, iris in enumerate((LEFT_IRIS, RIGHT_IRIS)):
        weights[:, list(iris)] *= openness[:, side, None]
    return torch.from_numpy(weights)[:, rig.index].contiguous()


def _on_skull(rig: LandmarkRig) -> Tensor:
    """[L] 1 for landmarks away from lips, eyes and the jaw's skin."""
    soft = torch.isin(rig.index, torch.tensor([i for name in ("lips", "eyes", "iris") for i in REGIONS[name]]))
    for part in rig.parts[1:]:
        soft[part.rows] |= part.weight > 0.1
    return (~soft).float()


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
    flat = seen[candidates, :468, :2]
    flat = flat - flat.mean(1, keepdim=True)
    flat = flat / flat.norm(dim=(1, 2), keepdim=True)
    features = torch.cat([flat.flatten(1) * 10, start[candidates, ROTATION]], dim=1)
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
    residuals = np.full((T, 478), np.nan, np.float32)
    for first in range(0, len(frames), 256):
        rows = slice(first, first + 256)
        state = evaluate(rig, solution.shape, solution.offsets, solution.params[rows], problem.view)
        residuals[frames[rows][:, None], rig.index.numpy()] = (state.places - problem.targets[rows])[..., :2].norm(dim=-1).numpy()
    offsets = np.zeros((478, 3), np.float32)
    offsets[rig.index.numpy()] = solution.offsets.numpy()
    shape = torch.zeros(head.num_shape)
    shape[: len(solution.shape)] = solution.shape
    params = torch.from_numpy(_bridge(solution.params.numpy(), frames, T, cuts))
    R, t = rigid_motion(rig, params)
    root = head.joints(shape)[0]
    motion = Motion(
        expr=params[:, EXPR][:, : rig.num_expr].contiguous().numpy(),
        jaw_pose=params[:, JAW].contiguous().numpy(),
        neck_pose=np.zeros((T, 3), np.float32),
        eyes_pose=params[:, EYES].contiguous().numpy(),
        rotation=params[:, ROTATION].contiguous().numpy(),
        translation=(t - root + root @ R.transpose(1, 2)).numpy(),
        shape=shape.numpy(),
        fps=fps,
        head_fingerprint=head.fingerprint,
        neck_translation=np.zeros((T, 3), np.float32),
        eyelids=params[:, NUM_POSE + rig.num_expr :].contiguous().numpy() if rig.num_lids else None,
        valid=valid.copy(),
    )
    return Tracking(motion, camera, offsets, residuals, shared)


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
