"""A FLAME head of the user's own goes the same way as the embedded one, up to speech."""

import gzip
from dataclasses import replace

import numpy as np
import torch

from avatar3d.avatar_file import save_avatar
from avatar3d.drawing import draw
from avatar3d.head.store import load_head
from avatar3d.motion import load_motion, rest_motion, save_motion
from recon.bench import bench_avatar, bench_camera
from recon.evaluation import evaluate
from recon.fit import fit
from recon.presets import PRESETS
from tests.recon.memory_capture import MemoryCapture
from viewer.export.packed import read_packed


def test_fitting_works_on_flame(flame_file, tmp_path):
    head = load_head(flame_file)
    size, camera = 96, bench_camera(96)
    model = bench_avatar(head, 4000)
    motion = rest_motion(head, 12)
    motion.jaw_pose[:, 0] = np.linspace(0, 0.3, 12)
    motion.eyelids[:, :] = np.linspace(0, 1, 12)[:, None]
    pictures = []
    for index in range(12):
        pictures.append(draw(model, motion, index / 25, camera, np.zeros(3, np.float32)))
    landmarks = np.full((12, 478, 3), size / 2, np.float32) + np.random.default_rng(0).uniform(-9, 9, (12, 478, 3)).astype(np.float32)
    rgb = np.stack([(np.clip(p.rgb, 0, 1) * 255).astype(np.uint8) for p in pictures])
    matte = np.stack([(p.alpha * 255).astype(np.uint8) for p in pictures])
    capture = MemoryCapture(rgb, matte, landmarks, np.ones(12, bool), size, tmp_path)
    preset = replace(PRESETS["fast"], gaussians=3000, loose=50, bases=2, steps=80, batch=2)
    avatar = fit(capture, motion, camera, head, preset)
    assert evaluate(avatar, capture, motion, camera, np.arange(12)).psnr_full > 22
    assert torch.isfinite(avatar.pose(motion, 0.2).position).all()


def test_an_avatar_on_flame_speaks(run, refused, flame_file, spoken, tmp_path):
    avatar, head = tmp_path / "flame.avatar", load_head(flame_file)
    save_avatar(bench_avatar(head, 500), avatar)
    words = ("drive", avatar, "--audio", spoken, "-o", tmp_path / "said.npz", "--head", flame_file)
    outcome = run(*words)
    assert outcome.status == 0, outcome.err
    motion = load_motion(tmp_path / "said.npz", head)
    assert np.ptp(motion.jaw_pose[:, 0]) > 0.02 and motion.eyelids is not None
    refused(*words, "--keyframes", tmp_path / "k.json", match=("--keyframes", "ARKit", "avatar3d head retarget"))
    live = ("drive", avatar, "--live", spoken, "-o", tmp_path / "live.npz", "--head", flame_file)
    refused(*live, match=("ARKit", "without --head", "avatar3d drive", "--audio"))


def test_what_needs_arkits_expressions_reaches_flame_by_another_avatar(run, small_avatar, flame_file, spoken, tmp_path):
    (tmp_path / "k.json").write_text('{"keyframes": [{"frame": 5, "neck_pose": [0, 0.1, 0]}]}')
    save_avatar(bench_avatar(load_head(flame_file), 500), tmp_path / "flame.avatar")
    motion, carried = tmp_path / "m.npz", tmp_path / "n.npz"
    for words in (
        ("drive", small_avatar, "--audio", spoken, "--keyframes", tmp_path / "k.json", "-o", motion),
        ("head", "retarget", motion, "--to", flame_file, "-o", carried),
        ("render", tmp_path / "flame.avatar", "--motion", carried, "--size", 32, "-o", tmp_path / "m.mp4", "--head", flame_file),
    ):
        outcome = run(*words)
        assert outcome.status == 0, outcome.err
    np.testing.assert_allclose(load_motion(carried).neck_pose[5], [0, 0.1, 0], atol=0.01)


def test_a_page_of_an_avatar_on_flame_holds_nothing_of_flames_rig(run, flame_file, tmp_path):
    head = load_head(flame_file)
    save_avatar(bench_avatar(head, 500), tmp_path / "flame.avatar")
    motion = rest_motion(head, 12)
    motion.jaw_pose[:, 0] = np.linspace(0, 0.3, 12)
    motion.expr[:, 0] = np.linspace(0, 1, 12)
    save_motion(motion, tmp_path / "m.npz")
    outcome = run("export", tmp_path / "flame.avatar", "--motion", tmp_path / "m.npz", "-o", tmp_path / "page", "--head", flame_file)
    assert outcome.status == 0, outcome.err
    packed = read_packed(gzip.decompress((tmp_path / "page" / "avatar.bin").read_bytes()))
    assert packed.header["mesh"] == "tracks" and "may not be given away" in packed.header["reason"]
    components = packed.values("track_components")
    # Some directions of what moved, and nowhere near the hundred expressions, three hundred identities or 36 correctives.
    assert 1 <= len(components) < 20
    mesh = {"faces", "rest_area", "root", "track_mean", "track_components"}
    assert {name for name in packed.arrays if not name.startswith(("splat_", "basis"))} == mesh


def test_an_avatar_on_flame_needs_its_head(refused, flame_file, tmp_path):
    avatar = tmp_path / "flame.avatar"
    head = load_head(flame_file)
    save_avatar(bench_avatar(head, 500), avatar)
    refused("check", avatar, match=("flame.avatar", head.fingerprint, "--head"))
    refused("check", avatar, "--head", flame_file.with_name("missing.npz"), match=("missing.npz",))


def test_another_edition_is_refused_naming_both(refused, flame_file, small_avatar, tmp_path):
    line = refused("check", small_avatar, "--head", flame_file, match=("small.avatar", load_head().fingerprint))
    assert load_head(flame_file).fingerprint in line
