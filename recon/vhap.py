"""The tracked motion in the layout of VHAP and GaussianAvatars (`avatar3d.vhap_layout`), beside the frames, for programs that read that."""

import json
from pathlib import Path

import numpy as np

from avatar3d.camera import Camera
from avatar3d.files import atomic_folder, atomic_path
from avatar3d.motion import Motion
from avatar3d.vhap_layout import frame_arrays, rest_arrays, splits, transforms


def write_vhap(folder: Path | str, motion: Motion, camera: Camera, num_vertices: int) -> None:
    """Write the tracked motion of a capture into its folder.

    The arrays belong to the head that the motion was tracked with.

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
    with atomic_folder(folder / "flame_param") as parameters:
        for i in range(len(motion)):
            np.savez_compressed(parameters / f"{i:05d}.npz", **frame_arrays(motion, i, offsets))
    with atomic_path(folder / "canonical_flame_param.npz") as path, path.open("wb") as stream:
        np.savez_compressed(stream, **rest_arrays(motion, offsets))
    for suffix, frames in splits(len(motion)).items():
        with atomic_path(folder / f"transforms{suffix}.json") as path:
            path.write_text(json.dumps(transforms(camera, frames), indent=1), encoding="utf-8")
