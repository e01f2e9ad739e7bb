"""Tracking a capture folder and reading back what it leaves."""

import itertools
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from avatar3d.motion import Motion
from avatar3d.render.mesh import rasterize_mesh, shade_mesh, to_camera
from avatar3d.sound import write_wav
from recon.capture import load_capture, make_capture
from recon.crop import Crop
from recon.neck import decompose
from recon.overlay import LOST, HeadPainter, pose_frames
from recon.tracking_files import first_held_out, load_tracking, track_capture
from tests.recon.known_motion import seen_landmarks, true_camera, true_motion

HEAD = load_head()
T, SIZE = 24, 256
GAP = [10, 11]


def _write_capture(folder: Path) -> Motion:
    """A capture of the bare head model, two frames of it without landmarks; returns the true motion."""
    truth, camera = true_motion(HEAD, T, seed=4), true_camera()
    # Mostly shifts: of a turn, the picture of a smooth torso shows next to nothing.
    truth = replace(truth, rotation=0.2 * truth.rotation, translation=2 * truth.translation)
    landmarks = seen_landmarks(HEAD, truth, camera, noise=0.3) * (SIZE / camera.width)
    valid = np.ones(T, bool)
    valid[GAP] = False
    small, faces = camera.resized(SIZE, SIZE), HEAD.faces.numpy()
    (folder / "images").mkdir(parents=True)
    (folder / "mattes").mkdir()
    for index, vertices in enumerate(pose_frames(HEAD, truth, slice(0, T))):
        picture = shade_mesh(vertices, faces, small, supersample=1)
        mask = rasterize_mesh(to_camera(vertices, small), faces, small).mask
        cv2.imwrite(str(folder / "images" / f"{index:05d}.jpg"), picture[..., ::-1])
        cv2.imwrite(str(folder / "mattes" / f"{index:05d}.png"), mask.astype(np.uint8) * 255)
    np.savez(folder / "landmarks.npz", landmarks=landmarks.astype(np.float32), valid=valid)
    write_wav(folder / "sound.wav", np.zeros(16000, np.float32), 16000)
    record = {"schema": 1, "fps": [25, 1], "size": SIZE, "frames": T, "cuts": [], "crop": Crop(0, 0, SIZE, SIZE).to_json(), "source": {}, "lag": None}
    (folder / "capture.json").write_text(json.dumps(record))
    return truth


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capture") / "head"
    truth = _write_capture(folder)
    calls: list[tuple[int, int]] = []
    result = track_capture(folder, HEAD, holdout=0.25, progress=lambda done, total, **_: calls.append((done, total)))
    return folder, truth, result, calls


def test_folder_is_read_back_as_tracked(tracked):
    folder, _, result, _ = tracked
    again = load_tracking(folder, HEAD)
    assert again is not None and again.report == result.report
    assert again.camera.to_json() == result.camera.to_json()
    np.testing.assert_array_equal(again.motion.expr, result.motion.expr)
    assert again.motion.valid is not None and result.motion.valid is not None
    np.testing.assert_array_equal(again.motion.valid, result.motion.valid)
    assert again.motion.fps == Fraction(25) and again.motion.sound_rate == 16000


def test_report_tells_errors_flags_and_speed(tracked):
    report = tracked[2].report
    assert report["error_px"]["mean"] < 1.0 and set(report["error_px"]) == {"mean", "lips", "eyes", "iris", "oval"}
    assert report["bridged"] == [[10, 11]] and report["head"]["fingerprint"] == HEAD.fingerprint
    assert max(report["learned_from"]) < 18 and report["frames_per_second"]["poses"] > 0


def test_holding_out_is_remembered(tracked):
    result = tracked[2]
    assert result.holds_out(0.25) and result.holds_out(0.0) and not result.holds_out(0.5)
    assert first_held_out(T, 0.25) == 18


def test_shoulders_move_with_the_true_torso(tracked):
    _, truth, result, _ = tracked
    joints = HEAD.joints(HEAD.template.new_zeros(HEAD.num_shape)).numpy()
    found, true = (decompose(m.rotation, m.translation, m.neck_pose, m.neck_translation, joints) for m in (result.motion, truth))
    chest = np.array([0.0, -0.2, 0.05])
    paths = [R @ chest + t for R, t in ((found[2], found[3]), (true[2], true[3]))]
    moved = [path[:, :2] - path[:, :2].mean(0) for path in paths]
    assert np.corrcoef(moved[0][:, 0], moved[1][:, 0])[0, 1] > 0.9


def test_progress_ends_at_its_total(tracked):
    calls = tracked[3]
    assert calls[-1][0] == calls[-1][1] == 4 * T
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(calls))


def test_overlay_shows_every_frame_and_marks_bridged_ones(tracked):
    folder = tracked[0]
    with av.open(str(folder / "overlay.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == T
    border = [frame[2, SIZE // 2].astype(int) for frame in frames]
    red = [bool(np.abs(colour - LOST).max() < 60) for colour in border]
    assert red == [index in GAP for index in range(T)]


def test_overlay_paints_lips_over_the_lips(tracked):
    _, _, result, _ = tracked
    grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
    picture = HeadPainter(HEAD, result.motion, result.camera).paint(grey, 0)
    vertices = pose_frames(HEAD, result.motion, slice(0, 1))[0]
    x, y = result.camera.project(vertices[HEAD.regions["lips"]].astype(np.float64)).mean(0)
    reddest = picture[..., 0].astype(int) - picture[..., 1]
    rows, columns = np.nonzero((reddest > 20) & (np.arange(SIZE) > y - 20)[:, None])
    assert abs(columns.mean() - x) < 6 and abs(rows.mean() - y) < 8


def test_other_head_is_refused(tracked):
    other = HEAD.subset(np.arange(HEAD.num_vertices - 1))
    object.__setattr__(other, "fingerprint", "0123456789abcdef")
    with pytest.raises(UserError, match="0123456789abcdef"):
        load_tracking(tracked[0], other)


def test_untracked_folder_has_no_tracking_and_damaged_is_named(tracked, tmp_path):
    assert load_tracking(tmp_path) is None
    for name in ("tracking.json", "camera.json", "motion.npz"):
        (tmp_path / name).write_bytes((tracked[0] / name).read_bytes())
    (tmp_path / "camera.json").write_text("{}")
    with pytest.raises(UserError, match="damaged"):
        load_tracking(tmp_path)


def test_no_face_before_the_held_out_part_is_refused(tmp_path):
    _write_capture(tmp_path / "c")
    capture = load_capture(tmp_path / "c")
    np.savez(tmp_path / "c" / "landmarks.npz", landmarks=capture.landmarks, valid=np.arange(T) >= 20)
    with pytest.raises(UserError, match="no face is visible in the first 18 of 24 frames"):
        track_capture(tmp_path / "c", HEAD, holdout=0.25)


def test_real_clip_is_tracked_to_two_pixels(shared_data, tmp_path):
    make_capture(shared_data / "video" / "obama_weekly_A_720p.mp4", tmp_path / "c")
    result = track_capture(tmp_path / "c", HEAD, holdout=0.2)
    error = result.report["error_px"]
    assert error["mean"] < 1.0 and error["lips"] < 0.9 and error["eyes"] < 0.7
    assert result.report["bridged"] == [] and result.report["shoulders_lost"] == []
    blink = result.motion.expr[:, HEAD.expr_names.index("eyeBlinkLeft")]
    # He closes his eyes around frame 121.
    assert blink[117:125].max() > 0.65 > 0.5 > np.median(blink)
