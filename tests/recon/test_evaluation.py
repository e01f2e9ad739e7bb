"""Figures of pictures with known answers, and one pass over a capture."""

import json

import numpy as np
import pytest

from avatar3d.drawing import draw
from recon.evaluation import Candidate, evaluate, measure, picture_figures
from recon.evaluation_boxes import PROTOCOL_FILE, protocol_boxes
from recon.evaluation_perceptual import perceptual_meters
from tests.recon.memory_capture import small_scene

GREY = np.full((32, 32, 3), 0.5, np.float32)


def test_a_perfect_picture_has_no_error():
    assert picture_figures(GREY, GREY, {}) == pytest.approx({"psnr_full": 100, "ssim_full": 1}, abs=1e-4)


def test_psnr_of_a_known_error():
    render = GREY.copy()
    render[:16] += 0.1
    found = picture_figures(render, GREY, {"head": np.array([0, 0, 16, 32]), "mouth": np.array([16, 0, 32, 32]), "eyes": np.array([3, 3, 3, 9])})
    assert found["psnr_head"] == pytest.approx(20, abs=1e-4)
    assert found["psnr_full"] == pytest.approx(20 + 10 * np.log10(2), abs=1e-4)
    assert found["psnr_mouth"] == 100
    assert np.isnan(found["psnr_eyes"])


def test_psnr_is_averaged_over_frames_and_not_taken_of_the_average(tmp_path):
    capture, motion, camera, avatar = small_scene(path=tmp_path)
    capture.images[1] = 255 - capture.images[1]
    found = measure([Candidate(avatar, motion, camera)], capture, np.arange(2))[0]
    assert found.means()["psnr_full"] == pytest.approx(found.series["psnr_full"].mean())
    assert found.series["psnr_full"][0] > found.series["psnr_full"][1] + 10


def test_one_pass_agrees_with_a_plain_loop_and_reads_every_frame_once(tmp_path, monkeypatch):
    capture, motion, camera, avatar = small_scene(path=tmp_path)
    other = small_scene(path=tmp_path)[3]
    other.colour[:] *= 0.9
    reads = []
    image = type(capture).image
    monkeypatch.setattr(type(capture), "image", lambda self, index: reads.append(index) or image(self, index))
    found = measure([Candidate(avatar, motion, camera), Candidate(other, motion, camera)], capture, np.arange(2, 7))
    assert reads == [2, 3, 4, 5, 6]
    for row, index in enumerate(range(2, 7)):
        truth = capture.images[index] / 255 * (capture.mattes[index] / 255)[..., None]
        for subject, measured in zip((avatar, other), found, strict=True):
            render = np.clip(draw(subject, motion, float(index / motion.fps), camera, np.zeros(3, np.float32)).rgb, 0, 1)
            expected = -10 * np.log10(np.square(render - truth).mean())
            assert measured.series["psnr_full"][row] == pytest.approx(expected, abs=1e-3)


def test_the_error_map_is_the_mean_over_the_frames(tmp_path):
    capture, motion, camera, avatar = small_scene(path=tmp_path)
    whole, parts = (measure([Candidate(avatar, motion, camera)], capture, np.arange(a, b))[0].error for a, b in ((0, 4), (0, 2)))
    rest = measure([Candidate(avatar, motion, camera)], capture, np.arange(2, 4))[0].error
    np.testing.assert_allclose(whole, (parts + rest) / 2, atol=1e-6)


def test_slow_meters_look_at_evenly_spread_frames(tmp_path, monkeypatch):
    monkeypatch.setattr("recon.evaluation.METERED", 3)
    capture, motion, camera, avatar = small_scene(path=tmp_path)
    found = measure([Candidate(avatar, motion, camera)], capture, np.arange(8), meters={"slow": lambda render, truth: 2.0})[0]
    assert np.flatnonzero(np.isfinite(found.series["slow"])).tolist() == [0, 3, 6]
    assert found.means()["slow"] == 2.0


def test_the_short_form_gives_the_same_figures(tmp_path):
    capture, motion, camera, avatar = small_scene(path=tmp_path)
    quality = evaluate(avatar, capture, motion, camera, np.arange(3))
    means = measure([Candidate(avatar, motion, camera)], capture, np.arange(3))[0].means()
    assert quality.frames == 3
    assert (quality.psnr_head, quality.ssim_full) == (means["psnr_head"], means["ssim_full"])


def test_boxes_stay_as_they_were_first_made(tmp_path):
    capture = small_scene(path=tmp_path)[0]
    first = protocol_boxes(capture)
    capture.landmarks[:] = capture.landmarks[:, ::-1] + 3
    again = protocol_boxes(capture)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    (tmp_path / PROTOCOL_FILE).write_text(json.dumps({"boxes": {"head": [[0, 0, 1, 1]]}}))
    assert len(protocol_boxes(capture)["head"]) == len(capture)


def test_flip_of_the_same_picture_is_zero_and_of_black_and_white_nearly_one():
    pytest.importorskip("flip_evaluator")
    flip = perceptual_meters()["flip_full"]
    assert flip(GREY, GREY) == 0
    assert flip(np.zeros_like(GREY), np.ones_like(GREY)) == pytest.approx(0.967, abs=0.005)


def test_flip_is_left_out_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr("recon.evaluation_perceptual.find_spec", lambda name: None)
    assert perceptual_meters() == {}
