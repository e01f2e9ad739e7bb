"""A pinhole camera in OpenCV's convention."""

import math
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Camera:
    """Pinhole camera: x right, y down, z forward; pixel centres lie at half integers.

    A point X of the world appears at pixel (fx x/z + cx, fy y/z + cy) with (x, y, z, 1) = T_cam_world (X, 1).
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    T_cam_world: np.ndarray
    """[4, 4] float64, world (metres) to camera (metres)."""

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] of the world points [..., 3]."""
        cam = points @ self.T_cam_world[:3, :3].T + self.T_cam_world[:3, 3]
        focal, centre = np.array([self.fx, self.fy]), np.array([self.cx, self.cy])
        return cam[..., :2] / cam[..., 2:] * focal + centre

    def resized(self, width: int, height: int) -> "Camera":
        """The same view on another pixel grid."""
        sx, sy = width / self.width, height / self.height
        return replace(self, fx=self.fx * sx, fy=self.fy * sy, cx=self.cx * sx, cy=self.cy * sy, width=width, height=height)

    def to_json(self) -> dict:
        """A JSON-ready dictionary."""
        keys = ("fx", "fy", "cx", "cy", "width", "height")
        return {key: getattr(self, key) for key in keys} | {"T_cam_world": self.T_cam_world.tolist()}

    @staticmethod
    def from_json(record: dict) -> "Camera":
        """The inverse of `to_json`. Raises KeyError or ValueError on a malformed record."""
        T_cam_world = np.asarray(record["T_cam_world"], np.float64)
        if T_cam_world.shape != (4, 4):
            raise ValueError(f"T_cam_world has shape {T_cam_world.shape}, expected (4, 4)")
        values = {key: float(record[key]) for key in ("fx", "fy", "cx", "cy")}
        if not (values["fx"] > 0 and values["fy"] > 0 and math.isfinite(sum(values.values())) and np.isfinite(T_cam_world).all()):
            raise ValueError("its numbers must be finite and fx, fy positive")
        if not (1 <= int(record["width"]) <= 8192 and 1 <= int(record["height"]) <= 8192):
            raise ValueError("width and height must be 1 to 8192 pixels")
        return Camera(**values, width=int(record["width"]), height=int(record["height"]), T_cam_world=T_cam_world)


def look_at(eye: np.ndarray, target: np.ndarray, *, focal: float, size: tuple[int, int]) -> Camera:
    """A camera at `eye` that sees `target` in the middle of a (width, height) picture, +y of the world upwards.

    Args:
        eye: [3] world position, metres.
        target: [3] world position, metres.
        focal: focal length in pixels.
        size: (width, height) in pixels.
    """
    eye, target = np.asarray(eye, np.float64), np.asarray(target, np.float64)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    T_cam_world = np.eye(4)
    T_cam_world[:3, :3] = np.stack([right, down, forward])
    T_cam_world[:3, 3] = -T_cam_world[:3, :3] @ eye
    width, height = size
    return Camera(focal, focal, width / 2, height / 2, width, height, T_cam_world)


def orbit(camera: Camera, pivot: np.ndarray, yaw: float, pitch: float = 0.0) -> Camera:
    """The camera turned around `pivot` by yaw (about world +y) and pitch (about world +x), radians."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    T_world = np.eye(4)
    T_world[:3, :3] = turn.T
    T_world[:3, 3] = pivot - turn.T @ pivot
    return replace(camera, T_cam_world=camera.T_cam_world @ T_world)
