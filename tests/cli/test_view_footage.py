"""What is said of a capture that another avatar is laid over."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar3d.cli.view_footage import CaptureFootage, identities_apart
from recon.tracking_files import TrackedCapture
from tests.recon.memory_capture import small_scene


@pytest.fixture
def seen(monkeypatch, tmp_path):
    """seen(fitted_to, filmed, millimetres) -> the footage of a film beside an avatar, with identities so far apart."""
    capture, motion, camera, avatar = small_scene(path=tmp_path)
    shape = avatar.shape.numpy()
    direction = np.linspace(1.0, 0.2, len(shape), dtype=np.float32)
    unit = identities_apart(avatar, shape + direction)

    def look(fitted_to: str, filmed: str, millimetres: float) -> CaptureFootage:
        moved = shape + np.float32(1e-3 * millimetres / unit) * direction
        tracking = TrackedCapture(replace(motion, shape=moved), camera, {"learned_before": 12})
        monkeypatch.setattr("recon.capture.load_capture", lambda _: replace(capture, source={"name": filmed}))
        monkeypatch.setattr("recon.tracking_files.load_tracking", lambda *_: tracking)
        return CaptureFootage(Path("talk.capture"), replace(avatar, metadata={"source": fitted_to}))

    return look


@pytest.mark.parametrize("filmed", ["me.mp4", "renamed.mp4"])
@pytest.mark.parametrize("millimetres", [0.0, 0.25])
def test_the_film_that_it_was_fitted_to_is_its_own_also_when_tracked_anew(seen, filmed, millimetres):
    assert seen("me.mp4", filmed, millimetres).caution == ""


def test_another_film_is_said_to_be_one(seen):
    caution = seen("me.mp4", "you.mp4", 0.7).caution
    for part in ("talk.capture: is not what the avatar was fitted to (me.mp4)", "0.7 mm apart", "somebody else"):
        assert part in caution
    assert "\n" not in caution


def test_another_person_before_the_same_camera_is_no_less_another_film(seen):
    assert not seen("camera 0", "camera 0", 0.4).caution
    assert "camera 0" in seen("camera 0", "camera 0", 0.7).caution
