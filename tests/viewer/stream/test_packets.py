import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.viewer.stream.reader import read
from viewer.stream.packets import MAX_PACKET, OPUS, PCM16, Description, End, Frame, PacketError, Sound, joined, pack, parted, unpack

_TIME = struct.pack("<d", 1.25)
GOLDEN = {
    "description": b"A3\x01\x01\x78\x56\x34\x12" + _TIME + b'{"fps":[25,1],"channels":[["expr",2],["jaw_pose",3]]}',
    "frame": bytes.fromhex("41330102785634120000000000 00f43f 07000000 0300 0000 0000803f 000000c0 0000003e"),
    "sound": bytes.fromhex("41330103785634120000000000 00f43f 09000000 0200 02 00 0100 ff7f"),
    "end": bytes.fromhex("41330104785634120000000000 00f43f"),
}
PACKETS = {
    "description": Description(0x12345678, (("expr", 2), ("jaw_pose", 3)), {"fps": [25, 1]}, 1.25),
    "frame": Frame(0x12345678, 1.25, 7, np.array([1, -2, 0.125], np.float32)),
    "sound": Sound(0x12345678, 1.25, 9, 2, PCM16, b"\x01\x00\xff\x7f"),
    "end": End(0x12345678, 1.25),
}


def _same(one, other) -> bool:
    if isinstance(one, Frame):
        return isinstance(other, Frame) and vars(one).keys() == vars(other).keys() and np.array_equal(one.values, other.values)
    return one == other


@pytest.mark.parametrize("name", GOLDEN)
def test_the_bytes_are_as_documented(name):
    assert pack(PACKETS[name]) == GOLDEN[name]
    assert _same(unpack(GOLDEN[name]), PACKETS[name])


def test_another_reader_reads_the_same():
    assert read(GOLDEN["description"])["facts"] == {"fps": [25, 1], "channels": [["expr", 2], ["jaw_pose", 3]]}
    frame = read(GOLDEN["frame"])
    assert (frame["stream"], frame["time"], frame["number"], frame["values"]) == (0x12345678, 1.25, 7, [1, -2, 0.125])
    sound = read(GOLDEN["sound"])
    assert (sound["number"], sound["samples"], sound["codec"], sound["data"]) == (9, 2, 2, b"\x01\x00\xff\x7f")


@given(
    st.integers(0, 2**32 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 2**32 - 1),
    st.lists(st.floats(width=32), max_size=200),
)
def test_frames_come_back_or_are_refused(stream, time, number, values):
    packet = Frame(stream, time, number, np.array(values, np.float32))
    if all(map(math.isfinite, values)):
        assert _same(unpack(pack(packet)), packet)
    else:
        with pytest.raises(PacketError, match="not numbers"):
            unpack(pack(packet))


@settings(max_examples=500)
@given(st.sampled_from(list(GOLDEN)), st.integers(0, 60), st.integers(0, 255), st.integers(0, 80))
def test_damaged_packets_are_refused_or_read(name, at, byte, length):
    damaged = bytearray(GOLDEN[name])
    damaged[at % len(damaged)] = byte
    for data in (bytes(damaged), bytes(damaged[:length])):
        try:
            unpack(data)
        except PacketError as error:
            assert "\n" not in str(error)


@given(st.binary(max_size=200))
def test_garbage_is_refused(data):
    with pytest.raises(PacketError):
        unpack(b"B" + data)


def test_a_packet_that_is_too_long_is_refused():
    with pytest.raises(PacketError, match="65536"):
        unpack(GOLDEN["frame"] + b"\0" * MAX_PACKET)


def test_what_a_newer_minor_sender_adds_is_passed_over():
    assert unpack(b"A3\x01\x63" + GOLDEN["end"][4:]) is None
    longer = unpack(GOLDEN["frame"] + b"more")
    assert isinstance(longer, Frame) and len(longer.values) == 3


def test_another_version_is_refused_by_its_number():
    with pytest.raises(PacketError, match="version 2"):
        unpack(b"A3\x02" + GOLDEN["end"][3:])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"channels":3}',
        b'{"channels":[["a",0]]}',
        b'{"channels":[["a",1],["a",1]]}',
        b'{"channels":[["a",4000],["b",4000]]}',
        b"[" * 50000,
    ],
)
def test_a_description_without_sense_is_refused(text):
    with pytest.raises(PacketError, match="description"):
        unpack(GOLDEN["description"][:16] + text)


def test_channels_join_and_part():
    channels = (("expr", 2), ("jaw_pose", 3))
    values = {"jaw_pose": np.arange(3, dtype=np.float32), "expr": np.array([7, 8], np.float32)}
    whole = joined(values, channels)
    np.testing.assert_array_equal(whole, [7, 8, 0, 1, 2])
    for name, part in parted(whole, channels).items():
        np.testing.assert_array_equal(part, values[name])
    with pytest.raises(PacketError, match="4 numbers"):
        parted(whole[:4], channels)
    with pytest.raises(ValueError, match="jaw_pose"):
        joined(values | {"jaw_pose": np.zeros(2)}, channels)


def test_a_frame_is_small():
    # 51 expressions and seven poses: with the framing of a WebSocket, thirty of them a second are less than 0.1 Mbit.
    frame = pack(Frame(1, 0.0, 0, np.zeros(51 + 3 + 3 + 6 + 3 + 3 + 3, np.float32)))
    assert (len(frame) + 4) * 30 * 8 < 100_000
    assert len(pack(Sound(1, 0.0, 0, 960, OPUS, b"x" * 120))) == 144
