"""The triangle rasterizer against a loop over pixels."""

import numpy as np
import pytest

from avatar3d.camera import Camera, look_at
from avatar3d.render.mesh import rasterize_mesh, shade_mesh, to_camera, vertex_normals


def slow_rasterize(points: np.ndarray, faces: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Face index and depth by casting a ray through every pixel's centre at every triangle."""
    face = np.full((camera.height, camera.width), -1)
    depth = np.full(face.shape, np.inf)
    for row in range(camera.height):
        for column in range(camera.width):
            ray = np.array([(column + 0.5 - camera.cx) / camera.fx, (row + 0.5 - camera.cy) / camera.fy, 1.0])
            for index, triangle in enumerate(faces):
                system = points[triangle].T
                if abs(np.linalg.det(system)) < 1e-12 or (points[triangle][:, 2] < 1e-3).any():
                    continue
                weights = np.linalg.solve(system, ray)
                if (weights >= 0).all() and weights.sum() > 0 and 1 / weights.sum() < depth[row, column]:
                    face[row, column], depth[row, column] = index, 1 / weights.sum()
    return face, depth


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray, Camera]:
    random = np.random.default_rng(3)
    centres = random.uniform([-0.6, -0.6, -0.2], [0.6, 0.6, 2.5], (30, 1, 3))
    points = (centres + random.normal(0, 0.3, (30, 3, 3))).reshape(-1, 3)
    return points, np.arange(90).reshape(30, 3), Camera(20.0, 22.0, 11.3, 9.1, 23, 17, np.eye(4))


def test_agrees_with_casting_a_ray_per_pixel(scene):
    points, faces, camera = scene
    image = rasterize_mesh(points, faces, camera)
    face, depth = slow_rasterize(points, faces, camera)
    assert (face >= 0).sum() > 50
    assert np.array_equal(image.face, face)
    assert np.abs(image.depth[face >= 0] - depth[face >= 0]).max() < 1e-4 and np.isinf(image.depth[face < 0]).all()


def test_barycentrics_give_back_the_point_that_the_pixel_sees(scene):
    points, faces, camera = scene
    image = rasterize_mesh(points, faces, camera)
    seen = image.interpolate(faces, points.astype(np.float32))
    rows, columns = np.nonzero(image.mask)
    pixels = camera.project(seen[rows, columns])
    assert np.abs(pixels - np.stack([columns + 0.5, rows + 0.5], axis=1)).max() < 1e-2


def test_survives_points_behind_far_away_and_not_finite():
    camera = Camera(50.0, 50.0, 16.0, 16.0, 32, 32, np.eye(4))
    points = np.array([[0, 0, -1], [1, 0, 1], [0, 1, 1], [1e12, 0, 1], [0, 1e12, 1], [np.nan, 0, 1], [-1e12, -1e12, 1]])
    image = rasterize_mesh(points, np.array([[0, 1, 2], [1, 2, 5], [3, 4, 6], [1, 1, 2]]), camera)
    assert set(np.unique(image.face)) <= {-1, 2}


def test_normals_of_a_sphere_point_outwards_and_shading_is_lit():
    import trimesh

    sphere = trimesh.creation.icosphere(3, 0.1)
    normals = vertex_normals(sphere.vertices, sphere.faces)
    assert (normals * sphere.vertices / 0.1).sum(1).min() > 0.99
    camera = look_at(np.array([0, 0, 1.0]), np.zeros(3), focal=200, size=(48, 40))
    picture = shade_mesh(sphere.vertices, sphere.faces, camera, background=0.0)
    assert picture.shape == (40, 48, 3) and picture[20, 24, 0] > 100 and picture[0, 0, 0] == 0
    assert to_camera(np.zeros((1, 3)), camera)[0, 2] == pytest.approx(1.0)
