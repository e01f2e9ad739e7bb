"""A frame of a capture with what was tracked in it: avatar over video, mesh, landmarks."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.drawing import as_bytes, draw_gaussians
from avatar3d.footage import Footage
from avatar3d.gaussians import Gaussians
from avatar3d.head.model import HeadModel, landmark_positions
from avatar3d.head.register import INNER
from avatar3d.motion import Motion
from avatar3d.render.cpu import Workspace
from viewer.live.scene import Scene

SHOWN = ("avatar over video", "video", "avatar", "side by side", "difference", "free camera")
"""What of a capture can be shown; with the last one, nothing of it is."""
DETECTED, OF_THE_HEAD, WIRE = (60, 255, 120), (255, 60, 200), (120, 190, 255)
_RIM = (0, 0, 0)
FINER = 2
"""Times as many pixels as the video has, where lines are drawn over it."""
_DIFFERENCE = 3.0
"""Times that the difference is enlarged."""


@dataclass(frozen=True)
class Overlay:
    """What is laid over a frame."""

    shown: str = SHOWN[0]
    opacity: float = 1.0
    """Of the avatar over the video."""
    wireframe: bool = False
    landmarks: bool = False


@dataclass(frozen=True)
class Tracked:
    """A painter of scenes: each over the capture's frame of its moment."""

    footage: Footage
    overlay: Overlay

    def __call__(self, scene: Scene, workspace: Workspace, threads: int) -> np.ndarray:
        """[H, W, 3] uint8, as `paint_frame`."""
        index = frame_at(self.footage, scene.position)
        return paint_frame(self.footage, index, self.overlay, scene.avatar, scene.frame, scene.gaussians, workspace, threads)


def frame_at(footage: Footage, position: float) -> int:
    """The frame that is seen at a position in seconds."""
    return min(max(int(position * float(footage.motion.fps) + 1e-3), 0), len(footage.motion) - 1)


def paint_frame(
    footage: Footage, index: int, overlay: Overlay, avatar: Avatar, frame: Motion, gaussians: Gaussians, workspace: Workspace, threads: int = 1
) -> np.ndarray:
    """[H, W, 3] uint8: a frame of the capture through its own camera, [H, 2 W, 3] side by side; `FINER` times as large with lines over it.

    Args:
        footage: the capture.
        index: of the frame.
        overlay: what is shown.
        avatar: who is laid over it.
        frame: motion of one frame, as the avatar is posed.
        gaussians: the avatar so posed.
        workspace: of the rasterizer.
        threads: that draw.

    Raises:
        UserError: the frame's file is missing.
    """
    video, camera = footage.image(index), footage.camera
    avatar_over = None
    if overlay.shown != "video":
        plain = overlay.shown in ("avatar", "side by side")
        behind = np.full(3, 0.16, np.float32) if plain else video.astype(np.float32) / 255
        drawn = draw_gaussians(gaussians, camera, behind, threads=threads, workspace=workspace).rgb
        avatar_over = as_bytes(drawn)
    if overlay.shown == "video" or avatar_over is None:
        picture = video
    elif overlay.shown == "difference":
        apart = np.abs(avatar_over.astype(np.float32) - video)
        picture = np.clip(_DIFFERENCE * apart, 0, 255).astype(np.uint8)
    elif overlay.shown == "avatar over video" and overlay.opacity < 1:
        picture = (video + overlay.opacity * (avatar_over.astype(np.float32) - video) + 0.5).astype(np.uint8)
    else:
        picture = avatar_over
    picture = _lines(picture, footage, index, overlay, avatar, frame, camera)
    if overlay.shown == "side by side":
        picture = np.concatenate([_lines(video, footage, index, overlay, avatar, frame, camera), picture], axis=1)
    return picture


def _lines(
    picture: np.ndarray, footage: Footage, index: int, overlay: Overlay, avatar: Avatar, frame: Motion, camera: Camera
) -> np.ndarray:  # fmt: skip
    """Wireframe and landmarks over a picture."""
    if not (overlay.wireframe or overlay.landmarks):
        return picture
    # Lines of one pixel at the video's size would hide the face that they are to be compared with.
    finer = camera.resized(FINER * camera.width, FINER * camera.height)
    canvas = Image.fromarray(picture).resize((finer.width, finer.height), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(canvas)
    vertices = avatar.vertices(frame)[: avatar.head.num_vertices]
    if overlay.wireframe:
        points, edges = finer.project(vertices), seen_edges(vertices, skin_faces(avatar.head), camera)
        for a, b in edges:
            pen.line((*points[a], *points[b]), fill=WIRE)
    if overlay.landmarks:
        found = footage.landmarks(index)
        if avatar.head.landmarks is not None:
            _dots(pen, finer.project(landmark_positions(torch.from_numpy(vertices)[None], avatar.head)[0].numpy()), 2, OF_THE_HEAD)
        if found is not None:
            _dots(pen, FINER * found[:, :2], 1, DETECTED)
    return np.asarray(canvas)


def _dots(pen: ImageDraw.ImageDraw, points: np.ndarray, radius: int, colour: tuple[int, int, int]) -> None:
    """Discs with a dark rim, which sets them off from the lines that they lie on."""
    for x, y in points:
        pen.ellipse((x - radius - 1, y - radius - 1, x + radius + 1, y + radius + 1), fill=colour, outline=_RIM)


def skin_faces(head: HeadModel) -> np.ndarray:
    """[F', 3] triangles without what lies behind the skin: its dense lines would hide the landmarks of lips and lids."""
    behind = [head.regions[name] for name in (*INNER, "left_eye", "right_eye") if name in head.regions]
    faces = head.faces.numpy()
    return faces[~np.isin(faces, np.concatenate(behind)).all(axis=1)] if behind else faces


def seen_edges(vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """[E, 2] edges of the triangles that face the camera, each once."""
    at = vertices @ camera.T_cam_world[:3, :3].T + camera.T_cam_world[:3, 3]
    a, b, c = (at[faces[:, corner]] for corner in range(3))
    towards = (np.cross(b - a, c - a) * a).sum(axis=1) < 0
    before = (np.minimum(np.minimum(a[:, 2], b[:, 2]), c[:, 2]) > 0.01) & towards
    edges = np.sort(np.concatenate([faces[before][:, pair] for pair in ([0, 1], [1, 2], [2, 0])]), axis=1)
    return np.unique(edges, axis=0)
