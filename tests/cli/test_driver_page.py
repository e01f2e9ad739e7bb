"""The evaluation of the speech driver: its page, its videos, and what it refuses."""

import json
import re

import av
import numpy as np
import pytest

from avatar3d.cli.driver_assessment import GENERATED, REAL, Assessment, assessment_lines
from avatar3d.cli.driver_film import SIZE, film_pair
from avatar3d.cli.driver_page import telling, write_driver_page
from avatar3d.head.store import load_head
from driver.channels import JAW, NUM_CHANNELS
from driver.comparison import OURS, compare
from driver.features import FPS, RATE
from driver.figures import Judged, ruler_of
from driver.lips import lips_of
from driver.phones import VISEME_INDEX


@pytest.fixture(scope="module")
def head():
    return load_head()


def _clip(number: int, whole: bool) -> Judged:
    T, rng = 25, np.random.default_rng(number)
    frames = np.zeros((T, NUM_CHANNELS), np.float32)
    frames[:, JAW] = 0.2 + 0.15 * np.sin(np.arange(T) / 3 + number)
    closed = np.zeros(T)
    closed[10:13] = 1
    sound = 0.1 * rng.normal(size=T * RATE // FPS).astype(np.float32)
    return Judged(f"<clip {number}>", sound, frames, np.full(T, VISEME_INDEX["aa"]), closed, whole)


@pytest.fixture(scope="module")
def found(head) -> Assessment:
    """Two clips of generated speech, one of real speech, and a driver that holds the jaw open."""
    ruler = ruler_of(head, lips_of(head), np.full(NUM_CHANNELS, 0.1, np.float32))
    held = np.zeros((25, NUM_CHANNELS), np.float32)
    held[:, JAW] = 0.1
    drivers = {OURS: lambda sound: held, "ridge": lambda sound: 2 * held}
    clips = {GENERATED: [_clip(0, True), _clip(1, True)], REAL: [_clip(2, False)]}
    compared = {title: compare(chosen, drivers, ruler) for title, chosen in clips.items()}
    figures = {"threads": 1.0, "window_frames": 64.0, "window_ms_p50": 40.0, "realtime_factor": 64.0}
    return Assessment(ruler, compared, {"lve_mm": (1.234, 1.0, 1.5)}, 20, {"mouth": (0.2, 0.1, 0.3)}, figures, "some.safetensors", 4)


def test_the_page_needs_nothing_but_its_videos(found, head, tmp_path):
    write_driver_page(found, head, tmp_path)
    page = (tmp_path / "index.html").read_text()
    videos = re.findall(r'<video[^>]*src="([^"]*)"', page)
    assert len(videos) == 3 == len(set(videos))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["index.html", *videos])
    others = set(re.findall(r'(?:src|href)="([^"]*)"', page)) - set(videos)
    assert all(source.startswith(("data:", "#")) for source in others)
    assert page.count("<svg") == 3
    assert "1.23 ±0.2" in page and "exact truth" in page and "forced alignment with the transcript" in page
    assert "&lt;clip 0&gt;" in page and "<clip 0" not in page


def test_the_text_and_the_json_say_the_same(found):
    lines = assessment_lines(found)
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    value, low, high = record[GENERATED][OURS]["lve_mm"]
    assert low <= value <= high
    assert any(line.startswith(OURS) and f"{value:.3g} ±" in line for line in lines)
    assert record[GENERATED][OURS]["mtm_s"] == [None, None, None]
    assert record["reference ceiling"]["lve_mm"] == [1.234, 1.0, 1.5] and "1.23 ±0.2" in "\n".join(lines)


def test_both_heads_are_in_the_video_for_as_long_as_asked(head, tmp_path):
    closed = np.zeros((20, NUM_CHANNELS), np.float32)
    opened = closed.copy()
    opened[10:, JAW] = 0.5
    film_pair(head, {"left": closed, "right": opened}, np.zeros(RATE, np.float32), tmp_path / "pair.mp4", seconds=0.6)
    with av.open(str(tmp_path / "pair.mp4")) as film:
        pictures = [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]
    assert len(pictures) == 15 and pictures[0].shape == (SIZE, 2 * SIZE, 3)
    change = np.abs(pictures[-1] - pictures[0]).max(axis=2) > 60
    assert change[:, SIZE:].sum() > 200 > change[:, :SIZE].sum()


def test_worst_middling_and_best_are_different_clips():
    assert telling([3.0, 1.0, 2.0]) == {"worst": 0, "middling": 2, "best": 1}
    assert telling([1.0]) == {"worst": 0}
    assert telling([1.0, 2.0]) == {"worst": 1, "best": 0}


def test_a_folder_without_recordings_is_refused(refused, tmp_path):
    refused("eval-driver", "--speech", tmp_path, match=(str(tmp_path), ".flac", "recordings"))


def test_a_recording_that_is_no_sound_is_refused(refused, tmp_path):
    (tmp_path / "a.wav").write_text("this is no sound")
    refused("eval-driver", "--speech", tmp_path, match=("a.wav", "no sound that can be read"))


def test_weights_of_a_flow_are_no_regression(refused):
    from avatar3d.data import data_path

    refused("eval-driver", "--regression", data_path("driver", "driver.safetensors"), match=("driver.safetensors", "train-driver --regression"))
