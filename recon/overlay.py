"""The tracked head drawn over the frames, for a person to see in seconds whether tracking worked."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch

from avatar3d.camera import Camera
from avatar3d.head.model import HeadModel, head_vertices
from avatar3d.motion import Motion
from avatar3d.mp4 import VideoWriter
from avatar3d.render.mesh import rasterize_mesh, to_camera

SKIN, LIPS, LIDS, EYES = (90, 190, 150), (255, 80, 110), (250, 190, 60), (90, 150, 255)
LANDMARK, LOST = (255, 255, 255), (255, 60, 60)
STRENGTH = 0.33
"""Opacity of the mesh."""
CHUNK = 64


class HeadPainter:
    """Draws tracked heads over pictures: translucent shading, lips, lids and eyes in their colours, outlines solid."""

    def __init__(self, head: HeadModel, motion: Motion, camera: Camera) -> None:
        self._head, self._motion, self._camera = head, motion, camera
        self._faces = head.faces.numpy()
        self._colour = _face_colours(head)
        self._first, self._vertices = 0, np.zeros((0, head.num_vertices, 3), np.float32)

    def vertices(self, index: int) -> np.ndarray:
        """[V, 3] posed vertices of a frame, metres in the world."""
        if not self._first <= index < self._first + len(self._vertices):
            self._first = index
            self._vertices = pose_frames(self._head, self._motion, slice(index, index + CHUNK))
        return self._vertices[index - self._first]

    def paint(self, rgb: np.ndarray, index: int, landmarks: np.ndarray | None = None) -> np.ndarray:
        """The picture [H, W, 3] uint8 with frame `index` of the motion over it.

        Args:
            rgb: [H, W, 3] uint8, of the camera's size.
            index: frame of the motion.
            landmarks: [N, 2 or more] detected landmarks in pixels, or None.
        """
        points = to_camera(self.vertices(index), self._camera).astype(np.float32)
        image = rasterize_mesh(points, self._faces, self._camera)
        a, b, c = (points[self._faces[:, corner]] for corner in range(3))
        normal = np.cross(b - a, c - a)
        light = 0.35 + 0.65 * np.abs(normal[:, 2]) / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
        shaded = np.concatenate([self._colour * light[:, None], np.zeros((1, 3))]).astype(np.uint8)[image.face]
        mask = image.mask
        out = rgb.copy()
        out[mask] = cv2.addWeighted(rgb, 1 - STRENGTH, shaded, STRENGTH, 0)[mask]
        self._outline(out, image.face)
        if landmarks is not None:
            x, y = np.floor(landmarks[:, :2]).astype(int).T
            inside = (x >= 0) & (y >= 0) & (x < out.shape[1]) & (y < out.shape[0])
            out[y[inside], x[inside]] = LANDMARK
        if self._motion.valid is not None and not self._motion.valid[index]:
            cv2.rectangle(out, (0, 0), (out.shape[1] - 1, out.shape[0] - 1), LOST, 6)
            cv2.putText(out, "no face: bridged", (12, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.7, LOST, 2, cv2.LINE_AA)
        return out

    def _outline(self, out: np.ndarray, face: np.ndarray) -> None:
        """Solid lines where the visible region changes."""
        region = np.concatenate([self._region, [-1]])[face]
        edge = np.zeros(face.shape, bool)
        edge[:, 1:] |= region[:, 1:] != region[:, :-1]
        edge[1:] |= region[1:] != region[:-1]
        colours = np.concatenate([self._colour, [SKIN]])[face]
        out[edge] = colours[edge]

    @property
    def _region(self) -> np.ndarray:
        return (self._colour * (1, 256, 65536)).sum(1).astype(np.int64)


def _face_colours(head: HeadModel) -> np.ndarray:
    """[F, 3] of every face, by the region that holds all its corners."""
    faces = head.faces.numpy()
    colours = np.tile(np.array(SKIN, np.float32), (len(faces), 1))
    parts = {"left_eyelid": LIDS, "right_eyelid": LIDS, "lips": LIPS, "left_eye": EYES, "right_eye": EYES, "iris_left": LIDS, "iris_right": LIDS}
    for name, colour in parts.items():
        if name in head.regions:
            colours[np.isin(faces, head.regions[name]).all(1)] = colour
    return colours


@torch.no_grad()
def pose_frames(head: HeadModel, motion: Motion, frames: slice | np.ndarray) -> np.ndarray:
    """[N, V, 3] posed vertices of some frames of a motion."""
    channels = {
        name: getattr(motion, name) for name in ("jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation", "neck_translation", "eyelids")
    }
    tensors = {name: None if value is None else torch.from_numpy(value[frames]) for name, value in channels.items()}
    return head_vertices(head, torch.from_numpy(motion.shape), torch.from_numpy(motion.expr[frames]), **tensors).numpy()  # pyright: ignore


def write_overlay(
    frames: Iterable[np.ndarray], motion: Motion, camera: Camera, head: HeadModel, path: Path | str, landmarks: np.ndarray | None = None
) -> None:
    """An MP4 of the tracked head over every frame.

    Args:
        frames: [H, W, 3] uint8 pictures of the camera's size.
        motion: the tracked motion.
        camera: the tracked camera.
        head: the head that was tracked.
        path: the output.
        landmarks: [T, 478, 2 or more] what the detector saw, pixels.

    Raises:
        UserError: the file cannot be written.
    """
    painter = HeadPainter(head, motion, camera)
    with VideoWriter(
        path,
        fps=Fraction(motion.fps),
        size=(camera.width, camera.height),
        sound=motion.sound,
        sound_rate=motion.sound_rate,
        comment="The tracked head model over the frames of the capture.",
        options={"preset": "ultrafast", "crf": "22"},
    ) as video:
        for index, rgb in enumerate(frames):
            known = landmarks is not None and (motion.valid is None or motion.valid[index])
            video.write(painter.paint(rgb, index, landmarks[index] if known and landmarks is not None else None))
