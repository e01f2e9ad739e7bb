import re
import struct
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from avatar3d.arkit import ARKIT_NAMES
from tests.viewer.bridge.faces import ENGINE_ORDER, a_frame, named, random_frame, read_livelink
from viewer.bridge import livelink
from viewer.bridge.frame import DatagramError


def test_a_reader_that_knows_the_layout_alone_reads_it():
    frame = random_frame(3)
    (data,) = livelink.encode(frame)
    read = read_livelink(data)
    assert read["subject"] == "Ana" and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", read["device"])
    weights = {name.lower(): value for name, value in named(frame.arkit).items()}
    assert {name.lower(): read["values"][name] for name in ENGINE_ORDER} == weights
    turns = [read["values"][f"{what}{turn}"] for what in ("Head", "LeftEye", "RightEye") for turn in ("Yaw", "Pitch", "Roll")]
    np.testing.assert_allclose(turns, np.concatenate([frame.head, frame.eyes]) / np.pi, atol=1e-7)


def test_jaw_and_mouth_go_left_before_they_go_right_unlike_in_the_app_s_csv():
    assert ENGINE_ORDER[15:17] == ["JawLeft", "JawRight"] and ENGINE_ORDER[21:23] == ["MouthLeft", "MouthRight"]
    weights = np.zeros(52, np.float32)
    weights[ARKIT_NAMES.index("jawLeft")] = 1
    (data,) = livelink.encode(replace(a_frame(), arkit=weights))
    assert struct.unpack(">52f", data[-244:-36]).index(1.0) == 15


def test_a_packet_is_as_long_as_the_app_s():
    (data,) = livelink.encode(a_frame())
    assert len(data) == 306 + len("Ana")
    (longest,) = livelink.encode(replace(a_frame(), subject="\N{SNOWMAN}" * 64))
    assert 264 <= len(longest) <= 774


@pytest.mark.parametrize("fps", [Fraction(60), Fraction(30), Fraction(30000, 1001)])
def test_time_codes_count_frames_since_midnight_and_only_grow(fps):
    codes = []
    for number in range(200):
        frame = replace(a_frame(), number=number, fps=fps, seconds_of_day=86_399 + float(number / fps))
        read = read_livelink(livelink.encode(frame)[0])
        assert (read["numerator"], read["denominator"]) == (fps.numerator, fps.denominator) and 0 <= read["part"] < 1
        codes.append(read["frame"] + read["part"])
    assert codes[0] == pytest.approx(86_399 * float(fps), abs=1e-2)
    np.testing.assert_allclose(np.diff(codes), 1, atol=1e-3)


def test_a_packet_without_a_face_says_nothing():
    (data,) = livelink.encode(a_frame())
    end = 1 + 4 + 36 + 4 + 3
    assert livelink.decode(data[:end]) is None
    assert livelink.decode(data[: end + 16] + b"\0") is None


def test_what_pylivelinkface_sends_is_read_though_its_frame_rate_is_none():
    # Its first five bytes are a little-endian 6 and a "$", which are our version and length; below 60 frames a second it writes n/0.
    (data,) = livelink.encode(replace(a_frame(), fps=Fraction(30)))
    assert data[:5] == struct.pack("<I", 6) + b"$"
    at = 1 + 4 + 36 + 4 + 3
    spoiled = data[: at + 12] + struct.pack(">i", 0) + data[at + 16 :]
    heard = livelink.decode(spoiled)
    assert heard is not None and heard.time is None and heard.weights["jawOpen"] == a_frame().arkit[24]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"\x05" + data[1:],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:1] + struct.pack(">i", 2**31 - 1) + data[5:],
        lambda data: data[:1] + struct.pack(">i", -1) + data[5:],
        lambda data: data[:-4] + struct.pack(">f", float("nan")),
        lambda data: data[:-4] + struct.pack(">f", 1e30),
        lambda data: data[:5] + b"\xff" + data[6:],
        lambda data: data + bytes(1000),
    ],
)
def test_bad_packets_are_refused(spoil):
    (data,) = livelink.encode(a_frame())
    with pytest.raises(DatagramError):
        livelink.decode(spoil(data))
