"""Two heads that say the same beside one another, as a video: what the mouth should do, and what a driver makes it do."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avatar3d.progress import Progress, silent

if TYPE_CHECKING:
    from avatar3d.head.model import HeadModel

SIZE = 320
"""Side of each picture, pixels."""
_DISTANCE, _FOCAL = 0.9, 3.5
"""Metres from the face, and focal length in sides of the picture: the face fills it."""
_BACKGROUND, _INK = 0.93, (40, 40, 40)


def film_pair(
    head: "HeadModel", pair: dict[str, np.ndarray], sound: np.ndarray, path: Path, seconds: float = 10.0, progress: Progress = silent
) -> None:
    """Write the video of the plain head, with the sound.

    Args:
        head: the embedded one, drawn with the mean identity.
        pair: by what is written over it, frames [T, NUM_CHANNELS] of the driver's channels, from left to right.
        sound: [samples] 16 kHz.
        path: of the MP4.
        seconds: at most.
        progress: called after every frame.

    Raises:
        UserError: the file cannot be written.
    """
    import cv2

    from avatar3d.camera import look_at
    from avatar3d.head.embedding import tinted
    from avatar3d.mp4 import VideoWriter
    from avatar3d.render.mesh import shade_mesh
    from driver.features import FPS, RATE

    face = head.template[head.regions["face"]].mean(0).numpy() * [0, 1, 1]
    camera = look_at(face + np.array([0, 0, _DISTANCE]), face, focal=_FOCAL * SIZE, size=(SIZE, SIZE))
    colors, faces = tinted(head), head.faces.numpy()
    count = min(int(seconds * FPS), *map(len, pair.values()))
    posed = {label: _vertices(head, frames[:count]) for label, frames in pair.items()}

    def picture(label: str, index: int) -> np.ndarray:
        drawn = shade_mesh(posed[label][index], faces, camera, colors, _BACKGROUND, supersample=1)
        return cv2.putText(drawn, label, (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _INK, 1, cv2.LINE_AA)

    writer = VideoWriter(path, fps=Fraction(FPS), size=(SIZE * len(pair), SIZE), sound=sound, sound_rate=RATE)
    with writer as video, ThreadPoolExecutor(len(pair)) as pool:
        for index in range(count):
            video.write(np.concatenate(list(pool.map(picture, pair, repeat(index))), axis=1))
            progress(index + 1, count)


def _vertices(head: "HeadModel", frames: np.ndarray) -> np.ndarray:
    """[T, V, 3] metres of the mean identity, head and torso as they move."""
    import torch

    from avatar3d.head.model import head_vertices
    from driver.channels import unpack

    channels = {name: torch.from_numpy(values) for name, values in unpack(np.asarray(frames, np.float32), head.jaw_open_angle).items()}
    return head_vertices(head, torch.zeros(head.num_shape), **channels).numpy()
