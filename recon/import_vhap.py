"""Data sets in the layout of VHAP, GaussianAvatars and NeRSemble's benchmark, and what `recon.vhap` writes.

transforms.json, or transforms_train.json, transforms_val.json and transforms_test.json: an object with `frames`, and perhaps
the intrinsics that all frames share. A frame has `file_path`, `transform_matrix` (camera to world, OpenGL's camera axes) and
`flame_param_path`; it may have `fg_mask_path`, `timestep_index`, `camera_index` and intrinsics of its own (`fl_x`, `fl_y`,
`cx`, `cy`, `w`, `h`). Paths are relative to the folder.

flame_param/00000.npz: `expr` [1, E], `shape` [S], `rotation`, `translation`, `neck_pose`, `jaw_pose` [1, 3], `eyes_pose`
[1, 6] (left, right), radians and metres, the rotation about the root joint; perhaps `static_offset` [1, V, 3]. Taken from
what `recon.vhap` writes: `neck_translation` [1, 3], `eyelids` [1, 2].
"""

import warnings
from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from avatar3d.motion import CHANNELS
from recon.foreign_files import finite, named, read_arrays
from recon.recording import Coefficients, Recording
from recon.transforms_file import PosedPicture, read_pictures, recording_of

NEEDED = ("translation", "rotation", "neck_pose", "jaw_pose", "eyes_pose")
_ADVICE = "export the data set again with VHAP"


def read_vhap(folder: Path, camera: int | None = None) -> Recording:
    """Read a folder in VHAP's layout.

    Args:
        folder: the data set.
        camera: `camera_index` of the camera to use; by default the one with the most frames, of several the most frontal.

    Raises:
        UserError: damaged or incomplete files.
    """
    pictures, tested = read_pictures(folder)
    cameras = sorted({picture.camera for picture in pictures})
    if camera is not None and camera not in cameras:
        raise UserError(f"{folder}: has no camera {camera}; choose one of {', '.join(map(str, cameras[:20]))}")
    by_camera = {index: [picture for picture in pictures if picture.camera == index] for index in cameras}
    most = max(len(seen) for seen in by_camera.values())
    rivals = [index for index in cameras if len(by_camera[index]) == most] if camera is None else [camera]
    chosen = by_camera[rivals[0] if len(rivals) == 1 else min(rivals, key=lambda index: _sideways(folder, by_camera[index]))]
    coefficients, lacking = _coefficients(folder, chosen)
    return recording_of(folder, "VHAP", chosen, tested, coefficients, lacking)


def _coefficients(folder: Path, pictures: list[PosedPicture]) -> tuple[Coefficients | None, str]:
    if any("flame_param_path" not in picture.record for picture in pictures):
        return None, "has frames without flame_param_path"
    frames: dict[str, list[np.ndarray]] = {}
    shape = np.zeros(0)
    vertices, offset, changed = None, 0.0, False
    for index, picture in enumerate(pictures):
        path = picture.path("flame_param_path")
        with named(path, _ADVICE):
            arrays = read_arrays(path)
            known = {name: width for name, width in CHANNELS.items() if name in NEEDED or name in arrays}
            for name, width in known.items():
                frames.setdefault(name, []).append(_row(arrays[name], name, width))
            frames.setdefault("expr", []).append(_row(arrays["expr"], "expr", None))
            if not 1 <= frames["expr"][-1].size <= 1000 or frames["expr"][-1].size != frames["expr"][0].size:
                raise ValueError("its number of expressions is not that of the others")
            if any(len(rows) != index + 1 for rows in frames.values()):
                raise ValueError("it has other channels than the files before it")
            own = finite(arrays["shape"])
            if not 1 <= own.size <= 1000 or (index and own.size != shape.size):
                raise ValueError("its identity is not that of the others")
            if index == 0:
                shape = own
            changed |= bool(np.abs(own - shape).max() > 1e-4)
            if "static_offset" in arrays and index == 0:
                static = finite(arrays["static_offset"])
                vertices = static.size // 3
                offset = float(np.linalg.norm(static[: 3 * vertices].reshape(-1, 3), axis=1).mean()) if vertices else 0.0
    if changed:
        warnings.warn(f"{folder}: the identity changes from frame to frame; the first frame's is used", stacklevel=2)
    return Coefficients({name: np.stack(rows) for name, rows in frames.items()}, shape, vertices, offset), ""


def _row(value: np.ndarray, name: str, width: int | None) -> np.ndarray:
    row = finite(value)
    if width is not None and row.size != width:
        raise ValueError(f"{name} has {row.size} numbers, expected {width}")
    return row


def _sideways(folder: Path, pictures: list[PosedPicture]) -> float:
    """How far a camera looks past the front of the head of its first frame, radians."""
    from scipy.spatial.transform import Rotation

    found, _ = _coefficients(folder, pictures[:1])
    if found is None:
        return 0.0
    turn = Rotation.from_rotvec(found.channels["rotation"][0]) * Rotation.from_rotvec(found.channels["neck_pose"][0])
    # OpenGL's camera looks along its -z: its +z points back at the head's front.
    return float(np.arccos(np.clip(turn.apply([0.0, 0.0, 1.0]) @ pictures[0].pose[:3, 2], -1, 1)))
