"""The page against Python, posing the same file."""

import gzip
from dataclasses import replace

import numpy as np

from avatar3d.camera import orbit
from avatar3d.drawing import draw
from avatar3d.gaussians import SH_C0
from tests.viewer.web.conftest import performing
from viewer.cameras import front_camera, head_centre
from viewer.export.motion_track import unpack_motion
from viewer.export.packed import read_packed
from viewer.export.vertex_tracks import posed
from viewer.export.web import export_web
from viewer.export.web_bundle import unpack_avatar

HEAD = 0.25
"""Metres."""


def _packed(folder, name):
    return read_packed(gzip.decompress((folder / f"{name}.bin").read_bytes()))


def _resolved(avatar, frame):
    """[N] whether a Gaussian's triangle is high enough for float32 to say where it faces: some frames fold a sliver flat."""
    vertices = avatar.vertices(frame)
    a, b, c = (vertices[avatar.faces[:, corner]] for corner in range(3))
    height = np.linalg.norm(np.cross(b - a, c - a), axis=1) / np.linalg.norm(np.stack([b - a, c - a, c - b]), axis=2).max(axis=0)
    return (height > 3e-5)[avatar.face]


def _check(shown, time, expected, resolved=slice(None)):
    seen = shown.posed(time)
    rotation = expected.rotation.numpy() / np.linalg.norm(expected.rotation.numpy(), axis=1, keepdims=True)
    turned = seen["rotation"][:, [3, 0, 1, 2]]
    angle = 2 * np.minimum(np.linalg.norm(turned - rotation, axis=1), np.linalg.norm(turned + rotation, axis=1))
    assert np.abs(seen["position"][:, :3] - expected.position.numpy()).max() < 1e-4 * HEAD
    assert angle[resolved].max() < 1e-3
    assert np.abs(seen["log_scale"][:, :3] - expected.log_scale.numpy())[resolved].max() < 1e-3
    assert np.abs(seen["colour"][:, :3] - (0.5 + SH_C0 * expected.sh[:, 0].numpy())).max() < 1e-3
    assert np.abs(seen["position"][:, 3] - 1 / (1 + np.exp(-expected.opacity_logit.numpy()))).max() < 1e-5


def test_a_hundred_random_moments_are_posed_as_python_poses_them(person, tmp_path, serve, show):
    export_web(person, performing(100, sound=False), tmp_path / "page")
    avatar, motion = unpack_avatar(_packed(tmp_path / "page", "avatar")), unpack_motion(_packed(tmp_path / "page", "motion"))
    shown = show(f"{serve(tmp_path / 'page')}/index.html")
    for time in np.random.default_rng(0).uniform(-0.1, motion.duration + 0.1, 100):
        resolved = _resolved(avatar, motion.at(float(time)))
        assert resolved.mean() > 0.995
        _check(shown, float(time), avatar.pose(motion, float(time)), resolved)


def test_tracks_are_posed_as_python_poses_them(person, tmp_path, serve, show):
    closed = replace(person, head=replace(person.head, redistributable=False))
    export_web(closed, performing(20), tmp_path / "page")
    avatar, track = _packed(tmp_path / "page", "avatar"), _packed(tmp_path / "page", "motion")
    shown = show(f"{serve(tmp_path / 'page')}/index.html", size=(600, 400))
    for time in np.random.default_rng(0).uniform(0, 0.8, 10):
        _check(shown, float(time), posed(avatar, track, float(time)))
    assert shown.page.is_hidden("#sliders-button")
    shown.page.click("#info-button")
    assert "may not be given away" in shown.page.inner_text("#info")


def test_the_picture_is_the_rasterizers(person, page_folder, serve, show):
    shown = show(f"{serve(page_folder)}/index.html")
    motion = performing()
    front = front_camera(person, 150)
    background = np.array([0xD8, 0xDC, 0xE2], np.float32) / 255
    for index, yaw in enumerate((-0.5, 0.0, 0.7)):
        camera = orbit(replace(front, width=200, cx=front.cx + 25), head_centre(person), yaw, 0.2 * yaw)
        # The torso of a wild motion is anywhere; at rest it is where the camera looks.
        time = 0.1 * index
        centre = person.pose(motion, time).position.mean(dim=0).numpy()
        moved = np.eye(4)
        moved[:3, 3] = head_centre(person) - centre
        camera = replace(camera, T_cam_world=camera.T_cam_world @ moved)
        expected = np.clip(draw(person, motion, time, camera, background).rgb, 0, 1)
        assert np.abs(expected - background).max() > 0.3
        seen = shown.picture(time, camera) / 255
        assert -10 * np.log10(np.square(seen - expected).mean()) > 35
