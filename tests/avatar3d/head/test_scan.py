"""A scan becomes a head: against the record of what the made-up scan was made from."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from avatar3d.arkit import EXPR_INDEX, EXPR_NAMES
from avatar3d.camera import look_at
from avatar3d.errors import UserError
from avatar3d.head.likeness import Fit, fit_likeness
from avatar3d.head.model import LEFT_EYE, HeadModel
from avatar3d.head.portrait import portrait
from avatar3d.head.scan import Scan, place_scan, read_landmarks, read_scan, unit_of
from avatar3d.head.similarity import fit_similarity
from avatar3d.head.store import load_head, read_head, save_head
from avatar3d.render.mesh import rasterize_mesh, to_camera
from tests.avatar3d.head.expressions import posed
from tests.avatar3d.head.scan_fixture import MadeScan, landmarks_of, make_scan, write_scan


@dataclass(frozen=True)
class Made:
    made: MadeScan
    scan: Scan
    head: HeadModel
    fit: Fit


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    """In millimetres, lying on its back, as an OBJ; the landmarks are a millimetre off."""
    folder = tmp_path_factory.mktemp("scan")
    scan = make_scan(turn=np.array([-np.pi / 2, 0, 0]))
    return _head(write_scan(folder / "person.obj", scan), scan)


def _head(path: Path, made: MadeScan) -> Made:
    scan = read_scan(path)
    landmarks = path.with_suffix(".json")
    landmarks.write_text(json.dumps(landmarks_of(made)))
    placement = place_scan(path, scan, load_head(), None, read_landmarks(landmarks))
    assert unit_of(placement.scale) == "mm"
    head, fit = fit_likeness(load_head(), scan, placement, made.per_metre, "person", "ours")
    return Made(made, scan, head, fit)


def test_the_head_lies_on_the_scan(made):
    assert np.median(made.fit.distance) < 0.1e-3 and np.quantile(made.fit.distance, 0.95) < 0.4e-3 and made.fit.missed < 0.02


def test_every_part_is_where_it_was(made):
    """Against the record, which the fit has not seen: a surface may slide along itself, but not far."""
    face, found = load_head().regions["face"], made.head.template.numpy()
    R, t, _ = fit_similarity(found[face], made.made.truth[face], with_scale=False)
    off = np.linalg.norm(found @ R.T + t - made.made.truth, axis=1)
    for region, most in (("lips", 2.5e-3), ("left_eyelid", 2.5e-3), ("right_eyelid", 2.5e-3), ("nose", 4e-3), ("upper_teeth", 6e-3)):
        assert np.sqrt((off[load_head().regions[region]] ** 2).mean()) < most, region


def test_expressions_do_what_they_did(made):
    head, found = load_head(), made.head
    face = head.regions["face"]
    R, _, _ = fit_similarity(found.template.numpy()[face], made.made.truth[face], with_scale=False)
    for name in ("mouthSmileLeft", "mouthFunnel", "mouthPucker", "browInnerUp", "jawLeft"):
        wanted = 1.05 * head.expr_basis[:, :, EXPR_INDEX[name]].numpy()[face]
        moved = found.expr_basis[:, :, EXPR_INDEX[name]].numpy()[face] @ R.T
        assert np.linalg.norm(moved - wanted) < 0.2 * np.linalg.norm(wanted), name


def test_closed_lips_are_closed_and_part_with_the_jaw(made):
    upper, lower = (made.head.regions[f"lip_inner_{side}"] for side in ("upper", "lower"))
    gap = [np.linalg.norm(vertices[upper] - vertices[lower], axis=1) for vertices in (posed(made.head), posed(made.head, 0.8))]
    assert gap[0].max() < 0.1e-3 and gap[1].max() > 0.015


def test_closed_lids_close(made):
    eye = made.head.joint_template[LEFT_EYE].numpy()
    camera = look_at(eye + np.array([0, 0, 0.4]), eye, focal=1500, size=(256, 256))
    seen = []
    for weight in (0, 1):
        image = rasterize_mesh(to_camera(posed(made.head, eyeBlinkLeft=weight), camera), made.head.faces.numpy(), camera)
        seen.append(np.isin(made.head.faces.numpy()[image.face[image.mask]], made.head.regions["left_eye"]).all(1).sum())
    assert seen[0] > 500 and seen[1] < 0.01 * seen[0]


def test_eyes_and_teeth_stay_rigid(made):
    for region in ("left_eye", "right_eye", "upper_teeth", "lower_teeth"):
        ids = load_head().regions[region]
        before, after = load_head().template.numpy()[ids].astype(np.float64), made.head.template.numpy()[ids].astype(np.float64)
        R, t, s = fit_similarity(before, after)
        identity = 0.6e-3 if "eye" in region else 1.5e-3
        assert np.linalg.norm(s * before @ R.T + t - after, axis=1).max() < identity


def test_it_is_a_head_of_its_own_that_moves_by_the_same_names(made, tmp_path):
    assert made.head.expr_names == EXPR_NAMES and made.head.fingerprint != load_head().fingerprint
    save_head(made.head, tmp_path / "person.npz")
    assert read_head(tmp_path / "person.npz").fingerprint == made.head.fingerprint


def test_the_portrait_shows_scan_and_expressions(made):
    picture = portrait(made.head, made.scan, made.fit)
    columns = np.split(picture.astype(int), 5, axis=1)
    assert picture.shape[0] * 5 == picture.shape[1] * 2
    assert all(abs(column - columns[1]).max() > 60 for column in columns[2:])


def test_a_face_alone_is_enough(tmp_path):
    """No back of the head, no neck: what meets nothing keeps the shape that the face suggests."""
    scan = make_scan(seed=3, cut=0.03)
    made = _head(write_scan(tmp_path / "mask.ply", scan), scan)
    assert np.median(made.fit.distance) < 0.15e-3
    skull = load_head().regions["scalp"]
    face = load_head().regions["face"]
    R, t, _ = fit_similarity(made.head.template.numpy()[face], scan.truth[face], with_scale=False)
    assert np.linalg.norm((made.head.template.numpy() @ R.T + t - scan.truth)[skull], axis=1).max() < 0.03


def test_units_are_guessed_by_size():
    assert [unit_of(scale) for scale in (1.05, 95, 1100, 41, 7)] == ["m", "cm", "mm", "inch", None]


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl", ".glb"])
def test_formats_give_the_same_surface(tmp_path, suffix):
    ball = trimesh.creation.icosphere(subdivisions=4)
    ball.export(tmp_path / f"ball{suffix}")
    scan = read_scan(tmp_path / f"ball{suffix}")
    assert (len(scan.vertices), len(scan.faces)) == (len(ball.vertices), len(ball.faces))
    assert np.allclose(np.linalg.norm(scan.vertices, axis=1), 1, atol=1e-5) and scan.colors is None


def test_colours_are_kept(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=4)
    ball.visual.vertex_colors = np.where(ball.vertices[:, :1] > 0, 255, 0) * np.ones((1, 3), int)
    ball.export(tmp_path / "ball.ply")
    scan = read_scan(tmp_path / "ball.ply")
    assert scan.colors is not None and np.array_equal(scan.colors[:, 0] > 0.5, scan.vertices[:, 0] > 0)


def test_what_is_no_mesh_is_refused(tmp_path):
    (tmp_path / "a.obj").write_text("hello")
    (tmp_path / "b.glb").write_bytes(b"glTF" + bytes(40))
    cloud = ["ply", "format ascii 1.0", "element vertex 3", *(f"property float {axis}" for axis in "xyz"), "end_header", *["0 0 1"] * 3]
    (tmp_path / "c.ply").write_text("\n".join(cloud) + "\n")
    trimesh.creation.box().export(tmp_path / "d.stl")
    for name in ("a.obj", "b.glb", "c.ply", "d.stl", "none.obj"):
        with pytest.raises(UserError, match=rf"{name}: "):
            read_scan(tmp_path / name)


IN_A_ROW = json.dumps({str(index): [index, 0, 0] for index in range(9)})
NONE = (
    "",
    "[]",
    "{}",
    '{"1": [1, 2]}',
    '{"1": [1, 2, "x"]}',
    '{"1": [1, 2, NaN]}',
    '{"9999": [1, 2, 3]}',
    '{"-1": [1, 2, 3]}',
    '{"1": [true, 2, 3]}',
)


@pytest.mark.parametrize("text", [*NONE, IN_A_ROW])
def test_landmarks_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "marks.json").write_text(text)
    with pytest.raises(UserError, match=r"marks\.json: "):
        read_landmarks(tmp_path / "marks.json")


@given(entries=st.dictionaries(st.text(max_size=4), st.lists(st.floats() | st.text(max_size=2), max_size=4), max_size=8))
def test_any_json_is_read_or_refused(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("marks") / "x.json"
    path.write_text(json.dumps(entries))
    try:
        index, points = read_landmarks(path)
    except UserError:
        return
    assert len(index) == len(points) >= 6 and np.isfinite(points).all()


def test_landmarks_of_something_else_are_refused(tmp_path, made):
    random = np.random.default_rng(0)
    index = np.arange(20)
    with pytest.raises(UserError, match=r"marks\.json: its landmarks lie"):
        place_scan(Path("marks.json"), made.scan, load_head(), None, (index, random.normal(0, 100, (20, 3))))


def test_a_scan_without_a_face_is_refused():
    ball = trimesh.creation.icosphere(subdivisions=3)
    with pytest.raises(UserError, match=r"ball\.obj: no face is found on it; give landmarks"):
        place_scan(Path("ball.obj"), Scan(np.asarray(ball.vertices), np.asarray(ball.faces), None), load_head(), lambda picture: None, None)
