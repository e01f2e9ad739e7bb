import contextlib
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.viewer.bridge.faces import GOLDEN, a_frame, named, random_frame
from viewer.bridge.frame import DatagramError
from viewer.bridge.protocols import PROTOCOLS, protocol_of
from viewer.bridge.receiver import Assembly

_STEP = {"ifacialmocap": 1 / 199}
"""How far weights may be off; all others keep them to the last bit of a float."""
_LARGEST = 65_507
"""Bytes that one UDP datagram over IPv4 can hold."""


def test_the_bytes_of_every_protocol_are_those_that_were_agreed_on():
    for name, protocol in PROTOCOLS.items():
        if name == "ue":
            # Its streams have a random number, which test_ue.py gives.
            continue
        packets = protocol.encode(a_frame())
        golden = sorted(GOLDEN.glob(f"{name}_*.bin"))
        assert [path.read_bytes() for path in golden] == packets, name


def test_what_is_sent_is_heard(protocol):
    for seed in range(20):
        frame, assembly = random_frame(seed), Assembly(protocol)
        heard = [face for data in protocol.encode(frame) if (face := assembly.add(data, 5.0)) is not None]
        assert len(heard) == 1 and assembly.refused == 0
        name = next(name for name in PROTOCOLS if PROTOCOLS[name] is protocol)
        assert abs(heard[0].weights - frame.arkit).max() <= _STEP.get(name, 1e-6)
        np.testing.assert_allclose(heard[0].head, frame.head, atol=2e-6)
        np.testing.assert_allclose(heard[0].eyes, frame.eyes, atol=2e-6)
        assert heard[0].subject == (frame.subject if protocol.NAMED else "")


def test_every_datagram_passes_a_network_in_one_piece(protocol):
    assert all(len(data) <= 1400 for data in protocol.encode(a_frame()))


def test_nothing_is_kept_between_calls(protocol):
    first = protocol.encode(a_frame(3))
    protocol.encode(random_frame(1))
    assert protocol.encode(a_frame(3)) == first


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_foreign_bytes_are_refused_and_nothing_worse(data):
    for protocol in PROTOCOLS.values():
        with contextlib.suppress(DatagramError):
            protocol.decode(data)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_spoiled_packets_are_read_or_refused(seed):
    rng = random.Random(seed)
    for protocol in PROTOCOLS.values():
        data = bytearray(rng.choice(protocol.encode(random_frame(seed % 7))))
        for _ in range(rng.randrange(1, 6)):
            place, what = rng.randrange(len(data)), rng.randrange(4)
            if what == 0:
                data[place] = rng.randrange(256)
            elif what == 1:
                data[place : place + 4] = rng.choice([b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x7f\xc0\0\0", b"\x7f\x80\0\0", bytes(4)])
            elif what == 2:
                del data[place:]
            else:
                data[place:place] = data[: rng.randrange(64)]
            data = data or bytearray(b"\0")
        assembly = Assembly(protocol)
        face = assembly.add(bytes(data), 1.0)
        if face is not None:
            assert ((face.weights >= 0) & (face.weights <= 1)).all()
            assert np.isfinite(face.head).all() and np.isfinite(face.eyes).all() and np.isfinite(face.time)


def test_the_longest_datagram_of_each_worst_kind_is_read_at_once():
    nested = b""
    while len(nested) < _LARGEST - 40:
        nested = b"#bundle\0" + bytes(8) + (len(nested).to_bytes(4, "big") + nested if nested else b"")
    flood = b"#bundle\0" + bytes(8) + (b"\0\0\0\x08/a\0\0,\0\0\0" * 5400)
    for data in (nested, flood, bytes(_LARGEST), b"|" * _LARGEST, b"\x06" + b"\x7f" * 700):
        for protocol in PROTOCOLS.values():
            with contextlib.suppress(DatagramError):
                protocol.decode(data)


def test_a_protocol_is_known_by_its_faces():
    for name, protocol in PROTOCOLS.items():
        assert protocol_of([b"noise", *protocol.encode(a_frame())]) == name
    assert protocol_of([b"noise"]) is None


def test_names_are_those_of_arkit():
    for protocol in PROTOCOLS.values():
        weights: dict[str, float] = {}
        for data in protocol.encode(a_frame()):
            heard = protocol.decode(data)
            assert heard is not None
            weights |= heard.weights
        assert weights.keys() == named(a_frame().arkit).keys()
