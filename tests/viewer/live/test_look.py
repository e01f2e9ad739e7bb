"""Light and exposure."""

import numpy as np
import torch

from avatar3d.gaussians import SH_C0
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
    right = colours(lit(gaussians, Look(light=1.0, azimuth=90, elevation=0), avatar, frame)) / colours(gaussians)
    left = colours(lit(gaussians, Look(light=1.0, azimuth=-90, elevation=0), avatar, frame)) / colours(gaussians)
    from avatar3d import posing

    normal = posing.triangle_frames(avatar.vertices(frame), avatar.faces, avatar.rest_area).rotation[avatar.face, :, 2]
    to_the_right = normal[:, 0] > 0.2
    assert to_the_right.any() and (~to_the_right).any()
    assert (right[to_the_right] > left[to_the_right]).all()
    np.testing.assert_allclose((right[:, 0] ** GAMMA + left[:, 0] ** GAMMA)[np.abs(normal[:, 0]) < 0.9], 2.0, rtol=1e-2)
