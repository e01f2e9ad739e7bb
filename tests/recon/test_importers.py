"""Other programs' data sets become captures with the same motion, seen by one camera."""

import json
import shutil
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from avatar3d.camera import Camera, look_at
from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.head.store import load_head
from avatar3d.motion import CHANNELS, Motion, rest_motion
from recon.crop import Crop
from recon.foreign_files import matrix, read_arrays, read_json, read_numbers, read_picture
from recon.import_insta import read_insta, rotations_of_rows
from recon.import_vhap import read_vhap
from recon.importers import _cropped, import_capture, layout_of, unpainted
from recon.overlay import pose_frames
from recon.recording import Coefficients, Recording, motion_of
from recon.tracking_files import load_tracking
from recon.vhap import write_vhap

pytestmark = pytest.mark.filterwarnings("ignore:.*misses the landmarks")
HEAD = load_head()
T = 12
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def _flame_like() -> HeadModel:
    """The embedded head with as many coefficients as FLAME, and as nameless."""
    rng = np.random.default_rng(0)
    basis = lambda n: torch.from_numpy((1e-4 * rng.standard_normal((HEAD.num_vertices, 3, n))).astype(np.float32))  # noqa: E731
    joints = torch.from_numpy((1e-4 * rng.standard_normal((5, 3, 300))).astype(np.float32))
    return replace(HEAD, name="FLAME", shape_basis=basis(300), expr_basis=basis(100), joint_shape_basis=joints, expr_names=(), fingerprint="")


FLAME = _flame_like()


def _motion(head: HeadModel, seed: int = 0) -> Motion:
    rng = np.random.default_rng(seed)
    channels = {name: (0.1 * rng.standard_normal((T, width))).astype(np.float32) for name, width in CHANNELS.items() if name != "eyelids"}
    values = {
        name: (0.3 * rng.standard_normal(shape)).astype(np.float32) for name, shape in (("expr", (T, head.num_expr)), ("shape", head.num_shape))
    }
    return replace(rest_motion(head, T), **channels, **values)


def _camera(width: int = 512, height: int = 512) -> Camera:
    return replace(look_at(np.array([0.1, 0.02, 0.9]), np.array([0.0, 0.02, 0.0]), focal=900.0, size=(width, height)), cx=width / 2 - 4.5)


@pytest.fixture(scope="module")
def vhap(demo_part, tmp_path_factory):
    """A data set as `track` leaves it, and the motion and camera in it."""
    folder = tmp_path_factory.mktemp("vhap") / "person"
    for kind, suffix in (("images", "jpg"), ("mattes", "png")):
        (folder / kind).mkdir(parents=True)
        for index in range(T):
            shutil.copy(demo_part.path / kind / f"{index:05d}.{suffix}", folder / kind)
    motion, camera = _motion(HEAD), _camera()
    write_vhap(folder, motion, camera, HEAD.num_vertices)
    return folder, motion, camera


def test_what_is_exported_is_imported_as_it_was(vhap, tmp_path):
    folder, motion, camera = vhap
    with pytest.warns(UserWarning, match="misses the landmarks by"):
        found = import_capture(folder, tmp_path / "c", HEAD, fps=Fraction(30))
    tracking = load_tracking(tmp_path / "c", HEAD)
    assert tracking is not None and found.error_px == tracking.report["error_px"]["mean"]
    for name in ("expr", "shape", *(name for name in CHANNELS if name != "eyelids")):
        np.testing.assert_allclose(getattr(tracking.motion, name), getattr(motion, name), atol=1e-5)
    assert tracking.motion.fps == 30 and tracking.motion.head_fingerprint == HEAD.fingerprint
    np.testing.assert_allclose(tracking.camera.T_cam_world, camera.T_cam_world, atol=1e-9)
    assert [tracking.camera.fx, tracking.camera.cx, tracking.camera.cy] == pytest.approx([camera.fx, camera.cx, camera.cy])
    assert tracking.holds_out(0.2) and found.tested == 2 and (tmp_path / "c" / "overlay.mp4").stat().st_size > 1000


def test_pictures_and_mattes_are_those_of_the_data_set(vhap, demo_part, tmp_path):
    found = import_capture(vhap[0], tmp_path / "c")
    assert found.motion is None and load_tracking(tmp_path / "c") is None
    assert len(found.capture) == T and found.capture.valid.all() and found.capture.source["layout"] == "VHAP"
    assert np.abs(found.capture.image(3).astype(int) - demo_part.image(3)).mean() < 1.5
    np.testing.assert_array_equal(found.capture.matte(3), demo_part.matte(3))
    assert np.abs(found.capture.landmarks[3] - demo_part.landmarks[3])[:, :2].mean() < 3


def _recording(motion: Motion, world_to_camera: np.ndarray, axes: np.ndarray, shown: dict | None = None) -> Recording:
    names = ["expr", *(name for name in CHANNELS if name != "eyelids")]
    coefficients = Coefficients(shown or {name: getattr(motion, name) for name in names}, motion.shape, HEAD.num_vertices)
    poses = np.linalg.inv(world_to_camera) @ axes
    paths = tuple(Path(f"{k}.png") for k in range(T))
    return Recording(Path("x"), "VHAP", paths, (None,) * T, poses, np.array([900.0, 910.0, 250.0, 260.0]), (512, 512), coefficients, "", 0)


@pytest.mark.parametrize("axes", [np.eye(4), OPENGL], ids=["opencv", "opengl"])
def test_a_moving_camera_becomes_a_moving_head(axes):
    rng = np.random.default_rng(3)
    motion, camera = _motion(HEAD), _camera()
    moves = np.tile(np.eye(4), (T, 1, 1))
    moves[:, :3, :3] = Rotation.from_rotvec(0.3 * rng.standard_normal((T, 3))).as_matrix()
    moves[:, :3, 3] = 0.05 * rng.standard_normal((T, 3))
    poses = moves @ camera.T_cam_world
    folded, still = motion_of(_recording(motion, poses, axes), HEAD, Fraction(25))
    before, after = pose_frames(HEAD, motion, slice(0, T)), pose_frames(HEAD, folded, slice(0, T))
    for index in range(T):
        truth = replace(still, T_cam_world=poses[index]).project(before[index])
        np.testing.assert_allclose(still.project(after[index]), truth, atol=0.02)
    assert (still.fx, still.fy, still.cx, still.cy) == (900, 910, 250, 260)


def test_cropping_a_camera_is_cropping_its_picture():
    camera, crop = _camera(400, 600), Crop(-30, 50, 460, 256)
    points = np.random.default_rng(0).normal(0, 0.1, (50, 3))
    np.testing.assert_allclose(_cropped(camera, crop).project(points), crop.to_crop(camera.project(points)), atol=1e-9)


@pytest.mark.parametrize(("width", "height"), [(512, 420), (400, 512)])
def test_pictures_that_are_not_square_are_cropped(vhap, tmp_path, width, height):
    folder = tmp_path / "person"
    shutil.copytree(vhap[0], folder)
    for kind in ("images", "mattes"):
        for path in (folder / kind).iterdir():
            cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:height, 512 - width :])
    write_vhap(folder, vhap[1], _camera(width, height), HEAD.num_vertices)
    found = import_capture(folder, tmp_path / "c", HEAD, size=256)
    assert found.capture.size == 256 and found.capture.image(0).shape == (256, 256, 3) and found.capture.valid.all()
    assert found.camera is not None and (found.camera.width, found.camera.height) == (256, 256)
    assert found.camera.fx == pytest.approx(900 * found.capture.crop.scale)


def test_painted_backgrounds_are_taken_out_of_the_fringe():
    rng = np.random.default_rng(0)
    person, alpha = rng.integers(20, 200, (40, 40, 3)).astype(np.float64), np.zeros((40, 40))
    alpha[10:30, 10:30], alpha[9:31, 9], alpha[9:31, 30] = 1.0, 0.5, 0.3
    painted = (alpha[..., None] * person + (1 - alpha[..., None]) * 255).round().astype(np.uint8)
    opacity = (alpha * 255).round().astype(np.uint8)
    clean = unpainted(painted, opacity)
    assert np.abs(clean - person)[alpha > 0].max() <= 4 and np.abs(painted - person)[alpha == 0.3].max() > 30
    real = rng.integers(0, 255, (40, 40, 3)).astype(np.uint8)
    np.testing.assert_array_equal(unpainted(real, opacity), real)


def test_of_several_cameras_the_frontal_one_is_taken(vhap, tmp_path):
    folder = tmp_path / "person"
    shutil.copytree(vhap[0], folder)
    record = json.loads((folder / "transforms.json").read_text())
    side = Rotation.from_rotvec([0, 1.0, 0]).as_matrix()
    extra = []
    for frame in record["frames"]:
        pose = np.array(frame["transform_matrix"])
        pose[:3, :3], pose[:3, 3] = side @ pose[:3, :3], side @ pose[:3, 3]
        extra.append(frame | {"camera_index": 0, "transform_matrix": pose.tolist(), "file_path": "mattes" + frame["file_path"][6:-3] + "png"})
        frame["camera_index"] = 5
    (folder / "transforms.json").write_text(json.dumps(record | {"frames": extra + record["frames"]}))
    assert read_vhap(folder).pictures[0].parent.name == "images"
    assert read_vhap(folder, camera=0).pictures[0].parent.name == "mattes"
    with pytest.raises(UserError, match="has no camera 3; choose one of 0, 5"):
        read_vhap(folder, camera=3)


def test_flames_coefficients_need_flame(vhap, tmp_path):
    folder = tmp_path / "person"
    shutil.copytree(vhap[0], folder)
    write_vhap(folder, _motion(FLAME), _camera(), FLAME.num_vertices + 120)
    with pytest.raises(UserError, match=r"100 expressions and 300 identity modes .* --head"):
        import_capture(folder, tmp_path / "c", HEAD)
    assert not (tmp_path / "c").exists()
    motion, _ = motion_of(read_vhap(folder), FLAME, Fraction(25))
    assert motion.head_fingerprint == FLAME.fingerprint and motion.expr.shape == (T, 100)


def _insta(folder: Path, pictures: Path, motion: Motion, camera: Camera, *, suffix: str = "txt", rows: bool = False, parts=None) -> None:
    """A data set in INSTA's layout: the head is still, the camera moves."""
    (folder / "images").mkdir(parents=True)
    head_R = Rotation.from_rotvec(motion.rotation).as_matrix()
    joint = (FLAME.joint_template + FLAME.joint_shape_basis @ torch.from_numpy(motion.shape)).double().numpy()[0]
    frames = []
    for index in range(T):
        alpha = cv2.imread(str(pictures / "mattes" / f"{index:05d}.png"), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(folder / "images" / f"{index:05d}.png"), np.dstack([cv2.imread(str(pictures / "images" / f"{index:05d}.jpg")), alpha]))
        move = np.eye(4)
        move[:3, :3] = head_R[index]
        move[:3, 3] = joint + motion.translation[index] - head_R[index] @ joint
        frames.append({"file_path": f"images/{index:05d}.png", "transform_matrix": np.linalg.inv(camera.T_cam_world @ move).tolist()})
    values = {"exp": motion.expr, "jaw": motion.jaw_pose, "eyes": motion.eyes_pose, "neck": motion.neck_pose, "shape": np.tile(motion.shape, (T, 1))}
    for name in values if parts is None else parts:
        (folder / "flame" / name).mkdir(parents=True)
        for index, row in enumerate(values[name]):
            if rows and name in ("jaw", "eyes", "neck"):
                row = Rotation.from_rotvec(row.reshape(-1, 3)).as_matrix()[:, :2].reshape(-1)
            path = folder / "flame" / name / f"{index:05d}.{suffix}"
            np.save(path, row[None]) if suffix == "npy" else np.savetxt(path, row, fmt="%.8f")
    shared = {"fl_x": camera.fx, "fl_y": camera.fy, "cx": camera.cx, "cy": camera.cy, "w": camera.width, "h": camera.height}
    for name, part in (("", frames), ("_train", frames[:-3]), ("_test", frames[-3:]), ("_val", frames[-2:])):
        (folder / f"transforms{name}.json").write_text(json.dumps(shared | {"frames": part}))


@pytest.mark.parametrize(("suffix", "rows"), [("txt", False), ("npy", True)])
def test_insta_is_read(vhap, tmp_path, suffix, rows):
    truth = replace(_motion(FLAME), neck_translation=np.zeros((T, 3), np.float32))
    camera = _camera()
    _insta(tmp_path / "bala", vhap[0], truth, camera, suffix=suffix, rows=rows)
    # Without transforms.json the parts are put together, each frame once.
    (tmp_path / "bala" / "transforms.json").unlink()
    recording = read_insta(tmp_path / "bala")
    assert len(recording) == T and recording.tested == 3
    motion, still = motion_of(recording, FLAME, Fraction(25))
    np.testing.assert_allclose(motion.expr, truth.expr, atol=1e-6)
    before, after = pose_frames(FLAME, truth, slice(0, T)), pose_frames(FLAME, motion, slice(0, T))
    for index in range(T):
        np.testing.assert_allclose(still.project(after[index]), camera.project(before[index]), atol=0.02)


def test_insta_without_jaw_gives_its_pictures(vhap, tmp_path):
    folder = tmp_path / "bala"
    _insta(folder, vhap[0], _motion(FLAME), _camera(), parts=("exp",))
    assert layout_of(folder) == "INSTA"
    with pytest.raises(UserError, match=r"lacks flame/jaw, flame/eyes, an identity .*avatar3d track"):
        import_capture(folder, tmp_path / "c", FLAME)
    found = import_capture(folder, tmp_path / "c")
    assert found.tested == 3 and found.capture.valid.all()
    assert (found.capture.matte(0) > 0).mean() == pytest.approx((cv2.imread(str(vhap[0] / "mattes" / "00000.png"), 0) > 0).mean(), abs=0.01)


def test_mattes_are_made_where_there_are_none(vhap, tmp_path):
    folder = tmp_path / "bala"
    _insta(folder, vhap[0], _motion(FLAME), _camera(), parts=("exp",))
    for path in (folder / "images").iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_COLOR))
    found = import_capture(folder, tmp_path / "c")
    truth = cv2.imread(str(vhap[0] / "mattes" / "00000.png"), 0) > 127
    assert ((found.capture.matte(0) > 127) & truth).sum() / ((found.capture.matte(0) > 127) | truth).sum() > 0.95


def test_rows_of_matrices_are_rotations():
    turns = Rotation.from_rotvec(np.random.default_rng(0).standard_normal((20, 3)))
    rows = turns.as_matrix()[:, :2].reshape(20, 6) * 1.7
    np.testing.assert_allclose(Rotation.from_rotvec(rotations_of_rows(rows)).as_matrix(), turns.as_matrix(), atol=1e-12)
    assert (rotations_of_rows(np.zeros((2, 12))) == 0).all()


def test_layouts_are_told_apart(vhap, tmp_path, demo_part):
    assert layout_of(vhap[0]) == "VHAP" and layout_of(demo_part.path) is None
    assert layout_of(tmp_path) is None and layout_of(tmp_path / "none") is None
    with pytest.raises(UserError, match="is not a data set"):
        import_capture(tmp_path, tmp_path / "c")


def _edit(folder: Path, change) -> None:
    record = json.loads((folder / "transforms.json").read_text())
    change(record)
    (folder / "transforms.json").write_text(json.dumps(record))


def _set(key: str, value):
    return lambda record: record["frames"][4].__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("transform_matrix", [[1, 2], [3]]), "transforms.json"),
        (_set("transform_matrix", (2 * np.eye(4)).tolist()), "not a rotation"),
        (_set("transform_matrix", [[float("nan")] * 4] * 4), "not numbers"),
        (_set("transform_matrix", "x"), "not a number"),
        (_set("file_path", "/etc/passwd"), "relative path"),
        (_set("file_path", 7), "relative path"),
        (_set("file_path", "images/none.jpg"), "no such file"),
        (_set("fl_x", 0), "fl_x is 0"),
        (_set("fl_x", 1800), "zooms"),
        (_set("w", 1e9), "w is"),
        (_set("w", 300), "transforms say otherwise"),
        (_set("k1", 0.1), "lens distorts"),
        (_set("flame_param_path", "images/00000.jpg"), "not an .npz"),
        (lambda record: record.__setitem__("frames", []), "lists no frames"),
        (lambda record: record.__setitem__("frames", 3), "not a list"),
        (lambda record: record.pop("frames"), "frames"),
        (lambda record: [frame.pop("flame_param_path") for frame in record["frames"]], "without flame_param_path"),
        (
            lambda record: [frame.update(transform_matrix=(np.diag([1, 1, 1, 1]) + 99 * np.eye(4, k=3)).tolist()) for frame in record["frames"]],
            "in metres",
        ),
    ],
)
def test_bad_transforms_are_refused_in_one_line(vhap, tmp_path, change, words):
    folder = tmp_path / "person"
    shutil.copytree(vhap[0], folder)
    _edit(folder, change)
    with pytest.raises(UserError, match=words) as caught:
        import_capture(folder, tmp_path / "c", HEAD)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value) and not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"jaw_pose": np.zeros((1, 4))}, "jaw_pose has 4 numbers"),
        ({"jaw_pose": None}, "'jaw_pose' is missing"),
        ({"expr": np.zeros((1, 7))}, "number of expressions"),
        ({"expr": np.full((1, 51), np.inf)}, "not numbers"),
        ({"shape": np.zeros(3)}, "identity is not that"),
        ({"rotation": np.array([["a", "b", "c"]])}, "not a number"),
        ({"rotation": np.array([[{}, 1, 2]])}, "pickle"),
        ({"static_offset": np.zeros((1, 6_000_000, 3), np.float32)}, "unpacks to more"),
    ],
)
def test_bad_coefficients_are_refused_in_one_line(vhap, tmp_path, arrays, words):
    folder = tmp_path / "person"
    shutil.copytree(vhap[0], folder)
    path = folder / "flame_param" / "00004.npz"
    with np.load(path) as whole:
        changed = dict(whole) | arrays
    np.savez_compressed(path, **{name: value for name, value in changed.items() if value is not None})
    with pytest.raises(UserError, match=words) as caught:
        import_capture(folder, tmp_path / "c", HEAD)
    assert "\n" not in str(caught.value) and "00004.npz" in str(caught.value) and not (tmp_path / "c").exists()


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(
    key=st.sampled_from(["transform_matrix", "file_path", "fl_x", "cx", "w", "camera_index", "timestep_index", "fg_mask_path", "flame_param_path"]),
    value=_JSON,
)
@settings(max_examples=60, deadline=None)
def test_any_entry_is_read_or_refused(vhap, tmp_path_factory, key, value):
    folder = tmp_path_factory.mktemp("any")
    for name in ("images", "mattes", "flame_param"):
        (folder / name).symlink_to(vhap[0] / name)
    record = json.loads((vhap[0] / "transforms.json").read_text())
    record["frames"][2][key] = value
    (folder / "transforms.json").write_text(json.dumps(record))
    try:
        assert len(read_vhap(folder)) <= T
    except UserError as error:
        assert "\n" not in str(error)


@given(
    data=st.binary(max_size=300), reader=st.sampled_from([read_json, read_arrays, read_numbers, read_picture]), suffix=st.sampled_from([".npy", ".x"])
)
@settings(max_examples=80, deadline=None)
def test_noise_is_refused(tmp_path_factory, data, reader, suffix):
    from recon.foreign_files import named

    path = tmp_path_factory.mktemp("noise") / f"file{suffix}"
    path.write_bytes(data)
    try:
        with named(path, "do this"):
            reader(path)
    except UserError as error:
        assert "\n" not in str(error) and "do this" in str(error)


@given(st.lists(st.floats(width=32), min_size=0, max_size=20))
@settings(max_examples=50, deadline=None)
def test_matrices_are_rigid_or_refused(values):
    try:
        found = matrix(values)
    except ValueError:
        return
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-6)


def test_the_command_line_recognises_data_sets(vhap, tmp_path, monkeypatch):
    from avatar3d.cli import capture as verbs
    from avatar3d.cli.main import main

    seen = {}
    monkeypatch.setattr(verbs, "fit_capture", lambda folder, out, **options: seen.update(folder=folder))
    monkeypatch.setattr(sys, "argv", ["avatar3d", "fit", str(vhap[0]), "-o", str(tmp_path / "me.avatar")])
    main()
    assert seen["folder"] == tmp_path / "me.capture" and load_tracking(seen["folder"], HEAD) is not None
    assert (seen["folder"] / "report.json").is_file()
