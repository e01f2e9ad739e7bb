from fractions import Fraction

import numpy as np
import pytest

from avatar3d.arkit import ARKIT_NAMES
from avatar3d.arkit_file import ArkitTake
from avatar3d.arkit_weights import arkit_of, head_turns
from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from viewer.bridge.receiver import Face
from viewer.bridge.take import calm_of, calmed, motion_of_take, take_of

_JAW = ARKIT_NAMES.index("jawOpen")


def _face(time: float, jaw: float = 0.0, yaw: float = 0.0) -> Face:
    weights = np.zeros(52, np.float32)
    weights[_JAW] = jaw
    return Face("", time, time, weights, np.array([yaw, 0, 0], np.float32), np.zeros(6, np.float32))


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_frames_become_those_of_the_usual_rate_at_which_they_came(fps):
    rng = np.random.default_rng(0)
    numbers = [n for n in range(200) if n in (0, 199) or rng.random() > 0.1]
    take, valid = take_of([_face(100 + n / fps, n / 199) for n in numbers])
    assert take.fps == fps and len(take.weights) == 200 and valid.all()
    np.testing.assert_allclose(take.weights[:, _JAW], np.arange(200) / 199, atol=1e-5)


def test_order_and_doubles_do_not_matter():
    heard = [_face(n / 30, n / 9) for n in (0, 1, 3, 2, 2, 5, 4, 6, 7, 9, 8)]
    take, _ = take_of(heard)
    np.testing.assert_allclose(take.weights[:, _JAW], np.arange(10) / 9, atol=1e-6)


def test_a_silence_is_no_motion_that_is_valid():
    heard = [_face(n / 30) for n in (*range(10), *range(40, 50))]
    take, valid = take_of(heard)
    assert len(take.weights) == 50 and valid[:10].all() and valid[40:].all() and not valid[10:40].any()


def test_a_head_that_turns_past_the_back_goes_the_short_way():
    heard = [_face(n / 30, yaw=yaw) for n, yaw in enumerate((3.0, 3.1, -3.1, -3.0))]
    take, _ = take_of(heard, Fraction(60))
    assert abs(np.diff(take.head[:, 0])).max() < 0.2


def test_too_little_is_refused():
    for heard in ([], [_face(1.0)], [_face(1.0), _face(1.0)]):
        with pytest.raises(UserError, match="no motion"):
            take_of(heard)
    with pytest.raises(UserError, match="hours"):
        take_of([_face(0.0), _face(30_000.0)])


def test_a_calm_face_becomes_zero_and_the_strongest_stays():
    take = ArkitTake(np.full((30, 52), 0.2, np.float32), np.tile([0.3, -0.2, 0.1], (30, 1)), Fraction(30))
    calm = calm_of(take, 0.5)
    weights, head = calmed(np.array([[0.2] * 52, [1.0] * 52, [0.1] * 52], np.float32), np.tile([0.3, -0.2, 0.1], (3, 1)), calm)
    np.testing.assert_allclose(weights[:, 0], [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(head, 0, atol=1e-6)


def test_a_take_is_a_motion_of_the_same_weights():
    rng = np.random.default_rng(1)
    weights = rng.uniform(0, 1, (20, 52)).astype(np.float32)
    looks = [index for index, name in enumerate(ARKIT_NAMES) if name.startswith("eyeLook")]
    # A gaze has one direction.
    weights[:, looks] = 0
    head = load_head()
    motion = motion_of_take(ArkitTake(weights, 0.3 * rng.normal(size=(20, 3)), Fraction(30)), head)
    np.testing.assert_allclose(arkit_of(motion, head), weights, atol=1 / 255 / 100)
    assert abs(head_turns(motion)).max() > 0.1 and motion.valid is None
