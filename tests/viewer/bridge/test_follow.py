import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from avatar3d.errors import UserError
from tests.viewer.bridge.faces import random_frame
from viewer.bridge import livelink
from viewer.bridge.follow import Followed, follow_faces, replayed
from viewer.bridge.receiver import Assembly
from viewer.bridge.recording import recording
from viewer.bridge.sender import ARKIT, HEAD


def _packets(subjects=("Ana",), frames=20, seed=3):
    """Frames of a still face, sent 60 a second."""
    for number in range(frames):
        for subject in subjects:
            frame = replace(random_frame(seed), subject=subject, number=number, seconds_of_day=100 + number / 60)
            yield livelink.encode(frame)[0], 5 + number / 60


def _pushed(subject, calm, packets) -> tuple[list, list[str]]:
    found, told = [], []
    follow_faces(Assembly(livelink), packets, subject, calm, told.append)(lambda sent, arrived, channels: found.append((sent, channels)))
    return found, told


def test_the_first_one_heard_is_followed_and_nobody_else():
    found, told = _pushed(None, 0.0, _packets(("Ana", "Ben")))
    assert len(found) == 20 and told == ["following Ana"]
    assert abs(found[-1][1][ARKIT] - random_frame(3).arkit).max() < 1e-6
    assert len(_pushed("Ben", 0.0, _packets(("Ana", "Ben")))[0]) == 20 and not _pushed("Cid", 0.0, _packets())[0]


def test_a_calm_face_is_zero():
    found, told = _pushed(None, 0.1, _packets())
    assert told[-1] == "the calm face is known" and 10 < len(found) < 20
    assert abs(found[-1][1][ARKIT]).max() < 1e-5 and abs(found[-1][1][HEAD]).max() < 1e-5


def test_a_recording_is_replayed_in_its_time(tmp_path):
    with recording(tmp_path / "a.pcap") as recorder:
        assert recorder is not None
        for _ in range(3):
            recorder.add(b"x", 1)
            time.sleep(0.05)
    began = time.monotonic()
    times = [when for _, when in replayed(tmp_path / "a.pcap")]
    assert len(times) == 3 and 0.09 < time.monotonic() - began < 5 and times[1] - times[0] > 0.04


def test_what_is_followed_is_shown_until_it_ends():
    began = threading.Event()

    def source(push) -> None:
        sent = 0
        for number in range(10):
            # The first one until it was looked at, however long that takes.
            while True:
                push(sent / 50, time.monotonic(), {"x": np.array([number], np.float32)})
                sent += 1
                time.sleep(0.02)
                if began.is_set():
                    break

    seen = []
    with Followed(source) as followed:
        while not followed.over:
            shown = followed.at(time.monotonic())
            if shown is not None:
                seen.append(float(shown["x"][0]))
                began.set()
            time.sleep(0.005)
        last = followed.at(time.monotonic())
        assert last is not None
        seen.append(float(last["x"][0]))
    assert seen[0] == 0 and seen[-1] == 9 and (np.diff(seen) >= 0).all()


def test_a_source_that_fails_says_so():
    def source(push) -> None:
        raise UserError("gone")

    with Followed(source) as followed, pytest.raises(UserError, match="gone"):
        for _ in range(200):
            followed.at(time.monotonic())
            time.sleep(0.01)
