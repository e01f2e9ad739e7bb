from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from avatar3d.errors import UserError
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.cameras import camera_path
from viewer.film import colour_background, film


def _film(path, fps=None, background="#ff0000"):
    avatar = tiny_avatar()
    motion = replace(tiny_motion(avatar.head, 10), sound=np.zeros(6400, np.float32), sound_rate=16000)
    return film(avatar, motion, path, cameras=camera_path(avatar, "front", 64), background=colour_background(background), fps=fps)


def test_every_frame_of_the_motion_is_filmed(tmp_path):
    assert _film(tmp_path / "a.mp4") == 10
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(frames) == 10 and "nobody" in container.metadata["title"]
    red = frames[0][2, 2].astype(int)
    assert red[0] > 230 and red[1] < 40 and red[2] < 40
    assert np.abs(frames[0].astype(int) - red).max() > 60


def test_another_frame_rate_keeps_the_duration(tmp_path):
    assert _film(tmp_path / "a.mp4", fps=Fraction(50)) == 20


def test_an_unknown_colour_is_refused():
    with pytest.raises(UserError, match="blurple"):
        colour_background("blurple")
