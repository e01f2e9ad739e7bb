"""VHAP's folder of a FLAME avatar, read back by the importer for other people's data sets and by plain numpy."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from avatar3d.errors import UserError
from avatar3d.head.flame import read_flame
from avatar3d.head.model import head_vertices
from avatar3d.motion import rest_motion
from avatar3d.progress import silent
from recon.import_vhap import read_vhap
from tests.avatar3d.head.flame_fixture import flame_arrays
from tests.avatar3d.tiny import tiny_avatar
from tests.viewer.export.performance import performance
from viewer.export.frames import open_frames
from viewer.export.options import FormatOptions
from viewer.export.selection import Selection
from viewer.export.vhap import write_vhap

OPTIONS = FormatOptions(size=48, background="white")


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Five frames of a FLAME head that opens its mouth, shuts an eye and turns."""
    head = read_flame(tmp_path_factory.mktemp("flame") / "flame.npz", flame_arrays())
    lids = torch.zeros(2, head.num_vertices, 3)
    lids[0, 100:110, 1] = -0.01
    head = replace(head, eyelid_basis=lids)
    motion = rest_motion(head, 5)
    motion.expr[:] = np.random.default_rng(0).normal(size=motion.expr.shape, scale=0.3)
    motion.jaw_pose[:, 0], motion.rotation[:, 1], motion.eyelids[:, 0] = 0.2, np.linspace(0, 0.3, 5), np.linspace(0, 1, 5)
    avatar = tiny_avatar(head, count=30)
    avatar = replace(avatar, shape=torch.zeros(head.num_shape), vertex_offset=torch.full((head.num_vertices, 3), 0.001))
    return open_frames(avatar, replace(motion, sound=np.zeros(3200, np.float32), sound_rate=16000), Selection())


def test_the_layout(frames, tmp_path):
    write_vhap(frames, tmp_path / "out", OPTIONS, silent)
    record = json.loads((tmp_path / "out" / "transforms.json").read_text())
    assert len(record["frames"]) == 5 and record["frames"][3]["timestep_index"] == 3
    for frame in record["frames"]:
        for key in ("file_path", "fg_mask_path", "flame_param_path"):
            assert (tmp_path / "out" / frame[key]).is_file()
    with np.load(tmp_path / "out" / record["frames"][3]["flame_param_path"]) as arrays:
        shapes = {name: arrays[name].shape for name in arrays.files}
    assert shapes["translation"] == shapes["rotation"] == shapes["neck_pose"] == shapes["jaw_pose"] == (1, 3)
    assert (shapes["eyes_pose"], shapes["expr"], shapes["shape"], shapes["static_offset"]) == ((1, 6), (1, 100), (300,), (1, 5023, 3))
    assert (tmp_path / "out" / "canonical_flame_param.npz").is_file()
    assert "nobody" in (tmp_path / "out" / "export.json").read_text()


def test_the_numbers_make_the_same_vertices(frames, tmp_path):
    write_vhap(frames, tmp_path / "out", OPTIONS, silent)
    with np.load(tmp_path / "out" / "flame_param" / "00004.npz") as arrays:
        given = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    head = replace(frames.avatar.head, eyelid_basis=None)
    offset = (given["static_offset"] + given["dynamic_offset"])[0]
    poses = {name: given[name] for name in ("expr", "jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation")}
    found = head_vertices(head, given["shape"], **poses, vertex_offset=offset)[0].numpy()
    wanted = frames.avatar.vertices(frames.motion.frames(slice(4, 5)))[: head.num_vertices]
    assert np.abs(found - wanted).max() < 1e-5


def test_the_importer_takes_it(frames, tmp_path):
    write_vhap(frames, tmp_path / "out", OPTIONS, silent)
    recording = read_vhap(tmp_path / "out")
    assert len(recording.pictures) == 5 and np.allclose(recording.coefficients.channels["expr"], frames.motion.expr, atol=1e-6)
    assert all(path.is_file() for path in recording.mattes)


def test_pictures_are_over_the_colour_and_masks_are_alpha(frames, tmp_path):
    write_vhap(frames, tmp_path / "out", OPTIONS, silent)
    picture = np.asarray(Image.open(tmp_path / "out" / "images" / "00002_00.png"))
    mask = np.asarray(Image.open(tmp_path / "out" / "fg_masks" / "00002_00.png"))
    assert picture.shape == (48, 48, 3) and mask.shape == (48, 48) and mask.max() > 100
    assert (picture[mask == 0] == 255).all()


def test_it_is_gone_on_with(frames, tmp_path):
    write_vhap(frames, tmp_path / "out", OPTIONS, silent)
    lost = tmp_path / "out" / "images" / "00001_00.png"
    whole = lost.read_bytes()
    lost.unlink()
    seen = []
    write_vhap(frames, tmp_path / "out", OPTIONS, lambda done, total, **_: seen.append(done))
    assert lost.read_bytes() == whole and seen == [5]


def test_another_export_in_its_place_is_refused(frames, tmp_path):
    write_vhap(frames, tmp_path / "out", OPTIONS, silent)
    with pytest.raises(UserError, match="new folder"):
        write_vhap(frames, tmp_path / "out", FormatOptions(size=40), silent)


def test_another_head_is_refused_in_one_line(tmp_path):
    with pytest.raises(UserError, match="retarget") as refusal:
        write_vhap(performance(2), tmp_path / "out", OPTIONS, silent)
    assert "\n" not in str(refusal.value) and not list(tmp_path.iterdir())


def test_moving_cameras_are_refused(frames, tmp_path):
    with pytest.raises(UserError, match="still camera"):
        write_vhap(frames, tmp_path / "out", FormatOptions(camera="orbit"), silent)
    assert not list(tmp_path.iterdir())
