import numpy as np

from avatar3d.head.store import load_head
from recon.bench import bench_avatar
from viewer.export.idle import FPS, SECONDS, idle_motion


def _idle():
    return idle_motion(bench_avatar(load_head(), 100))


def test_the_loop_has_no_seam():
    motion = _idle()
    assert len(motion) == SECONDS * FPS
    for name in ("neck_pose", "expr", "translation"):
        track = getattr(motion, name)
        steps = np.abs(np.diff(track, axis=0)).max(axis=0)
        assert (np.abs(track[0] - track[-1]) <= steps + 1e-6).all(), name


def test_it_blinks_and_moves_a_little():
    motion = _idle()
    names = load_head().expr_names
    left, right = motion.expr[:, names.index("eyeBlinkLeft")], motion.expr[:, names.index("eyeBlinkRight")]
    np.testing.assert_allclose(left - left[0], right - right[0], atol=0.3)
    closed = left > 0.5 * (left.max() + left.min())
    assert 4 <= np.count_nonzero(np.diff(closed.astype(int)) == 1) <= 8
    turned = np.ptp(motion.neck_pose, axis=0)
    assert 0.01 < turned.max() < 0.15
