"""Normals of an avatar's surface, and what of it a camera sees."""

import numpy as np
import pytest
import torch

from avatar3d import posing
from avatar3d.gaussians import SH_C0
from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion
from recon.bench import bench_avatar
from viewer.normals import nearest, surface_normals, with_normals


@pytest.fixture(scope="module")
def posed():
    """An avatar on the embedded head, its rest motion and its Gaussians."""
    avatar = bench_avatar(load_head(), 3000)
    motion = rest_motion(avatar.head, 1)
    return avatar, motion, avatar.pose(motion, 0.0)


def test_normals_are_those_of_the_triangles_but_smooth(posed):
    avatar, motion, gaussians = posed
    normal = surface_normals(gaussians, avatar, motion, 0.0)
    flat = posing.triangle_frames(avatar.vertices(motion.at(0.0)), avatar.faces, avatar.rest_area).rotation[avatar.face, :, 2]
    on_head = avatar.face < len(avatar.head.faces)
    assert np.abs(np.linalg.norm(normal, axis=1) - 1).max() < 1e-5
    assert np.median((normal * flat).sum(axis=1)[on_head]) > 0.99


def test_what_looks_away_is_mirrored_without_a_leap_at_the_silhouette(posed):
    gaussians = posed[2]
    eye = np.array([0.0, 0.0, 2.0])
    sight = gaussians.position.numpy() - eye
    sight /= np.linalg.norm(sight, axis=1, keepdims=True)
    across = np.cross(sight, [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    shown = []
    for lean in (-0.01, 0.01):
        normal = (np.sqrt(1 - lean**2) * across + lean * sight).astype(np.float32)
        shown.append(2 * (with_normals(gaussians, normal, eye).sh[:, 0].numpy() * SH_C0 + 0.5) - 1)
        assert ((shown[-1] * sight).sum(axis=1) < 0).all()
    assert np.abs(shown[0] - shown[1]).max() < 1e-5


def test_a_surface_is_nearly_opaque_and_has_no_far_side(posed):
    gaussians = posed[2]
    outward = gaussians.position.numpy() - gaussians.position.numpy().mean(axis=0)
    seen = nearest(gaussians, outward, np.array([0.0, 0.0, 50.0]))
    front = outward[:, 2] > 0.01
    assert torch.equal(seen.opacity_logit[front], gaussians.opacity_logit[front] + 3)
    assert (seen.opacity_logit[outward[:, 2] < -0.01] < -15).all()
