import json
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from avatar3d import avatar_file
from avatar3d.avatar_file import DRIVER, load_avatar, read_driver, read_record, save_avatar, set_driver
from avatar3d.errors import UserError
from tests.avatar3d.tiny import tiny_avatar, tiny_motion


def _saved(tmp_path):
    avatar = tiny_avatar()
    path = tmp_path / "a.avatar"
    save_avatar(avatar, path, preview=np.zeros((8, 8, 3), np.uint8))
    return avatar, path


def _rewritten(path, record=None, tensors=None):
    with zipfile.ZipFile(path) as archive:
        old_record, old_tensors = json.loads(archive.read("avatar.json")), load_tensors(archive.read("avatar.safetensors"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("avatar.json", json.dumps((record or (lambda r: r))(old_record)))
        archive.writestr("avatar.safetensors", save_tensors((tensors or (lambda t: t))(old_tensors)))


def test_a_loaded_avatar_poses_the_same(tmp_path):
    avatar, path = _saved(tmp_path)
    again = load_avatar(path, lambda *_: avatar.head)
    motion = tiny_motion(avatar.head, seed=5)
    assert torch.equal(avatar.pose(motion, 0.2).position, again.pose(motion, 0.2).position)
    assert again.metadata == avatar.metadata
    np.testing.assert_array_equal(again.statistics.rest["expr"], avatar.statistics.rest["expr"])


def test_the_same_avatar_is_the_same_bytes(tmp_path):
    avatar, path = _saved(tmp_path)
    save_avatar(avatar, tmp_path / "b.avatar", preview=np.zeros((8, 8, 3), np.uint8))
    assert path.read_bytes() == (tmp_path / "b.avatar").read_bytes()


def test_no_array_of_the_head_is_in_the_file(tmp_path):
    avatar, path = _saved(tmp_path)
    with zipfile.ZipFile(path) as archive:
        tensors = load_tensors(archive.read("avatar.safetensors"))
    V = avatar.head.num_vertices
    assert [name for name, value in tensors.items() if V in value.shape] == ["vertex_offset"]


def test_earlier_schemas_are_migrated_one_step_at_a_time(tmp_path, monkeypatch):
    avatar, path = _saved(tmp_path)

    def add_head(record, tensors):
        head = {key: record.pop(f"head_{key}") for key in ("name", "fingerprint", "licence")}
        return record | {"schema": 0, "head": head}, tensors

    def add_offsets(record, tensors):
        return record | {"schema": avatar_file.SCHEMA}, tensors | {"vertex_offset": torch.zeros(avatar.head.num_vertices, 3)}

    monkeypatch.setattr(avatar_file, "MIGRATIONS", {-1: add_head, 0: add_offsets})

    def as_schema_minus_1(record):
        head = record.pop("head")
        return record | {"schema": -1} | {f"head_{key}": value for key, value in head.items()}

    _rewritten(path, as_schema_minus_1, lambda t: {name: value for name, value in t.items() if name != "vertex_offset"})
    again = load_avatar(path, lambda *_: avatar.head)
    assert read_record(path)["schema"] == avatar_file.SCHEMA
    assert torch.equal(again.vertex_offset, torch.zeros_like(avatar.vertex_offset))
    assert torch.equal(again.position, avatar.position)


def test_an_unknown_earlier_schema_is_refused(tmp_path):
    _, path = _saved(tmp_path)
    _rewritten(path, lambda record: record | {"schema": -7})
    with pytest.raises(UserError, match="no avatar3d ever wrote"):
        read_record(path)


def test_a_newer_schema_is_refused(tmp_path):
    _, path = _saved(tmp_path)
    _rewritten(path, lambda record: record | {"schema": 99})
    with pytest.raises(UserError, match=r"newer avatar3d.*update"):
        read_record(path)


@pytest.mark.parametrize("keep", [0, 10, 200, 5000])
def test_a_cut_file_is_refused(tmp_path, keep):
    avatar, path = _saved(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"a\.avatar"):
        load_avatar(path, lambda *_: avatar.head)


def test_a_binding_outside_the_mesh_is_refused(tmp_path):
    avatar, path = _saved(tmp_path)
    _rewritten(path, tensors=lambda t: t | {"face": t["face"] + 100000})
    with pytest.raises(UserError, match="damaged"):
        load_avatar(path, lambda *_: avatar.head)


def test_arrays_of_other_lengths_are_refused(tmp_path):
    avatar, path = _saved(tmp_path)
    _rewritten(path, tensors=lambda t: t | {"colour": t["colour"][:-1].contiguous()})
    with pytest.raises(UserError, match="colour has shape"):
        load_avatar(path, lambda *_: avatar.head)


def members(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_driver_comes_and_goes_and_leaves_all_else_as_it_was(tmp_path):
    path = tmp_path / "me.avatar"
    save_avatar(tiny_avatar(), path, preview=np.zeros((4, 4, 3), np.uint8))
    before = path.read_bytes()
    assert read_driver(path) is None
    set_driver(path, b"first")
    set_driver(path, b"second")
    assert read_driver(path) == b"second"
    found = members(path)
    assert found.pop(DRIVER) == b"second"
    set_driver(path, None)
    assert read_driver(path) is None and members(path) == found and path.read_bytes() == before


def test_a_damaged_driver_is_named_and_can_be_taken_away(tmp_path):
    path = tmp_path / "me.avatar"
    save_avatar(tiny_avatar(), path)
    before = path.read_bytes()
    set_driver(path, b"weights" * 100)
    path.write_bytes(path.read_bytes().replace(b"weightsweights", b"weightsWeights", 1))
    with pytest.raises(UserError, match=r"me\.avatar: its own driver is damaged .*--no-own-driver"):
        read_driver(path)
    set_driver(path, None)
    assert path.read_bytes() == before


def test_a_damaged_member_is_not_carried_on(tmp_path):
    path = tmp_path / "me.avatar"
    save_avatar(tiny_avatar(), path, preview=np.zeros((4, 4, 3), np.uint8))
    path.write_bytes(path.read_bytes().replace(b"IHDR", b"IhDR", 1))
    broken = path.read_bytes()
    with pytest.raises(UserError, match=r"me\.avatar: .*damaged"):
        set_driver(path, b"weights")
    assert path.read_bytes() == broken
