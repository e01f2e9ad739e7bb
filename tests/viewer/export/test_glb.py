import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from avatar3d.camera import look_at
from avatar3d.drawing import draw_gaussians
from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from avatar3d.progress import silent
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from tests.npm import npm_package
from tests.viewer.export.gltf_reading import Gltf, read_glb
from tests.viewer.export.packages import complaints, run_node
from viewer.export.frames import open_frames
from viewer.export.glb import splats_glb, write_splats_glb
from viewer.export.options import FormatOptions
from viewer.export.ply import ply_bytes
from viewer.export.selection import Selection

ASSET = {"version": "2.0"}
PREFIX = "KHR_gaussian_splatting:"


def _gaussians(count: int = 200, bands: int = 16) -> Gaussians:
    generator = torch.Generator().manual_seed(3)

    def noise(*shape: int, size: float) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * size

    return Gaussians(
        noise(count, 3, size=0.1), noise(count, 4, size=1), noise(count, 3, size=0.5) - 4.5, noise(count, size=2), noise(count, bands, 3, size=0.5)
    )


def _read(gltf: Gltf) -> Gaussians:
    """As the extension says, from the file alone."""
    (primitive,) = gltf.json["meshes"][0]["primitives"]
    part = {name: torch.from_numpy(gltf.values(index).astype(np.float32)) for name, index in primitive["attributes"].items()}
    bands = [part[f"{PREFIX}SH_DEGREE_{d}_COEF_{n}"] for d in range(4) for n in range(2 * d + 1) if f"{PREFIX}SH_DEGREE_{d}_COEF_{n}" in part]
    opacity = part[f"{PREFIX}OPACITY"][:, 0]
    return Gaussians(
        part["POSITION"],
        part[f"{PREFIX}ROTATION"][:, [3, 0, 1, 2]],
        part[f"{PREFIX}SCALE"].log(),
        torch.logit(opacity),
        torch.stack(bands, dim=1),
    )


def _picture(gaussians: Gaussians) -> np.ndarray:
    camera = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal=300, size=(200, 200))
    return draw_gaussians(gaussians, camera, np.full(3, 0.5, np.float32)).rgb.copy()


@pytest.mark.parametrize("bands", [1, 4, 9, 16])
def test_pictures_of_what_was_written_are_the_same(bands):
    gaussians = _gaussians(bands=bands)
    again = _read(read_glb(splats_glb(gaussians, ASSET)))
    assert again.sh.shape == gaussians.sh.shape
    error = np.square(_picture(again) - _picture(gaussians)).mean()
    assert -10 * np.log10(error + 1e-20) > 80


def test_numbers_are_as_the_extension_wants_them():
    gaussians = _gaussians()
    gltf = read_glb(splats_glb(gaussians, ASSET))
    (primitive,) = gltf.json["meshes"][0]["primitives"]
    assert primitive["mode"] == 0 and gltf.json["extensionsUsed"] == ["KHR_gaussian_splatting"]
    assert set(primitive["extensions"]["KHR_gaussian_splatting"]) == {"kernel", "colorSpace", "projection", "sortingMethod"}
    part = {name: gltf.values(index) for name, index in primitive["attributes"].items()}
    assert np.allclose(np.linalg.norm(part[f"{PREFIX}ROTATION"], axis=1), 1, atol=1e-6)
    assert part[f"{PREFIX}SCALE"].min() > 0 and 0 <= part[f"{PREFIX}OPACITY"].min() <= part[f"{PREFIX}OPACITY"].max() <= 1


def test_fallback_colours_are_linear():
    grey = replace(_gaussians(1, 1), sh=torch.zeros(1, 1, 3), opacity_logit=torch.zeros(1))
    gltf = read_glb(splats_glb(grey, ASSET))
    colour = gltf.values(gltf.json["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"])
    # sRGB 0.5 sends out 21.4 % of the light.
    assert np.allclose(colour, [[0.2140, 0.2140, 0.2140, 0.5]], atol=1e-4)


def test_the_validator_knows_all_but_the_extension(tmp_path):
    (tmp_path / "head.glb").write_bytes(splats_glb(_gaussians(), ASSET))
    assert {code for code, _ in complaints(tmp_path / "head.glb")} == {"UNSUPPORTED_EXTENSION", "MESH_PRIMITIVE_INVALID_ATTRIBUTE"}
    strange = {where for code, where in complaints(tmp_path / "head.glb") if code == "MESH_PRIMITIVE_INVALID_ATTRIBUTE"}
    assert all("/attributes/KHR_gaussian_splatting:" in where for where in strange)


def test_an_export_says_what_it_is(tmp_path):
    avatar = tiny_avatar()
    frames = open_frames(avatar, tiny_motion(avatar.head), Selection(start=0.2, scale=2))
    write_splats_glb(frames, tmp_path / "head.glb", FormatOptions(), silent)
    gltf = read_glb((tmp_path / "head.glb").read_bytes())
    asset = gltf.json["asset"]
    assert "Synthetic" in asset["copyright"] and "nobody" in asset["copyright"]
    assert asset["extras"]["subject"] == "nobody" and asset["extras"]["consent"]
    assert torch.allclose(_read(gltf).position, avatar.pose(frames.motion, 0.2).position * 2, atol=1e-6)


def test_a_full_disk_is_one_line():
    frames = open_frames(tiny_avatar(), None, Selection())
    with pytest.raises(UserError, match="/dev/full"):
        write_splats_glb(frames, Path("/dev/full"), FormatOptions(), silent)


def test_three_reads_the_same_ellipsoids(tmp_path):
    gaussians = _gaussians()
    (tmp_path / "head.glb").write_bytes(splats_glb(gaussians, ASSET))
    run_node("three_gaussians.mjs", tmp_path / "head.glb", tmp_path / "out", needs="three")
    centres, covariances, colours = np.split(np.fromfile(tmp_path / "out", np.float32), np.cumsum([200 * 3, 200 * 6]))
    assert np.allclose(centres.reshape(-1, 3), gaussians.position, atol=1e-7)
    turn = Rotation.from_quat(gaussians.rotation[:, [1, 2, 3, 0]]).as_matrix() * np.exp(gaussians.log_scale.numpy())[:, None]
    truth = (turn @ turn.transpose(0, 2, 1))[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
    assert np.allclose(covariances.reshape(-1, 6), truth, rtol=1e-4, atol=1e-9)
    rgb = (gaussians.sh[:, 0] * 0.28209479 + 0.5).clamp(0, 1)
    assert np.abs(colours.reshape(-1, 4) / 255 - torch.cat([rgb, gaussians.opacity_logit.sigmoid()[:, None]], dim=1).numpy()).max() < 0.003


@pytest.mark.parametrize("bands", [1, 16])
def test_splat_transform_writes_the_same(bands, tmp_path):
    program = npm_package("@playcanvas/splat-transform", "2.7.1") / "bin" / "cli.mjs"
    gaussians = _gaussians(bands=bands)
    # It turns files of Gaussians by half a turn around z on their way to glTF: here they are turned back beforehand.
    w, x, y, z = torch.nn.functional.normalize(gaussians.rotation, dim=1).T
    signs = torch.tensor([1.0, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1])[:bands, None]
    back = Gaussians(
        gaussians.position * torch.tensor([-1.0, -1, 1]), torch.stack([-z, -y, x, w], dim=1), gaussians.log_scale, gaussians.opacity_logit,
        gaussians.sh * signs,
    )  # fmt: skip
    (tmp_path / "head.ply").write_bytes(ply_bytes(back, degree=int(bands**0.5) - 1))
    command = ["node", str(program), "-w", str(tmp_path / "head.ply"), str(tmp_path / "theirs.glb")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    ours, theirs = read_glb(splats_glb(gaussians, ASSET)), read_glb((tmp_path / "theirs.glb").read_bytes())
    (mine,), (other,) = (each.json["meshes"][0]["primitives"] for each in (ours, theirs))
    assert set(mine["attributes"]) == set(other["attributes"]) and mine["extensions"] == other["extensions"]
    for name, index in mine["attributes"].items():
        found, expected = ours.values(index), theirs.values(other["attributes"][name])
        if name.endswith("ROTATION"):
            expected = expected * np.sign((found * expected).sum(axis=1, keepdims=True))
        # Its fallback colours are not linear, as the core of glTF wants them.
        assert name == "COLOR_0" or np.allclose(found, expected, atol=1e-5), name
