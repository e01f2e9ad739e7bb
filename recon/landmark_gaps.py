"""What a detected opening of lids and lips means on this person.

A detector's lids of a shut eye stay apart, by more behind glasses, and so do lips within a beard; by how much is seen from
the clip itself. Its deepest blinks are shut eyes, its usual opening is an open eye at rest, and the smallest openings of the
mouth are lips that touch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import Tensor

from avatar3d.head.model import axis_angle_to_matrix
from recon.face_regions import LEFT_EYE, RIGHT_EYE
from recon.landmark_rig import POSITION, ROTATION, LandmarkRig, View, evaluate

LIP_BIAS = 0.003
"""Metres between touching lips that may be blamed on the detector: a mouth that always stays wider open is open."""
LIPS_SHUT = 0.02
"""Share of a clip's frames in which the lips of anybody who speaks touch."""
LIPS_REST, REST_SECONDS = 0.00035, 0.4
"""A mouth whose opening varies by less (metres, standard deviation) for so long rests, and lips rest shut."""
APART = 0.001
"""Metres between lips that certainly do not touch."""
LIDS_OPEN = 0.6
"""Quantile of an eye's opening that is its usual one."""
BLINK_DEPTH = 0.25
"""Share of the usual opening by which lids must approach each other within `BLINK_FRAMES` to have blinked."""
BLINK_SECONDS = 0.6
DEEP = 0.4
"""Quantile of all blinks' deepest openings at which lids count as shut."""
LIDS_SHUT = 0.12
"""Detected opening of shut lids, over the usual one, where nobody blinks."""
MIN_RANGE = 0.3
"""Least part of the usual opening between open and shut."""
CHUNK = 16
"""Frames that are looked at together: few enough for the processor's cache."""
_MAX_TURN = 0.6
"""Radians of turn up to which a frame teaches what openings mean."""


@dataclass(frozen=True, eq=False)
class Gaps:
    """What is known of a person's openings: N pairs of opposite landmarks."""

    is_lid: Tensor
    """[N] bool: of lids; else of lips."""
    shut: Tensor
    """[N] detected opening when it is none: of lids over the model's own opening at rest, of lips in metres."""
    usual: Tensor
    """[N] detected opening of lids at rest, over the model's."""


def learn_gaps(rig: LandmarkRig, view: View, targets: Tensor, params: Tensor, frames: np.ndarray, fps: float) -> Gaps:
    """Learn what a person's detected openings mean.

    Args:
        rig: the condensed head.
        view: the camera.
        targets: [F, L, 3] landmarks in pixels, in order of time.
        params: [F, P] with the head's pose.
        frames: [F'] which of them may be learned from.
        fps: frames per second.
    """
    facing_camera = params[:, ROTATION].norm(dim=1).numpy() < _MAX_TURN
    chosen = frames[facing_camera[frames]] if facing_camera[frames].any() else frames
    rest = _at_rest(params[chosen])
    is_lid, left = _sides(rig)
    detected = _detected(rig, view, targets[chosen], params[chosen])
    opening = _openings(rig, view, rest, 0.0)
    lids = (detected / opening.clamp(min=1e-3)).numpy()
    lips = (detected / _pixels_per_metre(rig, view, params[chosen])[:, None]).numpy()
    shut, usual = np.zeros(len(is_lid)), np.ones(len(is_lid))
    for side in (is_lid & left, is_lid & ~left):
        columns = np.flatnonzero(side.numpy())
        if not len(columns):
            continue
        wide = lids[:, columns].mean(1)
        closed = _blinking(wide, fps)
        usual[columns] = np.quantile(lids[:, columns], LIDS_OPEN, axis=0)
        shut[columns] = lids[closed][:, columns].mean(0) if len(closed) else LIDS_SHUT * usual[columns]
        shut[columns] = np.minimum(shut[columns], (1 - MIN_RANGE) * usual[columns])
    columns = np.flatnonzero(~is_lid.numpy())
    if len(columns):
        middle = lips[:, columns[len(columns) // 3 : len(columns) - len(columns) // 3]].mean(1)
        touching = middle <= _touching(middle, fps)
        shut[columns] = np.minimum(lips[touching][:, columns].mean(0) + lips[touching][:, columns].std(0), LIP_BIAS)
    return Gaps(is_lid, torch.from_numpy(shut).float(), torch.from_numpy(usual).float())


def gap_targets(gaps: Gaps, rig: LandmarkRig, view: View, targets: Tensor, params: Tensor, shape: Tensor) -> Tensor:
    """[F, N] openings in pixels that the model should have, given what was detected and what that means on this person.

    Args:
        gaps: from `learn_gaps`.
        rig: the condensed head.
        view: the camera.
        targets: [F, L, 3] landmarks in pixels.
        params: [F, P] with the head's pose.
        shape: [S] identity.
    """
    detected = _detected(rig, view, targets, params)
    opening, closed = _openings(rig, view, _at_rest(params), 0.0), _openings(rig, view, _at_rest(params), 1.0, shape)
    wide = (detected / opening.clamp(min=1e-3) - gaps.shut) / (gaps.usual - gaps.shut)
    lids = closed + wide * (gaps.usual * opening - closed)
    lips = (detected - gaps.shut * _pixels_per_metre(rig, view, params)[:, None]).clamp(min=0)
    return torch.where(gaps.is_lid, lids, lips)


def lips_touch(gaps: Gaps, rig: LandmarkRig, view: View, targets: Tensor, params: Tensor) -> Tensor:
    """[F] 1 where the middles of the lips touch, falling to 0 where they are `APART` from each other."""
    open_by = _detected(rig, view, targets, params) / _pixels_per_metre(rig, view, params)[:, None] - gaps.shut
    lips = torch.nonzero(~gaps.is_lid)[:, 0]
    if not len(lips):
        return torch.zeros(len(params))
    middle = lips[len(lips) // 3 : len(lips) - len(lips) // 3]
    return (1 - open_by[:, middle].mean(1) / APART).clamp(0, 1)


def _at_rest(params: Tensor) -> Tensor:
    """The same poses of the head with a neutral face."""
    rest = torch.zeros_like(params)
    rest[:, : POSITION.stop] = params[:, : POSITION.stop]
    return rest


def _sides(rig: LandmarkRig) -> tuple[Tensor, Tensor]:
    """Which pairs are lids [N], and which lie on the subject's left [N]."""
    upper = rig.index[rig.opposite[0]]
    left = torch.isin(upper, torch.tensor(LEFT_EYE))
    return left | torch.isin(upper, torch.tensor(RIGHT_EYE)), left


def _verticals(view: View, R: Tensor) -> Tensor:
    """[F, 2] the head's own up in the picture."""
    return torch.nn.functional.normalize((view.R @ R)[:, :2, 1], dim=1)


def _rotations(params: Tensor) -> Tensor:
    return axis_angle_to_matrix(params[:, ROTATION])


def _detected(rig: LandmarkRig, view: View, targets: Tensor, params: Tensor) -> Tensor:
    upper, lower = rig.opposite
    return torch.einsum("fa,fna->fn", _verticals(view, _rotations(params)), (targets[:, upper] - targets[:, lower])[..., :2])


def _openings(rig: LandmarkRig, view: View, rest: Tensor, closure: float, shape: Tensor | None = None) -> Tensor:
    """[F, N] pixels between opposite edges of the model with its lids open (0) or shut (1)."""
    upper, lower = rig.opposite
    shape = torch.zeros(rig.joint_shape_basis.shape[2]) if shape is None else shape
    none = torch.zeros(rig.num_landmarks, 3)
    params = rest.clone()
    params[:, list(rig.blinks)] = closure
    places = torch.cat([evaluate(rig, shape, none, part, view).places for part in params.split(CHUNK)])
    return torch.einsum("fa,fna->fn", _verticals(view, _rotations(rest)), (places[:, upper] - places[:, lower])[..., :2])


def _pixels_per_metre(rig: LandmarkRig, view: View, params: Tensor) -> Tensor:
    """[F] of lengths along the head's vertical."""
    up = (view.R @ _rotations(params))[:, :2, 1].norm(dim=1)
    depth = (rig.pivot + params[:, POSITION]) @ view.R[2] + view.t[2]
    return up * view.focal[1] / depth


def _blinking(wide: np.ndarray, fps: float) -> np.ndarray:
    """Indices of the frames in which an eye of the openings `wide` [F] is at its most shut."""
    around = median_filter(wide, size=2 * round(BLINK_SECONDS * fps) + 1, mode="nearest")
    usual = np.quantile(wide, LIDS_OPEN)
    lowest = (wide[1:-1] <= wide[:-2]) & (wide[1:-1] <= wide[2:])
    deep = np.flatnonzero(lowest & (around - wide > BLINK_DEPTH * usual)[1:-1]) + 1
    return deep[wide[deep] <= np.quantile(wide[deep], DEEP) + 1e-9] if len(deep) else deep


def _touching(middle: np.ndarray, fps: float) -> float:
    """The opening of the middle of the lips [F], metres, up to which they touch."""
    least = float(np.quantile(middle, LIPS_SHUT))
    width = min(max(round(REST_SECONDS * fps), 3), len(middle))
    windows = np.lib.stride_tricks.sliding_window_view(middle, width)
    level, spread = windows.mean(1), windows.std(1)
    resting = level[(spread < LIPS_REST) & (level < LIP_BIAS)]
    return max(least, float(np.quantile(resting, 0.25))) if len(resting) else least
