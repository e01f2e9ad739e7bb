import struct
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.viewer.bridge.faces import a_frame, named, random_frame
from viewer.bridge import osc, osc_wire, vmc
from viewer.bridge.frame import DatagramError

osc_packet = pytest.importorskip("pythonosc.osc_packet", reason="python-osc is not installed")
osc_bundle_builder = pytest.importorskip("pythonosc.osc_bundle_builder")
osc_message_builder = pytest.importorskip("pythonosc.osc_message_builder")


def _read(datagrams: list[bytes]) -> list[tuple[str, list]]:
    """Messages as python-osc reads them, in their order."""
    found = []
    for data in datagrams:
        found += [(timed.message.address, timed.message.params) for timed in osc_packet.OscPacket(data).messages]
    return found


def test_python_osc_reads_our_addresses():
    frame = random_frame(2)
    read = _read(osc.encode(frame))
    assert read[0] == ("/avatar3d/Ana/frame", [2, pytest.approx(2 / 60)]) and read[-1] == ("/avatar3d/Ana/end", [2])
    values = dict(read)
    np.testing.assert_allclose(values["/avatar3d/Ana/head"], np.degrees(frame.head), rtol=1e-6)
    np.testing.assert_allclose(values["/avatar3d/Ana/eyes/right"], np.degrees(frame.eyes[3:]), rtol=1e-6)
    np.testing.assert_allclose(values["/avatar3d/Ana/position"], [0.01, 0.02, -0.03], rtol=1e-6)
    for name, weight in named(frame.arkit).items():
        assert values[f"/avatar3d/Ana/arkit/{name}"] == [pytest.approx(weight, abs=1e-7)]


def test_python_osc_reads_a_frame_of_vmc():
    frame = random_frame(4)
    read = _read(vmc.encode(frame))
    assert read[0] == ("/VMC/Ext/OK", [1]) and read[1] == ("/VMC/Ext/T", [pytest.approx(4 / 60)]) and read[-1] == ("/VMC/Ext/Blend/Apply", [])
    weights = {arguments[0].lower(): arguments[1] for address, arguments in read if address == "/VMC/Ext/Blend/Val"}
    assert weights == {name.lower(): pytest.approx(weight, abs=1e-7) for name, weight in named(frame.arkit).items()}
    bones = {arguments[0]: arguments[1:] for address, arguments in read if address == "/VMC/Ext/Bone/Pos"}
    assert set(bones) == {"Head", "LeftEye", "RightEye"} and all(len(values) == 7 for values in bones.values())


def test_bones_of_vmc_are_in_unity_s_axes():
    # In Unity's left-handed axes x points to a figure's right; a turn about y by its left-hand rule takes +z to +x.
    (turned, nodded) = (replace(a_frame(), head=np.array(turns), eyes=np.zeros(6)) for turns in ((0.5, 0, 0), (0, 0.5, 0)))
    for frame, forwards in ((turned, [-np.sin(0.5), 0, np.cos(0.5)]), (nodded, [0, -np.sin(0.5), np.cos(0.5)])):
        x, y, z, w = dict((a[0], a[1:]) for name, a in _read(vmc.encode(frame)) if name.endswith("Bone/Pos"))["Head"][3:]
        # Unity turns a vector by the same formula q v q* as everybody, in its own axes.
        np.testing.assert_allclose(Rotation.from_quat([x, y, z, w]).apply([0, 0, 1]), forwards, atol=1e-6)


def test_vmc_of_other_senders_is_read_message_by_message():
    def built(address: str, *arguments) -> bytes:
        builder = osc_message_builder.OscMessageBuilder(address)
        for argument in arguments:
            builder.add_arg(argument)
        return builder.build().dgram

    heard = vmc.decode(built("/VMC/Ext/Blend/Val", "jawOpen", 0.5))
    assert heard is not None and heard.weights == {"jawOpen": 0.5} and not heard.complete
    heard = vmc.decode(built("/VMC/Ext/Blend/Val", "Joy", 0.5))
    assert heard is None or not heard.weights
    heard = vmc.decode(built("/VMC/Ext/Blend/Apply"))
    assert heard is not None and heard.complete
    assert vmc.decode(built("/VMC/Ext/Hmd/Pos", "x", 0.0)) is None
    heard = vmc.decode(built("/VMC/Ext/Bone/Pos", "Head", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    assert heard is not None and heard.head == pytest.approx((0, 0, 0))


def test_messages_of_python_osc_are_read_with_all_types_and_nested_bundles():
    message = osc_message_builder.OscMessageBuilder("/a/b")
    for value, kind in ((1, "i"), (2.5, "f"), ("text", "s"), (b"12345", "b"), (1.25, "d"), (True, "T"), (None, "N")):
        message.add_arg(value, kind)
    inner = osc_bundle_builder.OscBundleBuilder(osc_bundle_builder.IMMEDIATELY)
    inner.add_content(message.build())
    outer = osc_bundle_builder.OscBundleBuilder(osc_bundle_builder.IMMEDIATELY)
    outer.add_content(osc_message_builder.OscMessageBuilder("/first").build())
    outer.add_content(inner.build())
    outer.add_content(osc_message_builder.OscMessageBuilder("/last").build())
    found = osc_wire.messages(outer.build().dgram)
    assert found == [("/first", ()), ("/a/b", (1, 2.5, "text", b"12345", 1.25, True, None)), ("/last", ())]


def test_the_bytes_of_a_message_are_the_standard_s_example():
    # OSC 1.0's own examples.
    assert osc_wire.message("/oscillator/4/frequency", 440.0) == b"/oscillator/4/frequency\0,f\0\0\x43\xdc\0\0"
    expected = b"/foo\0\0\0\0,iisff\0\0\0\0\x03\xe8\xff\xff\xff\xffhello\0\0\0\x3f\x9d\xf3\xb6\x40\xb5\xb2\x2d"
    assert osc_wire.message("/foo", 1000, -1, "hello", 1.234, 5.678) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"", b"/", b"/abc", b"abc\0", b"/a\0\0,f\0\0", b"/a\0\0,s\0\0abc", b"/a\0\0,b\0\0\x7f\xff\xff\xff", b"/a\0\0,Q\0\0", b"/a\0\0f\0\0\0",
        b"#bundle\0" + bytes(7), b"#bundle\0" + bytes(8) + b"\0\0\0\x05/a\0\0,", b"#bundle\0" + bytes(8) + struct.pack(">i", -4), b"/\xff\0\0,\0\0\0",
    ],
)  # fmt: skip
def test_broken_osc_is_refused(data):
    with pytest.raises(DatagramError):
        osc_wire.messages(data)


def test_a_subject_becomes_a_part_of_an_address():
    assert osc.name_in_addresses("Ana B/#*") == "Ana_B_" and osc.name_in_addresses("") == "_"
    heard = [osc.decode(data) for data in osc.encode(replace(a_frame(), subject="Ana B"))]
    assert {each.subject for each in heard if each is not None} == {"Ana_B"}


def test_addresses_of_others_are_passed_over():
    assert osc.decode(osc_wire.message("/composition/layers/1", 1.0)) is None
    heard = osc.decode(osc_wire.message("/avatar3d/Ana/arkit/noSuchShape", 1.0))
    assert heard is not None and not heard.weights
    with pytest.raises(DatagramError):
        osc.decode(osc_wire.message("/avatar3d/Ana/arkit/jawOpen", "wide"))
