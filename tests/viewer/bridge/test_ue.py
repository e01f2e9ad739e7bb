"""ue:// byte by byte, by a reader that knows docs/stream.md alone, and against the C++ runtime's."""

import struct
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.arkit import ARKIT_NAMES
from avatar3d.errors import UserError
from tests.ports import udp_port
from tests.viewer.runtime.programs import built
from tests.viewer.runtime.streams import Script
from viewer.bridge.frame import BridgeFrame, DatagramError
from viewer.bridge.sender import DatagramOutlet, Socket
from viewer.bridge.ue import INTRODUCTION, MAX_PACKET, Introduction, decode, encode, introduce, introduction, stream_of, unpack
from viewer.stream.packets import End, Frame

EXAMPLES = Path(__file__).parents[3] / "viewer" / "runtime" / "examples"
HEAD = "f61468abfb2bd728"


def made(number: int = 0, subject: str = "Zoë", expressions: int = 51, fps: Fraction = Fraction(60)) -> BridgeFrame:
    rng = np.random.default_rng(number)
    rig = {"expr": rng.random(expressions), "jaw_pose": rng.random(3), "eyes_pose": rng.random(6)}
    return BridgeFrame(
        subject, number, float(number / fps), fps, rng.random(52).astype(np.float32), rng.random(3).astype(np.float32),
        rng.random(6).astype(np.float32), {name: value.astype(np.float32) for name, value in rig.items()}, HEAD, 3600 + float(number / fps),
    )  # fmt: skip


def test_the_bytes_are_as_documented():
    small = Introduction(0x12345678, 1.25, "Zoë", "f614", Fraction(30000, 1001), (("arkit", 52), ("jaw_pose", 3)))
    assert introduce(small) == bytes.fromhex(
        "4133 01 05 78563412 000000000000f43f"  # A3, version, kind, stream, time
        "30750000 e9030000 0400 0400 0200 0000"  # fps, sizes of head and subject, channels, reserved
        "66363134 5a6fc3ab"  # f614, Zoë
        "3400 05 61726b6974"  # 52 arkit
        "0300 08 6a61775f706f7365"  # 3 jaw_pose
    )
    turns = {"head": np.array([1, -2, 0.125], np.float32), "eyes": np.zeros(6, np.float32)}
    still = BridgeFrame("Zoë", 7, 0.5, Fraction(60), np.zeros(52, np.float32), **turns, seconds_of_day=1.25)
    (frame,) = encode(still, 0x12345678)
    assert frame == bytes.fromhex("4133 01 02 78563412 000000000000f43f 07000000 3d00 0000") + bytes(208) + bytes.fromhex(
        "0000803f 000000c0 0000003e"
    ) + bytes(24) + bytes.fromhex("0400 5a6fc3ab")


def read(data: bytes) -> dict:
    """A packet as docs/stream.md says, independently of viewer/bridge."""
    magic, version, kind, stream, moment = struct.unpack_from("<2sBBId", data)
    assert magic == b"A3" and version == 1
    out = {"kind": kind, "stream": stream, "time": moment}
    if kind == 5:
        numerator, denominator, head, subject, count, zero = struct.unpack_from("<IIHHHH", data, 16)
        at, channels = 32 + head + subject, []
        for _ in range(count):
            width, size = struct.unpack_from("<HB", data, at)
            channels.append((data[at + 3 : at + 3 + size].decode("ascii"), width))
            at += 3 + size
        assert at == len(data) and zero == 0
        text = {"head": data[32 : 32 + head].decode(), "subject": data[32 + head : 32 + head + subject].decode()}
        return out | text | {"fps": (numerator, denominator), "channels": channels}
    number, count, zero = struct.unpack_from("<IHH", data, 16)
    end = 24 + 4 * count
    (size,) = struct.unpack_from("<H", data, end)
    assert end + 2 + size == len(data) and zero == 0
    return out | {"number": number, "values": np.frombuffer(data, "<f4", count, 24), "subject": data[end + 2 :].decode()}


def test_another_reader_reads_the_same():
    frame = made(0)
    first, second = map(read, encode(frame))
    assert first["kind"] == 5 and first["subject"] == second["subject"] == "Zoë" and first["head"] == HEAD and first["fps"] == (60, 1)
    assert first["channels"] == [("arkit", 52), ("head", 3), ("eyes", 6), ("expr", 51), ("jaw_pose", 3), ("eyes_pose", 6)]
    np.testing.assert_array_equal(second["values"], np.concatenate([frame.arkit, frame.head, frame.eyes, *frame.rig.values()]))
    assert first["stream"] == second["stream"] == stream_of("Zoë") and second["number"] == 0


def test_an_introduction_comes_twice_a_second():
    for fps in (Fraction(60), Fraction(30), Fraction(25), Fraction(24000, 1001), Fraction(1)):
        kinds = [[data[3] for data in encode(made(number, fps=fps))] for number in range(121)]
        introduced = [number for number, found in enumerate(kinds) if INTRODUCTION in found]
        assert introduced[0] == 0 and max(np.diff(introduced)) / fps <= max(1 / fps, Fraction(11, 20))
        assert all(found[-1] == 2 for found in kinds)


def test_a_frame_is_heard_without_its_introduction():
    frame = made(3)
    heard = decode(encode(frame)[-1])
    assert heard is not None and heard.subject == "Zoë" and heard.number == 3 and heard.time == frame.seconds_of_day
    np.testing.assert_array_equal([heard.weights[name] for name in ARKIT_NAMES], frame.arkit)
    np.testing.assert_array_equal(heard.head, frame.head)
    np.testing.assert_array_equal(heard.eyes, frame.eyes)
    assert decode(encode(made(0))[0]) is None


def test_flames_hundred_expressions_fit_and_a_thousand_are_refused():
    assert all(len(data) <= MAX_PACKET for data in encode(made(0, "𝕏" * 64, 100)))
    with pytest.raises(UserError, match="--to ws"):
        encode(made(0, expressions=1000))


def test_a_subject_is_another_stream():
    assert len({stream_of(name) for name in ("a", "b", "c")}) == 3


PACKETS = [*encode(made(0)), struct.pack("<2sBBId", b"A3", 1, 4, 7, 1.0)]


@settings(max_examples=1000)
@given(st.sampled_from(PACKETS), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4), st.integers(0, 1200))
def test_damaged_packets_are_refused_or_read(packet, changes, length):
    damaged = bytearray(packet)
    for at, byte in changes:
        damaged[at % len(damaged)] = byte
    for data in (bytes(damaged), bytes(damaged[:length]), bytes(damaged) + bytes(length)):
        for reader in (unpack, decode, introduction):
            try:
                reader(data)
            except DatagramError as error:
                assert "\n" not in str(error)


@given(st.binary(max_size=1300))
def test_garbage_is_refused(data):
    with pytest.raises(DatagramError):
        unpack(b"B" + data)


def _damaged(rng: np.random.Generator) -> bytes:
    data = bytearray(PACKETS[rng.integers(len(PACKETS))])
    for _ in range(rng.integers(0, 3)):
        data[rng.integers(len(data)) if rng.random() < 0.3 else rng.integers(min(len(data), 60))] = rng.integers(256)
    return bytes(data[: rng.integers(len(data) + 1)] if rng.random() < 0.2 else data)


def test_python_and_cpp_refuse_the_same():
    rng = np.random.default_rng(2)
    packets = [_damaged(rng) for _ in range(3000)]
    script = Script()
    for index, data in enumerate(packets):
        # Long enough apart that no stream is known any more when the next one comes.
        script.arrive(20.0 * index, data)
    statuses, _ = script.follow()
    read_here = []
    for data in packets:
        try:
            read_here.append(unpack(data))
        except DatagramError:
            read_here.append("refused")
    assert 500 < read_here.count("refused") < 2500
    for data, ours, theirs in zip(packets, read_here, statuses, strict=True):
        expected = {Introduction: {"ok"}, Frame: {"unknown"}, End: {"unknown"}, type(None): {"other_kind"}}
        if isinstance(ours, str):
            # A description or a sound: Python reads it for the WebSocket's sake.
            allowed = {"not_ours", "newer", "size", "number", "text", "channels"} | ({"other_kind"} if data[3:4] in (b"\1", b"\3") else set())
        else:
            allowed = expected[type(ours)]
        assert theirs in allowed, (data, ours, theirs)


def test_cpp_shows_what_python_sends():
    script = Script()
    frames = [made(number, fps=Fraction(25)) for number in range(30)]
    for frame in frames:
        script.arrive(frame.seconds_of_day, *encode(frame))
    delay = 2 / 25 + 0.02
    script.ask(*(frame.seconds_of_day + delay + 1e-7 for frame in frames[:20]))
    _, answers = script.follow()
    for frame, (seen,) in zip(frames, answers, strict=False):
        expected = np.concatenate([frame.arkit, frame.head, frame.eyes, *frame.rig.values()])
        np.testing.assert_allclose(seen.values, expected, atol=1e-4)


def _sent_to(port: int, stop: threading.Event) -> None:
    with Socket("127.0.0.1", port) as line:
        outlet = DatagramOutlet(sys.modules["viewer.bridge.ue"], line, "ana", Fraction(60), HEAD)
        frame = made(1)
        values = {"arkit": np.linspace(0, 1, 52, dtype=np.float32), "head": np.array([0.25, 0, 0], np.float32), "eyes": frame.eyes, **frame.rig}
        number = 0
        while not stop.is_set():
            outlet.frame(number / 60, values)
            number += 1
            time.sleep(1 / 60)


@pytest.mark.parametrize("client", ["follow.py", "follow.cpp"])
def test_the_examples_follow_the_sender(client):
    port, stop = udp_port(), threading.Event()
    program = [sys.executable, str(EXAMPLES / client)] if client.endswith(".py") else [str(built("follow", source=EXAMPLES / client))]
    sender = threading.Thread(target=_sent_to, args=(port, stop))
    sender.start()
    try:
        done = subprocess.run([*program, str(port), "30"], capture_output=True, text=True, check=False, timeout=60)
    finally:
        stop.set()
        sender.join()
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 30, done.stderr
    assert all(line.startswith("ana ") and "jawOpen 0.471 yaw +0.250" in line for line in lines)


def test_the_examples_are_short():
    for path in EXAMPLES.iterdir():
        assert len(path.read_text().splitlines()) <= 60, path.name
