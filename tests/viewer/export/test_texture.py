import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion
from recon.bench import bench_avatar
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.export.rig_mesh import rig_mesh
from viewer.export.texture import _texels, baked_texture, texture_jpeg


@pytest.fixture(scope="module")
def painted():
    """An avatar whose colour is its place on the neutral head: red to its left, green upwards, blue to the front."""
    avatar = bench_avatar(load_head(), 6000)
    corners = avatar.rest[avatar.faces[avatar.face]]
    places = np.einsum("nc,ncx->nx", avatar.bary, corners)
    still = {name: torch.zeros_like(getattr(avatar, name)) for name in ("position_basis", "rotation_basis", "colour_basis")}
    return replace(avatar, colour=torch.from_numpy(_colour(places)), **still)


def _colour(places: np.ndarray) -> np.ndarray:
    return (0.5 + 1.5 * places).clip(0.05, 0.95).astype(np.float32)


def test_a_colour_comes_to_the_texel_of_its_place(painted):
    mesh, _ = rig_mesh(painted, rest_motion(painted.head, 1))
    texture = baked_texture(painted, mesh, 256) / 255
    texels = _texels(mesh, np.zeros(len(mesh.faces), np.int64), 256)
    error = np.abs(texture.reshape(-1, 3)[texels.index] - _colour(texels.of(mesh.points)))
    face = np.isin(mesh.source[texels.vertices], painted.head.regions["face"]).all(axis=1)
    assert np.median(error[face]) < 0.03 and np.quantile(error[face], 0.95) < 0.12
    assert np.median(error) < 0.06


def test_a_mesh_without_texture_coordinates_is_grey():
    avatar = tiny_avatar()
    mesh, _ = rig_mesh(avatar, tiny_motion(avatar.head))
    assert (baked_texture(avatar, mesh, 16) == 128).all()


def test_the_picture_says_what_it_is():
    picture = np.zeros((16, 16, 3), np.uint8) + np.arange(16, dtype=np.uint8)[:, None, None] * 10
    read = Image.open(io.BytesIO(texture_jpeg(picture, "Synthetic, Zoë")))
    assert read.info["comment"].decode() == "Synthetic, Zoë"
    assert np.abs(np.asarray(read).astype(int) - picture).max() < 8
