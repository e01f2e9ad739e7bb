"""Shots in different framings, and several videos, as one capture."""

from fractions import Fraction
from itertools import islice

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avatar3d.camera import Camera
from avatar3d.data import data_path
from avatar3d.head.store import load_head
from recon.capture import Capture, load_capture, make_capture
from recon.crop import Crop
from recon.landmarks import CHIN, FOREHEAD
from recon.shots import Shot, Shots, reframed
from recon.tracking_files import track_capture
from recon.video import read_frames
from tests.recon.tiny_video import write_video

SHOTS = Shots((Shot(0, 0, Crop(10, 20, 200, 100)), Shot(12, 0, Crop(60, 40, 100, 100)), Shot(20, 1, Crop(0, 0, 400, 100))))


@pytest.fixture(scope="module")
def face_frames() -> list[np.ndarray]:
    return list(islice(read_frames(data_path("demo", "demo.mp4")), 16))


def _far(frame: np.ndarray) -> np.ndarray:
    """The person at half the size and to the left, in the same picture."""
    out = np.full_like(frame, 70)
    out[240:496, 8:264] = cv2.resize(frame, (256, 256), interpolation=cv2.INTER_AREA)
    return out


@pytest.fixture(scope="module")
def zoomed(face_frames, tmp_path_factory) -> Capture:
    folder = tmp_path_factory.mktemp("zoomed")
    video = write_video(folder / "a.mp4", [*face_frames, *map(_far, face_frames)], options={"crf": "12"})
    return make_capture(video, folder / "c", size=192)


@pytest.fixture(scope="module")
def joined(face_frames, tmp_path_factory) -> Capture:
    folder = tmp_path_factory.mktemp("joined")
    tone = 0.3 * np.sin(np.arange(16000) * 0.2).astype(np.float32)
    first = write_video(folder / "a.mp4", face_frames, options={"crf": "12"})
    small = [cv2.resize(frame, (384, 384), interpolation=cv2.INTER_AREA) for frame in face_frames]
    second = write_video(folder / "b.mp4", small, fps=50, sound=tone[:5120], options={"crf": "12"})
    return make_capture([first, second], folder / "c", size=192)


def _heights(capture: Capture) -> np.ndarray:
    return np.linalg.norm(capture.landmarks[:, FOREHEAD, :2] - capture.landmarks[:, CHIN, :2], axis=1)


def test_a_shot_in_another_framing_has_a_window_of_its_own(zoomed):
    assert [shot.first for shot in zoomed.shots.shots] == [0, 16] and zoomed.cuts.tolist() == [16]
    near, far = (shot.crop for shot in zoomed.shots.shots)
    assert near.side > 1.5 * far.side
    assert zoomed.valid.all()
    heights = _heights(zoomed)
    assert np.median(heights[16:]) == pytest.approx(np.median(heights[:16]), rel=0.25)


def test_pictures_of_every_shot_are_those_of_its_window(zoomed, face_frames):
    for index, frame in ((3, face_frames[3]), (20, _far(face_frames[4]))):
        assert np.abs(zoomed.image(index).astype(int) - zoomed.shots.at(index).crop.cut(frame)).mean() < 2.5


def test_a_cut_in_the_same_framing_keeps_the_window(face_frames, tmp_path):
    # The exposure jumps, the framing does not.
    video = write_video(tmp_path / "a.mp4", [*face_frames, *((frame * 0.6).astype(np.uint8) for frame in face_frames)], options={"crf": "12"})
    capture = make_capture(video, tmp_path / "c", size=128)
    assert capture.cuts.tolist() == [16]
    assert len({shot.crop for shot in capture.shots.shots}) == 1


def test_with_a_known_focal_length_all_windows_have_one_scale(face_frames, tmp_path):
    video = write_video(tmp_path / "a.mp4", [*face_frames, *map(_far, face_frames)], options={"crf": "12"})
    capture = make_capture(video, tmp_path / "c", size=128, focal=250.0)
    assert capture.focal == 250.0
    assert len({shot.crop.side for shot in capture.shots.shots}) == 1


def test_several_videos_follow_one_another_at_the_rate_of_the_first(joined):
    assert joined.fps == Fraction(25) and len(joined) == 16 + 8
    assert joined.valid.all() and joined.cuts.tolist() == [16]
    assert [shot.source for shot in joined.shots.shots] == [0, 1]
    assert joined.source["name"] == "a.mp4 + b.mp4" and joined.source["names"] == ["a.mp4", "b.mp4"]
    heights = _heights(joined)
    assert np.median(heights[16:]) == pytest.approx(np.median(heights[:16]), rel=0.25)


def test_sounds_lie_on_the_common_clock(joined):
    assert joined.sound is not None
    border = round(16 / 25 * joined.sound_rate)
    assert np.abs(joined.sound[: border - 800]).max() < 1e-3, "the first video is silent"
    assert np.abs(joined.sound[border + 800 : border + 4000]).mean() > 0.05
    assert len(joined.sound) <= 24 / 25 * joined.sound_rate


def test_shots_are_read_back(joined):
    again = load_capture(joined.path)
    assert again.shots == joined.shots and again.focal is None


def test_the_shot_of_a_frame():
    assert [SHOTS.at(frame).first for frame in (0, 11, 12, 19, 20, 99)] == [0, 0, 12, 12, 20, 20]
    assert SHOTS.ranges(25) == [range(12), range(12, 20), range(20, 25)]
    assert Shots.from_json(SHOTS.to_json()) == SHOTS


@pytest.mark.parametrize("frame", [0, 15, 24])
def test_the_camera_of_the_whole_picture_sees_what_the_window_shows(frame):
    camera = Camera(180.0, 180.0, 50.0, 50.0, 100, 100, np.eye(4))
    points = np.random.default_rng(0).normal(0, 0.2, (6, 3)) + np.array([0.0, 0.0, 1.0])
    crop = SHOTS.at(frame).crop
    whole = SHOTS.camera(frame, camera, (640, 480))
    np.testing.assert_allclose(whole.project(points), crop.to_source(camera.project(points)), atol=1e-6)
    assert (whole.width, whole.height) == (640, 480)


@pytest.mark.parametrize("records", [[], [{"first": 3, "source": 0, "crop": Crop(0, 0, 4, 4).to_json()}], [*SHOTS.to_json()[::-1]]])
def test_shots_out_of_order_are_refused(records):
    with pytest.raises(ValueError, match="out of order"):
        Shots.from_json(records)


def test_a_little_closer_is_the_same_framing():
    rng = np.random.default_rng(0)
    face = rng.uniform(-1, 1, (478, 3)) * [50, 70, 20] + [300, 200, 0]
    face[FOREHEAD, :2], face[CHIN, :2] = (300, 130), (300, 270)
    faces = np.repeat(face[None], 4, 0).astype(np.float32)
    crop = reframed(faces, Crop(0, 0, 100, 128), 640, 480)
    assert crop != Crop(0, 0, 100, 128)
    middle = np.array([300, 200, 0], np.float32)
    assert reframed((faces - middle) * 1.1 + middle, crop, 640, 480) == crop
    assert reframed((faces - middle) * 1.5 + middle, crop, 640, 480).side > 1.2 * crop.side
    assert reframed((faces - middle) * 0.6 + middle, crop, 640, 480, keep_scale=True).side == crop.side


def test_the_same_performance_is_tracked_alike_through_both_windows(zoomed):
    result = track_capture(zoomed.path, load_head())
    motion, near, far = result.motion, slice(0, 16), slice(16, 32)
    assert result.report["error_px"]["mean"] < 1.5 and not result.report["shoulders_lost"]
    jaw = np.degrees(motion.jaw_pose[:, 0])
    assert np.abs(jaw[near] - jaw[far]).mean() < 1.0
    head = Rotation.from_rotvec(motion.rotation) * Rotation.from_rotvec(motion.neck_pose)
    turn = head.as_rotvec(degrees=True)
    # The person stands elsewhere before the camera, so all angles may differ, but by the same in all frames.
    difference = turn[near] - turn[far]
    assert np.abs(difference - difference.mean(0)).max() < 1.5
    step = np.linalg.norm(np.diff(motion.translation, axis=0), axis=1)
    assert step[15] > 5 * np.median(step), "nothing is smoothed across the cut"
