"""FLAME files: what is read, what is refused, and what they are given."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avatar3d.camera import look_at
from avatar3d.data import data_path
from avatar3d.errors import UserError
from avatar3d.head.flame import read_flame
from avatar3d.head.info import convert_head, head_info
from avatar3d.head.model import LEFT_EYE, RIGHT_EYE, HeadModel, head_vertices, landmark_positions
from avatar3d.head.register import register
from avatar3d.head.store import find_head, load_head, read_bare_head
from avatar3d.head.transfer import complete_head
from avatar3d.head.unpickle import load_pickle
from avatar3d.render.mesh import rasterize_mesh, to_camera
from tests.avatar3d.head.flame_fixture import NUM_VERTICES, flame_arrays, global_call, make_flame, write_npz, write_pickle


@pytest.fixture(scope="module")
def arrays() -> dict:
    return flame_arrays()


@pytest.fixture(scope="module")
def bare(arrays) -> HeadModel:
    return read_flame(Path("flame.pkl"), arrays)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def whole(arrays, cache) -> HeadModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        return load_head(write_pickle(cache / "flame.pkl", arrays))


def pose(head: HeadModel, **moved) -> np.ndarray:
    widths = {"jaw_pose": 3, "neck_pose": 3, "eyes_pose": 6, "rotation": 3, "translation": 3}
    values = {name: torch.zeros(1, width) for name, width in widths.items()} | {k: torch.tensor([v], dtype=torch.float32) for k, v in moved.items()}
    return head_vertices(head, torch.zeros(1), torch.zeros(1, head.num_expr), **values)[0].numpy()


def test_chumpy_pickle_of_python_2_is_read(tmp_path, arrays):
    head = read_flame(write_pickle(tmp_path / "generic_model.pkl", arrays))
    assert np.allclose(head.template.numpy(), arrays["v_template"], atol=1e-7)
    assert (head.num_shape, head.num_expr) == (300, 100)
    assert np.allclose(head.joint_template.numpy(), arrays["J_regressor"] @ arrays["v_template"], atol=1e-6)
    assert not head.redistributable and "non-commercial" in head.licence


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pickle_of_python_3_is_read(tmp_path, arrays, bare, protocol):
    path = tmp_path / "flame2023.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol=protocol))
    assert read_flame(path).fingerprint == bare.fingerprint


def test_npz_is_read_and_the_open_edition_recognised(tmp_path, arrays, bare):
    path = write_npz(tmp_path / "flame2023.npz", arrays, supr_expression_metadata=np.array("SUPR_head"))
    head = read_bare_head(path)
    assert head.fingerprint == bare.fingerprint and "CC BY 4.0" in head.licence


def test_kintree_root_may_be_minus_one(arrays, bare):
    table = arrays["kintree_table"].astype(np.int64)
    table[0, 0] = -1
    assert read_flame(Path("x"), arrays | {"kintree_table": table}).fingerprint == bare.fingerprint


@pytest.mark.parametrize("missing", ["shapedirs", "posedirs", "J_regressor", "weights"])
def test_incomplete_model_is_refused_naming_what_it_lacks(arrays, missing):
    with pytest.raises(UserError, match=rf"flame\.pkl: .*lacks {missing}"):
        read_flame(Path("flame.pkl"), {name: a for name, a in arrays.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("shapedirs", lambda a: a[:, :, :60]),
        ("v_template", lambda a: a[:100]),
        ("v_template", lambda a: np.where(np.arange(3) == 1, np.nan, a)),
        ("f", lambda a: a + np.uint32(NUM_VERTICES)),
        ("weights", lambda a: 2 * a),
        ("kintree_table", lambda a: a[:, :4]),
        ("posedirs", lambda a: np.array(["text"])),
    ],
)
def test_inconsistent_model_is_refused(arrays, name, change):
    with pytest.raises(UserError, match=r"flame\.pkl: "):
        read_flame(Path("flame.pkl"), arrays | {name: change(arrays[name])})


@pytest.mark.parametrize(
    ("module", "name", "argument"),
    [
        ("os", "system", "touch {mark}"),
        ("builtins", "eval", "open('{mark}','w')"),
        ("numpy", "fromfile", "{mark}"),
        ("subprocess", "Popen", "{mark}"),
    ],
)
def test_pickle_that_runs_code_is_refused_by_name(tmp_path, arrays, module, name, argument):
    mark = tmp_path / "mark"
    code = b"T\x03\x00\x00\x00bad" + global_call(module, name, argument.format(mark=mark))
    path = write_pickle(tmp_path / "evil.pkl", arrays, extra=code)
    with pytest.raises(UserError, match=rf"evil\.pkl: refused: the pickle asks for {module}\.{name}"):
        load_head(path)
    assert not mark.exists()


class _Reduces:
    def __init__(self, function, arguments):
        self._call = (function, arguments)

    def __reduce__(self):
        return self._call


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_any_protocol_is_refused(tmp_path, protocol):
    path = tmp_path / "evil.pkl"
    mark = tmp_path / "mark"
    path.write_bytes(pickle.dumps({"v_template": _Reduces(exec, (f"open({str(mark)!r}, 'w')",))}, protocol=protocol))
    with pytest.raises(UserError, match="exec"):
        load_pickle(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no pickle", b"\x80\x02}", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02]r\xff\xff\xff\x7f.",  # a memo number that would allocate gigabytes
        b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes longer than the file
        b"\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.",  # a class given a state
        b"\x80\x02c_codecs\nencode\n}X\x0c\x00\x00\x00__defaults__K\x01s\x86b.",  # a function given a state
        b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
    ],
)  # fmt: skip
def test_damaged_pickle_is_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.pkl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.pkl: "):
        load_head(path)


def test_a_sound_is_no_head_model(tmp_path):
    path = tmp_path / "voice.wav"
    path.write_bytes(b"RIFF\xc4O\x01\x00WAVEfmt \x10\x00" + bytes(100))
    with pytest.raises(UserError, match=r"voice\.wav: is no head model, or is damaged; give FLAME's file, or get it again$"):
        load_pickle(path)


def test_array_larger_than_its_data_is_refused(tmp_path):
    made = pickle.dumps(np.zeros(3), protocol=2).replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")
    path = tmp_path / "huge.pkl"
    path.write_bytes(made)
    with pytest.raises(UserError, match=r"huge\.pkl: .*shape"):
        load_pickle(path)


def test_truncated_pickle_is_refused(tmp_path, arrays):
    path = write_pickle(tmp_path / "cut.pkl", arrays)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"cut\.pkl: "):
        load_head(path)


def test_registration_lies_on_the_target(bare):
    assert register(load_head(), bare).residual < 0.5e-3


def test_transfer_keeps_the_rig_and_adds_the_rest(bare, whole):
    V = bare.num_vertices
    assert whole.fingerprint == bare.fingerprint and whole.num_vertices > V
    assert torch.equal(whole.template[:V], bare.template) and torch.equal(whole.expr_basis[:V], bare.expr_basis)
    assert whole.regions.keys() >= load_head().regions.keys() - {"eye_sockets"}
    assert np.array_equal(whole.landmarks.index, np.arange(478))
    assert whole.eyelid_basis is not None and whole.uv.shape == (len(whole.faces), 3, 2)
    assert (whole.skin_weights.sum(1) - 1).abs().max() < 1e-5
    for name, joint in (("upper_teeth", 1), ("lower_teeth", 2)):
        assert float(whole.skin_weights[whole.regions[name], joint].min()) == 1.0


@pytest.fixture(scope="module")
def place() -> np.ndarray:
    """[V] the fixture's vertex that each of the embedded head's became; -1 where it became none."""
    _, origin = make_flame()
    place = np.full(load_head().num_vertices, -1)
    place[origin[origin >= 0]] = np.flatnonzero(origin >= 0)
    return place


def test_landmarks_lie_where_those_of_the_embedded_head_do(whole, place):
    source = load_head()
    corners = place[source.faces.numpy()[source.landmarks.face]]
    there = (corners >= 0).all(axis=1)
    template = whole.template.numpy()
    expected = (template[corners[there]] * source.landmarks.bary[there][..., None]).sum(1)
    found = landmark_positions(whole.template[None], whole)[0].numpy()[there]
    distance = np.linalg.norm(found - expected, axis=1)
    assert there.sum() > 400 and np.median(distance) < 3.5e-3 and distance.max() < 15e-3


def test_guiding_landmarks_make_the_registration_truer(bare, place):
    source = load_head()
    rows = np.flatnonzero((place[source.faces.numpy()[source.landmarks.face]] >= 0).all(axis=1) & (source.landmarks.index < 468))
    face, bary = source.landmarks.face[rows], source.landmarks.bary[rows]
    points = (bare.template.numpy()[place[source.faces.numpy()[face]]] * bary[..., None]).sum(1)
    lips = np.intersect1d(source.regions["lips"], np.flatnonzero(place >= 0))

    def error(registration) -> float:
        return float(np.median(np.linalg.norm(registration.vertices[lips] - bare.template.numpy()[place[lips]], axis=1)))

    assert error(register(source, bare, (face, bary, points))) < min(1.5e-3, error(register(source, bare)))


@pytest.mark.parametrize(("side", "joint"), [("left", LEFT_EYE), ("right", RIGHT_EYE)])
def test_lids_close_and_the_eye_disappears(whole, side, joint):
    faces = whole.faces.numpy()

    def visible(vertices: np.ndarray) -> int:
        eye = whole.joint_template[joint].numpy()
        camera = look_at(eye + np.array([0, 0, 0.4]), eye, focal=1500, size=(256, 256))
        image = rasterize_mesh(to_camera(vertices, camera), faces, camera)
        return int(np.isin(faces[image.face[image.mask]], whole.regions[f"{side}_eye"]).all(1).sum())

    opened = visible(pose(whole, eyelids=[0, 0]))
    assert opened > 1000 and visible(pose(whole, eyelids=[1, 1])) < 0.02 * opened


def test_jaw_opens_the_lips_and_takes_the_lower_teeth_along(whole):
    opened = pose(whole, jaw_pose=[whole.jaw_open_angle, 0, 0])
    gap = opened[whole.regions["lip_inner_upper"]] - opened[whole.regions["lip_inner_lower"]]
    assert gap[:, 1].max() > 0.02
    teeth = whole.regions["lower_teeth"]
    assert (whole.template.numpy()[teeth] - opened[teeth])[:, 1].mean() > 0.01


def test_second_load_comes_from_the_cache(bare, whole, cache, monkeypatch):
    monkeypatch.setattr("avatar3d.head.transfer.register", lambda *_: pytest.fail("registered again"))
    again = complete_head(bare, load_head(), cache=cache / "avatar3d" / "heads")
    assert again.fingerprint == whole.fingerprint == bare.fingerprint
    assert torch.equal(again.template, whole.template) and np.array_equal(again.regions["lips"], whole.regions["lips"])


def test_damaged_cache_is_made_anew(bare, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("avatar3d.head.transfer.register", lambda *_: None)
    monkeypatch.setattr("avatar3d.head.transfer.transfer", lambda *_: whole)
    complete_head(bare, load_head(), cache=tmp_path)
    (path,) = tmp_path.glob("*.npz")
    path.write_bytes(path.read_bytes()[:1000])
    assert complete_head(bare, load_head(), cache=tmp_path) is whole
    assert path.stat().st_size > 1000


def test_head_is_found_by_its_fingerprint(arrays, whole, tmp_path, cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("AVATAR3D_HEADS", str(tmp_path))
    (tmp_path / "a_text.pkl").write_text("no head")
    write_npz(tmp_path / "flame.npz", arrays)
    assert find_head(whole.fingerprint).num_vertices == whole.num_vertices


def test_detector_puts_the_landmarks_on_the_face(tmp_path, bare, whole):
    mediapipe = pytest.importorskip("mediapipe")
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, min_detection_confidence=0.3)

    def detect(image: np.ndarray) -> np.ndarray | None:
        found = mesh.process(image).multi_face_landmarks
        return None if not found else np.array([[p.x, p.y] for p in found[0].landmark]) * image.shape[1::-1]

    from avatar3d.head.embedding import embed_with_report

    landmarks, report = embed_with_report(whole, detect, identities=0)
    assert report.views >= 4 and len(landmarks.index) == 478
    points = landmark_positions(whole.template[None], replace(whole, landmarks=landmarks))[0].numpy()
    carried = landmark_positions(whole.template[None], whole)[0].numpy()
    assert np.median(np.linalg.norm(points - carried, axis=1)) < 5e-3


def test_flame_may_not_be_converted_and_says_what_it_is(tmp_path, arrays, whole):
    with pytest.raises(UserError, match=r"flame\.npz: .* may not be passed on"):
        convert_head(write_npz(tmp_path / "flame.npz", arrays), tmp_path / "x.npz")
    assert not (tmp_path / "x.npz").exists()
    text = head_info(whole)
    assert whole.fingerprint in text and "100 without names" in text and "478 of 478" in text


def test_embedded_head_is_converted(tmp_path):
    convert_head(data_path("head", "head.npz"), tmp_path / "mine.npz")
    assert load_head(tmp_path / "mine.npz").fingerprint == load_head().fingerprint
