"""From a video to a capture folder."""

import json
import resource
import signal
import threading
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import cv2
import numpy as np
import pytest

from avatar3d.data import data_path
from avatar3d.errors import UserError
from recon.capture import iterate, load_capture, make_capture
from recon.landmarks import LandmarkDetector, detect_landmarks
from recon.person import find_person
from recon.video import probe, read_frames
from tests.recon.tiny_video import numbered, write_video


@pytest.fixture(scope="module")
def face_video(tmp_path_factory, request):
    """A second of somebody's face, 256x256, silent."""
    try:
        source = data_path("demo", "demo.mp4")
    except UserError:
        source = request.getfixturevalue("shared_data") / "video" / "weekly_address_256p_30s.mp4"
    frames = list(islice(read_frames(source), 24))
    return write_video(tmp_path_factory.mktemp("face") / "face.mp4", frames, options={"crf": "12"})


@pytest.fixture(scope="module")
def capture(face_video, tmp_path_factory):
    return make_capture(face_video, tmp_path_factory.mktemp("capture") / "c", size=192)


def test_capture_holds_every_frame(capture):
    assert len(capture) == 24 and capture.fps == 25 and capture.size == 192
    assert capture.valid.all() and capture.sound is None and capture.lag is None
    frames = list(iterate(capture))
    assert len(frames) == 24
    for rgb, matte in frames:
        assert rgb.shape == (192, 192, 3) and matte.shape == (192, 192)


def test_pictures_are_those_of_the_video(capture, face_video):
    frame = next(read_frames(face_video))
    assert np.abs(capture.image(0).astype(int) - capture.crop.cut(frame)).mean() < 1.5


def test_landmarks_lie_on_the_face_and_in_the_matte(capture):
    points = capture.landmarks[:, :, :2]
    assert points.min() > 0 and points.max() < 192
    inside = points[5].astype(int)
    assert (capture.matte(5)[inside[:, 1], inside[:, 0]] > 128).mean() > 0.97
    again = detect_landmarks(capture.image(5))
    assert again is not None
    assert np.linalg.norm(again[:, :2] - points[5], axis=1).mean() < 3


def test_folder_is_read_again_as_written(capture):
    again = load_capture(capture.path)
    assert np.array_equal(again.landmarks, capture.landmarks)
    assert again.crop == capture.crop and again.source["name"] == "face.mp4"


def test_older_capture_is_replaced_but_nothing_else(face_video, capture, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="other things"):
        make_capture(face_video, tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"
    replaced = make_capture(face_video, capture.path, size=192)
    assert np.array_equal(replaced.landmarks, capture.landmarks)


def test_same_video_gives_the_same_bytes(face_video, capture, tmp_path):
    again = make_capture(face_video, tmp_path / "c", size=192)
    for name in ("landmarks.npz", "capture.json", "images/00003.jpg", "mattes/00003.png"):
        assert (again.path / name).read_bytes() == (capture.path / name).read_bytes(), name


def test_frames_without_a_face_are_flagged(face_video, tmp_path):
    frames = list(read_frames(face_video))
    height, width = frames[0].shape[:2]
    frames[8:14] = [np.full((height, width, 3), 90, np.uint8)] * 6
    with pytest.warns(UserWarning, match="no face was seen in"):
        capture = make_capture(write_video(tmp_path / "a.mp4", frames), tmp_path / "c", size=192)
    assert not capture.valid[9:14].any() and capture.valid[:8].all() and capture.valid[15:].all()
    assert not capture.landmarks[~capture.valid].any()
    assert 8 in capture.cuts
    assert json.loads((tmp_path / "c" / "capture.json").read_text())["no_face"] == np.flatnonzero(~capture.valid).tolist()


def test_larger_of_two_faces_is_followed(face_video, tmp_path):
    frames = []
    for frame in islice(read_frames(face_video), 12):
        frame = cv2.resize(frame, (256, 256))
        wide = np.full((256, 448, 3), 60, np.uint8)
        wide[:, 192:] = frame
        wide[60:220, 10:170] = cv2.resize(frame, (160, 160))
        frames.append(wide)
    person = find_person(frames)
    assert person is not None
    assert person.faces == 2
    assert (person.landmarks[:, :, 0].mean(axis=1) > 192).all()
    with pytest.warns(UserWarning, match="2 people were seen"):
        capture = make_capture(write_video(tmp_path / "a.mp4", frames), tmp_path / "c", size=192)
    assert capture.source["faces"] == 2
    assert (capture.crop.to_source(capture.landmarks)[:, :, 0].mean(axis=1) > 192).all()


def test_somebody_else_is_not_followed_while_the_person_is_away(face_video):
    face = cv2.resize(next(read_frames(face_video)), (200, 200))
    both, other = np.full((256, 448, 3), 60, np.uint8), np.full((256, 448, 3), 60, np.uint8)
    both[28:228, 230:430] = both[28:228, 10:210] = other[28:228, 10:210] = face
    with LandmarkDetector(several=True, home=np.array([260.0, 60, 400, 220])) as detector:
        found = [detector.detect(frame) for frame in (both, both, other, other, both)]
    assert found[2] is None and found[3] is None
    for points in (found[1], found[4]):
        assert points is not None and points[:, 0].mean() > 230


def test_unreadable_sound_does_not_cost_the_capture(face_video, tmp_path, monkeypatch):
    def broken(path, rate):
        raise UserError(f"{path}: the sound track holds no sample; record it again")

    monkeypatch.setattr("recon.sound_track.read_aligned_sound", broken)
    with pytest.warns(UserWarning, match="without sound"):
        assert make_capture(face_video, tmp_path / "c", size=192).sound is None


def test_full_disk_is_named_and_nothing_is_left(face_video, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    threads = threading.active_count()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[0][1]))
        with pytest.raises(UserError, match="cannot be written"):
            make_capture(face_video, tmp_path / "c", size=192)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before[0])
        signal.signal(signal.SIGXFSZ, before[1])
    assert not list(tmp_path.iterdir())
    assert threading.active_count() <= threads


def test_tracking_agrees_with_single_pictures(face_video):
    with LandmarkDetector() as detector:
        for frame in islice(read_frames(face_video), 5):
            tracked = detector.detect(frame)
    single = detect_landmarks(frame)
    assert tracked is not None and single is not None
    assert np.linalg.norm(tracked[:, :2] - single[:, :2], axis=1).mean() < 0.01 * np.ptp(single[:, 1]) * 2


def test_one_frame_is_too_few(face_video, tmp_path):
    video = write_video(tmp_path / "a.mp4", list(islice(read_frames(face_video), 1)))
    with pytest.raises(UserError, match="at least 10"):
        make_capture(video, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_video_without_a_face_is_refused_with_advice(tmp_path):
    video = write_video(tmp_path / "a.mp4", [numbered(i, (128, 96)) for i in range(12)])
    with pytest.raises(UserError, match=r"no face was found; film") as caught:
        make_capture(video, tmp_path / "c")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("damage", ["json", "landmarks", "absent", "newer"])
def test_damaged_capture_is_named(capture, tmp_path, damage):
    folder = tmp_path / "c"
    folder.mkdir()
    for name in ("capture.json", "landmarks.npz"):
        (folder / name).write_bytes((capture.path / name).read_bytes())
    if damage == "json":
        (folder / "capture.json").write_text('{"schema": 1}')
    elif damage == "landmarks":
        (folder / "landmarks.npz").write_bytes(b"PK\x03\x04 cut")
    elif damage == "absent":
        (folder / "capture.json").unlink()
    else:
        (folder / "capture.json").write_text('{"schema": 99}')
    with pytest.raises(UserError) as caught:
        load_capture(folder)
    assert str(caught.value).startswith(f"{folder}: ") and "\n" not in str(caught.value)


def test_missing_picture_is_named(capture, tmp_path):
    with pytest.raises(UserError, match=r"00003\.jpg: is missing"):
        replace(capture, path=tmp_path).image(3)


def test_clip_of_the_library_has_its_cut(shared_data, tmp_path):
    video = shared_data / "video" / "obama_weekly_A_720p.mp4"
    capture = make_capture(video, tmp_path / "c", size=256)
    assert capture.valid.all()
    assert capture.cuts.tolist() == [126]
    assert capture.crop.side == 720
    assert capture.sound is not None
    assert len(capture.sound) / capture.sound_rate == pytest.approx(len(capture) / capture.fps, abs=0.05)
    assert capture.fps == Fraction(30000, 1001) == probe(video).fps
