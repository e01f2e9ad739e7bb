"""Light and exposure."""

from dataclasses import replace

import numpy as np
import torch

from avatar3d import posing
from avatar3d.gaussians import SH_C0
from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.live.look import GAMMA, Look, lit


def colours(gaussians) -> np.ndarray:
    return 0.5 + SH_C0 * gaussians.sh[:, 0].numpy()


def posed():
    avatar = tiny_avatar()
    frame = tiny_motion(avatar.head, 1)
    return avatar, frame, avatar.pose(frame, 0.0)


def test_the_usual_look_changes_nothing():
    avatar, frame, gaussians = posed()
    assert lit(gaussians, Look(), avatar, frame) is gaussians


def test_a_stop_doubles_the_light():
    avatar, frame, gaussians = posed()
    brighter = lit(gaussians, Look(exposure=1.0), avatar, frame)
    np.testing.assert_allclose(colours(brighter), colours(gaussians) * 2 ** (1 / GAMMA), rtol=1e-4, atol=1e-5)
    assert torch.equal(gaussians.sh, posed()[2].sh)


def test_what_faces_the_lamp_is_brighter():
    avatar, frame, gaussians = posed()
    right, left = (gains(avatar, frame, gaussians, azimuth) for azimuth in (90, -90))
    side = gaussians.position[:, 0].numpy() - avatar.vertices(frame)[:, 0].mean()
    assert np.corrcoef(side, right - left)[0, 1] > 0.7
    np.testing.assert_allclose((right + left)[np.abs(right - left) < 1.8], 2.0, rtol=1e-2)


def gains(avatar, frame, gaussians, azimuth: float) -> np.ndarray:
    """[N] factors on the light."""
    return (colours(lit(gaussians, Look(light=1.0, azimuth=azimuth, elevation=0), avatar, frame)) / colours(gaussians))[:, 0] ** GAMMA


def test_skin_is_lit_evenly_whichever_triangle_its_gaussians_ride_on():
    avatar = tiny_avatar(bases=0)
    frame = rest_motion(avatar.head, 1)
    place = avatar.pose(frame, 0.0).position.numpy()
    # Every Gaussian stays where it is but rides on another triangle, somewhere on the head.
    other = np.roll(avatar.face, 1)
    frames = posing.triangle_frames(avatar.vertices(frame), avatar.faces, avatar.rest_area)
    foot = np.einsum("nk,nkx->nx", avatar.bary, avatar.vertices(frame)[avatar.faces[other]])
    local = np.einsum("nji,nj->ni", frames.rotation[other], place - foot)
    rebound = replace(avatar, face=other, position=torch.from_numpy(local.astype(np.float32)))
    np.testing.assert_allclose(rebound.pose(frame, 0.0).position.numpy(), place, atol=1e-5)
    expected = gains(avatar, frame, avatar.pose(frame, 0.0), 40)
    assert np.ptp(expected) > 0.5
    np.testing.assert_allclose(gains(rebound, frame, rebound.pose(frame, 0.0), 40), expected, atol=1e-2)


def test_neighbours_differ_little_under_a_strong_lamp():
    avatar = tiny_avatar(load_head(), count=4000, bases=0)
    frame = rest_motion(avatar.head, 1)
    gaussians = avatar.pose(frame, 0.0)
    cheek = np.abs(gaussians.position.numpy() - np.array([0.045, -0.03, 0.06])).max(axis=1) < 0.02
    assert cheek.sum() > 20
    gain = gains(avatar, frame, gaussians, 40)[cheek]
    # A plane through the gains of a cheek's Gaussians leaves little: none of them is lit like the inside of the mouth.
    points = np.c_[gaussians.position.numpy()[cheek], np.ones(cheek.sum())]
    left = gain - points @ np.linalg.lstsq(points, gain, rcond=None)[0]
    assert np.abs(left).max() < 0.35
