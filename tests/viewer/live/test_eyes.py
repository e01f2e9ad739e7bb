"""Browser cameras as ours, against viser's own algebra."""

import math

import numpy as np
import pytest

from tests.avatar3d.tiny import tiny_avatar
from viewer.cameras import head_centre
from viewer.live.eyes import HEAD_HEIGHT, HEAD_WIDTH, PRESETS, camera_of, front_eye, preset_eye

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


def test_the_first_view_is_filled_by_the_head():
    avatar = tiny_avatar()
    eye, centre = front_eye(avatar), head_centre(avatar)
    away = np.linalg.norm(eye.position - centre)
    assert 2 * away * math.tan(eye.fov / 2) == pytest.approx(HEAD_HEIGHT)
    assert eye.position[2] > centre[2]


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_look_at_the_head_from_where_they_say(name):
    avatar = tiny_avatar()
    eye, front, centre = preset_eye(avatar, name), front_eye(avatar), head_centre(avatar)
    np.testing.assert_allclose(eye.look_at, centre)
    assert np.linalg.norm(eye.position - centre) == pytest.approx(np.linalg.norm(front.position - centre))
    moved = eye.position - front.position
    if name.endswith("left"):
        assert moved[0] < -0.05
    if name.endswith("right"):
        assert moved[0] > 0.05
    if name == "above":
        assert moved[1] > 0.05
    if name == "close":
        assert eye.fov < front.fov


@pytest.mark.parametrize("aspect", [0.4, 0.5, 0.8, 2.0])
def test_a_narrow_page_sees_the_whole_width_and_the_head_in_its_upper_part(aspect):
    avatar = tiny_avatar()
    eye, centre = front_eye(avatar, aspect), head_centre(avatar)
    away = np.linalg.norm(eye.position - centre)
    assert 2 * aspect * away * math.tan(eye.fov / 2) >= HEAD_WIDTH - 1e-9
    np.testing.assert_allclose(eye.position, front_eye(avatar).position)
    assert (eye.look_at[1] < centre[1] - 0.01) == (aspect < 0.9)
