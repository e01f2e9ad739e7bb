"""Refining a motion through a frozen avatar, on frames that the avatar itself drew."""

from dataclasses import replace

import numpy as np
import pytest

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.motion import CHANNELS, Motion
from recon.overlay import pose_frames
from recon.refinement import CALM, calmed, refine_motion
from recon.training_frames import FrameStore
from tests.recon.memory_capture import MemoryCapture, small_scene

FRAMES = np.array([1, 2, 4])


@pytest.fixture(scope="module")
def scene() -> tuple[MemoryCapture, Motion, Motion, Camera, Avatar]:
    """A capture, its true motion, one that is a little off, its camera and its avatar."""
    capture, true, camera, avatar = small_scene(frames=6)
    # The pictures were drawn over black, over which the frames are compared: nothing remains to be cut out.
    capture.mattes[:] = 255
    rng = np.random.default_rng(0)
    sizes = {"expr": 0.1, "neck_pose": 0.02, "rotation": 0.01, "translation": 0.002}
    off = {name: getattr(true, name) + rng.normal(size=getattr(true, name).shape, scale=size).astype(np.float32) for name, size in sizes.items()}
    return capture, true, replace(true, **off), camera, avatar


def _distance(avatar: Avatar, a: Motion, b: Motion) -> float:
    """Mean distance of the vertices, millimetres."""
    return 1e3 * float(np.linalg.norm(pose_frames(avatar.head, a, FRAMES) - pose_frames(avatar.head, b, FRAMES), axis=-1).mean())


def test_comes_close_to_the_true_motion(scene: tuple[MemoryCapture, Motion, Motion, Camera, Avatar]) -> None:
    capture, true, off, camera, avatar = scene
    refined = refine_motion(avatar, off, camera, FRAMES, FrameStore(capture), steps=15)  # pyright: ignore[reportArgumentType]
    assert _distance(avatar, refined, true) < 0.5 * _distance(avatar, off, true)


def test_leaves_other_frames_and_those_without_a_face_alone(scene: tuple[MemoryCapture, Motion, Motion, Camera, Avatar]) -> None:
    capture, _, off, camera, avatar = scene
    off = replace(off, valid=np.array([True, True, False, True, True, True]))
    refined = refine_motion(avatar, off, camera, FRAMES, FrameStore(capture), steps=3)  # pyright: ignore[reportArgumentType]
    for name in ("expr", "rotation", "neck_pose"):
        changed = (getattr(refined, name) != getattr(off, name)).any(axis=1)
        assert changed.tolist() == [False, True, False, False, True, False]


def test_does_not_depend_on_the_number_of_threads(scene: tuple[MemoryCapture, Motion, Motion, Camera, Avatar]) -> None:
    capture, _, off, camera, avatar = scene
    one, two = (
        refine_motion(avatar, off, camera, FRAMES, FrameStore(capture), steps=3, threads=threads)  # pyright: ignore[reportArgumentType]
        for threads in (1, 2)
    )
    for name in ("expr", *(name for name in CHANNELS if getattr(off, name) is not None)):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_a_motion_that_fits_is_hardly_moved(scene: tuple[MemoryCapture, Motion, Motion, Camera, Avatar]) -> None:
    capture, true, off, camera, avatar = scene
    refined = refine_motion(avatar, true, camera, FRAMES, FrameStore(capture))  # pyright: ignore[reportArgumentType]
    assert _distance(avatar, refined, true) < 0.1 * _distance(avatar, off, true)


def _shaky() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values [T, P] with noise, a smooth course, a curvature [P, P] that sees the first parameter far better than the last, accelerations [P]."""
    rng = np.random.default_rng(2)
    course = np.sin(np.linspace(0, 3, 24))[:, None] * np.array([0.1, 0.05, 0.2])
    mix = rng.normal(size=(3, 3)) * 0.1 + np.eye(3)
    curvature = mix @ np.diag([1e-1, 1e-3, 1e-6]) @ mix.T
    return course + rng.normal(size=course.shape, scale=0.02), course, curvature, np.full(3, 0.01)


def test_calming_solves_the_whole_system() -> None:
    values, course, curvature, acceleration = _shaky()
    frames = np.concatenate([np.arange(10), np.arange(12, 26)])
    found = calmed(values, course, frames, curvature, acceleration)
    T, P = values.shape
    system, second = np.kron(np.eye(T), curvature), np.diff(np.eye(T), 2, axis=0)
    for row, here in zip(second, (frames[2:] - frames[:-2]) == 2, strict=True):
        tracked = np.abs(row @ course)
        system += here * np.kron(np.outer(row, row), np.diag(2 * CALM / np.maximum(acceleration, tracked) ** 2))
    expected = np.linalg.solve(system, (values @ curvature).ravel()).reshape(T, P)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert np.abs(expected - values).max() > 0.02


def test_calming_keeps_what_the_pictures_show() -> None:
    values, course, curvature, acceleration = _shaky()
    found = calmed(values, course, np.arange(24), curvature, acceleration)
    moved = np.abs(found - values).max(axis=0)
    shake = np.abs(np.diff(found, 2, axis=0)).mean(axis=0) / np.abs(np.diff(values, 2, axis=0)).mean(axis=0)
    assert moved[0] < 0.2 * moved[2]
    assert shake[2] < 0.2


def test_frames_that_do_not_follow_one_another_are_not_joined() -> None:
    values, course, curvature, acceleration = _shaky()
    np.testing.assert_array_equal(calmed(values, course, 2 * np.arange(24), curvature, acceleration), values)
