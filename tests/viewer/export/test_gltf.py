import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viewer.export.gltf_reading import read_glb
from viewer.export.gltf import ARRAY, Buffer, write_glb


def test_golden_bytes():
    buffer = Buffer()
    buffer.accessor(np.array([1, 2, 3], np.uint8))
    buffer.accessor(np.array([[1.0, -2.0]], np.float32), ARRAY, bounds=True)
    data = write_glb({"asset": {"version": "2.0"}}, buffer)
    text = (
        b'{"asset":{"version":"2.0"},"buffers":[{"byteLength":12}],"bufferViews":[{"buffer":0,"byteOffset":0,"byteLength":3},'
        b'{"buffer":0,"byteOffset":4,"byteLength":8,"target":34962}],"accessors":[{"bufferView":0,"componentType":5121,"type":"SCALAR","count":3},'
        b'{"bufferView":1,"componentType":5126,"type":"VEC2","count":1,"min":[1.0,-2.0],"max":[1.0,-2.0]}]}'
    )
    text += b" " * (-len(text) % 4)
    assert data == (
        b"glTF\x02\0\0\0" + (28 + len(text) + 12).to_bytes(4, "little") + len(text).to_bytes(4, "little") + b"JSON" + text
        + b"\x0c\0\0\0BIN\0" + b"\x01\x02\x03\0" + b"\0\0\x80\x3f\0\0\0\xc0"
    )  # fmt: skip


@given(st.integers(1, 70_000), st.data())
def test_a_sparse_accessor_reads_back(count, data):
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, count - 1), max_size=5))), np.int64)
    values = np.random.default_rng(count).normal(size=(len(rows), 3)).astype(np.float32)
    buffer = Buffer()
    index = buffer.sparse(count, rows, values)
    expected = np.zeros((count, 3), np.float32)
    expected[rows] = values
    # The reader checks the bounds on its way.
    assert np.array_equal(read_glb(write_glb({}, buffer)).values(index), expected)


def test_what_json_has_no_word_for_is_refused():
    with pytest.raises(ValueError):
        write_glb({"extras": float("nan")}, Buffer())


def test_text_stays_text():
    assert json.loads(json.dumps(read_glb(write_glb({"asset": {"copyright": "Zoë"}}, Buffer())).json))["asset"]["copyright"] == "Zoë"
