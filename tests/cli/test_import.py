"""A PLY that GaussianAvatars wrote becomes an avatar."""

import numpy as np
import pytest

from avatar3d.head.flame import NUM_FACES
from tests.viewer.export.scenes import random_gaussians
from viewer.export.ply import ply_bytes


def _write(folder, count=200, **arrays):
    """point_cloud.ply with a binding, and flame_param.npz of five frames beside it."""
    header, rows = ply_bytes(random_gaussians(count), degree=3).split(b"end_header\n", 1)
    bound = np.zeros(count, [("row", "V248"), ("binding_0", "<i4")])
    bound["row"] = np.frombuffer(rows, "V248")
    bound["binding_0"] = np.random.default_rng(0).integers(0, NUM_FACES, count)
    bound["binding_0"][:3] = NUM_FACES + 5
    (folder / "point_cloud.ply").write_bytes(header + b"property int binding_0\nend_header\n" + bound.tobytes())
    tracks = {"rotation": 3, "neck_pose": 3, "jaw_pose": 3, "eyes_pose": 6, "translation": 3, "expr": 100}
    made = {name: np.zeros((5, width), np.float32) for name, width in tracks.items()}
    made |= {"shape": np.zeros(300, np.float32), "static_offset": np.zeros((1, 5143, 3), np.float32)}
    np.savez(folder / "flame_param.npz", **(made | arrays))
    return folder / "point_cloud.ply"


def test_it_is_an_avatar_like_any_other(run, flame_file, tmp_path):
    ply = _write(tmp_path)
    outcome = run("import", ply, "--head", flame_file, "-o", tmp_path / "them.avatar", "--subject", "somebody", "--consent", "yes")
    assert outcome.status == 0 and "197 Gaussians" in outcome.out
    assert "3 Gaussians are on triangles" in outcome.err and "degree 3" in outcome.err
    assert "subject: somebody; consent: yes" in run("info", tmp_path / "them.avatar").out
    assert run("check", tmp_path / "them.avatar", "--head", flame_file).status == 0
    out = run("export", tmp_path / "them.avatar", "--head", flame_file, "--format", "spz", "-o", tmp_path / "a.spz")
    assert out.status == 0 and "197 Gaussians" in out.out


def test_the_parameters_are_asked_for(refused, flame_file, tmp_path):
    ply = _write(tmp_path)
    (tmp_path / "flame_param.npz").unlink()
    refused("import", ply, "--head", flame_file, "-o", tmp_path / "a.avatar", match=("flame_param.npz", "GaussianAvatars"))


@pytest.mark.parametrize(
    "arrays",
    [
        {"shape": np.zeros(5000, np.float32)},
        {"expr": np.zeros((5, 99), np.float32)},
        {"jaw_pose": np.zeros((4, 3), np.float32)},
        {"translation": np.full((5, 3), np.nan)},
        {"shape": np.array(["x"])},
    ],
)
def test_parameters_that_do_not_fit_are_refused(refused, flame_file, tmp_path, arrays):
    ply = _write(tmp_path, **arrays)
    refused("import", ply, "--head", flame_file, "-o", tmp_path / "a.avatar", match=("flame_param.npz", "cannot be used"))
    assert not (tmp_path / "a.avatar").exists()


def test_a_bound_file_is_no_prop(refused, small_avatar, tmp_path):
    ply = _write(tmp_path)
    refused("export", small_avatar, "--format", "ply", "--prop", ply, "-o", tmp_path / "a.ply", match=("--prop", "bound"))
