"""Browser cameras as ours, against viser's own algebra."""

import math

import numpy as np
import pytest

from avatar3d.camera import look_at
from avatar3d.motion import rest_motion
from tests.viewer.bust import solid_bust
from viewer.cameras import head_centre
from viewer.export.framing import head_points
from viewer.live.eyes import PRESETS, Eye, camera_of, front_eye, preset_eye

IDENTITY = np.array([1.0, 0, 0, 0])


def test_a_point_ahead_is_in_the_middle_and_the_field_of_view_is_met():
    camera = camera_of(IDENTITY, np.array([0.0, 0, -1]), math.radians(60), (400, 300))
    np.testing.assert_allclose(camera.project(np.array([[0.0, 0, 0]])), [[200, 150]])
    top = camera.project(np.array([[0.0, -math.tan(math.radians(30)), 0]]))
    np.testing.assert_allclose(top, [[200, 0]], atol=1e-9)


def test_turned_as_viser_turns():
    tf = pytest.importorskip("viser.transforms")
    turn = tf.SO3.from_rpy_radians(0.3, -0.7, 1.1)
    position = np.array([0.1, -0.4, 0.8])
    camera = camera_of(turn.wxyz, position, 0.8, (640, 480))
    expected = tf.SE3.from_rotation_and_translation(turn, position).inverse().as_matrix()
    np.testing.assert_allclose(camera.T_cam_world, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("wxyz", "fov", "size"),
    [(IDENTITY, 0.0, (4, 4)), (IDENTITY, 4.0, (4, 4)), (0 * IDENTITY, 1.0, (4, 4)), (IDENTITY, 1.0, (0, 4)), (np.nan * IDENTITY, 1.0, (4, 4)),
     (IDENTITY, 1.0, (10**6, 4))],
)  # fmt: skip
def test_what_cannot_be_drawn_from_is_refused(wxyz, fov, size):
    with pytest.raises(ValueError, match="cannot be drawn"):
        camera_of(wxyz, np.zeros(3), fov, size)


def seen(eye: Eye, points: np.ndarray, aspect: float = 1.0) -> np.ndarray:
    """[2, 2] left, top and right, bottom of what is seen of points: 0 the picture's upper left corner, 1 its lower right one."""
    focal = 0.5 / math.tan(eye.fov / 2)
    at = look_at(eye.position, eye.look_at, focal=focal, size=(1, 1)).project(points)
    return (np.quantile(at, [0.01, 0.99], axis=0) - 0.5) * [1 / aspect, 1] + 0.5


@pytest.fixture(scope="module")
def bust():
    """A head that is as deep as heads are, and its Gaussians above the chin."""
    avatar = solid_bust(2000)
    return avatar, head_points(avatar)


def test_the_first_view_is_filled_by_the_head(bust):
    (_, top), (_, bottom) = seen(front_eye(bust[0]), bust[1])
    assert 0.6 < bottom - top < 0.8
    assert front_eye(bust[0]).position[2] > head_centre(bust[0])[2]


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "close"])
def test_presets_have_the_head_in_the_middle_from_where_they_say(name, bust):
    avatar, points = bust
    eye, front, centre = preset_eye(avatar, name), front_eye(avatar), head_centre(avatar)
    np.testing.assert_allclose(seen(eye, points).mean(axis=0), 0.5, atol=0.02)
    assert np.linalg.norm(eye.position - centre) == pytest.approx(np.linalg.norm(front.position - centre))
    moved = eye.position - front.position
    if name.endswith("left"):
        assert moved[0] < -0.05
    if name.endswith("right"):
        assert moved[0] > 0.05
    if name == "above":
        assert moved[1] > 0.05


def test_from_nearby_the_face_fills_the_picture(bust):
    avatar, _ = bust
    face = avatar.vertices(rest_motion(avatar.head, 1))[avatar.head.regions["face"]]
    (left, top), (right, bottom) = seen(preset_eye(avatar, "close"), face)
    assert abs(top + bottom - 1) < 0.06 and abs(left + right - 1) < 0.06
    assert 0.8 < max(right - left, bottom - top) < 0.95


@pytest.mark.parametrize("name", ["front", "left"])
@pytest.mark.parametrize("aspect", [0.4, 0.5, 0.8, 2.0])
def test_a_narrow_page_sees_the_whole_width_and_the_head_in_its_upper_part(name, aspect, bust):
    avatar, points = bust
    (left, top), (right, bottom) = seen(preset_eye(avatar, name, aspect), points, aspect)
    assert left > 0.1 and right < 0.9 and top > 0.05 and bottom < 0.95
    assert ((top + bottom) / 2 < 0.48) == (aspect < 0.9)
