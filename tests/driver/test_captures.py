import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avatar3d.errors import UserError
from avatar3d.motion import Motion, rest_motion, save_motion
from driver.captures import COPIES, capture_takes, captured_people, closed_lips, lip_lead, person_frames, with_people
from driver.channels import INDEX, JAW, unpack
from driver.corpus import held_out_takes
from driver.features import FPS, NUM_FEATURES, RATE, features
from driver.phones import UNKNOWN, VISEME_INDEX
from driver.speech import synthesize
from driver.windows import FRAMES, Windows

RATE_OF_FILM = Fraction(30000, 1001)
SECONDS = 7


def nod(time: np.ndarray) -> np.ndarray:
    """Radians, quick enough that a wrong clock shows."""
    return 0.2 * np.sin(2 * np.pi * 1.1 * time)


@pytest.fixture
def motion(head, babble) -> Motion:
    """Somebody who nods and blinks, filmed from the side."""
    time = np.arange(round(SECONDS * RATE_OF_FILM)) / float(RATE_OF_FILM)
    still = rest_motion(head, len(time), RATE_OF_FILM)
    neck = still.neck_pose.copy()
    neck[:, 0] = nod(time) + 0.3
    jaw = still.jaw_pose.copy()
    jaw[:, 0] = head.jaw_open_angle * (0.25 + 0.25 * np.sin(2 * np.pi * 0.9 * time))
    expr = still.expr.copy()
    expr[:, head.expr_names.index("eyeBlinkLeft")] = 1.2 * (np.abs(time - 2) < 0.2)
    turned = np.tile(Rotation.from_euler("y", 0.5).as_rotvec(), (len(time), 1)).astype(np.float32)
    return replace(still, neck_pose=neck, jaw_pose=jaw, expr=expr, rotation=turned, valid=np.ones(len(time), bool), sound=babble, sound_rate=RATE)


def write(folder: Path, motion: Motion, cuts: tuple[int, ...] = ()) -> Path:
    folder.mkdir(exist_ok=True)
    save_motion(motion, folder / "motion.npz")
    (folder / "tracking.json").write_text(json.dumps({"cuts": cuts}))
    return folder


def test_a_take_holds_motion_and_sound_on_one_clock(tmp_path, head, motion):
    (take,) = capture_takes(write(tmp_path, motion), head, lead=0.0)
    T = len(take.frames)
    assert abs(T - SECONDS * FPS) <= 1
    assert take.features.shape == (T, NUM_FEATURES) and len(take.sound) == T * RATE // FPS
    seen = take.frames[:, INDEX["neck_pose_0"]]
    np.testing.assert_allclose(seen - seen.mean(), nod(np.arange(T) / FPS) - nod(np.arange(T) / FPS).mean(), atol=4e-3)
    np.testing.assert_array_equal(take.features[:100], features(take.sound)[:100])
    blink = take.frames[:, INDEX["eyeBlinkLeft"]]
    assert blink.max() == 1 and np.abs(np.flatnonzero(blink > 0.5).mean() / FPS - 2) < 0.04
    assert (take.viseme == UNKNOWN).all()
    assert take.frames[:, JAW].max() == pytest.approx(0.5, abs=0.01)


def test_neck_and_torso_mean_as_usual_where_they_are_zero(tmp_path, head, motion):
    (take,) = capture_takes(write(tmp_path, motion), head, lead=0.0)
    assert abs(float(np.median(take.frames[:, INDEX["neck_pose_0"]]))) < 0.02
    assert not take.frames[:, INDEX["rotation_1"]].any()


def test_filmed_early_is_filed_later(head, motion):
    straight, _ = person_frames(motion, np.zeros(0, int), head, 0.0)
    shifted, shot = person_frames(motion, np.zeros(0, int), head, 0.12)
    np.testing.assert_allclose(shifted[3:-3], straight[:-6], atol=5e-3)
    assert (shot[:3] == -1).all() and (shot[3:] == 0).all()


def test_takes_end_at_cuts_and_where_no_face_is_seen(tmp_path, head, motion):
    valid = motion.valid.copy()
    valid[20:22] = False
    valid[100:108] = False
    takes = capture_takes(write(tmp_path, replace(motion, valid=valid)), head, lead=0.0)
    # Two frames are bridged, eight are not: what comes before them is long enough, what comes after too.
    assert len(takes) == 2
    assert len(takes[0].frames) == pytest.approx(100 / RATE_OF_FILM * FPS, abs=2)
    assert len(takes[1].frames) == pytest.approx((len(motion) - 108) / RATE_OF_FILM * FPS, abs=2)
    cut = capture_takes(write(tmp_path, motion, cuts=(105,)), head, lead=0.0)
    assert [len(take.frames) for take in cut] == pytest.approx([105 / RATE_OF_FILM * FPS, (len(motion) - 105) / RATE_OF_FILM * FPS], abs=2)


def test_every_shot_has_a_place_of_its_own(tmp_path, head, motion):
    moved = motion.translation.copy()
    moved[105:] += 0.4
    takes = capture_takes(write(tmp_path, replace(motion, translation=moved), cuts=(105,)), head, lead=0.0)
    assert all(np.abs(take.frames[:, INDEX["translation_0"]]).max() < 1e-6 for take in takes)


def test_a_part_of_a_capture_is_what_the_whole_has_there(tmp_path, head, motion):
    folder = write(tmp_path, motion)
    (whole,), (end,) = capture_takes(folder, head, lead=0.0), capture_takes(folder, head, lead=0.0, part=(0.4, 1.0))
    first = len(whole.frames) - len(end.frames)
    assert first == round(0.4 * len(whole.frames))
    np.testing.assert_array_equal(end.frames, whole.frames[first:])
    np.testing.assert_array_equal(end.features, whole.features[first:])


def test_copies_sound_differently_and_move_alike(tmp_path, head, motion):
    clean, *worse = capture_takes(write(tmp_path, motion), head, lead=0.0, copies=4)
    assert len(worse) == 3
    for take in worse:
        np.testing.assert_array_equal(clean.frames, take.frames)
        assert not np.array_equal(clean.sound, take.sound)
    assert max(np.abs(clean.features - take.features).mean() for take in worse) > 0.1


def test_lips_count_as_closed_from_the_closest_that_they_come():
    gap = np.concatenate([np.full(20, 1.2), np.linspace(1.2, 6, 50)])
    closed = closed_lips(gap)
    assert (closed[:20] == 1).all() and closed[-1] == 0
    # Of somebody whose mouth never shuts nothing is called shut.
    assert not closed_lips(gap + 3).any()


@pytest.mark.parametrize("late", [-0.12, 0.0, 0.16])
def test_late_sound_is_found_in_generated_speech(lips, late, monkeypatch):
    pytest.importorskip("espeakng_loader")
    # Reading all of the standard library takes seconds.
    said = ("Bob may pay five pence for a map of the old harbour.", "Return the number of open files that nobody has read.")
    monkeypatch.setattr("driver.corpus.sentences", lambda: ((), said))
    takes = held_out_takes(6)
    frames, sound = np.concatenate([take.frames for take in takes]), np.concatenate([take.sound for take in takes])
    found = lip_lead(frames, features(np.roll(sound, round(late * RATE))), lips)
    assert found == pytest.approx(late, abs=0.03)


def test_still_lips_tell_no_lead(lips, motion, head, babble):
    frames, _ = person_frames(rest_motion(head, 200, RATE_OF_FILM), np.zeros(0, int), head, 0.0)
    assert lip_lead(frames, features(babble), lips) is None
    assert lip_lead(frames[:10], features(babble), lips) is None


def test_a_transcript_gives_visemes(tmp_path, head, motion):
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("espeakng_loader")
    text = "bob put the big book on the table and left for home and put the big map on the table"
    said = synthesize(text, voice="en-us+f2", rate=140)
    folder = write(tmp_path, replace(motion, sound=said.sound))
    (folder / "transcript.txt").write_text(text)
    (take,) = capture_takes(folder, head, lead=0.0)
    assert UNKNOWN not in take.viseme
    times = [(p.start + p.end) / 2 for p in said.phones if p.name.strip("ˈˌ") in ("p", "b", "m") and p.end * FPS < len(take.viseme) - 1]
    heard = [VISEME_INDEX["pbm"] in take.viseme[max(0, int(t * FPS) - 1) : int(t * FPS) + 2] for t in times]
    assert np.mean(heard) > 0.7
    with pytest.raises(UserError, match="does not fit"):
        capture_takes(folder, head, text="Nobody ever said anything remotely comparable to this sentence about elephants " * 8)


def test_captures_without_use_are_refused(tmp_path, head, motion):
    with pytest.raises(UserError, match="not a tracked capture"):
        capture_takes(tmp_path, head)
    with pytest.raises(UserError, match="has no sound"):
        capture_takes(write(tmp_path, replace(motion, sound=None, sound_rate=0)), head)
    with pytest.raises(UserError, match="has no sound"):
        capture_takes(write(tmp_path, replace(motion, sound=np.zeros(RATE, np.float32))), head)
    with pytest.raises(UserError, match="without a break"):
        capture_takes(write(tmp_path, replace(motion, sound=motion.sound[: (FRAMES - 2) * RATE // FPS])), head)
    with pytest.raises(UserError, match="was made for head 0123"):
        capture_takes(write(tmp_path, replace(motion, head_fingerprint="0123")), head)
    (write(tmp_path, motion) / "tracking.json").write_text("{}")
    with pytest.raises(UserError, match=r"tracking.json is damaged"):
        capture_takes(tmp_path, head)


def test_what_the_driver_made_comes_back(tmp_path, head):
    """A motion in the driver's own channels and at its rate is not changed but for what is usual."""
    rng = np.random.default_rng(0)
    frames = np.cumsum(rng.normal(0, 0.01, (200, len(INDEX))), axis=0).astype(np.float32)
    frames[:, : JAW + 1] = np.clip(np.abs(frames[:, : JAW + 1]), 0, 1)
    arrays = unpack(frames, head.jaw_open_angle)
    motion = replace(rest_motion(head, 200), **arrays)
    again, shot = person_frames(motion, np.zeros(0, int), head, 0.0)
    assert (shot == 0).all()
    np.testing.assert_allclose(again[:, : JAW + 3], frames[:, : JAW + 3], atol=1e-5)
    poses = slice(JAW + 3, None)
    np.testing.assert_allclose(again[:, poses], frames[:, poses] - np.median(frames[:, poses], axis=0), atol=1e-5)


def test_captures_become_people_of_the_corpus(tmp_path, head, motion, corpus):
    folders = [write(tmp_path / name, motion, cuts) for name, cuts in (("anna", ()), ("bob", (100,)))]
    joined, weights = with_people(corpus, captured_people(folders, head, seed=0), 0.25)
    old = len(corpus.starts) - 1
    lengths = np.diff(joined.starts)
    assert joined.starts[-1] == len(joined.features) == len(joined.frames) == len(joined.viseme) == len(joined.closed)
    assert joined.person.tolist() == [0, 0, 1] + [2] * COPIES + [3] * 2 * COPIES
    assert joined.features.dtype == corpus.features.dtype
    assert (joined.viseme[corpus.starts[-1] :] == UNKNOWN).all()
    np.testing.assert_array_equal(joined.frames[: corpus.starts[-1]], corpus.frames)
    assert weights is not None and len(weights) == len(lengths)
    odds = weights * lengths
    assert odds[old:].sum() == pytest.approx(0.25) and odds[:old].sum() == pytest.approx(0.75)
    batch = Windows(joined, weights=weights).draw(400, np.random.default_rng(0))
    assert float((batch.viseme == UNKNOWN).all(1).float().mean()) == pytest.approx(0.25, abs=0.08)
    assert with_people(corpus, [], 0.5) == (corpus, None)
