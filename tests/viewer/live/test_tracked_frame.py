"""A frame of a capture with what was tracked over it."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from avatar3d.camera import Camera, look_at
from avatar3d.head.model import Landmarks
from avatar3d.head.store import load_head
from avatar3d.motion import Motion
from avatar3d.render.cpu import Workspace
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.live.tracked_frame import DETECTED, FINER, OF_THE_HEAD, WIRE, Overlay, frame_at, paint_frame, seen_edges, skin_faces

CAMERA = look_at(np.array([0.0, 0, 0.6]), np.zeros(3), focal=120, size=(80, 64))


@dataclass
class Filmed:
    """Frames of one grey each, with a landmark in a corner."""

    motion: Motion
    camera: Camera = CAMERA
    name: str = "filmed"

    def image(self, index: int) -> np.ndarray:
        return np.full((64, 80, 3), 100 + index, np.uint8)

    def landmarks(self, index: int) -> np.ndarray | None:
        return np.array([[5.0, 6.0, 0.0]]) if index else None


@pytest.fixture
def scene():
    avatar = tiny_avatar(count=400)
    head = replace(avatar.head, landmarks=Landmarks(np.array([0]), np.array([3]), np.full((1, 3), 1 / 3)))
    avatar = replace(avatar, head=head)
    motion = tiny_motion(avatar.head, 10)
    motion = replace(motion, translation=np.zeros_like(motion.translation))
    return avatar, Filmed(motion)


def paint(scene, index: int = 1, **overlay) -> np.ndarray:
    avatar, filmed = scene
    frame = filmed.motion.frames(slice(index, index + 1))
    return paint_frame(filmed, index, Overlay(**overlay), avatar, frame, avatar.pose(frame, 0.0), Workspace())


def test_the_video_alone(scene):
    assert np.array_equal(paint(scene, 2, shown="video"), scene[1].image(2))


def test_the_avatar_lies_over_its_frame(scene):
    over = paint(scene)
    assert (over[0, 0] == 101).all() and np.abs(over.astype(int) - 101).max() > 30
    half = paint(scene, opacity=0.5).astype(int)
    np.testing.assert_allclose(half, (over.astype(int) + 101) / 2, atol=1)
    assert np.array_equal(paint(scene, opacity=0.0), scene[1].image(1))


def test_difference_is_dark_where_they_agree(scene):
    apart = paint(scene, shown="difference")
    assert apart[0, 0].max() <= 3 and apart.max() > 60


def test_side_by_side(scene):
    both = paint(scene, shown="side by side")
    assert both.shape == (64, 160, 3)
    assert np.array_equal(both[:, :80], scene[1].image(1))
    assert np.array_equal(both[:, 80:], paint(scene, shown="avatar"))


def test_lines_are_finer_than_the_video(scene):
    lined = paint(scene, shown="video", wireframe=True)
    assert lined.shape == (64 * FINER, 80 * FINER, 3)
    assert (lined == WIRE).all(axis=2).sum() > 50


def test_landmarks_detected_and_of_the_head(scene):
    shown = paint(scene, shown="video", landmarks=True)
    assert tuple(shown[6 * FINER, 5 * FINER]) == DETECTED
    found, tracked = ((shown == colour).all(axis=2).sum() for colour in (DETECTED, OF_THE_HEAD))
    assert 5 <= found < tracked < 30
    assert (shown[6 * FINER, 5 * FINER - 2] == 0).all()
    unseen = paint(scene, 0, shown="video", landmarks=True)
    assert not (unseen == DETECTED).all(axis=2).any()


def test_only_edges_towards_the_camera_are_seen(scene):
    avatar, _ = scene
    vertices = avatar.head.template.numpy()
    faces = avatar.head.faces.numpy()
    edges = seen_edges(vertices, faces, CAMERA)
    assert len(np.unique(edges, axis=0)) == len(edges)
    # Of a sphere nearly half is seen, and nothing of what lies behind its middle from far away.
    assert vertices[np.unique(edges)][:, 2].min() > -0.06
    assert 0.2 < len(edges) / (len(faces) * 3 / 2) < 0.6


def test_frames_are_those_that_are_seen_then(scene):
    _, filmed = scene
    assert [frame_at(filmed, time) for time in (-1.0, 0.0, 0.039, 0.04, 0.3999, 9.0)] == [0, 0, 0, 1, 9, 9]


def test_only_the_skin_has_lines():
    head = load_head()
    skin = skin_faces(head)
    kept = set(np.unique(skin).tolist())
    assert not kept & set(head.regions["tongue"].tolist()) and not kept & set(head.regions["iris_left"].tolist())
    for name in ("lips", "nose", "ears", "left_lid_upper"):
        assert set(head.regions[name].tolist()) <= kept, name
    bare = SimpleNamespace(regions={}, faces=head.faces)
    assert len(skin_faces(bare)) == len(head.faces)  # type: ignore[arg-type]
