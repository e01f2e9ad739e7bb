"""ICT-FaceKit's folder and a scan as heads, the whole way on the command line. Both are made from the embedded head."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avatar3d.avatar_file import save_avatar
from avatar3d.head.retarget import fit_retarget
from avatar3d.head.store import load_head, save_head
from avatar3d.motion import load_motion, save_motion
from recon.bench import bench_avatar
from tests.avatar3d.head.ict_fixture import write_ict
from tests.avatar3d.head.scan_fixture import landmarks_of, make_scan, write_scan
from tests.avatar3d.head.test_retarget import apart, face_only, speaking

FINE = ("lips", "left_eyelid", "right_eyelid")


@pytest.fixture(scope="module")
def ict_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        write_ict(folder / "FaceXModel")
        yield folder


@pytest.fixture(scope="module")
def scan(tmp_path_factory) -> Path:
    """Lying on its back, in centimetres."""
    folder = tmp_path_factory.mktemp("scan")
    return write_scan(folder / "person.obj", make_scan(seed=1, per_metre=100.0, turn=np.array([-np.pi / 2, 0, 0])))


def there_and_back(run, motion: Path, head: Path, folder: Path) -> tuple[Path, str]:
    there, back = folder / "there.npz", folder / "back.npz"
    first = run("head", "retarget", motion, "--to", head, "-o", there)
    assert first.status == 0, first.err
    second = run("head", "retarget", there, "--from", head, "-o", back)
    assert second.status == 0, second.err
    return back, first.out


@pytest.fixture
def motion_file(tmp_path) -> Path:
    save_motion(speaking(), tmp_path / "motion.npz")
    return tmp_path / "motion.npz"


def test_a_motion_that_another_head_made_is_refused_by_the_option_that_names_it(refused, motion_file, tmp_path):
    other = tmp_path / "other.npz"
    save_head(replace(load_head(), template=load_head().template * 1.01, fingerprint=""), other)
    words = ("head", "retarget", motion_file, "--from", other, "-o", tmp_path / "m.npz")
    refused(*words, match=(str(motion_file), "another head", str(other), "--from"))


def assert_kept(motion: Path, back: Path) -> None:
    """Every vertex of lips and lids within a millimetre."""
    head = load_head()
    before, after = (face_only(head, load_motion(path, head)) for path in (motion, back))
    for region in FINE:
        off = apart(before[:, head.regions[region]], after[:, head.regions[region]])
        assert off.max() < 1e-3 and np.sqrt((off**2).mean()) < 0.25e-3, region


def test_a_motion_goes_to_ict_and_back(run, ict_folder, motion_file, tmp_path):
    back, said = there_and_back(run, motion_file, ict_folder, tmp_path)
    assert_kept(motion_file, back)
    rows = {line.split("  ")[0]: line.split() for line in said.splitlines() if line.endswith("%")}
    assert {"jawForward", "mouthClose", "eyeBlinkLeft", "jaw, opening"} <= rows.keys()
    assert all(float(row[-2]) < 1.2 for row in rows.values())


def test_an_avatar_on_ict_speaks(run, ict_folder, spoken, tmp_path):
    head = load_head(ict_folder)
    save_avatar(bench_avatar(head, 500), tmp_path / "ict.avatar")
    outcome = run("drive", tmp_path / "ict.avatar", "--audio", spoken, "-o", tmp_path / "said.npz", "--head", ict_folder)
    assert outcome.status == 0, outcome.err
    assert np.ptp(load_motion(tmp_path / "said.npz", head).jaw_pose[:, 0]) > 0.02


def test_a_scan_becomes_a_head(run, scan, motion_file, spoken, tmp_path):
    out = tmp_path / "person.npz"
    outcome = run("head", "convert", scan, "-o", out)
    assert outcome.status == 0, outcome.err
    assert "taken to be in cm by its size" in outcome.out and "mm from the scan" in outcome.out
    assert Image.open(out.with_suffix(".png")).size[0] > 1000
    assert "person" in run("head", "info", out).out
    back, _ = there_and_back(run, motion_file, out, tmp_path)
    assert_kept(motion_file, back)
    head = load_head(out)
    assert fit_retarget(load_head(), head).relative.max() < 0.5
    save_avatar(bench_avatar(head, 500), tmp_path / "person.avatar")
    outcome = run("drive", tmp_path / "person.avatar", "--audio", spoken, "-o", tmp_path / "said.npz", "--head", out)
    assert outcome.status == 0, outcome.err


def test_a_scan_with_landmarks_needs_no_detector(run, refused, tmp_path):
    made = make_scan(seed=2, per_metre=1000.0)
    scan, marks = write_scan(tmp_path / "scan.ply", made), tmp_path / "marks.json"
    marks.write_text(json.dumps(landmarks_of(made)))
    words = ("head", "convert", scan, "-o", tmp_path / "scan.npz", "--landmarks", marks)
    refused(*words, "--units", "cm", match=("scan.ply: in cm its head would be", "--units"))
    assert not (tmp_path / "scan.npz").exists()
    outcome = run(*words, "--units", "mm")
    assert outcome.status == 0 and "landmarks given" in outcome.out, outcome.err


def test_what_is_no_scan_is_refused(refused, tmp_path):
    (tmp_path / "a.obj").write_text("v 1 2 3\n")
    refused("head", "convert", tmp_path / "a.obj", "-o", tmp_path / "a.npz", match=("a.obj",))
    refused("head", "convert", tmp_path / "a.obj", "-o", tmp_path / "a.glb", match=("a.glb", ".npz"))
    refused("head", "info", tmp_path, match=("is a folder, and not ICT-FaceKit's",))
    assert not list(tmp_path.glob("*.npz"))


@pytest.mark.parametrize("out", ["y.npz", "y.csv"])
def test_what_is_neither_a_motion_nor_a_take_is_named_and_not_its_output(refused, tmp_path, out):
    (tmp_path / "X.json").write_text("{}")
    line = refused(
        "head", "arkit", tmp_path / "X.json", "-o", tmp_path / out, match=("X.json: head arkit takes a motion (.npz)", ".csv of Live Link Face")
    )
    assert out not in line.replace(str(tmp_path), "") and not (tmp_path / out).exists()
