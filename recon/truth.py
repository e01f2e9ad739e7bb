"""A tracked motion against the true one: how far the faces lie apart, and how well every movement was followed."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from avatar3d.camera import Camera
from avatar3d.head.model import HeadModel, axis_angle_to_matrix, head_vertices, landmark_positions, landmark_vertices
from avatar3d.head.similarity import fit_similarity
from avatar3d.motion import Motion, check_head
from recon.crop import Crop
from recon.landmarks import LOWER_LIP, UPPER_LIP

_BATCH = 64
_LIDS = ((159, 145), (386, 374))
"""MediaPipe's landmarks in the middle of the upper and lower lid, right eye and left."""
_REFERENCE_SIZE = 512.0


@dataclass(frozen=True)
class Curve:
    """One movement over time, measured on both heads."""

    name: str
    unit: str
    true: np.ndarray
    """[T]."""
    tracked: np.ndarray
    """[T]."""

    @property
    def correlation(self) -> float:
        """Pearson's r; 0 where one of them does not move."""
        if min(self.true.std(), self.tracked.std()) < 1e-9:
            return 0.0
        return float(np.corrcoef(self.true, self.tracked)[0, 1])

    @property
    def rms(self) -> float:
        """Root mean square of the difference once the mean difference, a matter of the identity, is taken out."""
        difference = self.tracked - self.true
        return float(np.sqrt(np.mean((difference - difference.mean()) ** 2)))


@dataclass(frozen=True, eq=False)
class TruthReport:
    """Errors in millimetres on the true head's scale, and in pixels of a 512 picture; T compared frames."""

    scale: float
    """Size of the true head over that of the tracked one: a single camera cannot tell it."""
    vertex_median: float
    """Median over all face vertices and frames after one similarity alignment of the whole capture."""
    vertex_p90: float
    sideways_median: float
    """Of that error, what a camera sees: across the line of sight."""
    depth_median: float
    """And what it hardly sees: along the line of sight."""
    vertex_by_frame: np.ndarray
    """[T] median of each frame, aligned with the whole capture."""
    rigid_median: float
    """The same with a rigid alignment of every frame: shape and expression alone."""
    rigid_p90: float
    landmark_error: float
    """Mean distance of tracked and true landmarks in the picture."""
    landmark_by_frame: np.ndarray
    """[T]."""
    curves: tuple[Curve, ...]
    frames: np.ndarray
    """[T] indices of the compared frames."""

    def to_json(self) -> dict:
        """The figures without the series."""
        names = ("scale", "vertex_median", "vertex_p90", "sideways_median", "depth_median", "rigid_median", "rigid_p90", "landmark_error")
        record: dict = {name: round(getattr(self, name), 4) for name in names}
        record["curves"] = {curve.name: {"r": round(curve.correlation, 4), "rms": round(curve.rms, 4), "unit": curve.unit} for curve in self.curves}
        return record | {"frames": len(self.frames)}


def compare_with_truth(tracked: Motion, camera: Camera, true_motion: Motion, true_camera: Camera, head: HeadModel) -> TruthReport:
    """Compare a tracked motion with the true one, over the frames that both have and that were not bridged.

    Args:
        tracked: of the capture.
        camera: as tracked.
        true_motion: frame for frame the same.
        true_camera: of the same picture; see `cropped_camera`.
        head: of both motions; needs the region `face` and landmarks.

    Raises:
        UserError: one of the motions is of another head.
    """
    check_head(tracked.head_fingerprint, head, "tracked motion")
    check_head(true_motion.head_fingerprint, head, "true motion")
    frames = np.arange(min(len(tracked), len(true_motion)))
    if tracked.valid is not None:
        frames = frames[tracked.valid[: len(frames)]]
    part = head.subset(np.union1d(head.regions["face"], landmark_vertices(head)))
    mine, truth = posed(part, tracked.frames(frames)), posed(part, true_motion.frames(frames))
    face = part.regions["face"]
    R, t, scale = fit_similarity(mine[:, face].reshape(-1, 3), truth[:, face].reshape(-1, 3))
    # In the axes of the camera: right, down, forward.
    offset = 1e3 * (scale * mine[:, face] @ R.T + t - truth[:, face]) @ true_camera.T_cam_world[:3, :3].T
    error = np.linalg.norm(offset, axis=-1)
    rigid = 1e3 * rigid_errors(scale * mine[:, face], truth[:, face])
    points = [placed_landmarks(part, vertices) for vertices in (mine, truth)]
    pixels = [view.project(p) for view, p in zip((camera, true_camera), points, strict=True)]
    missed = np.linalg.norm(pixels[0] - pixels[1], axis=-1) * _REFERENCE_SIZE / camera.width
    curves = _curves(part, [scale * points[0], points[1]], [tracked.frames(frames), true_motion.frames(frames)], [camera, true_camera])
    return TruthReport(
        scale=scale,
        vertex_median=float(np.median(error)),
        vertex_p90=float(np.percentile(error, 90)),
        sideways_median=float(np.median(np.linalg.norm(offset[..., :2], axis=-1))),
        depth_median=float(np.median(np.abs(offset[..., 2]))),
        vertex_by_frame=np.median(error, axis=1),
        rigid_median=float(np.median(rigid)),
        rigid_p90=float(np.percentile(rigid, 90)),
        landmark_error=float(missed.mean()),
        landmark_by_frame=missed.mean(axis=1),
        curves=curves,
        frames=frames,
    )


def mouth_opening(motion: Motion, head: HeadModel) -> np.ndarray:
    """[T] millimetres between the inner lips in their middle."""
    part = head.subset(landmark_vertices(head))
    return _gap(part, placed_landmarks(part, posed(part, motion)), UPPER_LIP, LOWER_LIP)


def cropped_camera(camera: Camera, crop: Crop) -> Camera:
    """The camera of a capture's crop, from that of the whole picture."""
    scale = crop.scale
    return replace(
        camera, fx=camera.fx * scale, fy=camera.fy * scale, cx=(camera.cx - crop.x) * scale, cy=(camera.cy - crop.y) * scale,
        width=crop.size, height=crop.size,
    )  # fmt: skip


def posed(head: HeadModel, motion: Motion) -> np.ndarray:
    """[T, V, 3] float64."""
    parts = []
    for first in range(0, len(motion), _BATCH):
        rows = motion.frames(slice(first, first + _BATCH))
        tracks = {name: torch.from_numpy(getattr(rows, name)) for name in ("jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation")}
        shift = None if rows.neck_translation is None else torch.from_numpy(rows.neck_translation)
        lids = None if rows.eyelids is None else torch.from_numpy(rows.eyelids)
        shape, expr = torch.from_numpy(rows.shape), torch.from_numpy(rows.expr)
        parts.append(head_vertices(head, shape, expr, **tracks, neck_translation=shift, eyelids=lids).double().numpy())
    return np.concatenate(parts)


def placed_landmarks(head: HeadModel, vertices: np.ndarray) -> np.ndarray:
    """[T, L, 3]."""
    return landmark_positions(torch.from_numpy(vertices), head).numpy()


def _gap(head: HeadModel, points: np.ndarray, upper: int, lower: int) -> np.ndarray:
    """[T] millimetres between two of MediaPipe's landmarks, of landmarks [T, L, 3]."""
    assert head.landmarks is not None
    row = {int(index): k for k, index in enumerate(head.landmarks.index)}
    return 1e3 * np.linalg.norm(points[:, row[upper]] - points[:, row[lower]], axis=-1)


def rigid_errors(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[T, V] distances between points [T, V, 3] after the best rotation and shift of every frame (Kabsch 1976), in their unit."""
    a, b = source - source.mean(1, keepdims=True), target - target.mean(1, keepdims=True)
    U, _, Vt = np.linalg.svd(b.transpose(0, 2, 1) @ a)
    U[:, :, 2] *= np.sign(np.linalg.det(U @ Vt))[:, None]
    return np.linalg.norm(a @ (U @ Vt).transpose(0, 2, 1) - b, axis=-1)


def _curves(head: HeadModel, points: list[np.ndarray], motions: list[Motion], cameras: list[Camera]) -> tuple[Curve, ...]:
    """The movements people look at; opening of mouth and eyes in millimetres, since coefficients of two identities differ."""
    turns = [_head_angles(motion, camera) for motion, camera in zip(motions, cameras, strict=True)]
    jaws = [np.degrees(motion.jaw_pose[:, 0].astype(np.float64)) for motion in motions]

    def curve(name: str, unit: str, pair: list[np.ndarray]) -> Curve:
        return Curve(name, unit, pair[1], pair[0])

    return (
        curve("jaw angle", "degrees", jaws),
        curve("mouth opening", "mm", [_gap(head, p, UPPER_LIP, LOWER_LIP) for p in points]),
        curve("eye opening", "mm", [np.mean([_gap(head, p, *lids) for lids in _LIDS], axis=0) for p in points]),
        curve("turn", "degrees", [turn[:, 1] for turn in turns]),
        curve("nod", "degrees", [turn[:, 0] for turn in turns]),
        curve("tilt", "degrees", [turn[:, 2] for turn in turns]),
    )


def _head_angles(motion: Motion, camera: Camera) -> np.ndarray:
    """[T, 3] nod, turn and tilt of the head against the camera, degrees."""
    root, neck = (axis_angle_to_matrix(torch.from_numpy(track)).double().numpy() for track in (motion.rotation, motion.neck_pose))
    # The camera looks along -z of the head's axes with y down: undone, straight at the camera is zero.
    facing = np.diag([1.0, -1.0, -1.0]) @ camera.T_cam_world[:3, :3]
    turn, nod, tilt = Rotation.from_matrix(facing @ root @ neck).as_euler("YXZ", degrees=True).T
    return np.stack([nod, turn, tilt], axis=1)
