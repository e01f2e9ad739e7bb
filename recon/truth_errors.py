"""Everything a tracked motion gets wrong against a known one, as figures that can be compared between trackers.

Angles in degrees, lengths in millimetres on the true head's scale. What no single camera can tell, size and a constant
turn or shift of the head, is taken out once for the capture; gaze, lids and lips are judged as they are, since a person
who looks at the camera must be tracked as looking at it, and lips that meet must meet.
"""

from itertools import pairwise

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from avatar3d.camera import Camera
from avatar3d.head.model import LEFT_EYE, NECK, RIGHT_EYE, ROOT, HeadModel, axis_angle_to_matrix, joint_transforms, landmark_vertices
from avatar3d.head.similarity import fit_similarity
from avatar3d.motion import Motion, check_head
from avatar3d.runs import runs
from recon.truth import posed, rigid_errors

YAW_BINS = (0, 15, 30, 45, 75)
"""Degrees of the head's turn away from the camera, either way."""
BINNED = ("face_mm", "turn_deg", "gaze_deg", "lid_mm", "lip_mm")
SHUT, OPEN = 0.25, 0.6
"""Openings over the person's own when wide awake: below an eye is shut, above it is open."""
TOUCHING = 0.5
"""Millimetres between lips that touch."""
_FACING = 30.0
"""Degrees of turn within which the capture's one similarity is found."""
_EDGES = ("left_lid_upper", "left_lid_lower", "right_lid_upper", "right_lid_lower", "lip_inner_upper", "lip_inner_lower")


def tracking_errors(
    tracked: Motion,
    camera: Camera,
    true_motion: Motion,
    true_camera: Camera,
    head: HeadModel,
    *,
    still: np.ndarray | None = None,
    skip: np.ndarray | None = None,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Figures, and the curves [T'] behind them (pairs NAME_true, NAME_tracked and errors by frame; `frame` are the indices).

    Args:
        tracked: of a capture.
        camera: as tracked.
        true_motion: frame for frame the same.
        true_camera: of the same picture; see `recon.truth.cropped_camera`.
        head: the named-expression head of both motions.
        still: [T] bool, frames known to rest: there the noise is measured.
        skip: [T] bool, frames left out, such as those in which the face is covered.

    Raises:
        UserError: one of the motions is of another head.
    """
    check_head(tracked.head_fingerprint, head, "tracked motion")
    check_head(true_motion.head_fingerprint, head, "true motion")
    T = min(len(tracked), len(true_motion))
    kept = np.ones(T, bool) if tracked.valid is None else tracked.valid[:T].copy()
    if skip is not None:
        kept &= ~skip[:T]
    frames = np.flatnonzero(kept)
    mine, truth = tracked.frames(frames), true_motion.frames(frames)
    part = head.subset(np.unique(np.concatenate([head.regions["face"], *(head.regions[name] for name in _EDGES), landmark_vertices(head)])))
    figures: dict[str, float] = {}
    curves: dict[str, np.ndarray] = {"frame": frames}

    face = part.regions["face"]
    seen, true = (_in_camera(posed(part, motion), view) for motion, view in ((mine, camera), (truth, true_camera)))
    views = [_Pose(motion, view, head) for motion, view in ((mine, camera), (truth, true_camera))]
    yaw = np.abs(_yaw(views[1].head))
    # A head that is lost in a profile must not shrink all the others.
    facing = yaw <= max(_FACING, float(yaw.min()))
    R, t, scale = fit_similarity(seen[facing][:, face].reshape(-1, 3), true[facing][:, face].reshape(-1, 3))
    error = 1e3 * np.linalg.norm(scale * seen[:, face] @ R.T + t - true[:, face], axis=-1)
    rigid = 1e3 * rigid_errors(scale * seen[:, face], true[:, face])
    curves["vertex_mm"], curves["face_mm"] = np.median(error, axis=1), np.median(rigid, axis=1)
    figures |= {
        "scale": scale,
        "vertex_mm": float(np.median(error)),
        "face_mm": float(np.median(rigid)),
        "face_p90_mm": float(np.percentile(rigid, 90)),
    }

    turn, axes = _rotation_errors(views[0].head, views[1].head)
    curves["turn_deg"] = turn
    figures |= {"turn_deg": _rms(turn)} | {f"{name}_deg": _rms(axes[:, axis]) for axis, name in enumerate(("nod", "yaw", "tilt"))}
    place = 1e3 * (scale * views[0].eyes @ R.T + t - views[1].eyes)
    place = place - place.mean(0)
    figures |= {"sideways_mm": _rms(np.linalg.norm(place[:, :2], axis=1)), "depth_mm": _rms(place[:, 2])}
    curves["depth_mm"] = place[:, 2]
    figures["torso_deg"] = _rms(_rotation_errors(views[0].torso, views[1].torso)[0])
    shift = 1e3 * (scale * views[0].root @ R.T + t - views[1].root)
    figures["torso_mm"] = _rms(np.linalg.norm(shift - shift.mean(0), axis=1))

    openings = {name: [_opening(factor * points, view, part, name) for factor, points, view in zip((scale, 1.0), (seen, true), views, strict=True)]
                for name in ("left_lid", "right_lid", "lip_inner")}  # fmt: skip
    figures |= _lid_figures(openings, mine, truth, head, curves)
    figures |= _gaze_figures(views, curves)
    figures |= _mouth_figures(openings["lip_inner"], mine, truth, curves)
    figures |= _motion_figures(views, mine, frames, still, scale * seen[:, face])
    for low, high in pairwise(YAW_BINS):
        inside = (yaw >= low) & (yaw < high)
        if inside.sum() > 2:
            figures |= {f"{name}@{low}": _rms(curves[name][inside]) if name != "face_mm" else float(curves[name][inside].mean()) for name in BINNED}
    return figures, curves


class _Pose:
    """Rigid parts of a motion in the axes of its camera: rotations [T, 3, 3], places [T, 3] metres."""

    def __init__(self, motion: Motion, camera: Camera, head: HeadModel) -> None:
        joints = head.joints(torch.from_numpy(motion.shape))
        T = len(motion)
        names = ("rotation", "neck_pose", "jaw_pose")
        rotvecs = [*(getattr(motion, name) for name in names), motion.eyes_pose[:, :3], motion.eyes_pose[:, 3:]]
        local = axis_angle_to_matrix(torch.from_numpy(np.stack(rotvecs, axis=1)))
        shift = None if motion.neck_translation is None else torch.from_numpy(motion.neck_translation)
        moves = joint_transforms(local, joints.expand(T, 5, 3), torch.from_numpy(motion.translation), shift, head.parents).double().numpy()
        R_cw, t_cw = camera.T_cam_world[:3, :3], camera.T_cam_world[:3, 3]
        world = R_cw @ moves[..., :3]
        self.torso, self.head = world[:, ROOT], world[:, NECK]
        self.gaze = world[:, [LEFT_EYE, RIGHT_EYE]][..., 2]
        rest = joints.double().numpy()
        between = (rest[LEFT_EYE] + rest[RIGHT_EYE]) / 2
        self.eyes = (moves[:, NECK, :, :3] @ between + moves[:, NECK, :, 3]) @ R_cw.T + t_cw
        self.root = (moves[:, ROOT, :, :3] @ rest[NECK] + moves[:, ROOT, :, 3]) @ R_cw.T + t_cw


def _in_camera(points: np.ndarray, camera: Camera) -> np.ndarray:
    return points @ camera.T_cam_world[:3, :3].T + camera.T_cam_world[:3, 3]


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else float("nan")


def _rotation_errors(mine: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angle [T] and rotation vector [T, 3] in degrees of what is wrong with rotations once a constant turn of the head is taken out."""
    difference = Rotation.from_matrix(np.swapaxes(truth, 1, 2) @ mine)
    left = difference * difference.mean().inv()
    return np.degrees(left.magnitude()), np.degrees(left.as_rotvec())


def _yaw(R: np.ndarray) -> np.ndarray:
    """[T] degrees to the subject's left that a head is turned, seen by a camera."""
    return np.degrees(np.arctan2(R[:, 0, 2], -R[:, 2, 2]))


def _opening(points: np.ndarray, view: _Pose, part: HeadModel, name: str) -> np.ndarray:
    """[T] millimetres along the head's own vertical between the middles of an upper and a lower edge; negative where they overlap."""
    upper, lower = (points[:, part.regions[f"{name}_{edge}"]] for edge in ("upper", "lower"))
    middle = upper.shape[1] // 2
    nearest = np.linalg.norm(part.template[part.regions[f"{name}_lower"]] - part.template[part.regions[f"{name}_upper"][middle]], axis=1).argmin()
    return 1e3 * np.einsum("tc,tc->t", upper[:, middle] - lower[:, nearest], view.head[:, :, 1])


def _lid_figures(
    openings: dict[str, list[np.ndarray]], mine: Motion, truth: Motion, head: HeadModel, curves: dict[str, np.ndarray]
) -> dict[str, float]:
    errors, hits, events, sound, claims = [], 0, 0, 0, 0
    closed_at, rest_at, spread = [], [], []
    for side in ("Left", "Right"):
        opening = openings[f"{side.lower()}_lid"]
        for name, value in zip(("tracked", "true"), opening, strict=True):
            curves[f"lid_{side}_{name}"] = value
        errors.append(opening[0] - opening[1])
        ratio = [value / max(float(np.percentile(value, 80)), 1e-6) for value in opening]
        for truth_run in runs(ratio[1] < SHUT):
            events += 1
            hits += bool(ratio[0][_widened(truth_run)].min() < SHUT)
        for claim in runs(ratio[0] < SHUT):
            claims += 1
            sound += bool(ratio[1][_widened(claim)].min() < OPEN)
        blink = head.expr_names.index(f"eyeBlink{side}")
        closed_at.append(mine.expr[truth.expr[:, blink] > 0.97, blink])
        rest_at.append(mine.expr[truth.expr[:, blink] < 0.02, blink])
        spread.append(mine.expr[:, blink] - truth.expr[:, blink])
    curves["lid_mm"] = np.sqrt(np.mean(np.square(errors), axis=0))
    return {
        "lid_mm": _rms(np.concatenate(errors)),
        "blink_recall": hits / max(events, 1),
        "blink_precision": sound / max(claims, 1),
        "blink_shut": float(np.mean(np.concatenate(closed_at))) if sum(map(len, closed_at)) else float("nan"),
        "blink_open": float(np.mean(np.concatenate(rest_at))),
        "blink_rms": _rms(np.concatenate(spread)),
    }


def _gaze_figures(views: list[_Pose], curves: dict[str, np.ndarray]) -> dict[str, float]:
    """Where the eyes look in the room, with what the head's turn adds; frames with both true lids well open count."""
    lids = np.minimum(curves["lid_Left_true"], curves["lid_Right_true"])
    awake = lids > OPEN * np.percentile(lids, 80)
    cosine = np.einsum("tec,tec->te", views[0].gaze, views[1].gaze)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    curves["gaze_deg"] = np.where(awake, angle.mean(1), 0)
    sideways, down = ([np.degrees(np.arctan2(view.gaze[..., axis], -view.gaze[..., 2])).mean(1) for view in views] for axis in (0, 1))
    for name, pair in (("gaze_side", sideways), ("gaze_down", down)):
        curves[f"{name}_tracked"], curves[f"{name}_true"] = pair
    local = [np.einsum("tec,tcd->ted", view.gaze, view.head) for view in views]
    eye_yaw = [np.degrees(np.arctan2(g[..., 0], g[..., 2])).mean(1) for g in local]
    eye_pitch = [np.degrees(np.arctan2(g[..., 1], g[..., 2])).mean(1) for g in local]
    curves["eye_yaw_tracked"], curves["eye_yaw_true"] = eye_yaw
    curves["eye_pitch_tracked"], curves["eye_pitch_true"] = eye_pitch
    return {
        "gaze_deg": _rms(angle[awake]),
        "gaze_left_deg": _rms(angle[awake, 0]),
        "gaze_right_deg": _rms(angle[awake, 1]),
        "gaze_bias_side_deg": float((sideways[0] - sideways[1])[awake].mean()),
        "gaze_bias_down_deg": float((down[0] - down[1])[awake].mean()),
        "gaze_side_rms_deg": float((sideways[0] - sideways[1])[awake].std()),
        "gaze_down_rms_deg": float((down[0] - down[1])[awake].std()),
        "eye_yaw_gain": _slope(eye_yaw[1][awake], eye_yaw[0][awake]),
        "eye_pitch_gain": _slope(eye_pitch[1][awake], eye_pitch[0][awake]),
    }


def _mouth_figures(gap: list[np.ndarray], mine: Motion, truth: Motion, curves: dict[str, np.ndarray]) -> dict[str, float]:
    curves["lip_tracked"], curves["lip_true"] = gap
    curves["lip_mm"] = gap[0] - gap[1]
    touching = gap[1] < TOUCHING
    hits = [bool(gap[0][_widened(run)].min() < 2 * TOUCHING) for run in runs(touching)]
    jaw = [np.degrees(motion.jaw_pose[:, 0].astype(np.float64)) for motion in (mine, truth)]
    curves["jaw_tracked"], curves["jaw_true"] = jaw
    return {
        "lip_mm": _rms(gap[0] - gap[1]),
        "lip_shut_mm": float((gap[0] - gap[1])[touching].mean()) if touching.any() else float("nan"),
        "lip_overlap_mm": float(np.maximum(-gap[0], 0).mean()),
        "lip_recall": float(np.mean(hits)) if hits else float("nan"),
        "lip_gain": _slope(gap[1], gap[0]),
        "jaw_deg": float((jaw[0] - jaw[1]).std()),
        "jaw_bias_deg": float((jaw[0] - jaw[1]).mean()),
        "jaw_gain": _slope(jaw[1], jaw[0]),
    }


def _motion_figures(views: list[_Pose], mine: Motion, frames: np.ndarray, still: np.ndarray | None, face: np.ndarray) -> dict[str, float]:
    """Noise at rest, and how much of fast movement arrives; `face` [T, V, 3] metres, on the true head's scale."""
    linked = np.diff(frames) == 1
    rates = []
    for view in views:
        step = Rotation.from_matrix(np.swapaxes(view.head[:-1], 1, 2) @ view.head[1:]).as_rotvec()
        rates.append(step[linked].ravel())
    figures = {"speed_gain": _slope(rates[1], rates[0])}
    if still is not None:
        figures |= noise_figures(mine, views[0].head, face, linked, still[frames])
    return figures


def noise_figures(motion: Motion, head: np.ndarray, face: np.ndarray, linked: np.ndarray, still: np.ndarray) -> dict[str, float]:
    """Root mean square of second differences over frames at rest.

    Args:
        motion: of T frames.
        head: [T, 3, 3] the head's rotation.
        face: [T, V, 3] metres, the face's vertices as the camera has them.
        linked: [T - 1] whether a frame is followed by the next in time.
        still: [T] whether a frame is at rest.
    """
    triple = linked[:-1] & linked[1:] & still[:-2] & still[1:-1] & still[2:]
    # An eye that shuts is no noise.
    second = np.diff(motion.expr, n=2, axis=0)
    steps = Rotation.from_matrix(np.swapaxes(head[:-1], 1, 2) @ head[1:]).as_rotvec()
    return {
        "noise_turn_deg": _rms(np.degrees(np.linalg.norm(np.diff(steps, axis=0)[triple], axis=1))),
        "noise_face_mm": _rms(1e3 * np.linalg.norm(np.diff(face, n=2, axis=0)[triple], axis=-1)),
        "noise_depth_mm": _rms(1e3 * np.diff(face[..., 2].mean(1), n=2)[triple]),
        "noise_jaw_deg": _rms(np.degrees(np.diff(motion.jaw_pose[:, 0], n=2)[triple])),
        "noise_gaze_deg": _rms(np.degrees(np.diff(motion.eyes_pose[:, [0, 1]], n=2, axis=0)[triple])),
        "noise_expr": _rms(second[triple]),
    }


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """Of the line y over x."""
    x = x - x.mean()
    return float(x @ (y - y.mean()) / max(float(x @ x), 1e-12))


def _widened(run: tuple[int, int]) -> slice:
    """The frames of a run (first, last + 1), and one more on either side."""
    return slice(max(run[0] - 1, 0), run[1] + 1)
