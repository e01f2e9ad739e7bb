"""Detected landmarks made ready for the fit, and what it found made a motion: shared by the batch and the live tracker."""

from fractions import Fraction

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.head.model import NUM_FACE_LANDMARKS, NUM_LANDMARKS, HeadModel
from avatar3d.motion import Motion
from recon.face_regions import LEFT_IRIS, REGIONS, RIGHT_IRIS, eye_aperture
from recon.landmark_rig import EXPR, EYES, JAW, NUM_POSE, POSITION, ROTATION, LandmarkRig, View, rigid_motion
from recon.landmarks import OVAL

REFERENCE_SIZE = 512.0
EMPHASIS = 3.0
"""Weight of lips, lids and irises."""
OVAL_WEIGHT = 0.5
"""The face's outline slides over the skin when the head turns."""


def first_poses(rig: LandmarkRig, seen: Tensor, focal: float, size: int) -> tuple[Tensor, Tensor]:
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


def targets_of(rig: LandmarkRig, seen: Tensor) -> Tensor:
    """[F, L, 3] of the landmarks [F, 478, 3], with depths relative to the mean of each frame's skin."""
    depth = seen[..., 2:] - seen[:, :NUM_FACE_LANDMARKS, 2:].mean(1, keepdim=True)
    return torch.cat([seen[..., :2], depth], dim=-1)[:, rig.index].contiguous()


def place_camera(rig: LandmarkRig, centres: Tensor, focal: float, size: int) -> Camera:
    """The camera that sees the head, resting where the model has it and facing +z, where the median frame shows it."""
    T_cam_world = np.diag([1.0, -1.0, -1.0, 1.0])
    T_cam_world[:3, 3] = centres.median(0).values.double().numpy() - T_cam_world[:3, :3] @ rig.pivot.double().numpy()
    return Camera(focal, focal, size / 2, size / 2, size, size, T_cam_world)


def view_of(camera: Camera) -> View:
    """The camera as tensors."""
    pose = torch.from_numpy(camera.T_cam_world).float()
    return View(pose[:3, :3], pose[:3, 3], torch.tensor([camera.fx, camera.fy]).float(), torch.tensor([camera.cx, camera.cy]).float())


def start_params(rig: LandmarkRig, view: View, rotations: Tensor, centres: Tensor) -> Tensor:
    """[F, P] of a neutral face in the poses that `first_poses` found."""
    params = torch.zeros(len(rotations), rig.num_params)
    rotvec = Rotation.from_matrix((view.R.T @ rotations).double().numpy()).as_rotvec()
    params[:, ROTATION] = torch.from_numpy(rotvec).float()
    params[:, POSITION] = (centres - view.t) @ view.R - rig.pivot
    return params


def landmark_weights(rig: LandmarkRig, landmarks: np.ndarray) -> Tensor:
    """[F, L]: lips, lids and irises count more; the iris of a closing eye is a guess and counts less."""
    weights = np.ones((len(landmarks), NUM_LANDMARKS), np.float32)
    weights[:, list(OVAL)] = OVAL_WEIGHT
    for name in ("lips", "eyes", "iris"):
        weights[:, list(REGIONS[name])] = EMPHASIS
    openness = np.clip((eye_aperture(landmarks) - 0.08) / 0.1, 0.02, 1.0)
    for side, iris in enumerate((LEFT_IRIS, RIGHT_IRIS)):
        weights[:, list(iris)] *= openness[:, side, None]
    return torch.from_numpy(weights)[:, rig.index].contiguous()


def on_skull(rig: LandmarkRig) -> Tensor:
    """[L] 1 for landmarks away from lips, eyes and the jaw's skin."""
    soft = torch.isin(rig.index, torch.tensor([i for name in ("lips", "eyes", "iris") for i in REGIONS[name]]))
    for part in rig.parts[1:]:
        soft[part.rows] |= part.weight > 0.1
    return (~soft).float()


def likeness(seen: Tensor, rotvecs: Tensor) -> Tensor:
    """[F, D] in which unlike faces lie far apart: what rigid motion leaves of the landmarks [F, 478, 3], and the head's turn [F, 3]."""
    flat = seen[:, :NUM_FACE_LANDMARKS, :2]
    flat = flat - flat.mean(1, keepdim=True)
    flat = flat / flat.norm(dim=(1, 2), keepdim=True)
    return torch.cat([flat.flatten(1) * 10, rotvecs], dim=1)


def motion_of(head: HeadModel, rig: LandmarkRig, shape: Tensor, params: Tensor, fps: Fraction, valid: np.ndarray) -> Motion:
    """The motion of frame parameters [T, P]: the torso moves with the head, and the neck is straight.

    Args:
        head: whose full identity and joints are used.
        rig: the condensed head.
        shape: [S] identity as the rig has it.
        params: [T, P].
        fps: frames per second.
        valid: [T] bool.
    """
    full = torch.zeros(head.num_shape)
    full[: len(shape)] = shape
    R, t = rigid_motion(rig, params)
    root, still = head.joints(full)[0], np.zeros((len(params), 3), np.float32)
    return Motion(
        expr=params[:, EXPR][:, : rig.num_expr].contiguous().numpy(),
        jaw_pose=params[:, JAW].contiguous().numpy(),
        neck_pose=still,
        eyes_pose=params[:, EYES].contiguous().numpy(),
        rotation=params[:, ROTATION].contiguous().numpy(),
        translation=(t - root + root @ R.transpose(1, 2)).numpy(),
        shape=full.numpy(),
        fps=fps,
        head_fingerprint=head.fingerprint,
        neck_translation=still.copy(),
        eyelids=params[:, NUM_POSE + rig.num_expr :].contiguous().numpy() if rig.num_lids else None,
        valid=valid.copy(),
    )


def posed_params(head: HeadModel, rig: LandmarkRig, params: Tensor, motion: Motion) -> Tensor:
    """Frame parameters [F, P] with the head's poses of a motion of these frames whose neck is straight; what `motion_of` does, undone."""
    root = head.joints(torch.from_numpy(motion.shape))[0]
    R = torch.from_numpy(Rotation.from_rotvec(motion.rotation).as_matrix()).float()
    t = torch.from_numpy(motion.translation) + root - R @ root
    posed = params.clone()
    posed[:, ROTATION] = torch.from_numpy(motion.rotation)
    posed[:, POSITION] = t - rig.pivot + R @ rig.pivot
    return posed
