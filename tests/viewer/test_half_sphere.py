"""Half spheres: every direction at its place, across the seams of the cube too, at the right distance."""

import math

import numpy as np
import pytest

from avatar3d.camera import look_at
from tests.viewer.test_views import centroid, dots
from viewer.half_sphere import half_cube, half_sphere_view
from viewer.views import Brush

PIVOT = np.array([0.0, 0.1, 0.0])
CAMERA = look_at(PIVOT + np.array([0, 0, 0.6]), PIVOT, focal=100, size=(64, 64))
EYE = PIVOT + np.array([0, 0, 1.0])
SIZE = 256


def view(distance=1.0, eyes=0.0, layout="side-by-side", size=SIZE):
    return half_sphere_view(lambda time: CAMERA, PIVOT, size, layout, eyes, distance)


def place(longitude: float, latitude: float, distance: float) -> np.ndarray:
    """A point as seen from the eye, which looks along -z, degrees to the right and up."""
    lon, lat = math.radians(longitude), math.radians(latitude)
    return EYE + distance * np.array([math.cos(lat) * math.sin(lon), math.sin(lat), -math.cos(lat) * math.cos(lon)])


@pytest.mark.parametrize(
    ("longitude", "latitude"), [(0, 0), (30, -20), (-44, 10), (-46, 10), (60, 5), (-80, -3), (10, 50), (-20, -62), (45, 35), (44.9, -35.4), (88, 0)]
)
def test_a_direction_lies_at_its_longitude_and_latitude(longitude, latitude):
    layer = view().draw(dots(place(longitude, latitude, 0.8)), 0.0, Brush())
    left = layer.alpha[:, :SIZE]
    assert np.allclose(centroid(left), [SIZE * (longitude / 180 + 0.5), SIZE * (0.5 - latitude / 180)], atol=0.35)
    assert layer.depth[:, :SIZE][left > 0.5] == pytest.approx(0.8, abs=0.01)


def test_what_lies_behind_is_not_seen():
    assert view().draw(dots(place(120, 10, 0.8)), 0.0, Brush()).alpha.max() == 0


def test_every_pixel_belongs_to_one_face():
    seen = np.zeros((64, 64), int)
    for face in half_cube(64, 51):
        seen[face.rows, face.columns] += face.u >= 0
        inside = face.u >= 0
        assert face.u[inside].max() <= 50 and face.v[inside].max() <= 50 and face.v[inside].min() >= 0
    assert (seen == 1).all()


def test_no_seam_in_a_wall_of_gaussians():
    across = np.linspace(30, 60, 61)
    wall = dots(*(place(lon, lat, 1.0) for lon in across for lat in across))
    layer = view(size=128).draw(wall, 0.0, Brush())
    middle = layer.alpha[128 // 2 - 43 : 128 // 2 - 22, 64 + 22 : 64 + 42]
    # Faces meet at 45 degrees of longitude: no line of the wall is thinner there.
    assert np.ptp(middle[:, 2:-2].mean(axis=0)) < 0.12


def test_eyes_are_parallel():
    near = view(eyes=0.063).draw(dots(PIVOT), 0.0, Brush()).alpha
    left, right = (centroid(half) for half in np.split(near, 2, axis=1))
    assert left[0] - right[0] == pytest.approx(SIZE / math.pi * 2 * math.atan(0.0315), abs=0.05) and left[1] == pytest.approx(right[1], abs=0.02)


def test_over_under_has_the_left_eye_above():
    near = view(eyes=0.063, layout="over-under").draw(dots(PIVOT), 0.0, Brush()).alpha
    left, right = (centroid(half) for half in np.split(near, 2, axis=0))
    assert left[0] > SIZE / 2 > right[0]
