"""The tracked motion in VHAP's layout."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np

from avatar3d.camera import look_at
from avatar3d.motion import CHANNELS, Motion
from recon.vhap import transforms, write_vhap

CAMERA = replace(look_at(np.array([0.1, 0.2, 1.0]), np.zeros(3), focal=900.0, size=(512, 512)), cx=250.0)


def motion(frames: int) -> Motion:
    rng = np.random.default_rng(0)
    channels = {name: rng.standard_normal((frames, width)).astype(np.float32) for name, width in CHANNELS.items()}
    return Motion(
        expr=rng.standard_normal((frames, 7)).astype(np.float32),
        shape=np.arange(5, dtype=np.float32),
        fps=Fraction(25),
        head_fingerprint="x",
        **channels,
    )


def test_every_frame_has_its_parameters(tmp_path):
    tracked = motion(5)
    write_vhap(tmp_path, tracked, CAMERA, num_vertices=11)
    for i in range(5):
        with np.load(tmp_path / "flame_param" / f"{i:05d}.npz") as frame:
            assert set(frame) >= {"translation", "rotation", "neck_pose", "jaw_pose", "eyes_pose", "shape", "expr", "static_offset"}
            assert np.array_equal(frame["jaw_pose"], tracked.jaw_pose[i : i + 1])
            assert frame["expr"].shape == (1, 7) and frame["shape"].shape == (5,) and frame["static_offset"].shape == (1, 11, 3)
    with np.load(tmp_path / "canonical_flame_param.npz") as rest:
        assert not rest["rotation"].any() and np.array_equal(rest["shape"], tracked.shape)


def test_splits_cover_all_frames(tmp_path):
    write_vhap(tmp_path, motion(10), CAMERA, num_vertices=3)
    names = {suffix: json.loads((tmp_path / f"transforms{suffix}.json").read_text())["timestep_indices"] for suffix in ("", "_train", "_test")}
    assert names[""] == list(range(10)) == names["_train"] + names["_test"]
    assert len(names["_test"]) == 2


def test_matrix_looks_down_minus_z_as_opengl_does():
    record = transforms(CAMERA, range(1))
    to_world = np.array(record["frames"][0]["transform_matrix"])
    point = np.array([0.03, -0.02, 0.05])
    x, y, z, _ = np.linalg.inv(to_world) @ np.append(point, 1)
    assert z < 0
    pixel = np.array([record["fl_x"] * x / -z + record["cx"], record["fl_y"] * -y / -z + record["cy"]])
    assert np.allclose(pixel, CAMERA.project(point))
    assert np.isclose(np.tan(record["camera_angle_x"] / 2) * 2 * CAMERA.fx, 512)
