"""Reading and writing files by the rules that all of them share."""

import pytest

from avatar3d.errors import UserError
from avatar3d.files import read_bounded


def test_a_file_is_read_whole_up_to_its_bound(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    assert len(read_bounded(tmp_path / "a", 1 << 20, "cut it")) == 1 << 20
    with pytest.raises(UserError, match="larger than 0 MB; cut it"):
        read_bounded(tmp_path / "a", (1 << 20) - 1, "cut it")


def test_what_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(UserError, match="b: no such file; give another"):
        read_bounded(tmp_path / "b", 9, "give another")
    with pytest.raises(UserError, match=r"cannot be read .*; give another"):
        read_bounded(tmp_path, 1 << 20, "give another")
