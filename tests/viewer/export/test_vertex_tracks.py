from dataclasses import replace

import numpy as np
import pytest

from tests.avatar3d.tiny import tiny_avatar, tiny_head, tiny_motion
from viewer.export.packed import read_packed, write_packed
from viewer.export.vertex_tracks import TOLERANCE, pack_tracks, posed, principal
from viewer.export.web_bundle import pack_avatar


@pytest.fixture(scope="module")
def closed_avatar():
    return tiny_avatar(replace(tiny_head(), redistributable=False))


def test_tracks_move_the_gaussians_as_the_rig_does(closed_avatar):
    motions = {"motion": tiny_motion(closed_avatar.head), "idle": tiny_motion(closed_avatar.head, 6, seed=1)}
    packed = pack_avatar(closed_avatar)
    tracks = pack_tracks(closed_avatar, packed, motions)
    packed = read_packed(write_packed(packed))
    for name, motion in motions.items():
        for index in range(len(motion)):
            time = float(index / motion.fps)
            a, b = closed_avatar.pose(motion, time), posed(packed, tracks[name], time)
            assert (a.position - b.position).abs().max() < 3e-4
            assert (a.log_scale - b.log_scale).abs().max() < 0.02


def test_the_page_says_why_there_are_no_expressions(closed_avatar):
    packed = pack_avatar(closed_avatar)
    pack_tracks(closed_avatar, packed, {"motion": tiny_motion(closed_avatar.head)})
    assert packed.header["mesh"] == "tracks" and "may not be given away" in packed.header["reason"]


def test_components_are_as_few_as_the_tolerance_allows():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 90)) * 0.01
    mean, components = principal(rows.astype(np.float32))
    assert len(components) == 3
    back = mean + ((rows - mean) @ components.T) @ components
    assert np.abs(back - rows).max() < TOLERANCE


def test_stillness_needs_no_component():
    mean, components = principal(np.ones((5, 12), np.float32))
    assert len(components) == 0 and (mean == 1).all()
