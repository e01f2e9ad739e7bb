"""ICT-FaceKit's folder: what is read, what is refused, and what the rig does. Made from the embedded head; no data of ICT."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from avatar3d.arkit import EXPR_INDEX, EXPR_NAMES
from avatar3d.errors import UserError
from avatar3d.head.ict import KEPT, ict_files, read_ict
from avatar3d.head.info import convert_head, head_info
from avatar3d.head.model import JAW, LEFT_EYE, RIGHT_EYE, HeadModel
from avatar3d.head.obj import obj_vertices
from avatar3d.head.store import find_head, load_head, read_bare_head
from tests.avatar3d.head.expressions import posed
from tests.avatar3d.head.ict_fixture import DISC, IDENTITIES, write_ict


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    parent = tmp_path_factory.mktemp("ict")
    write_ict(parent / "FaceXModel")
    return parent


@pytest.fixture(scope="module")
def bare(folder) -> HeadModel:
    return read_ict(folder)


@pytest.fixture(scope="module")
def whole(folder) -> HeadModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return load_head(folder)


def of_file(folder: Path, name: str) -> np.ndarray:
    """[24591, 3] metres of the vertices before the shells."""
    return 0.01 * obj_vertices(folder / "FaceXModel" / f"{name}.obj")[:KEPT]


def test_the_rig_has_the_folders_shapes_in_metres(folder, bare):
    # The discs of the irises lie at the end of the eyes' vertices.
    kept = KEPT - 2 * DISC
    assert bare.num_vertices == kept and bare.num_shape == IDENTITIES and bare.expr_names == EXPR_NAMES
    assert np.allclose(bare.template.numpy(), of_file(folder, "generic_neutral_mesh")[:kept], atol=1e-6)
    smile = of_file(folder, "mouthSmile_L")[:kept]
    assert np.allclose(posed(bare, 0, mouthSmileLeft=1), smile, atol=2e-5)
    both = of_file(folder, "browInnerUp_L") + of_file(folder, "browInnerUp_R") - of_file(folder, "generic_neutral_mesh")
    assert np.allclose(posed(bare, 0, browInnerUp=1), both[:kept], atol=2e-5)
    assert float(bare.expr_basis[:, :, EXPR_INDEX["tongueOut"]].abs().max()) == 0
    assert "MIT" in bare.licence and "permission notice" in bare.licence and bare.redistributable


def test_the_jaw_opens_as_jaw_open_does(folder, bare):
    assert np.degrees(bare.jaw_open_angle) == pytest.approx(24.3, abs=0.5)
    wanted, found = of_file(folder, "jawOpen")[: bare.num_vertices], posed(bare, 1)
    assert np.linalg.norm(wanted - found, axis=1).max() < 1e-4
    assert np.allclose(bare.skin_weights[bare.regions["lower_teeth"], JAW], 1) and np.allclose(bare.skin_weights[bare.regions["upper_teeth"], JAW], 0)


def test_mouth_close_is_on_top_of_an_open_jaw(folder, bare):
    wanted = of_file(folder, "jawOpen") + of_file(folder, "mouthClose") - of_file(folder, "generic_neutral_mesh")
    assert np.linalg.norm(wanted[: bare.num_vertices] - posed(bare, 1, mouthClose=1), axis=1).max() < 2e-4


def test_eyes_turn_about_their_middle(bare):
    for joint in (LEFT_EYE, RIGHT_EYE):
        ball = bare.template[bare.skin_weights[:, joint] > 0.5] - bare.joint_template[joint]
        radius = ball.norm(dim=1)
        assert float(radius.std() / radius.mean()) < 0.05


def test_joints_follow_the_identity(bare):
    eye = bare.skin_weights[:, LEFT_EYE] > 0.5
    assert np.allclose(bare.joint_shape_basis[LEFT_EYE], bare.shape_basis[eye].mean(0), atol=1e-4)
    assert float(bare.joint_shape_basis[JAW].abs().max()) < float(bare.shape_basis.abs().max())


def test_the_whole_head_has_what_tracking_needs(bare, whole):
    assert whole.fingerprint == bare.fingerprint and whole.landmarks is not None and len(whole.landmarks.index) == 478
    assert whole.eyelid_basis is None and whole.num_vertices == bare.num_vertices
    for name in load_head().regions:
        assert len(whole.regions[name]), name
    assert set(whole.regions["lips"]).isdisjoint(whole.regions["upper_teeth"])
    assert "ICT-FaceKit" in head_info(whole) and "WARRANTIES" not in head_info(whole)


def test_our_own_file_of_it_is_the_same_head(folder, bare, whole, tmp_path, monkeypatch):
    convert_head(folder, tmp_path / "ict.npz")
    assert read_bare_head(tmp_path / "ict.npz").fingerprint == bare.fingerprint
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    assert load_head(tmp_path / "ict.npz").regions.keys() == whole.regions.keys()


def test_it_is_found_among_the_users_heads(folder, bare, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("AVATAR3D_HEADS", str(folder))
    assert find_head(bare.fingerprint).fingerprint == whole.fingerprint


def test_arkits_names_are_the_folders():
    assert ict_files("mouthSmileLeft") == ("mouthSmile_L",) and ict_files("mouthLeft") == ("mouthLeft",) and ict_files("jawRight") == ("jawRight",)
    assert ict_files("cheekPuff") == ("cheekPuff_L", "cheekPuff_R") and ict_files("tongueOut") == ()
    assert len({file for name in EXPR_NAMES for file in ict_files(name)}) == 52


def test_other_folders_and_incomplete_ones_are_refused(folder, tmp_path):
    with pytest.raises(UserError, match=r"is a folder, and not ICT-FaceKit's"):
        load_head(tmp_path)
    part = tmp_path / "FaceXModel"
    shutil.copytree(folder / "FaceXModel", part, ignore=shutil.ignore_patterns("mouthSmile_*", "identity000*"), copy_function=os.link)
    with pytest.raises(UserError, match=r"lacks mouthSmile_L\.obj, mouthSmile_R\.obj, identity000\.obj"):
        load_head(tmp_path)


def test_differing_meshes_are_refused(folder, tmp_path):
    part = tmp_path / "FaceXModel"
    shutil.copytree(folder / "FaceXModel", part, copy_function=os.link)
    text = (part / "jawOpen.obj").read_text()
    for name, other in (("jawOpen", r"generic_neutral_mesh\.obj has 26719"), ("generic_neutral_mesh", "ICT-FaceKit Light has 26719")):
        (part / f"{name}.obj").unlink()
        (part / f"{name}.obj").write_text("v 0 0 0\n" + text)
        with pytest.raises(UserError, match=rf"{name}\.obj: has 26720 vertices, {other}"):
            read_ict(tmp_path)
