"""The second synthetic person, what it does, and the capture that is filmed of it."""

import numpy as np
import pytest

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from recon.landmarks import LandmarkDetector, detect_landmarks
from recon.synthetic import backdrop, film_synthetic, synthetic_avatar, synthetic_camera
from recon.synthetic_capture import HAND, SEED, demo_capture, film_adorned, with_hand
from recon.synthetic_light import STUDIO, WINDOW, radiance
from recon.synthetic_motion import BLINKS, FRAMES, GAZES, exercise
from recon.synthetic_person import ADORNED, PLAIN, random_person
from recon.truth import posed

HEAD = load_head()


@pytest.fixture(scope="module")
def adorned() -> Avatar:
    return synthetic_avatar(HEAD, SEED, 2.4, ADORNED)


@pytest.fixture(scope="module")
def performed(adorned):
    return exercise(HEAD, adorned.shape.numpy())


def film(avatar, motion, frames, size=320):
    return list(film_synthetic(avatar, motion.frames(np.array(frames)), synthetic_camera(size), backdrop(size, SEED)))


def test_the_detector_finds_the_face_and_its_open_mouth(adorned, performed):
    shut, wide = (detect_landmarks(picture) for picture in film(adorned, performed.motion, [4, 250]))
    assert shut is not None and wide is not None
    assert wide[14, 1] - wide[13, 1] > shut[14, 1] - shut[13, 1] + 8


def test_the_detector_follows_the_head_to_the_side(adorned, performed):
    frames = [40, 44, 46, 48, 50, 52]
    with LandmarkDetector() as detector:
        found = [detector.detect(picture) for picture in film(adorned, performed.motion, frames)]
    assert all(points is not None for points in found)
    assert np.degrees(performed.motion.neck_pose[52, 1]) > 35


def test_looks_do_not_change_who_it_is():
    plain, adorned = random_person(HEAD, SEED, PLAIN), random_person(HEAD, SEED, ADORNED)
    assert np.array_equal(plain.shape, adorned.shape) and np.array_equal(plain.hair, adorned.hair)


def test_hair_beard_and_glasses_lie_off_the_skin(adorned):
    bare = synthetic_avatar(HEAD, SEED, 6.0, PLAIN)
    covered = synthetic_avatar(HEAD, SEED, 6.0, ADORNED)
    assert len(covered) > 1.2 * len(bare)
    carried = covered.face[covered.face >= len(HEAD.faces)]
    assert len(carried) > 100 and len(np.unique(carried)) == 1


def test_light_comes_from_where_it_is_said_to():
    for light in (STUDIO, WINDOW):
        assert radiance(light.key, light) > 3 * radiance(-light.key, light)
    assert STUDIO.key[0] < 0 < WINDOW.key[0]


def test_the_exercise_is_what_its_tables_say(performed):
    motion, columns = performed.motion, {name: k for k, name in enumerate(HEAD.expr_names)}
    assert len(motion) == FRAMES
    yaw = np.degrees(motion.neck_pose[:, 1] + motion.rotation[:, 1])
    assert yaw.max() > 58 and yaw.min() < -58
    for peak, which, depth in BLINKS:
        left, right = (motion.expr[peak, columns[f"eyeBlink{side}"]] for side in ("Left", "Right"))
        assert (left if which != "right" else right) == pytest.approx(depth, abs=1e-6)
        if which != "both":
            assert (right if which == "left" else left) < 0.02
    for frame, down, side in GAZES:
        np.testing.assert_allclose(np.degrees(motion.eyes_pose[frame, [0, 1, 3, 4]]), [down, side, down, side], atol=1e-4)


def test_lips_that_are_meant_to_touch_do(performed):
    vertices = posed(HEAD, performed.motion)
    upper, lower = (vertices[:, HEAD.regions[f"lip_inner_{edge}"][7]] for edge in ("upper", "lower"))
    gap = 1e3 * np.einsum("tc,tc->t", upper - lower, _head_up(performed.motion))
    assert gap[performed.closed].max() < 0.6
    assert gap.max() > 15


def _head_up(motion) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return (Rotation.from_rotvec(motion.rotation) * Rotation.from_rotvec(motion.neck_pose)).apply([0.0, 1.0, 0.0])


def test_nothing_but_lids_moves_where_it_is_still(performed):
    motion = performed.motion
    lids = [k for k, name in enumerate(HEAD.expr_names) if name.startswith("eyeBlink")]
    for track in (motion.neck_pose, motion.rotation, motion.jaw_pose, np.delete(motion.expr, lids, axis=1)):
        steps = np.abs(np.diff(track, axis=0)).max(axis=1)
        assert steps[(performed.still[:-1] & performed.still[1:])].max() < 1e-3


def test_the_hand_covers_the_mouth_and_passes():
    picture = np.full((256, 256, 3), 90, np.uint8)
    middle = (HAND[0] + HAND[1]) // 2
    assert np.abs(with_hand(picture, middle).astype(int) - 90).sum(2)[165:185, 120:136].min() > 15
    first, last = (np.abs(with_hand(picture, index).astype(int) - 90).sum((0, 2)) @ np.arange(256) for index in HAND)
    assert first < last


def test_a_film_is_kept_and_a_damaged_one_is_refused(tmp_path):
    folder = tmp_path / "person"
    first = film_adorned(folder, HEAD, frames=2, coarseness=8.0)
    assert len(first.motion) == 2 and first.video.stat().st_size > 1000
    before = first.video.stat().st_mtime_ns
    assert film_adorned(folder, HEAD).video.stat().st_mtime_ns == before
    (folder / "events.npz").unlink()
    with pytest.raises(UserError, match="damaged synthetic capture"):
        film_adorned(folder, HEAD)


def test_the_demo_rests_sometimes():
    still = demo_capture(HEAD).still
    assert 10 < still.sum() < 0.6 * len(still)
