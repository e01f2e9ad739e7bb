"""Light for synthetic captures, baked once into the rest pose with its shadows."""

from dataclasses import dataclass

import numpy as np

from avatar3d.camera import look_at
from avatar3d.render.mesh import rasterize_mesh, to_camera, vertex_normals
from recon.synthetic_splats import unit

VIEW = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Light:
    """Where light comes from: soft lamps and what the room gives back."""

    lamps: tuple[tuple[tuple[float, float, float], float, float], ...]
    """Direction, strength and sharpness of each; the first is the main light."""
    ambient: tuple[float, float]
    """Radiance from the horizon, and what is added straight above and taken away below."""
    mouth: float = 1.0
    """How much of it reaches tongue and palate, beside a lamp right in front."""

    @property
    def key(self) -> np.ndarray:
        """[3] unit direction to the main light."""
        return unit(np.array(self.lamps[0][0]))


STUDIO = Light((((-0.45, 0.45, 0.8), 2.6, 9.0), ((0.85, 0.15, 0.5), 0.5, 4.0), ((0.5, 0.6, -0.7), 1.6, 10.0)), (0.26, 0.16))
"""Main light in front, above, from the subject's right; fill and rim from the left."""
WINDOW = Light((((0.75, 0.30, 0.62), 2.3, 5.0), ((-0.8, 0.1, 0.6), 0.25, 3.0), ((-0.3, 0.8, -0.5), 0.6, 6.0)), (0.34, 0.12), 0.3)
"""A large window at the subject's left and a bright room."""

_DIRECTIONS = 160
_DISTANCE, _EXTENT, _PIXELS = 20.0, 0.56, 448
_BIAS = 2e-3
"""Metres by which a vertex must lie behind the nearest surface to be in its shadow."""


def directions(count: int) -> np.ndarray:
    """[count, 3] evenly spread over the sphere (Fibonacci lattice)."""
    index = np.arange(count) + 0.5
    y, angle = 1 - 2 * index / count, np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - y * y)
    return np.stack([radius * np.cos(angle), y, radius * np.sin(angle)], axis=1)


def radiance(direction: np.ndarray, light: Light = STUDIO) -> np.ndarray:
    """[...] light that arrives from `direction` [..., 3]."""
    total = light.ambient[0] + light.ambient[1] * direction[..., 1]
    for towards, strength, sharpness in light.lamps:
        total = total + strength * np.exp(sharpness * (direction @ unit(np.array(towards)) - 1))
    return total


def irradiance(vertices: np.ndarray, faces: np.ndarray, light: Light = STUDIO) -> np.ndarray:
    """[V] light on each vertex with all shadows, about 1 where the main light falls straight on.

    Args:
        vertices: [V, 3] the rest pose, metres, around the origin.
        faces: [F, 3].
        light: what falls on them.
    """
    normals = vertex_normals(vertices, faces)
    total = np.zeros(len(vertices))
    for direction in directions(_DIRECTIONS):
        cosine = normals @ direction
        camera = look_at(_DISTANCE * direction, np.zeros(3), focal=_PIXELS * _DISTANCE / _EXTENT, size=(_PIXELS, _PIXELS))
        points = to_camera(vertices, camera)
        depth = rasterize_mesh(points, faces, camera).depth
        column, row = np.clip((points[:, :2] / points[:, 2:] * camera.fx + _PIXELS / 2).astype(int), 0, _PIXELS - 1).T
        # The nearest of a small neighbourhood would darken edges; the farthest forgives the picture's coarse grid.
        lit = points[:, 2] < depth[row, column] + _BIAS
        total += np.where(lit, np.maximum(cosine, 0), 0) * radiance(direction, light)
    return total * 4 / _DIRECTIONS / _full(light)


def _full(light: Light) -> float:
    """What an unshadowed surface that faces the main light receives, in the same units."""
    around = directions(4000)
    return float((radiance(around, light) * np.maximum(around @ light.key, 0)).mean() * 4)


def glint(normals: np.ndarray, sharpness: float, light: Light = STUDIO) -> np.ndarray:
    """[N] highlight of the main light on surfaces with `normals` [N, 3], seen from the front (Blinn)."""
    half = unit(light.key + VIEW)
    return np.maximum(normals @ half, 0) ** sharpness


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """sRGB of linear light, both 0..1; brighter light is rolled off instead of cut."""
    linear = np.maximum(linear, 0)
    linear = np.where(linear > 0.7, 0.7 + 0.3 * np.tanh((linear - 0.7) / 0.3), linear)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """The inverse of the sRGB transfer curve."""
    srgb = np.asarray(srgb, np.float64)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
