"""Hands and things in front of the face are found where they are, and nothing else is."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.errors import UserError
from recon.face_lattice import SIDE, face_shapes, make_lattice
from recon.landmarks import LandmarkDetector
from recon.occlusion import (
    CELLS,
    FILE,
    HIDDEN_WEIGHT,
    Occlusions,
    find_occlusions,
    hand_mask,
    load_occlusions,
    no_occlusions,
    save_occlusions,
)
from tests.recon.spoiled import JOINTS, Spoiled, with_hand

FIRST, LAST = 30, 45
"""Frames with something in front."""


def _cup(rgb: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    where = np.zeros(rgb.shape[:2], np.uint8)
    cv2.rectangle(where, (middle - np.array([35, 20])).astype(int).tolist(), (middle + np.array([35, 60])).astype(int).tolist(), (1,), -1)
    return np.where(where[..., None] > 0, np.array([230, 228, 235], np.uint8), rgb), where > 0


def _hidden(capture, put) -> tuple[Spoiled, dict[int, np.ndarray]]:
    """The capture with `put(rgb, mouth)` applied to some frames, landmarks detected anew, and where the thing is."""
    pictures, where, landmarks = {}, {}, capture.landmarks.copy()
    with LandmarkDetector() as detector:
        detector.detect(capture.image(FIRST - 1))
        for index in range(FIRST, LAST):
            pictures[index], where[index] = put(capture.image(index), capture.landmarks[index, 13, :2])
            points = detector.detect(pictures[index])
            landmarks[index] = landmarks[index] if points is None else points
    return Spoiled(capture, lambda rgb, index: pictures.get(index, rgb), landmarks=landmarks), where


@pytest.mark.parametrize(
    "put",
    [lambda rgb, mouth: with_hand(rgb, (mouth[0] + 50, mouth[1] + 90), 90, -0.3), _cup],
    ids=["hand", "cup"],
)
def test_what_is_in_front_is_found_where_and_when_it_is(demo_part, put):
    capture, where = _hidden(demo_part, put)
    found = find_occlusions(capture)
    assert set(found.frames.tolist()) == set(range(FIRST, LAST))
    assert found.flagged(len(capture)).sum() == LAST - FIRST and found.face.min() > 0.03
    for index in range(FIRST, LAST):
        weight = found.weight(index, capture.size)
        assert weight is not None and set(np.unique(weight)) == {0.0, 1.0}
        face = cv2.fillConvexPoly(np.zeros(weight.shape, np.uint8), cv2.convexHull(capture.landmarks[index, :468, :2].astype(np.int32)), (1,)) > 0
        covered = where[index] & face
        assert (weight[covered] == 0).mean() > 0.85
        assert (weight[face & ~covered] == 0).mean() < 0.25


def test_nothing_is_found_where_nothing_is(demo_part):
    assert len(find_occlusions(demo_part).frames) == 0


def test_missing_faces_are_no_crash(demo_part):
    assert len(find_occlusions(replace(demo_part, valid=np.zeros(len(demo_part), bool))).frames) == 0


def test_hand_mask_covers_the_hand():
    rgb = np.zeros((256, 256, 3), np.uint8)
    _, where = with_hand(rgb, (120, 180), 60, 0.4)
    c, s = np.cos(0.4), np.sin(0.4)
    joints = (JOINTS * [1, -1]) @ np.array([[c, s], [-s, c]]) * 60 + [120, 180]
    mask = cv2.resize(hand_mask(joints, 256).astype(np.uint8), (256, 256), interpolation=cv2.INTER_NEAREST) > 0
    assert mask[where].mean() > 0.97 and (mask & ~where).sum() < 1.2 * where.sum()


def test_lattice_follows_the_face():
    rng = np.random.default_rng(0)
    points = np.zeros((5, 478, 3), np.float32)
    points[..., :2] = rng.uniform(100, 300, (478, 2))
    points[:, 10, :2], points[:, 152, :2] = (200, 90), (200, 310)
    picture = np.zeros((512, 512), np.uint8)
    picture[:, 200:] = 200
    lattice = make_lattice(points)
    skin = lattice.sample(picture, points[0])
    turned = points[0].copy()
    turned[:, :2] = points[0, :, 1::-1] * [-1, 1] + [400, 0]
    again = lattice.sample(np.rot90(picture, -1)[:, 112:].copy(), turned)
    assert lattice.inside.shape == (SIDE, SIDE) and 0.5 < lattice.inside.mean() < 1
    assert 0.2 < (skin[lattice.inside] > 100).mean() < 0.8
    assert (np.abs(skin.astype(int) - again)[lattice.inside] > 20).mean() < 0.03
    np.testing.assert_allclose(face_shapes(points[:1] * 1.7 + 3), face_shapes(turned[None]), atol=1e-5)


@st.composite
def _some(draw):
    frames = sorted(draw(st.sets(st.integers(0, 40), max_size=6)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return Occlusions(np.array(frames, np.int32), rng.random((len(frames), CELLS, CELLS)) < 0.3, rng.random(len(frames)).astype(np.float32))


@given(_some())
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory, some):
    folder = tmp_path_factory.mktemp("o")
    save_occlusions(some, folder)
    again = load_occlusions(folder, 41)
    for name in ("frames", "masks", "face"):
        np.testing.assert_array_equal(getattr(again, name), getattr(some, name))


def test_an_older_capture_has_none(tmp_path):
    none = load_occlusions(tmp_path)
    assert len(none.frames) == 0 and none.weight(0, 64) is None and not none.flagged(3).any()
    assert (none.landmark_weights(np.ones((3, 478, 3), np.float32), 64) == 1).all()


def test_hidden_landmarks_count_little():
    masks = np.zeros((1, CELLS, CELLS), bool)
    masks[0, :, : CELLS // 2] = True
    points = np.zeros((3, 478, 3), np.float32)
    points[:, 100:, 0] = 400
    points[:, :, 1] = 1e5
    weights = Occlusions(np.array([1], np.int32), masks, np.array([0.5], np.float32)).landmark_weights(points, 512)
    assert (weights[1, :100] == np.float32(HIDDEN_WEIGHT)).all() and (weights[1, 100:] == 1).all() and (weights[[0, 2]] == 1).all()


def _spoil(path: Path, **arrays) -> None:
    good = {"frames": np.array([1, 2], np.int32), "masks": np.zeros((2, CELLS, CELLS // 8), np.uint8), "face": np.zeros(2, np.float32)}
    np.savez(path, **{name: value for name, value in (good | arrays).items() if value is not None})


@pytest.mark.parametrize(
    "arrays",
    [
        {"masks": None},
        {"masks": np.zeros((2, CELLS, 3), np.uint8)},
        {"masks": np.zeros((2, CELLS, CELLS // 8), np.float32)},
        {"frames": np.array([2, 1], np.int32)},
        {"frames": np.array([-1, 1], np.int32)},
        {"frames": np.array([1, 99], np.int32)},
        {"frames": np.array(5, np.int32)},
        {"face": np.zeros(3, np.float32)},
        {"face": np.array([{}, {}])},
    ],
)
def test_a_damaged_file_is_refused(tmp_path, arrays):
    _spoil(tmp_path / FILE, **arrays)
    with pytest.raises(UserError, match=r"occlusions\.npz: is damaged"):
        load_occlusions(tmp_path, 40)


@given(st.binary(max_size=200))
@settings(max_examples=30, deadline=None)
def test_noise_is_refused(tmp_path_factory, noise):
    folder = tmp_path_factory.mktemp("o")
    (folder / FILE).write_bytes(noise)
    with pytest.raises(UserError, match="is damaged"):
        load_occlusions(folder)


def test_no_occlusions_can_be_written(tmp_path):
    save_occlusions(no_occlusions(), tmp_path)
    assert len(load_occlusions(tmp_path, 5).frames) == 0
