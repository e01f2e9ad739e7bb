"""What both eyes see of the half sphere before them: stereo pictures of 180 degrees for headsets (VR180).

The picture of an eye is equirectangular: columns are longitudes and rows latitudes, both from -90 to 90 degrees. It is drawn as the front half of a
cube, whose faces are ordinary perspective pictures, and read off them.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np

from avatar3d.camera import Camera
from avatar3d.drawing import draw_gaussians
from avatar3d.gaussians import Gaussians
from viewer.cameras import CameraPath
from viewer.views import COMFORTABLE, EYE_DISTANCE, Brush, Layer, Layout, View, eye_cameras, joined, joined_size

_FACE_SHARE = 0.8
"""Side of a face over that of the half sphere: a little finer than the picture at the middle of a face, where it is coarsest."""
_OVERLAP = 1.03
"""Tangent of half a face's field of view: a little beyond 45 degrees, so that reading between pixels never leaves it."""
_REACH = 1.4
"""Tangent beyond which a Gaussian's centre cannot be seen on a face."""


@dataclass(frozen=True, eq=False)
class Face:
    """A side of the cube and where it lies in the half sphere."""

    turn: np.ndarray
    """[3, 3] from the eye's axes to the face's."""
    rows: slice
    columns: slice
    u: np.ndarray
    """[rows, columns] float32 where to read, OpenCV's pixels; -1 where another face is seen."""
    v: np.ndarray
    stretch: np.ndarray
    """[rows, columns] float32 distance over depth."""


def half_sphere_view(
    cameras: CameraPath,
    pivot: np.ndarray,
    size: int,
    layout: Layout = "side-by-side",
    eye_distance: float = EYE_DISTANCE,
    distance: float = COMFORTABLE,
) -> View:
    """Half spheres of two eyes that look in parallel, without any shift: the headset's wearer converges on what he looks at.

    Args:
        cameras: give the direction from which the pivot is seen.
        pivot: [3] what is in the middle, metres.
        size: side of one eye's picture, pixels.
        layout: side by side (what VR180 players expect), or left above right.
        eye_distance: metres.
        distance: of the eyes to the pivot, metres: sizes are true, so this is how near the person stands.
    """
    side = max(16, round(_FACE_SHARE * size))

    def middle(time: float) -> Camera:
        T = cameras(time).T_cam_world.copy()
        T[:3, 3] = np.array([0.0, 0.0, distance]) - T[:3, :3] @ pivot
        focal = 0.5 * side / _OVERLAP
        return Camera(focal, focal, 0.5 * side, 0.5 * side, side, side, T)

    def both(gaussians: Gaussians, time: float, brush: Brush) -> Layer:
        eyes = eye_cameras(middle(time), eye_distance)
        return joined([_half_sphere(gaussians, eye, size, brush) for eye in eyes], layout)

    return View(both, middle, joined_size(size, size, layout), layout, half_sphere=True)


def _half_sphere(gaussians: Gaussians, eye: Camera, size: int, brush: Brush) -> Layer:
    colours, depth = np.zeros((size, size, 4), np.float32), np.zeros((size, size), np.float32)
    points = gaussians.position.numpy()
    for face in half_cube(size, eye.width):
        T = np.eye(4)
        T[:3] = face.turn @ eye.T_cam_world[:3]
        if not _reaches(points, T):
            continue
        drawn = draw_gaussians(gaussians, replace(eye, T_cam_world=T), np.zeros(3, np.float32), threads=brush.threads, workspace=brush.workspace)
        place = face.rows, face.columns
        colours[place] += _read(np.dstack([drawn.rgb, drawn.alpha]), face)
        # Where the depth ends at a silhouette the alpha tells how much of it there is.
        depth[place] += _read(drawn.depth * drawn.alpha, face) * face.stretch
    alpha = colours[..., 3]
    return Layer(np.ascontiguousarray(colours[..., :3]), np.ascontiguousarray(alpha), depth / np.maximum(alpha, 1e-10))


@cache
def half_cube(size: int, side: int) -> tuple[Face, ...]:
    """The five faces of the front half of a cube: where pixels of a half sphere of `size` pixels are read off pictures of `side` pixels."""
    across = ((np.arange(size) + 0.5) / size - 0.5) * math.pi
    wide, high = (np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32) for angle in (across, -across))
    rays = np.stack([high[0][:, None] * wide[1], np.broadcast_to(-high[1][:, None], (size, size)), high[0][:, None] * wide[0]], axis=-1)
    axis = np.abs(rays).argmax(axis=-1).astype(np.int8)
    ahead = np.take_along_axis(rays, axis[..., None].astype(np.int64), axis=-1)[..., 0] > 0
    # Right, down and forward of each face in the eye's axes.
    faces = {
        (2, True): [(1, 0, 0), (0, 1, 0), (0, 0, 1)],
        (0, False): [(0, 0, 1), (0, 1, 0), (-1, 0, 0)],
        (0, True): [(0, 0, -1), (0, 1, 0), (1, 0, 0)],
        (1, False): [(1, 0, 0), (0, 0, 1), (0, -1, 0)],
        (1, True): [(1, 0, 0), (0, 0, -1), (0, 1, 0)],
    }
    cube = []
    for (which, positive), turn in faces.items():
        mask = (axis == which) & (ahead == positive)
        rows, columns = (_span(mask.any(axis=other)) for other in (1, 0))
        turn = np.array(turn, np.float64)
        local = rays[rows, columns] @ turn.T.astype(np.float32)
        z = np.where(mask[rows, columns], local[..., 2], np.float32(np.inf))
        focal = 0.5 * side / _OVERLAP
        # OpenCV puts pixel centres at whole numbers.
        u, v = (np.where(np.isfinite(z), focal * local[..., k] / z + 0.5 * side - 0.5, -1).astype(np.float32) for k in (0, 1))
        cube.append(Face(turn, rows, columns, u, v, (1 / z).astype(np.float32)))
    return tuple(cube)


def _span(used: np.ndarray) -> slice:
    places = np.flatnonzero(used)
    return slice(int(places[0]), int(places[-1]) + 1)


def _reaches(points: np.ndarray, T_face_world: np.ndarray) -> bool:
    """Whether any centre may be seen on a face."""
    local = points @ T_face_world[:3, :3].T.astype(np.float32) + T_face_world[:3, 3].astype(np.float32)
    return bool(((local[:, 2] > 0) & (np.abs(local[:, :2]).max(axis=1) < _REACH * local[:, 2])).any())


def _read(picture: np.ndarray, face: Face) -> np.ndarray:
    return cv2.remap(picture, face.u, face.v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0, 0))
