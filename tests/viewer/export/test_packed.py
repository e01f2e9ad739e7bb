import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from avatar3d.errors import UserError
from viewer.export.packed import Packed, Quantised, quantised, read_packed, write_packed

GOLDEN = (
    b"A3DP\x01\0\0\0\x9c\0\0\0"
    b'{"kind":"golden","arrays":{"i":{"type":"u2","shape":[3],"offset":0},'
    b'"q":{"type":"i1","shape":[2,2],"offset":8,"scale":[0.5,0.25],"shift":[1.0,-2.0]}}}      '
    b"\x01\0\x02\0\x03\0\0\0"
    b"\x01\xff\x02\x7f\0\0\0\0"
)


def _tiny() -> Packed:
    stored = np.array([[1, -1], [2, 127]], np.int8)
    scale, shift = np.array([0.5, 0.25], np.float32), np.array([1, -2], np.float32)
    return Packed({"kind": "golden"}, {"i": np.array([1, 2, 3], np.uint16), "q": Quantised(stored, scale, shift)})


def _independently(data: bytes) -> tuple[dict, dict[str, list[float]]]:
    """Read by the description in docs/web.md alone, with struct."""
    magic, version, length = struct.unpack("<4sII", data[:12])
    assert magic == b"A3DP" and version == 1 and (12 + length) % 8 == 0
    header = json.loads(data[12 : 12 + length])
    letters = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "f4": "f"}
    out = {}
    for name, entry in header["arrays"].items():
        count = 1
        for side in entry["shape"]:
            count *= side
        stored = struct.unpack_from(f"<{count}{letters[entry['type']]}", data, 12 + length + entry["offset"])
        scale, shift = entry.get("scale", [1.0]), entry.get("shift", [0.0])
        out[name] = [shift[i % len(shift)] + scale[i % len(scale)] * value for i, value in enumerate(stored)]
    return header, out


def test_the_bytes_are_as_documented():
    assert write_packed(_tiny()) == GOLDEN


def test_another_reader_reads_the_same():
    header, values = _independently(GOLDEN)
    assert header["kind"] == "golden"
    assert values == {"i": [1, 2, 3], "q": [1.5, -2.25, 2.0, 29.75]}
    packed = read_packed(GOLDEN)
    assert packed.header == {"kind": "golden"}
    np.testing.assert_array_equal(packed.values("q").reshape(-1), values["q"])


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=6), elements=st.floats(-1e3, 1e3, width=32)), st.sampled_from(["i1", "i2"]))
def test_values_are_kept_to_half_a_step(values, kind):
    packed = read_packed(write_packed(Packed({}, {"x": quantised(values, kind)})))
    steps = 2 * np.iinfo({"i1": np.int8, "i2": np.int16}[kind]).max
    spread = np.ptp(values.reshape(-1, values.shape[-1]).astype(np.float64), axis=0)
    assert (np.abs(packed.values("x") - values) <= 0.51 * spread / steps + 1e-6 * np.abs(values).max() + 1e-9).all()


@settings(max_examples=300)
@given(st.integers(0, len(GOLDEN) - 1), st.integers(0, 255), st.integers(0, len(GOLDEN)))
def test_a_damaged_file_is_refused_or_read(at, byte, length):
    damaged = bytearray(GOLDEN)
    damaged[at] = byte
    for data in (bytes(damaged), bytes(damaged[:length])):
        try:
            read_packed(data, "x.bin")
        except UserError as error:
            assert "x.bin" in str(error) and "\n" not in str(error)


def test_a_newer_version_is_refused():
    with pytest.raises(UserError, match="newer"):
        read_packed(GOLDEN[:4] + struct.pack("<I", 2) + GOLDEN[8:])


def test_an_array_that_claims_too_much_is_refused_before_it_is_allocated():
    with pytest.raises(UserError, match="outside"):
        read_packed(GOLDEN.replace(b'"shape":[3]', b'"shape":[9]'))
    header = json.dumps({"arrays": {"x": {"type": "f4", "shape": [1 << 40], "offset": 0}}}).encode()
    with pytest.raises(UserError, match="outside"):
        read_packed(b"A3DP" + struct.pack("<II", 1, len(header)) + header)


def test_other_types_are_not_written():
    with pytest.raises(ValueError, match="float64"):
        write_packed(Packed({}, {"x": np.zeros(3)}))
