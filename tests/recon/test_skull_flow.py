"""A head of known motion, painted and drawn: flow takes the landmarks' tremble away; and the pieces by themselves."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avatar3d.head.store import load_head
from avatar3d.render.mesh import rasterize_mesh, to_camera, vertex_normals
from recon import skull_flow
from recon.overlay import pose_frames
from recon.skull_flow import steady_head
from tests.recon.known_motion import true_camera, true_motion

FRAMES = 36


@pytest.fixture(scope="module")
def film():
    """(head, true motion, camera, grey pictures)."""
    head, camera = load_head(), true_camera()
    motion = true_motion(head, FRAMES, seed=3)
    faces, paint = head.faces.numpy(), np.random.default_rng(0).uniform(40, 220, (head.num_vertices, 1))
    greys = []
    for frame in range(FRAMES):
        vertices = pose_frames(head, motion, slice(frame, frame + 1))[0]
        seen = rasterize_mesh(to_camera(vertices, camera).astype(np.float32), faces, camera)
        greys.append(seen.interpolate(faces, paint)[..., 0].astype(np.uint8))
    return head, motion, camera, greys


def trembling(motion, turn=0.008, shift=0.0008):
    rng = np.random.default_rng(1)
    return replace(
        motion,
        rotation=motion.rotation + rng.normal(0, turn, motion.rotation.shape).astype(np.float32),
        translation=motion.translation + rng.normal(0, shift, motion.translation.shape).astype(np.float32),
    )


def wrong(head, camera, motion, truth):
    """[T] mean distance in pixels of the skull's front from where it truly is, without what is off all the time."""
    front = np.flatnonzero(vertex_normals(head.template.numpy(), head.faces.numpy())[:, 2] > 0.5)
    ours, theirs = (camera.project(pose_frames(head, m, slice(0, FRAMES))[:, front]) for m in (motion, truth))
    off = ours - theirs
    return np.linalg.norm(off - off.mean(axis=0), axis=2).mean(axis=1)


def test_trembling_goes(film):
    head, truth, camera, greys = film
    shaken = trembling(truth)
    steady = steady_head(shaken, greys.__getitem__, camera, head, np.ones(FRAMES, bool))
    before, after = wrong(head, camera, shaken, truth).mean(), wrong(head, camera, steady, truth).mean()
    assert before > 0.8
    assert after < 0.35 * before


def test_what_is_right_stays(film):
    head, truth, camera, greys = film
    steady = steady_head(truth, greys.__getitem__, camera, head, np.ones(FRAMES, bool))
    assert wrong(head, camera, steady, truth).mean() < 0.15


def test_nothing_flows_across_a_cut_or_from_a_frame_without_a_face(film):
    head, truth, camera, greys = film
    shaken, valid = trembling(truth), np.zeros(FRAMES, bool)
    valid[[4, 5]] = True
    steady = steady_head(shaken, greys.__getitem__, camera, head, valid, cuts=(5,))
    np.testing.assert_allclose(steady.rotation, shaken.rotation, atol=1e-5)
    np.testing.assert_allclose(steady.translation, shaken.translation, atol=1e-5)


def test_threads_change_nothing(film):
    head, truth, camera, greys = film
    shaken = trembling(truth)
    one, two = (steady_head(shaken, greys.__getitem__, camera, head, np.ones(FRAMES, bool), threads=n) for n in (1, 2))
    assert one.rotation.tobytes() == two.rotation.tobytes()


def test_jacobian_is_the_slope():
    camera, middle = true_camera(), np.array([0.01, -0.02, 0.9])
    places = middle + np.random.default_rng(0).normal(0, 0.05, (5, 3))
    J = skull_flow._jacobian(places, middle, camera)

    def pixels(c):
        moved = Rotation.from_rotvec(c[:3]).apply(places - middle) + middle + c[3:]
        return moved[:, :2] / moved[:, 2:] * (camera.fx, camera.fy)

    for k, step in enumerate(np.eye(6) * 1e-5):
        np.testing.assert_allclose((pixels(step) - pixels(-step)) / 2e-5, J[:, :, k], rtol=1e-4, atol=1e-3)


def test_outliers_do_not_count():
    camera, middle = true_camera(), np.array([0.0, 0.0, 0.9])
    rng = np.random.default_rng(0)
    J = skull_flow._jacobian(middle + rng.normal(0, 0.05, (100, 3)), middle, camera)
    truth = np.array([0.004, -0.003, 0.002, 0.0005, -0.0004, 0.003])
    residual = J @ truth + rng.normal(0, 0.05, (100, 2))
    residual[:20] += 4
    found, information = skull_flow._robust(J, residual, 1.0)
    # In units of what the information says is uncertain.
    assert np.sqrt((found - truth) @ information @ (found - truth)) < 3


def test_the_banded_system_is_the_whole_one():
    rng = np.random.default_rng(0)
    T = 31
    precision = rng.uniform(0.5, 2, (T, 6))
    links = []
    for j in range(1, T):
        for lag in (lag for lag in skull_flow.LAGS if lag <= j):
            root = rng.normal(size=(6, 6))
            links.append((j - lag, j, rng.normal(size=6), root @ root.T))
    whole, right = np.diag(precision.ravel()), np.zeros(6 * T)
    for i, j, r, information in links:
        D = np.zeros((6, 6 * T))
        D[:, 6 * j : 6 * j + 6], D[:, 6 * i : 6 * i + 6] = np.eye(6), -np.eye(6)
        whole += D.T @ information @ D
        right += D.T @ information @ r
    np.testing.assert_allclose(skull_flow._solve(links, T, precision).ravel(), np.linalg.solve(whole, right), atol=1e-8)
