import errno
import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import trimesh
from PIL import Image

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.head.model import JOINT_NAMES, head_vertices
from avatar3d.head.store import load_head
from avatar3d.motion import Motion
from avatar3d.progress import silent
from recon.bench import bench_avatar, bench_motion
from tests.avatar3d.tiny import tiny_avatar, tiny_head, tiny_motion
from tests.viewer.export.gltf_reading import posed, read_glb
from tests.viewer.export.packages import complaints, run_node
from viewer.export.frames import open_frames
from viewer.export.options import FormatOptions
from viewer.export.rig_glb import rig_glb, write_rig_glb
from viewer.export.rig_mesh import REASON, rig_mesh
from viewer.export.selection import Selection

EXACT = 1e-5
"""Metres."""
ASSET = {"version": "2.0"}


def _picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 150, 120)).save(stream, "JPEG")
    return stream.getvalue()


def _truth(avatar: Avatar, motion: Motion) -> np.ndarray:
    """[T, V, 3] by the head model itself."""
    names = ("expr", "jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation", "neck_translation", "eyelids")
    tracks = {name: None if getattr(motion, name) is None else torch.from_numpy(getattr(motion, name)) for name in names}
    return head_vertices(avatar.head, avatar.shape, vertex_offset=avatar.vertex_offset, **tracks).numpy()  # pyright: ignore[reportArgumentType]


def _speaking(avatar: Avatar, frames: int = 12) -> Motion:
    motion = tiny_motion(avatar.head, frames)
    return replace(motion, sound=np.sin(np.arange(int(16000 * motion.duration) + 999, dtype=np.float32)), sound_rate=16000)


@pytest.fixture(scope="module")
def embedded() -> tuple[Avatar, Motion]:
    """An avatar on the embedded head, and all that a head can do at once."""
    avatar = bench_avatar(load_head(), 500)
    motion = bench_motion(avatar.head, 5)
    rng = np.random.default_rng(1)
    for name, size in {"eyes_pose": 0.2, "rotation": 0.6, "translation": 0.3, "neck_translation": 0.01}.items():
        getattr(motion, name)[:] = rng.normal(size=getattr(motion, name).shape, scale=size)
    return avatar, motion


def _names(gltf) -> list[str]:
    return gltf.json["meshes"][0]["extras"]["targetNames"]


def test_every_frame_is_as_the_head_model_poses_it():
    avatar = tiny_avatar()
    motion = tiny_motion(avatar.head)
    mesh, tracks = rig_mesh(avatar, motion)
    gltf = read_glb(rig_glb(mesh, tracks, _picture(), ASSET))
    truth = _truth(avatar, motion)
    for index in range(len(motion)):
        assert np.abs(posed(gltf, index / 25) - truth[index][mesh.source]).max() < EXACT


def test_lids_are_morphs_too():
    head = tiny_head()
    lids = torch.from_numpy(np.random.default_rng(5).normal(size=(2, head.num_vertices, 3), scale=0.003).astype(np.float32))
    avatar = tiny_avatar(replace(head, eyelid_basis=lids))
    motion = replace(tiny_motion(avatar.head), eyelids=np.random.default_rng(6).uniform(size=(12, 2)).astype(np.float32))
    mesh, tracks = rig_mesh(avatar, motion)
    gltf = read_glb(rig_glb(mesh, tracks, _picture(), ASSET))
    assert {"eyelid_left", "eyelid_right"} < set(_names(gltf))
    assert np.abs(posed(gltf, 3 / 25) - _truth(avatar, motion)[3][mesh.source]).max() < EXACT


def test_three_poses_the_embedded_head_as_its_model_does(embedded, tmp_path):
    avatar, motion = embedded
    mesh, tracks = rig_mesh(avatar, motion)
    (tmp_path / "rig.glb").write_bytes(rig_glb(mesh, tracks, _picture(), ASSET))
    run_node("three_vertices.mjs", tmp_path / "rig.glb", tmp_path / "out", *(i / 25 for i in range(4)), needs="three")
    found = np.fromfile(tmp_path / "out", np.float32).reshape(4, -1, 3)
    assert np.abs(found - _truth(avatar, motion)[:4, mesh.source]).max() < EXACT


def test_expressions_keep_their_names_and_joints_theirs(embedded):
    avatar, motion = embedded
    gltf = read_glb(rig_glb(*rig_mesh(avatar, motion), _picture(), ASSET))
    assert _names(gltf)[: avatar.head.num_expr] == list(avatar.head.expr_names)
    assert [gltf.json["nodes"][joint]["name"] for joint in gltf.json["skins"][0]["joints"]] == list(JOINT_NAMES)


def test_the_validator_has_nothing_to_say(embedded, tmp_path):
    avatar, motion = embedded
    (tmp_path / "rig.glb").write_bytes(rig_glb(*rig_mesh(avatar, motion), _picture(), ASSET, scale=2))
    assert complaints(tmp_path / "rig.glb") == set()
    tiny = tiny_avatar()
    (tmp_path / "tiny.glb").write_bytes(rig_glb(*rig_mesh(tiny, tiny_motion(tiny.head, 1)), _picture(), ASSET))
    assert complaints(tmp_path / "tiny.glb") == set()


def test_trimesh_reads_mesh_and_texture(embedded):
    avatar, motion = embedded
    mesh, tracks = rig_mesh(avatar, motion)
    scene = trimesh.load(io.BytesIO(rig_glb(mesh, tracks, _picture(), ASSET)), file_type="glb", process=False)
    (read,) = scene.geometry.values()
    assert np.allclose(read.vertices, avatar.rest[mesh.source], atol=1e-6)
    # The picture of the mesh is that of the head: the same triangles, the same places in the texture.
    assert np.array_equal(mesh.source[read.faces], avatar.head.faces.numpy())
    assert np.allclose(read.visual.uv[read.faces], avatar.head.uv, atol=1e-4)
    assert read.visual.material.baseColorTexture.size == (8, 8)


def _closed() -> Avatar:
    return tiny_avatar(replace(tiny_head(), redistributable=False))


def test_a_head_that_may_not_be_given_away_leaves_only_its_motion():
    avatar = _closed()
    motion = tiny_motion(avatar.head, 40)
    mesh, tracks = rig_mesh(avatar, motion)
    gltf = read_glb(rig_glb(mesh, tracks, _picture(), ASSET))
    assert all(name.startswith("component_") for name in _names(gltf))
    assert len(gltf.json["skins"][0]["joints"]) == 1
    truth = _truth(avatar, motion)
    errors = [np.abs(posed(gltf, index / 25) - truth[index][mesh.source]).max() for index in range(40)]
    assert max(errors) < 2e-4
    # None of the head's own arrays is among what is written.
    written = np.stack([gltf.values(target["POSITION"]).reshape(-1) for target in gltf.json["meshes"][0]["primitives"][0]["targets"]])
    secret = torch.cat([avatar.head.expr_basis, avatar.head.pose_basis], dim=2).numpy()[mesh.source].reshape(-1, 42).T
    alike = (written / np.linalg.norm(written, axis=1, keepdims=True)) @ (secret / np.linalg.norm(secret, axis=1, keepdims=True)).T
    assert np.abs(alike).max() < 0.99


def test_the_file_says_why_it_holds_no_rig(tmp_path):
    avatar = _closed()
    told = write_rig_glb(open_frames(avatar, tiny_motion(avatar.head), Selection()), tmp_path / "rig.glb", FormatOptions(), silent)
    assert REASON in told
    assert read_glb((tmp_path / "rig.glb").read_bytes()).json["asset"]["extras"]["rig"] == REASON


def test_an_export_has_its_sound_beside_it(tmp_path):
    avatar = tiny_avatar()
    frames = open_frames(avatar, _speaking(avatar), Selection(every=2, start=0.08, end=0.4))
    write_rig_glb(frames, tmp_path / "talk.glb", FormatOptions(), silent)
    gltf = read_glb((tmp_path / "talk.glb").read_bytes())
    extras = gltf.json["asset"]["extras"]
    assert extras["sound"] == "talk.glb.wav" and extras["subject"] == "nobody"
    sound = soundfile.SoundFile(tmp_path / "talk.glb.wav")
    assert sound.frames / sound.samplerate == pytest.approx(frames.duration) and "Synthetic" in sound.comment
    assert frames.fps == Fraction(25, 2)
    assert np.abs(posed(gltf, 0.08) - avatar.vertices(frames.motion.frames(slice(4, 5)))[rig_mesh(avatar, frames.motion)[0].source]).max() < EXACT


def test_a_file_that_cannot_be_written_leaves_no_sound(tmp_path, monkeypatch):
    avatar = tiny_avatar()
    motion = replace(tiny_motion(avatar.head), sound=np.zeros(16000, np.float32), sound_rate=16000)

    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"talk\.glb: cannot be written \(no space"):
        write_rig_glb(open_frames(avatar, motion, Selection()), tmp_path / "talk.glb", FormatOptions(), silent)
    assert not list(tmp_path.iterdir())


def test_numbers_that_are_none_are_refused(tmp_path):
    avatar = tiny_avatar()
    broken = replace(avatar, vertex_offset=avatar.vertex_offset * float("nan"))
    with pytest.raises(UserError, match="not numbers"):
        write_rig_glb(open_frames(broken, tiny_motion(avatar.head), Selection()), tmp_path / "rig.glb", FormatOptions(), silent)
    assert not list(tmp_path.iterdir())


def test_one_frame_of_a_closed_head_needs_no_component(tmp_path):
    avatar = _closed()
    motion = tiny_motion(avatar.head, 1)
    mesh, tracks = rig_mesh(avatar, motion)
    (tmp_path / "rig.glb").write_bytes(rig_glb(mesh, tracks, _picture(), ASSET))
    gltf = read_glb((tmp_path / "rig.glb").read_bytes())
    assert not mesh.morphs and np.abs(posed(gltf, 0) - _truth(avatar, motion)[0][mesh.source]).max() < EXACT
    assert complaints(tmp_path / "rig.glb") == set()
