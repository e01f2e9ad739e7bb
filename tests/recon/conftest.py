"""A piece of the demo as a capture."""

import itertools
from fractions import Fraction

import pytest

from avatar3d.data import data_path
from avatar3d.mp4 import VideoWriter
from recon.capture import make_capture
from recon.video import read_frames


@pytest.fixture(scope="session")
def demo_part(tmp_path_factory):
    """Three seconds of the demo in which the head turns, comes back and blinks, at 25 frames a second."""
    folder = tmp_path_factory.mktemp("demo")
    with VideoWriter(folder / "part.mp4", fps=Fraction(25), size=(512, 512)) as video:
        for rgb in itertools.islice(read_frames(data_path("demo", "demo.mp4")), 60, 135):
            video.write(rgb)
    return make_capture(folder / "part.mp4", folder / "part.capture")
