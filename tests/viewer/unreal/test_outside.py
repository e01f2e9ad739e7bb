"""What of the plugin needs no engine: axes and units, names of curves, frames from ARKit's weights."""

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avatar3d.arkit import ARKIT_NAMES
from avatar3d.arkit_weights import motion_of_arkit
from avatar3d.head.store import load_head
from recon.bench import bench_avatar
from tests.avatar3d.tiny import tiny_avatar
from tests.viewer.runtime.programs import OPTIMISED, SANITIZED, built, frames_of
from tests.viewer.unreal.test_plugin import PLUGIN
from viewer.bridge.ue import Introduction, introduce
from viewer.export.a3d import write_bundle
from viewer.export.a3d_bundle import bundle_of

# Columns: where avatar3d's axes (the subject's left, up, out of the face) lie in Unreal's (forward, right, up).
M = np.array([[0, 0, 1], [-1, 0, 0], [0, 1, 0]], float)
FLAGS = (*SANITIZED, f"-I{PLUGIN / 'Source' / 'Avatar3D' / 'Public'}", "-Wshadow")


def outside(mode: str, *inputs: bytes, folder: Path) -> bytes:
    paths = []
    for index, data in enumerate(inputs):
        paths.append(str(folder / f"in{index}"))
        Path(paths[-1]).write_bytes(data)
    done = subprocess.run([str(built("outside", FLAGS, Path(__file__).parent / "outside.cpp")), mode, *paths], capture_output=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout


def matrices(turns: np.ndarray) -> np.ndarray:
    """Of Unreal's x y z w: its formula is the usual one, whatever the handedness of the axes."""
    return Rotation.from_quat(turns).as_matrix()


def test_places(tmp_path):
    points = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    found = np.frombuffer(outside("place", points.tobytes(), folder=tmp_path), "<f4").reshape(-1, 3)
    np.testing.assert_allclose(found, 100 * points @ M.T, rtol=1e-6)
    nose, right_ear, crown = outside_points(tmp_path, [[0, 0, 0.1], [-0.08, 0, 0], [0, 0.12, 0]])
    # The face looks forward, the subject's right is Unreal's right, and up is up; centimetres.
    np.testing.assert_allclose([nose, right_ear, crown], [[10, 0, 0], [0, 8, 0], [0, 0, 12]], atol=1e-5)
    assert np.linalg.det(M) == pytest.approx(-1)


def outside_points(folder, points):
    return np.frombuffer(outside("place", np.array(points, "<f4").tobytes(), folder=folder), "<f4").reshape(-1, 3)


@pytest.mark.parametrize(("mode", "kind"), [("turn", "<f4"), ("turn64", "<f8")])
def test_turns_are_those_of_the_turned_axes(tmp_path, mode, kind):
    turns = np.random.default_rng(2).normal(size=(200, 4)).astype(kind)
    found = np.frombuffer(outside(mode, turns.tobytes(), folder=tmp_path), kind).reshape(-1, 4)
    expected = M @ Rotation.from_quat(turns[:, [1, 2, 3, 0]]).as_matrix() @ M.T
    np.testing.assert_allclose(matrices(found), expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_no_turn_at_all_is_the_identity(tmp_path):
    found = np.frombuffer(outside("turn", np.zeros(4, "<f4").tobytes(), folder=tmp_path), "<f4")
    np.testing.assert_array_equal(found, [0, 0, 0, 1])


def test_a_gaussian_stays_the_same_ellipsoid(tmp_path):
    rng = np.random.default_rng(3)
    turns, logs = rng.normal(size=(100, 4)).astype("<f4"), rng.uniform(-8, -4, size=(100, 3)).astype("<f4")
    rotation = matrices(np.frombuffer(outside("turn", turns.tobytes(), folder=tmp_path), "<f4").reshape(-1, 4))
    scale = np.frombuffer(outside("scale", logs.tobytes(), folder=tmp_path), "<f4").reshape(-1, 3).astype(float)
    found = rotation @ (scale[:, :, None] ** 2 * np.eye(3)) @ rotation.transpose(0, 2, 1)
    before = Rotation.from_quat(turns[:, [1, 2, 3, 0]]).as_matrix()
    covariance = before @ (np.exp(2.0 * logs)[:, :, None] * np.eye(3)) @ before.transpose(0, 2, 1)
    expected = 1e4 * M @ covariance @ M.T
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


def test_there_and_back(tmp_path):
    rng = np.random.default_rng(4)
    points, turns = rng.normal(size=(20, 3)).astype("<f4"), rng.normal(size=(20, 4)).astype("<f8")
    moved = np.frombuffer(outside("place", points.tobytes(), folder=tmp_path), "<f4").reshape(-1, 3)
    turned = np.frombuffer(outside("turn64", turns.tobytes(), folder=tmp_path), "<f8").reshape(-1, 4)
    np.testing.assert_allclose(moved @ M / 100, points, atol=1e-6)
    back = M.T @ matrices(turned) @ M
    np.testing.assert_allclose(back, Rotation.from_quat(turns[:, [1, 2, 3, 0]]).as_matrix(), atol=1e-12)


def test_colours_become_linear_light(tmp_path):
    values = np.array([-0.2, 0, 0.04, 0.5, 1, 1.2], "<f4")
    found = np.frombuffer(outside("colour", values.tobytes(), folder=tmp_path), "<f4")
    np.testing.assert_allclose(found, [0, 0, 0.04 / 12.92, 0.21404114, 1, ((1.2 + 0.055) / 1.055) ** 2.4], atol=1e-6)


CHANNELS = (("arkit", 52), ("head", 3), ("eyes", 6), ("expr", 2), ("neck_pose", 3), ("rotation", 3), ("translation", 3))


def test_curves_have_the_names_that_unreal_knows(tmp_path):
    names = outside("names", introduce(Introduction(1, 0, "a", "", Fraction(60), CHANNELS)), folder=tmp_path).decode().split()
    assert names[:52] == [name[0].upper() + name[1:] for name in ARKIT_NAMES]
    assert names[52:61] == [f"{part}{turn}" for part in ("Head", "LeftEye", "RightEye") for turn in ("Yaw", "Pitch", "Roll")]
    assert names[61:65] == ["Flame_expr_0", "Flame_expr_1", "Flame_neck_pose_0", "Flame_neck_pose_1"] and len(names) == 72


def test_curves_have_turns_as_unreals_own_face_capture_gives_them(tmp_path):
    values = np.random.default_rng(8).normal(size=(4, 72)).astype("<f4")
    found = np.frombuffer(outside("curves", introduce(Introduction(1, 0, "a", "", Fraction(60), CHANNELS)), values.tobytes(), folder=tmp_path), "<f4")
    expected = values.copy()
    expected[:, 52:61] /= np.pi
    np.testing.assert_allclose(found.reshape(-1, 72), expected, rtol=1e-6)


def test_the_head_turns_and_moves(tmp_path):
    introduction = introduce(Introduction(1, 0, "a", "", Fraction(60), CHANNELS))
    values = np.random.default_rng(5).normal(size=(30, 72), scale=0.5).astype("<f4")
    found = np.frombuffer(outside("head", introduction, values.tobytes(), folder=tmp_path), "<f8").reshape(-1, 7)
    turn = Rotation.from_rotvec(values[:, 66:69]) * Rotation.from_rotvec(values[:, 63:66])
    np.testing.assert_allclose(found[:, :3], 100 * values[:, 69:72] @ M.T, atol=1e-4)
    np.testing.assert_allclose(matrices(found[:, 3:]), M @ turn.as_matrix() @ M.T, atol=1e-6)


def test_without_a_rig_the_head_turns_by_its_angles(tmp_path):
    introduction = introduce(Introduction(1, 0, "a", "", Fraction(60), CHANNELS[:3]))
    values = np.random.default_rng(6).normal(size=(30, 61), scale=0.5).astype("<f4")
    found = np.frombuffer(outside("head", introduction, values.tobytes(), folder=tmp_path), "<f8").reshape(-1, 7)
    expected = M @ Rotation.from_euler("YXZ", values[:, 52:55]).as_matrix() @ M.T
    np.testing.assert_allclose(matrices(found[:, 3:]), expected, atol=1e-6)
    # A head that turns to the subject's left looks to Unreal's left.
    left = np.zeros((1, 61), "<f4")
    left[0, 52] = np.pi / 2
    turned = np.frombuffer(outside("head", introduction, left.tobytes(), folder=tmp_path), "<f8")
    np.testing.assert_allclose(matrices(turned[None, 3:])[0] @ [1, 0, 0], [0, -1, 0], atol=1e-6)


def test_a_phones_weights_move_the_head_as_they_do_in_python(tmp_path):
    head = load_head()
    avatar = bench_avatar(head, 200)
    rng = np.random.default_rng(7)
    weights, turns = rng.random((20, 52)).astype("<f4"), rng.normal(size=(20, 3), scale=0.3).astype("<f4")
    rows = np.concatenate([weights, turns], axis=1)
    data = outside("arkit", write_bundle(bundle_of(avatar, None)), rows.tobytes(), folder=tmp_path)
    expected = frames_of(motion_of_arkit(weights, head, Fraction(30), turns))
    np.testing.assert_allclose(np.frombuffer(data, "<f4").reshape(20, -1), expected, atol=1e-5)


def test_a_head_with_other_expressions_takes_no_arkit(tmp_path):
    avatar = tiny_avatar(replace(tiny_avatar().head, redistributable=True), count=20)
    assert outside("arkit", write_bundle(bundle_of(avatar, None)), np.zeros(55, "<f4").tobytes(), folder=tmp_path) == b""


def playback(folder, *rows: tuple[float, ...]) -> tuple[np.ndarray, list[int]]:
    """Times, and what the sound does (0 as it was, 1 begins, 2 ends): rows of play (-1 stops), drives, loops, seconds, a round's."""
    found = np.frombuffer(outside("playback", np.array(rows, "<f4").tobytes(), folder=folder), "<f4").reshape(-1, 2)
    return found[:, 0], found[:, 1].astype(int).tolist()


def test_the_sound_of_a_loop_begins_with_every_round(tmp_path):
    times, sound = playback(tmp_path, (1, 1, 1, 0.25, 1), *[(0, 1, 1, 0.25, 1)] * 8)
    np.testing.assert_allclose(times, [0.25, 0.5, 0.75, 0, 0.25, 0.5, 0.75, 0, 0.25])
    assert sound == [1, 0, 0, 1, 0, 0, 0, 1, 0]


def test_a_motion_that_does_not_loop_sounds_once(tmp_path):
    times, sound = playback(tmp_path, (1, 1, 0, 0.5, 1), *[(0, 1, 0, 0.5, 1)] * 5)
    assert times[-1] == 3 and sound == [1, 0, 0, 0, 0, 0]


def test_there_is_sound_only_while_playback_drives(tmp_path):
    steps = ((1, 0), (0, 0), (0, 1), (0, 0), (0, 1), (-1, 1))
    times, sound = playback(tmp_path, *[(*step, 1, 0.5, 9) for step in steps])
    np.testing.assert_allclose(times, [0, 0, 0.5, 0.5, 1, 1])
    # Who stops it silences the sound.
    assert sound == [0, 0, 1, 2, 1, 0]


def test_a_sound_begins_where_the_motion_is(tmp_path):
    rows = np.array([[0, 100, 50], [0.255, 100, 50], [-1, 100, 50], [np.nan, 100, 50], [0.5, 100, 50], [1e30, 100, 50]], "<f4")
    assert np.frombuffer(outside("sample", rows.tobytes(), folder=tmp_path), "<f4").tolist() == [0, 25, 0, 0, 50, 50]


def test_moments_that_the_engine_can_count_are_time_codes(tmp_path):
    day, most = 86_399.98, 2**31 - 1
    rows = [[day, 60, 1], [0, 24, 1], [day, 240_000, 1001], [most / 60 - 1, 60, 1], [1, most, most]]
    strange = [[-0.1, 60, 1], [most / 60, 60, 1], [1e12, 60, 1], [np.nan, 60, 1], [np.inf, 60, 1], [1, 0, 1], [1, 60, 0], [0, 2**31, 2**31]]
    found = np.frombuffer(outside("timecode", np.array(rows + strange, "<f8").tobytes(), folder=tmp_path), "<f4")
    assert found.tolist() == [1] * len(rows) + [0] * len(strange)


def test_the_asset_finds_its_heads_fingerprint_in_what_a_file_says_of_itself():
    # UAvatar3DAsset reads about.head.fingerprint.
    avatar = bench_avatar(load_head(), 20)
    assert bundle_of(avatar, None).about["head"]["fingerprint"] == avatar.head.fingerprint


def test_it_compiles_optimised():
    built("outside", (*OPTIMISED, *FLAGS[-2:]), Path(__file__).parent / "outside.cpp")
