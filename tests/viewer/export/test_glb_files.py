import json
import struct

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatar3d.errors import UserError
from avatar3d.progress import silent
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.export.checks import check_file, describe
from viewer.export.frames import open_frames
from viewer.export.glb import write_splats_glb
from viewer.export.glb_files import read_rigged_glb, read_splats_glb
from viewer.export.options import FormatOptions
from viewer.export.rig_glb import write_rig_glb
from viewer.export.selection import Selection


@pytest.fixture(scope="module")
def splats(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("glb") / "head.glb"
    write_splats_glb(open_frames(tiny_avatar(), None, Selection()), path, FormatOptions(), silent)
    return path.read_bytes()


@pytest.fixture(scope="module")
def rigged(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("glb") / "rig.glb"
    avatar = tiny_avatar()
    write_rig_glb(open_frames(avatar, tiny_motion(avatar.head), Selection()), path, FormatOptions(), silent)
    return path.read_bytes()


def test_gaussians_read_back(splats):
    frames = open_frames(tiny_avatar(), None, Selection())
    truth, read = frames.gaussians(0), read_splats_glb(splats, "head.glb")
    for name in ("position", "rotation", "log_scale", "opacity_logit", "sh"):
        assert torch.allclose(getattr(read.gaussians, name), getattr(truth, name), atol=1e-4), name
    assert read.facts["subject"] == "nobody" and read.facts["up"] == "y"


def test_a_rig_says_what_it_holds(rigged):
    found = read_rigged_glb(rigged, "rig.glb")
    assert found.layout == {"vertices": 42, "faces": 80, "morphs": 42, "joints": 5}
    assert (found.frames, found.fps) == (12, 25)


def test_a_mesh_is_not_taken_for_gaussians(rigged):
    with pytest.raises(UserError, match="is a mesh"):
        read_splats_glb(rigged, "rig.glb")


def test_check_reads_both(splats, rigged, tmp_path):
    for name, data, what in (("head.glb", splats, "50 Gaussians"), ("rig.glb", rigged, "morphs 42")):
        (tmp_path / name).write_bytes(data)
        assert what in "\n".join(describe(tmp_path / name, check_file(tmp_path / name)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1), value=st.integers(0, 255), cut=st.floats(0, 1))
def test_damage_is_one_line_or_harmless(splats, rigged, place, value, cut):
    for data, read in ((splats, read_splats_glb), (rigged, read_rigged_glb)):
        broken = bytearray(data)
        broken[int(place * (len(data) - 1))] = value
        for attempt in (bytes(broken), data[: int(cut * len(data))]):
            try:
                read(attempt, "head.glb")
            except UserError as error:
                assert "\n" not in str(error) and "head.glb" in str(error)


def test_a_file_that_claims_more_than_it_has_is_refused(splats):
    claimed = splats[:8] + struct.pack("<I", 0xFFFFFFF0) + splats[12:]
    with pytest.raises(UserError, match="breaks off"):
        read_splats_glb(claimed, "head.glb")


def test_numbers_that_are_none_are_found_in_every_array(rigged):
    length = struct.unpack_from("<I", rigged, 12)[0]
    document, start = json.loads(rigged[20 : 20 + length]), 28 + length
    for accessor in document["accessors"]:
        part = accessor["sparse"]["values"] if "sparse" in accessor else accessor
        if accessor["componentType"] == 5126:
            place = start + document["bufferViews"][part["bufferView"]].get("byteOffset", 0)
            with pytest.raises(UserError, match=r"not numbers|no sense"):
                read_rigged_glb(rigged[:place] + struct.pack("<f", float("nan")) + rigged[place + 4 :], "rig.glb")
