"""What other programs' data sets hold, in one form: pictures, cameras, and the head's coefficients if they are whole."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.camera import Camera
from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.motion import CHANNELS, Motion

FLAME_TEETH = 120
"""Vertices that VHAP adds to FLAME's."""
_NEAR, _FAR = 0.1, 20.0
"""Metres between a camera and a head; beyond, the units are not metres."""


@dataclass(frozen=True, eq=False)
class Coefficients:
    """A head's coefficients over T frames, as the other program means them: FLAME's."""

    channels: dict[str, np.ndarray]
    """`expr` [T, E] and those of `avatar3d.motion.CHANNELS` that there are, [T, width]."""
    shape: np.ndarray
    """[S]."""
    num_vertices: int | None
    """Of the head that they belong to, where the files tell."""
    offset: float = 0.0
    """Mean length of the static vertex offsets, metres."""


@dataclass(frozen=True, eq=False)
class Recording:
    """T frames of one person seen by one camera, which may move."""

    path: Path
    """The folder, named in errors."""
    layout: str
    """VHAP or INSTA."""
    pictures: tuple[Path, ...]
    mattes: tuple[Path | None, ...]
    """None where the picture's own alpha is the matte, or where there is none."""
    T_world_cam: np.ndarray
    """[T, 4, 4] camera to world, in either convention of camera axes."""
    intrinsics: np.ndarray
    """[4] fx, fy, cx, cy, pixels."""
    size: tuple[int, int]
    """Width and height, pixels."""
    coefficients: Coefficients | None
    lacking: str
    """What is missing of the coefficients; empty where they are whole."""
    tested: int
    """How many frames at the end the other program keeps for tests."""

    def __len__(self) -> int:
        return len(self.pictures)


def motion_of(recording: Recording, head: HeadModel, fps: Fraction) -> tuple[Motion, Camera]:
    """The recording's motion on `head`, and the one camera that sees it; the camera's own motion goes into the head's.

    Raises:
        UserError: coefficients missing or of another head, units that are not metres, a camera that looks elsewhere.
    """
    found = recording.coefficients
    if found is None:
        raise UserError(f"{recording.path}: {recording.lacking}; track its pictures with `avatar3d track {recording.path} -o FOLDER`")
    _check_head(recording, found, head)
    T = len(recording)
    shape = np.zeros(head.num_shape, np.float32)
    shape[: len(found.shape)] = found.shape
    channels = {
        name: found.channels.get(name, np.zeros((T, width))) for name, width in CHANNELS.items() if name not in ("neck_translation", "eyelids")
    }
    expr = np.zeros((T, head.num_expr), np.float32)
    expr[:, : found.channels["expr"].shape[1]] = found.channels["expr"]
    joints = head.joint_template.double().numpy() + head.joint_shape_basis.double().numpy() @ shape.astype(np.float64)
    # Head and cameras where the other program has them: the head's middle tells which way its cameras look.
    R = Rotation.from_rotvec(channels["rotation"].astype(np.float64)).as_matrix()
    translation = channels["translation"].astype(np.float64)
    rest = head.template.double().numpy().mean(axis=0) - joints[0]
    middle = R @ rest + joints[0] + translation
    T_cam_world = np.linalg.inv(recording.T_world_cam)
    depth = np.einsum("tj,tj->t", T_cam_world[:, 2, :3], middle) + T_cam_world[:, 2, 3]
    if (depth < 0).mean() > 0.5:
        # OpenGL's camera looks along -z with y up; here it looks along +z with y down.
        T_cam_world, depth = np.diag([1.0, -1.0, -1.0, 1.0]) @ T_cam_world, -depth
    if not ((depth > _NEAR) & (depth < _FAR)).mean() > 0.95:
        raise UserError(f"{recording.path}: its cameras do not have the head {_NEAR:g} to {_FAR:g} m in front of them; export it again, in metres")
    still = _middle_pose(T_cam_world)
    # X -> still X' must show what T_i X shows, so that X' = M X with M = still^-1 T_i.
    M = np.linalg.inv(still) @ T_cam_world
    turned = M[:, :3, :3] @ R
    moved = np.einsum("tij,tj->ti", M[:, :3, :3], joints[0] + translation) + M[:, :3, 3] - joints[0]
    if np.abs(M - np.eye(4)).max() < 1e-9:
        turns, moved = channels["rotation"], translation
    else:
        turns = Rotation.from_matrix(turned).as_rotvec()
    lids = None if head.eyelid_basis is None else found.channels.get("eyelids", np.zeros((T, 2)))
    neck = found.channels.get("neck_translation", np.zeros((T, 3)))
    values = channels | {"rotation": turns, "translation": moved, "neck_translation": neck} | ({} if lids is None else {"eyelids": lids})
    arrays = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in values.items()}
    motion = Motion(expr=expr, **arrays, shape=shape, fps=fps, head_fingerprint=head.fingerprint)  # pyright: ignore[reportArgumentType]
    fx, fy, cx, cy = recording.intrinsics
    return motion, Camera(fx, fy, cx, cy, *recording.size, T_cam_world=still)


def _check_head(recording: Recording, found: Coefficients, head: HeadModel) -> None:
    """Refuse coefficients that cannot be this head's. Which edition of FLAME they are of, no file says."""
    expressions, modes = found.channels["expr"].shape[1], len(found.shape)
    ours = bool(head.expr_names)
    fits = expressions == head.num_expr if ours else expressions <= head.num_expr
    if found.num_vertices is not None:
        fits &= found.num_vertices in (head.num_vertices, *(() if ours else (head.num_vertices + FLAME_TEETH,)))
    elif ours:
        fits = False
    if not fits or modes > head.num_shape:
        vertices = "" if found.num_vertices is None else f" on {found.num_vertices} vertices"
        raise UserError(
            f"{recording.path}: its {expressions} expressions and {modes} identity modes{vertices} belong to FLAME or another head, "
            f"not to {head.name}; give the head's file with --head"
        )


def _middle_pose(poses: np.ndarray) -> np.ndarray:
    """[4, 4] mean rotation and median shift of poses [T, 4, 4]; the pose itself where all are one."""
    if np.abs(poses - poses[0]).max() < 1e-9:
        return poses[0].copy()
    middle = np.eye(4)
    middle[:3, :3] = Rotation.from_matrix(poses[:, :3, :3]).mean().as_matrix()
    middle[:3, 3] = np.median(poses[:, :3, 3], axis=0)
    return middle
