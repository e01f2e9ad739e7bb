"""The page against Python, posing the same file."""

import gzip
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.camera import orbit
from avatar3d.data import data_path
from avatar3d.drawing import draw
from avatar3d.head.model import HeadModel
from avatar3d.head.store import load_head
from avatar3d.motion import Motion
from avatar3d.statistics import motion_statistics
from tests.avatar3d.tiny import tiny_avatar
from tests.viewer.web.conftest import performing
from tests.viewer.web.shown import differences
from viewer.cameras import front_camera, head_centre
from viewer.export.framing import with_soft_hem
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
    off = differences(shown.posed(time), expected)
    assert off["position"].max() < 1e-4 * HEAD
    assert off["rotation"][resolved].max() < 1e-3
    assert off["log_scale"][resolved].max() < 1e-3
    assert off["colour"].max() < 1e-3
    assert off["opacity"].max() < 1e-5


def test_a_hundred_random_moments_are_posed_as_python_poses_them(person, tmp_path, serve, show):
    export_web(person, performing(100, sound=False), tmp_path / "page")
    avatar, motion = unpack_avatar(_packed(tmp_path / "page", "avatar")), unpack_motion(_packed(tmp_path / "page", "motion"))
    shown = show(f"{serve(tmp_path / 'page')}/index.html")
    for time in np.random.default_rng(0).uniform(-0.1, motion.duration + 0.1, 100):
        resolved = _resolved(avatar, motion.at(float(time)))
        assert resolved.mean() > 0.995
        _check(shown, float(time), avatar.pose(motion, float(time)), resolved)


def _golden() -> tuple[Avatar, Motion, list]:
    """The avatar, motion and expected Gaussians of data/golden/posing.json."""
    record = json.loads(data_path("golden", "posing.json").read_text())
    own, rig = ({k: torch.tensor(v, dtype=torch.float32) for k, v in record[part].items() if k != "layers"} for part in ("avatar", "head"))
    rig["faces"] = torch.tensor(record["head"]["faces"])
    names = tuple("abcdefgh"[: rig["expr_basis"].shape[2]])
    head = HeadModel(
        name="golden", **rig, uv=np.zeros((len(rig["faces"]), 3, 2), np.float32), regions={}, landmarks=None,
        expr_names=names, licence="CC0", redistributable=True, jaw_open_angle=0.4,
    )  # fmt: skip
    tracks = {name: np.array(track, np.float32) for name, track in record["motion"].items() if name != "fps"}
    motion = Motion(**tracks, shape=np.zeros(0, np.float32), fps=Fraction(*record["motion"]["fps"]), head_fingerprint=head.fingerprint)
    layers = tuple((torch.tensor(layer["weight"]), torch.tensor(layer["bias"])) for layer in record["avatar"]["layers"])
    own |= {"face": np.array(record["avatar"]["face"], np.int32), "bary": own["bary"].numpy()}
    return Avatar(head=head, **own, layers=layers, statistics=motion_statistics(motion, head)), motion, record["expected"]


def test_the_golden_vectors_are_reproduced(tmp_path, serve, show):
    avatar, motion, vectors = _golden()
    export_web(avatar, motion, tmp_path / "page", exact=True)
    shown = show(f"{serve(tmp_path / 'page')}/index.html")
    for expected in vectors:
        seen = shown.posed(expected["time"])
        given = np.array(expected["rotation"])
        given /= np.linalg.norm(given, axis=1, keepdims=True)
        turned = seen["rotation"][:, [3, 0, 1, 2]]
        turned *= np.sign((turned * given).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(seen["position"][:, :3], expected["position"], atol=1e-4)
        np.testing.assert_allclose(turned, given, atol=1e-4)
        np.testing.assert_allclose(seen["log_scale"][:, :3], expected["log_scale"], atol=1e-4)
        np.testing.assert_allclose(seen["colour"][:, :3], expected["colour"], atol=1e-4)


def test_an_avatar_without_bases_is_posed(tmp_path, serve, show):
    avatar = tiny_avatar(load_head(), count=40, bases=0)
    export_web(avatar, performing(3), tmp_path / "page", exact=True)
    shown = show(f"{serve(tmp_path / 'page')}/index.html")
    _check(shown, 0.05, avatar.pose(performing(3), 0.05))


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
    seen_person = with_soft_hem(person)
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
        expected = np.clip(draw(seen_person, motion, time, camera, background).rgb, 0, 1)
        assert np.abs(expected - background).max() > 0.3
        seen = shown.picture(time, camera) / 255
        assert -10 * np.log10(np.square(seen - expected).mean()) > 35
