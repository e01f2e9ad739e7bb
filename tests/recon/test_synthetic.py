"""Synthetic people: seen as faces, made of a seed, and the demo capture that ships."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.data import data_path
from avatar3d.head.store import load_head
from avatar3d.motion import load_motion, rest_motion
from avatar3d.posing import bind, triangle_areas, triangle_frames
from recon import truth
from recon.landmarks import PersonSegmenter, detect_landmarks
from recon.synthetic import backdrop, film_synthetic, synthetic_avatar, synthetic_camera
from recon.synthetic_light import irradiance, to_linear, to_srgb
from recon.synthetic_noise import noise
from recon.synthetic_person import random_person
from recon.synthetic_splats import Splats, bound, unit
from recon.synthetic_surface import sample_surface
from recon.truth import compare_with_truth
from recon.video import probe, read_frames

COARSE = 2.2


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return synthetic_avatar(load_head(), 5, COARSE)


@pytest.fixture(scope="module")
def pictures(avatar) -> list[np.ndarray]:
    """Rest, an open mouth, shut eyes, a turned head."""
    head = load_head()
    motion = rest_motion(head, 4, shape=avatar.shape.numpy())
    motion.jaw_pose[1, 0] = 0.4 * head.jaw_open_angle
    motion.expr[2, [head.expr_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]] = 1
    motion.neck_pose[3, 1] = 0.35
    return list(film_synthetic(avatar, motion, synthetic_camera(384), backdrop(384, 5)))


def test_a_face_is_detected_in_every_pose(pictures):
    found = [detect_landmarks(picture) for picture in pictures]
    assert all(points is not None for points in found)
    lips = [np.linalg.norm(points[13, :2] - points[14, :2]) for points in found]
    lids = [np.linalg.norm(points[159, :2] - points[145, :2]) for points in found]
    assert lips[1] > lips[0] + 5
    assert lids[2] < 0.5 * lids[0]


def test_the_person_is_told_from_the_wall(pictures):
    with PersonSegmenter() as segmenter:
        matte = segmenter.segment(pictures[0])
    assert matte[192, 192] > 0.9
    assert matte[20, 20] < 0.1
    assert 0.3 < (matte > 0.5).mean() < 0.6


def test_the_same_seed_gives_the_same_person():
    first, second = (synthetic_avatar(load_head(), 3, 4.0) for _ in range(2))
    for name in ("shape", "position", "rotation", "log_scale", "opacity_logit", "colour"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name
    assert np.array_equal(first.face, second.face)
    assert np.array_equal(first.bary, second.bary)


def test_another_seed_gives_another_person():
    head = load_head()
    assert not np.array_equal(random_person(head, 3).shape, random_person(head, 4).shape)


def test_every_gaussian_is_usable(avatar):
    for name in ("position", "rotation", "log_scale", "opacity_logit", "colour"):
        assert torch.isfinite(getattr(avatar, name)).all(), name
    assert avatar.colour.min() >= 0 and avatar.colour.max() <= 1
    assert avatar.log_scale.exp().max() < 0.015


def test_gaussians_lie_where_they_were_laid(avatar):
    """Bound to their triangles and posed at rest, splats come back to where and how they were laid out."""
    head = load_head()
    person = random_person(head, 5)
    surface = sample_surface(head, person, 6.0)
    rng = np.random.default_rng(0)
    count = len(surface.face)
    turns = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    turns[:, :, 0] *= np.sign(np.linalg.det(turns))[:, None]
    position = surface.position + rng.normal(size=(count, 3), scale=0.004)
    splats = Splats(surface.face, surface.bary, position, turns, np.full((count, 3), 0.001), np.full(count, 0.5), np.full((count, 3), 0.5))
    local = bound(splats, surface.rest, surface.faces)
    frames = triangle_frames(surface.rest, surface.faces, triangle_areas(surface.rest, surface.faces))
    where, rotation, _ = bind(
        surface.rest, surface.faces, frames, local["face"], local["bary"], local["position"], local["rotation"], local["log_scale"]
    )
    np.testing.assert_allclose(where, position, atol=1e-6)
    np.testing.assert_allclose(Rotation.from_quat(rotation[:, [1, 2, 3, 0]]).as_matrix(), turns, atol=1e-4)


def test_light_falls_from_the_front_and_leaves_shadows():
    head = load_head()
    light = irradiance(head.template.numpy(), head.faces.numpy())
    assert light.min() >= 0
    landmarks = head.landmarks
    assert landmarks is not None
    corner = head.faces.numpy()[landmarks.face[landmarks.index.tolist().index(151)]]
    assert light[corner].mean() > 0.6
    assert light[head.regions["mouth_interior"]].mean() < 0.25


def test_srgb_curve_is_inverted():
    # Above 0.7 highlights are rolled off.
    values = np.linspace(0, 0.7, 50)
    np.testing.assert_allclose(to_linear(to_srgb(values)), values, atol=1e-9)
    assert (to_srgb(np.array([1.0, 3.0])) < 1).all()


def test_noise_has_unit_variance_and_the_wanted_size():
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(4000, 3))
    values = noise(points, 0.05, np.random.default_rng(1))
    near = noise(points + 0.005, 0.05, np.random.default_rng(1))
    assert 0.7 < values.std() < 1.3
    assert np.abs(near - values).mean() < 0.2


def test_unit_vectors_of_nothing_are_nothing():
    np.testing.assert_array_equal(unit(np.zeros((2, 3))), 0)


def test_the_demo_is_small_and_long_enough():
    names = ("demo.mp4", "truth.npz", "camera.json")
    assert sum(data_path("demo", name).stat().st_size for name in names) <= 3_000_000
    info = probe(data_path("demo", "demo.mp4"))
    assert (info.width, info.height, info.fps) == (512, 512, Fraction(25))
    assert info.duration >= 20


def test_the_demo_shows_the_face_that_its_truth_says():
    """The true landmarks, projected by the true camera, lie on the face that is detected in the video."""
    head = load_head()
    motion = load_motion(data_path("demo", "truth.npz"), head)
    camera = Camera.from_json(json.loads(data_path("demo", "camera.json").read_text()))
    chosen = [0, 40, 90]
    pictures = [picture for index, picture in enumerate(read_frames(data_path("demo", "demo.mp4"), Fraction(25))) if index in chosen]
    points = truth.placed_landmarks(head, truth.posed(head, motion.frames(np.array(chosen))))
    for picture, true in zip(pictures, camera.project(points), strict=True):
        found = detect_landmarks(picture)
        assert found is not None
        assert head.landmarks is not None
        assert np.median(np.linalg.norm(found[head.landmarks.index, :2] - true, axis=1)) < 6


def test_the_demo_moves_as_people_do():
    head = load_head()
    motion = load_motion(data_path("demo", "truth.npz"), head)
    assert len(motion) == round(float(probe(data_path("demo", "demo.mp4")).duration) * 25)
    yaw = np.degrees(motion.neck_pose[:, 1])
    assert yaw.min() < -15 and yaw.max() > 15
    blink = motion.expr[:, head.expr_names.index("eyeBlinkLeft")] > 0.5
    assert 4 <= np.count_nonzero(np.diff(blink.astype(int)) == 1) <= 20
    assert motion.jaw_pose[:, 0].max() > 0.2 * head.jaw_open_angle
    camera = Camera.from_json(json.loads(data_path("demo", "camera.json").read_text()))
    assert compare_with_truth(motion, camera, motion, camera, head).vertex_p90 < 1e-4
