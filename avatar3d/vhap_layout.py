"""The layout of VHAP's and GaussianAvatars' data sets: what its files hold.

transforms.json                  all frames; transforms_train/val/test.json: a split of them
flame_param/00000.npz            one frame: expr, jaw_pose, ... with a leading axis of 1
canonical_flame_param.npz        the same person at rest
"""

import math

import numpy as np

from avatar3d.camera import Camera
from avatar3d.motion import CHANNELS, Motion

_HELD_OUT = 0.2
"""Share of the frames, at the end, in transforms_test.json."""


def splits(count: int) -> dict[str, range]:
    """Frames of each transforms file, by what follows "transforms" in its name."""
    first_test = count - round(_HELD_OUT * count)
    return {"": range(count), "_train": range(first_test), "_val": range(first_test, count), "_test": range(first_test, count)}


def frame_arrays(motion: Motion, index: int, offsets: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of flame_param/INDEX.npz; channels that VHAP does not know (neck_translation, eyelids) stand beside its own.

    Args:
        motion: of the head that the arrays belong to.
        index: of the frame.
        offsets: [1, V, 3] of the neutral vertices, metres.
    """
    return {name: getattr(motion, name)[index : index + 1] for name in _names(motion)} | {"shape": motion.shape, "static_offset": offsets}


def rest_arrays(motion: Motion, offsets: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of canonical_flame_param.npz."""
    rest = {name: np.zeros_like(getattr(motion, name)[:1]) for name in _names(motion)}
    return rest | {"shape": motion.shape, "static_offset": offsets}


def transforms(camera: Camera, frames: range, picture: str = "images/{:05d}.jpg", matte: str = "mattes/{:05d}.png") -> dict:
    """The record of transforms.json: intrinsics in pixels, camera-to-world matrix with OpenGL's camera axes (y up, z backward).

    Args:
        camera: of all frames.
        frames: their numbers.
        picture: names of the pictures.
        matte: names of the mattes.
    """
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
            "file_path": picture.format(i),
            "fg_mask_path": matte.format(i),
            "flame_param_path": f"flame_param/{i:05d}.npz",
            "transform_matrix": to_world.tolist(),
        }
        | view
        for i in frames
    ]
    return view | {"frames": pictures, "timestep_indices": list(frames), "camera_indices": [0]}


def _names(motion: Motion) -> list[str]:
    return ["expr", *(name for name in CHANNELS if getattr(motion, name) is not None)]
