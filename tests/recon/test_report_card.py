"""The report card: every defect put into a capture is named on it, with the right advice."""

import json
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from avatar3d.camera import look_at
from avatar3d.head.store import load_head
from avatar3d.motion import Motion, rest_motion
from recon.face_coverage import find_blinks, head_angles, mouth_shapes
from recon.frame_meter import measure_frames
from recon.report_card import report_card, write_report_card
from recon.report_rows import AGAIN, FAIR, GOOD, Row
from recon.shots import Shot, Shots
from tests.recon.spoiled import Spoiled

HEAD = load_head()
CAMERA = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal=900.0, size=(512, 512))
RATE, FPS = 16000, Fraction(25)


def _speech(seconds: float, level: float, noise: float) -> np.ndarray:
    """Half a second of tone, half a second of pause, in turns; level and noise in decibels."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE)) / RATE
    tone = np.sqrt(2) * np.sin(2 * np.pi * 200 * time) * (time % 1 < 0.5)
    return (10 ** (level / 20) * tone + 10 ** (noise / 20) * rng.standard_normal(len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def capture(demo_part):
    """Three seconds with ordinary sound."""
    return replace(demo_part, sound=_speech(10, -20, -60), sound_rate=RATE, lag=0.0)


def _turning(frames: int, left: float, right: float) -> Motion:
    """A head that turns by so many degrees to either side, and nods by fifteen."""
    time = np.linspace(0, 2 * np.pi, frames)
    wave = np.sin(time)
    motion = rest_motion(HEAD, frames, FPS)
    motion.neck_pose[:, 1] = np.radians(np.where(wave > 0, left, right) * wave)
    motion.rotation[:, 0] = np.radians(15) * np.cos(3 * time)
    return motion


def _row(capture, name: str, motion: Motion | None = None) -> Row:
    card = report_card(capture, motion or _turning(len(capture), 40, 40), CAMERA)
    return next(row for row in card.rows if row.name == name)


def test_an_ordinary_capture_has_little_to_complain_about(capture):
    card = report_card(capture, _turning(len(capture), 40, 40), CAMERA, occluded=np.zeros(len(capture), bool))
    assert [row.name for row in card.rows if row.grade == AGAIN] == ["length", "mouth shapes"]
    fine = {row.name for row in card.rows if row.grade == GOOD}
    assert fine >= {"face in view", "face size", "sharpness", "exposure", "head turns", "head nods", "occlusions", "matte", "camera", "sound"}


@pytest.mark.parametrize(("sigma", "grade"), [(1.6, FAIR), (3.5, AGAIN)])
def test_blur(capture, sigma, grade):
    row = _row(Spoiled(capture, lambda rgb, _: cv2.GaussianBlur(rgb, (0, 0), sigma)), "sharpness")
    assert row.grade == grade and "lens" in row.advice


def test_motion_blur_of_some_frames(capture):
    row = _row(Spoiled(capture, lambda rgb, index: cv2.GaussianBlur(rgb, (0, 0), 3) if index % 16 == 0 else rgb), "sharpness")
    assert row.grade == FAIR and "slowly" in row.advice and 0.2 < row.measures["blurred"] < 0.3


def test_darkness(capture):
    row = _row(Spoiled(capture, lambda rgb, _: (rgb * 0.25).astype(np.uint8)), "exposure")
    assert row.grade == AGAIN and "brighter light from the front" in row.advice


def test_burnt_skin(capture):
    row = _row(Spoiled(capture, lambda rgb, _: np.clip(rgb * 1.6, 0, 255).astype(np.uint8)), "exposure")
    assert row.grade == AGAIN and "less light" in row.advice


def test_grain(capture):
    def grainy(rgb, index):
        return np.clip(rgb + np.random.default_rng(index).normal(0, 15, rgb.shape), 0, 255).astype(np.uint8)

    row = _row(Spoiled(capture, grainy), "exposure")
    assert row.grade == FAIR and "grainy" in row.advice and 7 < row.measures["grain"] < 12


def test_light_from_one_side(capture):
    falloff = np.linspace(2.2, -0.3, capture.size).clip(0.1)[None, :, None]
    row = _row(Spoiled(capture, lambda rgb, _: np.clip(rgb * falloff, 0, 255).astype(np.uint8)), "exposure")
    assert row.grade != GOOD and "from the right of the picture" in row.advice


def test_automatic_exposure(capture):
    row = _row(Spoiled(capture, lambda rgb, index: (rgb * (0.75 + 0.25 * np.sin(index / 8))).astype(np.uint8)), "exposure")
    assert row.grade != GOOD and "lock the exposure" in row.advice


def test_small_face(capture):
    far = Shots((Shot(0, 0, replace(capture.crop, side=capture.crop.side // 3)),))
    row = _row(Spoiled(capture, shots=far), "face size")
    assert row.grade == AGAIN and "closer" in row.advice and 60 < row.measures["pixels"] < 110


def test_hair_cut_off(capture):
    def touching(matte, _):
        matte = matte.copy()
        matte[:1, 200:300] = 255
        return matte

    assert _row(Spoiled(capture, matte=touching), "framing").grade == AGAIN


def test_missing_face(capture):
    valid = capture.valid.copy()
    valid[: len(valid) // 5] = False
    assert _row(Spoiled(capture, valid=valid), "face in view").grade == AGAIN


def test_no_face_at_all_is_no_crash(capture):
    card = report_card(Spoiled(capture, valid=np.zeros(len(capture), bool)), _turning(len(capture), 5, 5), CAMERA)
    json.dumps(card.to_json(), allow_nan=False)
    assert next(row for row in card.rows if row.name == "face in view").grade == AGAIN


@pytest.mark.parametrize(
    ("left", "right", "grade", "words"), [(40, 40, GOOD, ""), (40, 18, FAIR, "to the right as well"), (4, 4, AGAIN, "left and the right")]
)
def test_turns(capture, left, right, grade, words):
    row = _row(capture, "head turns", _turning(len(capture), left, right))
    assert row.grade == grade and words in row.advice and bool(row.advice) == (grade != GOOD)


def test_unsteady_matte(capture):
    def boiling(matte, index):
        reach = np.ones((1 + 12 * (index % 2),) * 2, np.uint8)
        return cv2.dilate(matte, reach)

    row = _row(Spoiled(capture, matte=boiling), "matte")
    assert row.grade == AGAIN and "still background" in row.advice


def test_hair_before_its_own_colour(capture):
    def hidden(rgb, index):
        matte = cv2.GaussianBlur((capture.matte(index) > 127).astype(np.float32), (0, 0), 1)[..., None]
        hair = np.array([40, 30, 25], np.float32)
        return (matte * (0.1 * rgb + 0.9 * hair) + (1 - matte) * hair).astype(np.uint8)

    row = _row(Spoiled(capture, hidden), "matte")
    assert row.grade == AGAIN and "background of another colour" in row.advice


@pytest.mark.parametrize(("reach", "grade"), [(0.0, GOOD), (15.0, AGAIN)])
def test_shaking_camera(capture, reach, grade):
    wall = cv2.GaussianBlur(np.random.default_rng(0).uniform(0, 255, (512, 512, 3)).astype(np.float32), (0, 0), 3) * 4 - 380
    wall = np.clip(wall, 0, 255).astype(np.uint8)

    def shaken(rgb, index):
        move = np.array([[1, 0, reach * np.sin(index)], [0, 1, reach * np.cos(0.7 * index)]])
        behind = cv2.warpAffine(wall, move, (512, 512), borderMode=cv2.BORDER_REFLECT)
        return np.where(capture.matte(index)[..., None] > 8, rgb, behind)

    row = _row(Spoiled(capture, shaken), "camera")
    assert row.grade == grade and row.measures["shake"] == pytest.approx(2.6 * reach, rel=0.4, abs=0.5)


@pytest.mark.parametrize(
    ("sound", "grade", "words"),
    [
        (np.zeros(10 * RATE, np.float32), AGAIN, "microphone"),
        (_speech(10, -48, -75), AGAIN, "speak up"),
        (_speech(10, -20, -24), AGAIN, "quieter room"),
        (np.clip(_speech(10, 3, -60), -1, 1), AGAIN, "it clips"),
        (None, FAIR, "film with sound"),
    ],
)
def test_sound(capture, sound, grade, words):
    row = _row(replace(capture, sound=sound), "sound")
    assert row.grade == grade and words in row.advice


def test_sound_out_of_step(capture):
    row = _row(replace(capture, lag=-0.2), "sound")
    assert row.grade == FAIR and "together" in row.advice


def test_occlusions(capture):
    hidden = np.arange(len(capture)) < 10
    card = report_card(capture, _turning(len(capture), 40, 40), CAMERA, occluded=hidden)
    row = next(row for row in card.rows if row.name == "occlusions")
    assert row.grade == AGAIN and "hands" in row.advice
    assert card.worst[0][1] == "something in front" and card.worst[0][0] < 10


@pytest.mark.parametrize(("fps", "grade"), [(25, AGAIN), (5, FAIR), (2, GOOD)])
def test_length(capture, fps, grade):
    assert _row(replace(capture, fps=Fraction(fps)), "length").grade == grade


def test_closed_eyes_are_not_blur(capture):
    frames = measure_frames(capture)
    assert np.isnan(frames.sharpness).any() and np.nanmin(frames.sharpness) > 0.6


def test_blinks_are_counted_and_rests_are_not():
    aperture = np.full(300, 0.3)
    for start, length in ((30, 5), (100, 4), (200, 60)):
        aperture[start : start + length] = 0.05
    aperture[150:153] = np.nan
    assert find_blinks(aperture, 30.0).tolist() == [30, 100]


def test_mouth_shapes_are_told_apart():
    points = np.zeros((50, 478, 3), np.float32)
    points[:, 33, 0], points[:, 263, 0] = -40, 40
    width = np.full(50, 50.0)
    width[:10], width[10:15] = 60, 40
    points[:, 61, 0], points[:, 291, 0] = -width / 2, width / 2
    opening = np.full(50, 0.05)
    opening[20:26], opening[30:34] = 0.1, 0.01
    seen = mouth_shapes(points, opening, np.zeros(50), 10.0, np.array([0.5, 0.1]), 5.0)
    assert seen == {"open": 0.6, "wide": 1.0, "round": 0.5, "closed": 0.4, "teeth": 0.5}


def test_yaw_is_positive_to_the_subjects_left():
    motion = _turning(40, 30, 10)
    yaw, pitch = head_angles(motion, CAMERA)
    assert yaw.max() == pytest.approx(30, abs=2) and yaw.min() == pytest.approx(-10, abs=2)
    # The head turned by +x rotation looks down.
    assert pitch[np.argmax(motion.rotation[:, 0])] < -10


def test_card_is_written_beside_the_capture(capture):
    card = write_report_card(capture, _turning(len(capture), 30, 5), CAMERA)
    record = json.loads((capture.path / "report.json").read_text())
    assert record["grades"][AGAIN] == card.count(AGAIN) == 3
    assert {row["name"]: row["grade"] for row in record["rows"]}["head turns"] == AGAIN
    assert len(record["curves"]["yaw"]) == len(capture) and len(record["measured"]["sharpness"]) == len(card.frames)
    picture = cv2.imread(str(capture.path / "report_card.png"))
    assert picture is not None and picture.std() > 20
    assert all(line.strip().startswith(AGAIN) for line in card.lines()[1:3]) and "head turns" in card.lines()[2]
