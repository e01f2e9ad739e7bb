"""Where a person's irises are when they look at the camera.

A detector's irises are off by a millimetre and the eyes of a rig are not those of the person: four degrees of gaze. But
people who are filmed look at the camera more often than anywhere else, and that is where the commonest gaze must point.
"""

import torch
from torch import Tensor

from avatar3d.head.model import axis_angle_to_matrix
from recon.face_regions import LEFT_IRIS, RIGHT_IRIS
from recon.landmark_rig import EYES, POSITION, ROTATION, LandmarkRig, View

WIDTH = 0.05
"""Radians around the commonest gaze that count as the same."""
BELIEVED, DISBELIEVED = 0.12, 0.24
"""Radians of error that are put right wholly, and beyond which the person looks elsewhere than at the camera."""
_SHUT = 0.4
"""Closure of a lid from which on the iris is a guess."""
_MAX_TURN = 0.45
"""Radians."""
_STEPS = 20


def iris_offsets(rig: LandmarkRig, view: View, shape: Tensor, offsets: Tensor, params: Tensor) -> Tensor:
    """[L, 3] metres to add to the landmarks' offsets, so that the commonest gaze meets the camera.

    Args:
        rig: the condensed head.
        view: the camera.
        shape: [S] identity.
        offsets: [L, 3] so far.
        params: [F, P] of the frames to learn from.
    """
    found = torch.zeros_like(offsets)
    calm = params[:, ROTATION].norm(dim=1) < _MAX_TURN
    joints = rig.joints + rig.joint_shape_basis @ shape
    R = axis_angle_to_matrix(params[:, ROTATION])
    # Eyes that rest are parallel: both look along the line from between them, as the rig's do.
    between = (R @ (joints[1:].mean(0) - rig.pivot)[:, None])[..., 0] + rig.pivot + params[:, POSITION]
    camera = (R.transpose(1, 2) @ (-view.R.T @ view.t - between)[..., None])[..., 0]
    for eye, irises in enumerate((LEFT_IRIS, RIGHT_IRIS)):
        part, centre = rig.parts[2 + eye], joints[1 + eye]
        awake = calm & (params[:, rig.blinks[eye]] < _SHUT) if rig.blinks else calm
        if not awake.any():
            continue
        gaze = axis_angle_to_matrix(params[:, EYES.start + 3 * eye : EYES.start + 3 * eye + 3])[..., 2]
        error = _commonest((_angles(gaze) - _angles(camera))[awake])
        error = error * ((DISBELIEVED - error.norm()) / (DISBELIEVED - BELIEVED)).clamp(0, 1)
        rows = part.rows[torch.isin(rig.index[part.rows], torch.tensor(irises))]
        turn = axis_angle_to_matrix(torch.stack([error[0], error[1], error.new_zeros(())]))
        local = _neutral(rig, shape)[rows] + offsets[rows] - centre
        found[rows] = local @ turn.T - local
    return found


def _angles(direction: Tensor) -> Tensor:
    """[F, 2] radians down and to the subject's left of directions [F, 3] in the head's axes: the turns about x and y that make them."""
    return torch.stack([torch.atan2(-direction[:, 1], direction[:, 2]), torch.atan2(direction[:, 0], direction[:, 2])], dim=1)


def _commonest(points: Tensor) -> Tensor:
    """[2] where points [N, 2] are densest: mean shift from their median."""
    place = points.median(dim=0).values
    for _ in range(_STEPS):
        near = torch.exp(-0.5 * ((points - place) / WIDTH).square().sum(1))
        place = (near[:, None] * points).sum(0) / near.sum().clamp(min=1e-9)
    return place


def _neutral(rig: LandmarkRig, shape: Tensor) -> Tensor:
    """[L, 3] the landmarks of a neutral identity."""
    places = torch.zeros(rig.num_landmarks, 3)
    for part in rig.parts:
        places.index_add_(0, part.rows, part.template + part.shape_basis @ shape)
    return places
