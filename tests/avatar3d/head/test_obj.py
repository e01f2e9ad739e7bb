"""OBJ files in their own order, and broken ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar3d.errors import UserError
from avatar3d.head.obj import obj_mesh, obj_vertices

TEXT = "mtllib m.mtl\nv 1 2 3\nv 4 5 6 0.5 0.5 0.5\nvt 0 0\nvn 0 0 1\nv -1e-3 0 0\nv 0 0 2\ng face\nf 1/1/1 2/1/1 3/1/1 4/1/1\nf -1 -2 -4\n"


def test_vertices_keep_their_order_and_polygons_become_fans(tmp_path):
    path = tmp_path / "a.obj"
    path.write_text(TEXT)
    vertices, faces = obj_mesh(path)
    assert np.array_equal(vertices, [[1, 2, 3], [4, 5, 6], [-1e-3, 0, 0], [0, 0, 2]])
    assert np.array_equal(faces, [[0, 1, 2], [0, 2, 3], [3, 2, 0]])
    assert np.array_equal(obj_vertices(path), vertices)


@pytest.mark.parametrize(
    "text", ["", "v 1 2\n", "v a b c\n", "v 1 2 nan\nf 1 1 1\n", "v 1 2 3\n", "v 1 2 3\nf 1 2 3\n", "v 1 2 3\nf 0 1 1\n", "v 1 2 3\nf x 1 1\n"]
)
def test_broken_files_are_refused_by_name(tmp_path, text):
    path = tmp_path / "broken.obj"
    path.write_text(text)
    with pytest.raises(UserError, match=r"broken\.obj: "):
        obj_mesh(path)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("obj") / "x.obj"
    path.write_bytes(b"v 1 2 3\nv 1 2 4\nf 1 2 1\n" + data)
    try:
        vertices, faces = obj_mesh(path)
    except UserError:
        return
    assert np.isfinite(vertices).all() and faces.max() < len(vertices) and faces.min() >= 0
