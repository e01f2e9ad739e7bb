from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import label

from avatar3d.arkit import EXPR_INDEX
from avatar3d.head.store import load_head
from avatar3d.motion import Motion, rest_motion
from driver.conditions import MODES
from driver.features import FPS
from driver.mutual_gaze import turned_to

HEAD = load_head()


def doing(mode: str, frames: int) -> np.ndarray:
    return np.eye(len(MODES), dtype=np.float32)[[MODES.index(mode)]].repeat(frames, axis=0)


def looks(motion: Motion) -> np.ndarray:
    """[T, 2] degrees down and to the viewer's right, head and torso counted."""
    return np.degrees(motion.eyes_pose[:, :2] + motion.neck_pose[:, :2] + motion.rotation[:, :2])


def held(at: np.ndarray) -> float:
    """Mean seconds of the runs in which `at` holds."""
    return float(at.sum() / label(at)[1] / FPS)


@pytest.mark.parametrize("right", [20.0, -20.0, 0.0])
def test_both_eyes_are_on_the_other_and_the_head_turns_in_part(right):
    motion = turned_to(rest_motion(HEAD, 500), doing("listen", 500), right, 0)
    assert np.median(looks(motion)[:, 1]) == pytest.approx(right, abs=1.0)
    assert np.degrees(np.median(motion.neck_pose[:, 1])) == pytest.approx(0.4 * right, abs=0.1)
    np.testing.assert_array_equal(motion.eyes_pose[:, :2], motion.eyes_pose[:, 3:5])


def test_speakers_look_away_more_often_and_for_longer_than_listeners():
    minutes = 20 * 60 * FPS
    away = {}
    for mode in ("speak", "listen"):
        gaze = looks(turned_to(rest_motion(HEAD, minutes), doing(mode, minutes), 20.0, 1))
        at = np.hypot(gaze[:, 0], gaze[:, 1] - 20) < 2.0
        away[mode] = (held(at), held(~at), float((~at).mean()))
    # Published: 3.1 s at the other and 0.9 s away, and 7.9 s and 0.4 s; glances too small to be told from looking at it are none.
    assert 2.7 < away["speak"][0] < 5.0 and 0.6 < away["speak"][1] < 1.2
    assert away["listen"][0] > 1.5 * away["speak"][0] and away["listen"][1] < 0.7
    assert away["listen"][2] < 0.1 < 0.15 < away["speak"][2] < 0.3


def test_the_eyes_keep_their_target_while_the_head_nods():
    still = rest_motion(HEAD, 200)
    nod = np.zeros((200, 3), np.float32)
    nod[:, 0] = 0.08 * np.sin(np.arange(200) / 4)
    calm, nodding = (turned_to(motion, doing("listen", 200), 10.0, 3) for motion in (still, replace(still, neck_pose=nod)))
    np.testing.assert_allclose(looks(nodding), looks(calm), atol=1e-3)
    assert np.ptp(nodding.neck_pose[:, 0]) > 0.15


def test_lids_go_with_the_eyes_unless_they_are_closed():
    motion = rest_motion(HEAD, 300)
    closed = EXPR_INDEX["eyeBlinkLeft"]
    motion.expr[100:200, [closed, EXPR_INDEX["eyeBlinkRight"]]] = 1
    made = turned_to(motion, doing("listen", 300), 20.0, 0).expr
    # To the viewer's right is to the person's left: out for the left eye, in for the right one.
    for name in ("eyeLookOutLeft", "eyeLookInRight"):
        assert np.median(made[:100, EXPR_INDEX[name]]) > 0.2 and made[100:200, EXPR_INDEX[name]].max() == 0
    assert made[:, EXPR_INDEX["eyeLookOutRight"]].max() < 0.1
    assert made.min() >= 0 and made.max() <= 1


def test_the_same_seed_looks_away_at_the_same_time():
    one, two, other = (turned_to(rest_motion(HEAD, 300), doing("speak", 300), 20.0, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.eyes_pose, two.eyes_pose)
    assert np.abs(one.eyes_pose - other.eyes_pose).max() > 0.02
