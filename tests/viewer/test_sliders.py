"""The sliders of a face."""

import math

import numpy as np
import pytest

from avatar3d.head.store import load_head
from avatar3d.motion import CHANNELS, rest_motion
from tests.avatar3d.tiny import tiny_head
from viewer.sliders import POSES, face_sliders, moved


def _all(head) -> dict:
    return {slider.name: slider for sliders in face_sliders(head).values() for slider in sliders}


def test_whatever_a_face_can_do_has_a_slider():
    head = load_head()
    expressions = {number for slider in _all(head).values() for channel, number, _ in slider.moves if channel == "expr"}
    assert expressions == set(range(head.num_expr))
    assert list(face_sliders(head))[:3] == [POSES, "Brows", "Eyes"]
    frame = rest_motion(head, 1)
    for slider in _all(head).values():
        for channel, number, _ in slider.moves:
            assert channel in ("expr", *CHANNELS) and number < getattr(frame, channel).shape[1]


def test_partners_are_each_others():
    sliders = _all(load_head())
    assert sliders["mouthSmileLeft"].partner == "mouthSmileRight" and sliders["mouthSmileLeft"].label == "smile left"
    for slider in sliders.values():
        assert slider.partner is None or sliders[slider.partner].partner == slider.name


@pytest.mark.parametrize(("name", "axis"), [("head right, °", 0), ("gaze right, °", 0), ("head up, °", 1), ("gaze up, °", 1)])
def test_gaze_and_head_go_where_the_viewer_sees_them_go(name, axis):
    """World: +x is the viewer's right, +y up; a face looks along +z."""
    from scipy.spatial.transform import Rotation

    slider = _all(load_head())[name]
    added = moved([slider], [10.0])
    (channel,) = added
    vector = [added[channel].get(number, 0.0) for number in range(3)]
    looks = Rotation.from_rotvec(vector).apply([0, 0, 1])
    assert looks[axis] == pytest.approx(math.sin(math.radians(10)))


def test_sliders_of_one_channel_add_up():
    sliders = _all(load_head())
    added = moved([sliders["head right, °"], sliders["head up, °"], sliders["mouthSmileLeft"]], [10, 20, 0])
    assert added == {"neck_pose": {1: math.radians(10), 0: -math.radians(20)}}


def test_lids_and_unnamed_components_have_sliders_too():
    from dataclasses import replace

    import torch

    head = tiny_head()
    head = replace(head, expr_names=(), eyelid_basis=torch.zeros(2, head.num_vertices, 3))
    groups = face_sliders(head)
    assert groups["Lids"][0].partner == groups["Lids"][1].name
    component = groups["Expression components"][0]
    assert (component.low, component.high, component.partner) == (-3.0, 3.0, None)
    assert np.isfinite([slider.low for sliders in groups.values() for slider in sliders]).all()
