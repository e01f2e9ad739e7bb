import numpy as np

from avatar3d.statistics import Meant, admit, motion_statistics
from tests.avatar3d.tiny import tiny_head, tiny_motion


def test_a_still_foreign_motion_becomes_the_person_at_rest():
    head = tiny_head()
    seen = tiny_motion(head, frames=200)
    statistics = motion_statistics(seen, head)
    still = tiny_motion(head, frames=4).frames(np.arange(4))
    for name in ("expr", "jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation", "neck_translation"):
        getattr(still, name)[:] = 0
    admitted = admit(still, statistics, head)
    np.testing.assert_allclose(admitted.expr[0], statistics.rest["expr"], atol=1e-6)
    np.testing.assert_allclose(admitted.translation[0], np.median(seen.translation, axis=0), atol=1e-6)


def test_an_extreme_foreign_motion_stays_near_what_was_seen():
    head = tiny_head()
    statistics = motion_statistics(tiny_motion(head, frames=200), head)
    wild = tiny_motion(head, frames=50, seed=1)
    wild.expr[:] *= 100
    wild.neck_pose[:] *= 100
    admitted = admit(wild, statistics, head)
    for name in ("expr", "neck_pose"):
        width = statistics.high[name] - statistics.low[name]
        assert (getattr(admitted, name) <= statistics.high[name] + 0.3 * width).all()
        assert (getattr(admitted, name) >= statistics.low[name] - 0.3 * width).all()


def test_components_are_orthonormal_and_bridged_frames_do_not_count():
    head = tiny_head()
    motion = tiny_motion(head, frames=60)
    statistics = motion_statistics(motion, head)
    np.testing.assert_allclose(statistics.components @ statistics.components.T, np.eye(len(statistics.components)), atol=1e-4)
    motion.expr[::2] = 50
    valid = np.arange(60) % 2 == 1
    object.__setattr__(motion, "valid", valid)
    assert np.abs(motion_statistics(motion, head).mean).max() < 5


def test_a_motion_of_the_persons_own_driver_keeps_its_face_and_is_placed():
    head = tiny_head()
    object.__setattr__(head, "expr_names", ("eyeBlinkLeft", *head.expr_names[1:]))
    seen = tiny_motion(head, frames=200)
    statistics = motion_statistics(seen, head)
    made = tiny_motion(head, frames=20, seed=1)
    # Well inside of what was seen, where nothing is bent.
    for name in ("expr", "jaw_pose", "neck_pose"):
        getattr(made, name)[:] *= 0.3
    own, foreign = admit(made, statistics, head, own=True), admit(made, statistics, head)
    np.testing.assert_allclose(own.expr, made.expr, atol=1e-6)
    np.testing.assert_allclose(own.jaw_pose, made.jaw_pose, atol=1e-6)
    np.testing.assert_allclose(own.neck_pose, made.neck_pose + statistics.rest["neck_pose"], atol=1e-6)
    np.testing.assert_allclose(own.translation, made.translation + statistics.rest["translation"], atol=1e-6)
    np.testing.assert_allclose(foreign.expr[:, 1:], made.expr[:, 1:] + statistics.rest["expr"][1:], atol=1e-6)
    wild = tiny_motion(head, frames=20, seed=2)
    wild.expr[:] *= 100
    width = statistics.high["expr"] - statistics.low["expr"]
    assert (admit(wild, statistics, head, own=True).expr <= statistics.high["expr"] + 0.3 * width).all()


def test_what_is_meant_may_go_beyond_what_was_seen_and_the_rest_may_not():
    head = tiny_head()
    statistics = motion_statistics(tiny_motion(head, frames=200), head)
    aside = tiny_motion(head, frames=1)
    width = statistics.high["eyes_pose"][1] - statistics.low["eyes_pose"][1]
    aside.eyes_pose[:] = (0, 10 * width, 0, 0, -10 * width, 0)
    asked = Meant({"eyes_pose": 10 * width * np.float32([0, 1, 0, 0, 0, 0])})
    plain, meant = admit(aside, statistics, head).eyes_pose[0], admit(aside, statistics, head, meant=asked).eyes_pose[0]
    assert plain[1] < 2 * width + statistics.high["eyes_pose"][1]
    np.testing.assert_allclose(meant[1], 10 * width + statistics.rest["eyes_pose"][1], rtol=1e-5)
    np.testing.assert_array_equal(np.delete(meant, 1), np.delete(plain, 1))


def test_twice_the_motion_is_twice_as_far_from_the_rest_whatever_was_seen():
    head = tiny_head()
    statistics = motion_statistics(tiny_motion(head, frames=200), head)
    wild = tiny_motion(head, frames=50, seed=1)
    twice = tiny_motion(head, frames=50, seed=1)
    twice.neck_pose[:] *= 2
    asked = Meant(times={"neck_pose": np.float32([2, 2, 2])})
    rest, once = statistics.rest["neck_pose"], admit(wild, statistics, head)
    made = admit(twice, statistics, head, meant=asked)
    np.testing.assert_allclose(made.neck_pose - rest, 2 * (once.neck_pose - rest), atol=1e-5)
    np.testing.assert_array_equal(made.expr, once.expr)


def test_however_much_is_asked_no_expression_is_more_than_whole():
    head = tiny_head()
    statistics = motion_statistics(tiny_motion(head, frames=200), head)
    wild = tiny_motion(head, frames=50, seed=1)
    wild.expr[:] *= 100
    asked = Meant(times={"expr": np.full(wild.expr.shape[1], 10, np.float32)})
    made = admit(wild, statistics, head, meant=asked).expr
    np.testing.assert_allclose(made.max(axis=0), np.maximum(statistics.high["expr"], 1), rtol=1e-6)
