"""The HLSL that makes sprites of Gaussians, against the projection of a covariance by numpy."""

import subprocess
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from tests.viewer.runtime.programs import OPTIMISED, built
from tests.viewer.unreal.test_plugin import PLUGIN

FLAGS = (*OPTIMISED, f"-I{PLUGIN / 'Resources'}")


def sprites(rows: np.ndarray, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (folder / "rows").write_bytes(rows.astype("<f4").tobytes())
    program = built("sprite", FLAGS, Path(__file__).parent / "sprite.cpp")
    done = subprocess.run([str(program), str(folder / "rows")], capture_output=True, check=True)
    out = np.frombuffer(done.stdout, "<f4").reshape(len(rows), 8).astype(float)
    return out[:, :3], out[:, 3:6], out[:, 6:]


def test_a_sprite_is_the_ellipse_that_the_camera_sees(tmp_path):
    rng = np.random.default_rng(1)
    count, pixel = 300, 1e-3
    centres, cameras = rng.normal(size=(count, 3), scale=10), rng.normal(size=(count, 3), scale=80)
    turns = Rotation.random(count, np.random.default_rng(2))
    deviations = np.exp(rng.uniform(-4, 0.5, size=(count, 3)))
    facing, alignment, size = sprites(np.concatenate([centres, turns.as_quat(), deviations, cameras, np.full((count, 1), pixel)], axis=1), tmp_path)
    R = turns.as_matrix()
    for i in range(count):
        ray = centres[i] - cameras[i]
        distance = np.linalg.norm(ray)
        across = np.eye(3) - np.outer(ray, ray) / distance**2
        seen = across @ (R[i] * deviations[i] ** 2) @ R[i].T @ across + 0.3 * (pixel * distance) ** 2 * across
        values, vectors = np.linalg.eigh(seen)
        np.testing.assert_allclose(facing[i], -ray / distance, atol=1e-5)
        np.testing.assert_allclose(size[i], 6 * np.sqrt(values[1:]), rtol=2e-3)
        assert abs(facing[i] @ alignment[i]) < 1e-5
        if values[2] > 1.05 * values[1]:
            assert abs(alignment[i] @ vectors[:, 2]) > 0.999


def test_a_ball_is_round_and_a_speck_is_a_pixel(tmp_path):
    rows = np.array([[0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 100, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 50, 1e-3]], float)
    _, alignment, size = sprites(rows, tmp_path)
    np.testing.assert_allclose(size, [[12, 12], [6 * np.sqrt(0.3) * 0.05] * 2], rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(alignment, axis=1), 1, rtol=1e-5)
