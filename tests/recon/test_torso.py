"""Following the shoulders in pictures that were moved by known similarities."""

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avatar3d.camera import look_at
from recon.landmarks import CHIN, FOREHEAD, OVAL
from recon.torso import BustAlignment, align_bust, choose_reference, torso_motion

SIZE = 512


def _bust() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A shaded head-and-shoulders picture, its matte, and landmarks of the face's outline."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    body = ((x - 256) / 200) ** 2 + ((y - 560) / 210) ** 2 < 1
    face = ((x - 256) / 80) ** 2 + ((y - 200) / 110) ** 2 < 1
    rgb = np.full((SIZE, SIZE, 3), 40, np.float32)
    rgb[body] = (60 + 50 * np.sin(x / 23) * np.cos(y / 31) + 0.15 * (y - 350))[body][:, None]
    rgb[(np.abs(x - 256) < 30) & body] = 210
    rgb[face] = (190, 150, 130)
    matte = ((body | face) * 255).astype(np.uint8)
    landmarks = np.full((478, 3), 256, np.float32)
    angle = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False)
    landmarks[list(OVAL), 0], landmarks[list(OVAL), 1] = 256 + 80 * np.sin(angle), 200 - 110 * np.cos(angle)
    landmarks[FOREHEAD, :2], landmarks[CHIN, :2] = (256, 90), (256, 310)
    return cv2.GaussianBlur(rgb, (0, 0), 2).clip(0, 255).astype(np.uint8), matte, landmarks


def _similarity(dx: float, dy: float, degrees: float, scale: float) -> np.ndarray:
    warp = cv2.getRotationMatrix2D((256, 450), degrees, scale)
    warp[:, 2] += dx, dy
    return warp


def _moved(warp: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rgb, matte, _ = _bust()
    indexed = warp.copy()
    indexed[:, 2] += 0.5 * (warp[:, :2].sum(1) - 1)
    noise = np.random.default_rng(seed).normal(0, 3, rgb.shape)
    moved = cv2.warpAffine(rgb, indexed, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE) + noise
    return moved.clip(0, 255).astype(np.uint8), cv2.warpAffine(matte, indexed, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)


def _follow(warps: list[np.ndarray], cuts: tuple[int, ...] = ()) -> BustAlignment:
    rgb, matte, landmarks = _bust()
    frames = [_moved(warp, seed) for seed, warp in enumerate(warps)]
    points = np.repeat(landmarks[None], len(warps), 0)
    return align_bust(iter(frames), 0, (rgb, matte), points, np.ones(len(warps), bool), cuts)


def _corner_error(found: np.ndarray, true: np.ndarray) -> float:
    corners = np.array([[100.0, 400], [400, 400], [256, 500]])
    return float(np.linalg.norm((found - true)[:, :2] @ corners.T + (found - true)[:, 2:], axis=0).max())


def test_shift_roll_and_scale_are_found():
    warps = [_similarity(4 * k, -3 * k, 0.8 * k, 1 + 0.006 * k) for k in range(6)]
    alignment = _follow(warps)
    assert alignment.valid.all()
    assert max(_corner_error(found, true) for found, true in zip(alignment.similarity, warps, strict=True)) < 1.0


def test_after_a_cut_a_far_jump_is_found():
    warps = [_similarity(0, 0, 0, 1), _similarity(2, 0, 0, 1), _similarity(-40, 12, 2, 1.03)]
    alignment = _follow(warps, cuts=(2,))
    assert _corner_error(alignment.similarity[2], warps[2]) < 1.5


def test_a_lost_frame_borrows_from_its_neighbours():
    rgb, matte, landmarks = _bust()
    warps = [_similarity(4 * k, 0, 0, 1) for k in range(5)]
    frames = [_moved(warp) for warp in warps]
    valid = np.array([True, True, False, True, True])
    alignment = align_bust(iter(frames), 0, (rgb, matte), np.repeat(landmarks[None], 5, 0), valid)
    assert not alignment.valid[2] and alignment.valid[[0, 1, 3, 4]].all()
    assert _corner_error(alignment.similarity[2], warps[2]) < 1.0


def test_an_unrelated_picture_counts_as_lost():
    rgb, matte, landmarks = _bust()
    stripes = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 255, (32, 32, 1), np.uint8), 16, 0), 16, 1).repeat(3, 2)
    frames = [(rgb, matte), (stripes, np.full_like(matte, 255)), (rgb, matte)]
    alignment = align_bust(iter(frames), 0, (rgb, matte), np.repeat(landmarks[None], 3, 0), np.ones(3, bool))
    np.testing.assert_array_equal(alignment.valid, [True, False, True])
    assert _corner_error(alignment.similarity[1], np.eye(3)[:2]) < 0.5


def test_without_a_bust_nothing_moves():
    rgb, _, landmarks = _bust()
    landmarks = landmarks + np.array([0, 190, 0], np.float32)
    alignment = align_bust(
        iter([(rgb, np.zeros((SIZE, SIZE), np.uint8))]), 0, (rgb, np.zeros((SIZE, SIZE), np.uint8)), landmarks[None], np.ones(1, bool)
    )
    assert not alignment.valid.any()
    np.testing.assert_array_equal(alignment.similarity[0], [[1, 0, 0], [0, 1, 0]])


def test_the_reference_is_the_usual_place():
    landmarks = np.random.default_rng(0).normal(0, 1, (9, 478, 3)) + np.array([0, 0, 0, 40, 0, 0, 0, 0, -40])[:, None, None]
    usable = np.ones(9, bool)
    assert choose_reference(landmarks, usable) not in (3, 8)
    usable[:8] = False
    assert choose_reference(landmarks, usable) == 8


@pytest.mark.parametrize("degrees, scale, dx, dy", [(0, 1, 12, -5), (3, 1, 0, 0), (0, 1.05, 0, 0), (-2, 0.96, 7, 9)])
def test_the_similarity_becomes_the_rigid_motion_that_looks_like_it(degrees, scale, dx, dy):
    camera = look_at(np.array([0.05, 0.1, 0.9]), np.array([0.0, 0, 0]), focal=900, size=(SIZE, SIZE))
    depth = 0.95
    warp = _similarity(dx, dy, degrees, scale)
    alignment = BustAlignment(np.stack([np.eye(3)[:2], warp]), np.zeros(2), np.ones(2, bool), 0)
    # The head keeps still against the bust, so the torso's motion must be the head's.
    torso_R, torso_t = torso_motion(alignment, camera, depth, np.repeat(np.eye(3)[None], 2, 0), np.zeros((2, 3)), np.array([True, False]))
    np.testing.assert_allclose(torso_R[0], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(torso_t[0], 0, atol=1e-9)
    pixels = np.array([[100.0, 300], [400, 380], [256, 500]])
    rays = np.c_[(pixels - 256) / 900, np.ones(3)] * depth
    world = (rays - camera.T_cam_world[:3, 3]) @ camera.T_cam_world[:3, :3]
    np.testing.assert_allclose(camera.project(world @ torso_R[1].T + torso_t[1]), pixels @ warp[:, :2].T + warp[:, 2], atol=1e-6)


def test_the_torso_rests_where_the_head_is_on_average():
    camera = look_at(np.array([0.0, 0, 0.9]), np.array([0.0, 0, 0]), focal=900, size=(SIZE, SIZE))
    turns = np.array([-0.2, 0.1, 0.1])
    head_R = Rotation.from_rotvec(turns[:, None] * [0, 1, 0]).as_matrix()
    alignment = BustAlignment(np.repeat(np.eye(3)[None, :2], 3, 0), np.zeros(3), np.ones(3, bool), 0)
    torso_R, _ = torso_motion(alignment, camera, 0.9, head_R, np.zeros((3, 3)), np.ones(3, bool))
    np.testing.assert_allclose(torso_R, np.eye(3)[None].repeat(3, 0), atol=1e-3)
