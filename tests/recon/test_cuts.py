"""Cuts are found, movement is not taken for one."""

import numpy as np

from recon.cuts import CutDetector

SCENE = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)
FACE = np.random.default_rng(1).uniform(40, 120, (478, 3)).astype(np.float32)


def cuts(frames, faces) -> list[int]:
    detector = CutDetector()
    for frame, points in zip(frames, faces, strict=True):
        detector.see(frame, points)
    return detector.found()


def test_other_scene_is_a_cut():
    assert cuts([SCENE[0]] * 5 + [SCENE[1]] * 5, [None] * 10) == [5]


def test_jump_of_the_head_in_the_same_scene_is_a_cut():
    assert cuts([SCENE[0]] * 10, [FACE] * 6 + [FACE + 12] * 4) == [6]


def test_steady_movement_is_no_cut():
    frames = [np.roll(SCENE[0], 4 * i, axis=1) for i in range(10)]
    assert cuts(frames, [FACE + 8 * i for i in range(10)]) == []


def test_lost_face_is_no_cut():
    assert cuts([SCENE[0]] * 6, [FACE, FACE, None, None, FACE + 40, FACE + 40]) == []


def test_cut_beside_the_ends_is_found():
    assert cuts([SCENE[0]] + [SCENE[1]] * 4, [None] * 5) == [1]
