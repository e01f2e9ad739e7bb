import json

import numpy as np
import pytest

from avatar3d.camera import look_at
from avatar3d.errors import UserError
from tests.avatar3d.tiny import tiny_avatar
from viewer.cameras import ORBIT_PERIOD, ORBIT_YAW, camera_path, front_camera, head_centre


def test_the_front_camera_is_the_captures_at_another_size():
    avatar = tiny_avatar()
    filmed = look_at(np.array([0.1, 0.0, 1.2]), np.zeros(3), focal=900, size=(512, 512))
    avatar.metadata["camera"] = filmed.to_json()
    front = front_camera(avatar, 256)
    point = np.array([0.02, 0.05, 0.01])
    np.testing.assert_allclose(front.project(point), filmed.project(point) / 2)


def test_without_a_capture_the_front_camera_looks_at_the_face():
    avatar = tiny_avatar()
    camera = front_camera(avatar, 200)
    np.testing.assert_allclose(camera.project(head_centre(avatar)), [100, 100], atol=1e-6)


def test_an_orbit_swings_around_the_head_and_comes_back():
    avatar = tiny_avatar()
    path, centre = camera_path(avatar, "orbit", 128), head_centre(avatar)
    eyes = [-c.T_cam_world[:3, :3].T @ c.T_cam_world[:3, 3] for c in map(path, np.linspace(0, ORBIT_PERIOD, 41))]
    distances = np.linalg.norm(np.array(eyes) - centre, axis=1)
    np.testing.assert_allclose(distances, distances[0], rtol=1e-6)
    np.testing.assert_allclose(eyes[0], eyes[-1], atol=1e-9)
    yaw = [np.arctan2(*(eye - centre)[[0, 2]]) for eye in eyes]
    assert abs(max(yaw) - ORBIT_YAW) < 0.02 and abs(min(yaw) + ORBIT_YAW) < 0.02


def test_a_camera_file_is_used_as_it_is(tmp_path):
    filmed = look_at(np.array([0.3, 0.1, 0.9]), np.zeros(3), focal=700, size=(320, 240))
    (tmp_path / "c.json").write_text(json.dumps(filmed.to_json()))
    camera = camera_path(tiny_avatar(), str(tmp_path / "c.json"), 512)(1.0)
    assert (camera.width, camera.height) == (320, 240)
    np.testing.assert_allclose(camera.T_cam_world, filmed.T_cam_world)


@pytest.mark.parametrize("content", ["", "[]", '{"fx": 1}', '{"T_cam_world": [[1]], "fx": 1, "fy": 1, "cx": 1, "cy": 1, "width": 3, "height": 3}'])
def test_a_malformed_camera_file_is_refused(tmp_path, content):
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(UserError, match=r"c\.json"):
        camera_path(tiny_avatar(), str(tmp_path / "c.json"), 512)
