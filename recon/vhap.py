"""The tracked motion in the layout of VHAP and GaussianAvatars, beside the frames, for programs that read that.

transforms.json                  all frames; transforms_train/val/test.json: a split of them
flame_param/00000.npz            one frame: expr, jaw_pose, ... with a leading axis of 1
canonical_flame_param.npz        the same person at rest
"""

import json
import math
from pathlib import Path

import numpy as np

from avatar3d.camera import Camera
from avatar3d.files import atomic_folder, atomic_path
from avatar3d.motion import CHANNELS, Motion

_HELD_OUT = 0.2
"""Share of the frames, at the end, in transforms_test.json."""


def write_vhap(folder: Path | str, motion: Motion, camera: Camera, num_vertices: int) -> None:
    """Write the tracked motion of a capture into its folder.

    The arrays belong to the head that the motion was tracked with; channels that VHAP does not know (neck_translation,
    eyelids) are written beside its own under their own names.

    Args:
        folder: the capture folder; images/ and mattes/ are referred to.
        motion: one frame per frame of the capture.
        camera: of the crop.
        num_vertices: of the head, for the static offsets, which are zero.

    Raises:
        UserError: the folder cannot be written.
    """
    folder = Path(folder)
    offsets = np.zeros((1, num_vertices, 3), np.float32)
    names = ["expr", *(name for name in CHANNELS if getattr(motion, name) is not None)]
    with atomic_folder(folder / "flame_param") as parameters:
        for i in range(len(motion)):
            frame = {name: getattr(motion, name)[i : i + 1] for name in names}
            np.savez_compressed(parameters / f"{i:05d}.npz", **frame, shape=motion.shape, static_offset=offsets)
    rest = {name: np.zeros_like(getattr(motion, name)[:1]) for name in names}
    with atomic_path(folder / "canonical_flame_param.npz") as path, path.open("wb") as stream:
        np.savez_compressed(stream, **rest, shape=motion.shape, static_offset=offsets)
    first_test = len(motion) - round(_HELD_OUT * len(motion))
    splits = {"": range(len(motion)), "_train": range(first_test), "_val": range(first_test, len(motion)), "_test": range(first_test, len(motion))}
    for suffix, frames in splits.items():
        with atomic_path(folder / f"transforms{suffix}.json") as path:
            path.write_text(json.dumps(transforms(camera, frames), indent=1), encoding="utf-8")


def transforms(camera: Camera, frames: range) -> dict:
    """The record of transforms.json: intrinsics in pixels, camera-to-world matrix with OpenGL's camera axes (y up, z backward)."""
    to_world = np.linalg.inv(camera.T_cam_world) @ np.diag([1.0, -1.0, -1.0, 1.0])
    view = {
        "fl_x": camera.fx, "fl_y": camera.fy, "cx": camera.cx, "cy": camera.cy, "w": camera.width, "h": camera.height,
        "camera_angle_x": 2 * math.atan(camera.width / (2 * camera.fx)),
        "camera_angle_y": 2 * math.atan(camera.height / (2 * camera.fy)),
    }  # fmt: skip
    pictures = [
        {
            "timestep_index": i,
            "camera_index": 0,
            "camera_id": "0",
            "file_path": f"images/{i:05d}.jpg",
            "fg_mask_path": f"mattes/{i:05d}.png",
            "flame_param_path": f"flame_param/{i:05d}.npz",
            "transform_matrix": to_world.tolist(),
        }
        | view
        for i in frames
    ]
    return view | {"frames": pictures, "timestep_indices": list(frames), "camera_indices": [0]}
