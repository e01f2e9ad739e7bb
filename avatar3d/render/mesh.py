"""Triangle rasterizer with a depth buffer: which face a pixel sees, and where on it.

Serves the landmark embedding, the overlay of the tracked mesh and synthetic captures. It is not differentiable.
"""

from dataclasses import dataclass

import numba
import numpy as np

from avatar3d.camera import Camera

NEAR = 1e-3
"""Metres; a triangle with a corner nearer than this is not drawn."""


@dataclass(frozen=True)
class MeshImage:
    """What each pixel sees of a mesh."""

    face: np.ndarray
    """[H, W] int32 face index, -1 where there is none."""
    bary: np.ndarray
    """[H, W, 3] float32 barycentric coordinates on the face, perspective-correct."""
    depth: np.ndarray
    """[H, W] float32 z in the camera, metres; infinite where there is none."""

    @property
    def mask(self) -> np.ndarray:
        """[H, W] bool."""
        return self.face >= 0

    def interpolate(self, faces: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Per-vertex `values` [V, C] at every pixel [H, W, C]; zero where there is no mesh."""
        out = np.zeros((*self.face.shape, values.shape[1]), np.float32)
        _interpolate(self.face, self.bary, np.ascontiguousarray(faces, np.int64), np.ascontiguousarray(values, np.float32), out)
        return out


@numba.njit(cache=True, nogil=True)
def _interpolate(face, bary, faces, values, out):
    for row in range(face.shape[0]):
        for column in range(face.shape[1]):
            index = face[row, column]
            if index < 0:
                continue
            for corner in range(3):
                share, vertex = bary[row, column, corner], faces[index, corner]
                for channel in range(values.shape[1]):
                    out[row, column, channel] += share * values[vertex, channel]


@numba.njit(cache=True, nogil=True)
def _rasterize(points, faces, fx, fy, cx, cy, face_out, bary_out, depth_out):
    height, width = depth_out.shape
    for index in range(faces.shape[0]):
        a, b, c = faces[index, 0], faces[index, 1], faces[index, 2]
        za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
        if not (za > NEAR and zb > NEAR and zc > NEAR):
            continue
        xa, ya = points[a, 0] / za * fx + cx, points[a, 1] / za * fy + cy
        xb, yb = points[b, 0] / zb * fx + cx, points[b, 1] / zb * fy + cy
        xc, yc = points[c, 0] / zc * fx + cx, points[c, 1] / zc * fy + cy
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        if area == 0.0 or not np.isfinite(area):
            continue
        # Pixel centres lie at half integers. The box is clamped as floats: a far-off corner may not fit an integer.
        x0 = int(min(max(np.ceil(min(xa, xb, xc) - 0.5), 0.0), float(width)))
        x1 = int(min(max(np.floor(max(xa, xb, xc) - 0.5) + 1.0, 0.0), float(width)))
        y0 = int(min(max(np.ceil(min(ya, yb, yc) - 0.5), 0.0), float(height)))
        y1 = int(min(max(np.floor(max(ya, yb, yc) - 0.5) + 1.0, 0.0), float(height)))
        inv_area = 1.0 / area
        for row in range(y0, y1):
            py = row + 0.5
            for column in range(x0, x1):
                px = column + 0.5
                wa = ((xb - px) * (yc - py) - (xc - px) * (yb - py)) * inv_area
                wb = ((xc - px) * (ya - py) - (xa - px) * (yc - py)) * inv_area
                wc = 1.0 - wa - wb
                if wa < 0.0 or wb < 0.0 or wc < 0.0:
                    continue
                depth = 1.0 / (wa / za + wb / zb + wc / zc)
                if depth < depth_out[row, column]:
                    depth_out[row, column] = depth
                    face_out[row, column] = index
                    bary_out[row, column, 0] = wa * depth / za
                    bary_out[row, column, 1] = wb * depth / zb
                    bary_out[row, column, 2] = wc * depth / zc


def rasterize_mesh(points: np.ndarray, faces: np.ndarray, camera: Camera) -> MeshImage:
    """Draw a mesh into depth, face-index and barycentric buffers; both sides of a face are drawn.

    Args:
        points: [V, 3] in the camera's frame (x right, y down, z forward), metres: `to_camera(vertices, camera)`.
        faces: [F, 3] vertex indices.
        camera: its intrinsics and size are used, its pose is not.
    """
    shape = (camera.height, camera.width)
    face = np.full(shape, -1, np.int32)
    bary = np.zeros((*shape, 3), np.float32)
    depth = np.full(shape, np.inf, np.float32)
    points = np.ascontiguousarray(points, np.float32)
    faces = np.ascontiguousarray(faces, np.int64)
    _rasterize(points, faces, camera.fx, camera.fy, camera.cx, camera.cy, face, bary, depth)
    return MeshImage(face, bary, depth)


def to_camera(vertices: np.ndarray, camera: Camera) -> np.ndarray:
    """World points [..., 3] in the camera's frame."""
    return vertices @ camera.T_cam_world[:3, :3].T + camera.T_cam_world[:3, 3]


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [V, 3], area weighted; zero for a vertex without faces."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.stack([np.bincount(faces.ravel(), np.repeat(face_normals[:, axis], 3), len(vertices)) for axis in range(3)], axis=1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def shade_mesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    camera: Camera,
    colors: np.ndarray | float = 0.75,
    background: np.ndarray | float = 1.0,
    supersample: int = 2,
) -> np.ndarray:
    """A simply lit picture [H, W, 3] uint8: ambient light, a key light from the upper left of the picture, a weak fill.

    Args:
        vertices: [V, 3] world, metres.
        faces: [F, 3].
        camera: the view.
        colors: [V, 3] albedo, or one grey, 0..1.
        background: [3] or one grey, 0..1.
        supersample: the picture is drawn this many times larger and averaged down.
    """
    large = camera.resized(camera.width * supersample, camera.height * supersample)
    points = to_camera(np.asarray(vertices, np.float32), camera).astype(np.float32)
    image = rasterize_mesh(points, faces, large)
    albedo = np.broadcast_to(np.asarray(colors, np.float32), (len(points), 3))
    surface = image.interpolate(faces, np.concatenate([vertex_normals(points, faces), albedo], axis=1))
    surface = surface[image.mask]
    normal = surface[:, :3] / np.maximum(np.linalg.norm(surface[:, :3], axis=-1, keepdims=True), 1e-6)
    # Faces seen from behind are lit as seen: an inner side of the mouth must not be black by accident.
    normal = np.where(normal[:, 2:] > 0, -normal, normal)
    key, fill = _unit([-0.4, -0.6, -0.75]), _unit([0.7, -0.1, -0.7])
    light = 0.35 + 0.55 * np.maximum(normal @ key, 0) + 0.2 * np.maximum(normal @ fill, 0)
    rgb = np.empty((large.height, large.width, 3), np.float32)
    rgb[:] = np.asarray(background, np.float32)
    rgb[image.mask] = surface[:, 3:] * light[:, None]
    steps = range(supersample)
    mean = sum(rgb[row::supersample, column::supersample] for row in steps for column in steps) / np.float32(supersample**2)
    return (np.clip(mean, 0, 1) * 255 + 0.5).astype(np.uint8)


def _unit(vector: list[float]) -> np.ndarray:
    array = np.asarray(vector, np.float32)
    return array / np.linalg.norm(array)
