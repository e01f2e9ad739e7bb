"""Films, pictures, motions and pages are read to the end, and damage is found."""

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.errors import UserError
from avatar3d.progress import silent
from tests.viewer.export.performance import performance
from tests.viewer.export.test_motion_files import blinking
from viewer.export.bvh import write_bvh
from viewer.export.checks import check_file, describe, is_exported
from viewer.export.film import write_film
from viewer.export.motion_files import write_arkit_csv, write_motion_json
from viewer.export.options import FormatOptions
from viewer.export.pictures import write_pictures
from viewer.export.targets import targets
from viewer.export.viser_page import write_viser_page

WRITERS = {
    "a.mp4": (write_film, {"camera": "vr180"}), "a.mov": (write_film, {"alpha": True, "camera": "stereo"}), "a.webm": (write_film, {"alpha": True}),
    "out": (write_pictures, {"alpha": True}), "exr": (write_pictures, {"show": "depth", "exr": True}), "a.csv": (write_arkit_csv, {}),
    "a.json": (write_motion_json, {}), "a.bvh": (write_bvh, {}), "a.html": (write_viser_page, {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with one export of each kind."""
    folder = tmp_path_factory.mktemp("written")
    for name, (write, given_options) in WRITERS.items():
        frames = blinking(30) if name == "a.csv" else performance()
        write(frames, folder / name, FormatOptions(**({"size": 48} | given_options)), silent)
    return folder


@pytest.mark.parametrize("name", WRITERS)
def test_each_is_read_to_its_end(written, name):
    found = check_file(written / name)
    count = 30 if name == "a.csv" else 6
    assert is_exported(written / name) and found.frames == count and found.count == 0
    assert found.fps == pytest.approx(25, rel=1e-3) and found.size > 100
    lines = describe(written / name, found) + targets(found)
    assert f"{count} frames" in lines[0] and "says of itself: nothing" not in "".join(lines)


def test_what_a_film_holds(written):
    assert check_file(written / "a.mp4").layout["stereo"] == "side-by-side, half sphere"
    assert check_file(written / "a.mov").layout["alpha"] == "straight" and check_file(written / "a.webm").layout["alpha"] == "straight"
    assert any("_180_LR" in line for line in targets(check_file(written / "a.mp4")))


def test_films_whose_damage_cannot_be_seen_say_so(written):
    assert check_file(written / "a.mp4").remarks == ()
    assert "prores has no checksums" in check_file(written / "a.mov").remarks[0]


def test_a_stray_picture_is_remarked(written, tmp_path):
    shutil.copytree(written / "out", tmp_path / "out")
    shutil.copy(tmp_path / "out" / "out_00001.png", tmp_path / "out" / "out_00099.png")
    assert "out_00099.png" in check_file(tmp_path / "out").remarks[0]


@pytest.mark.parametrize("name", [name for name in WRITERS if "." in name])
def test_a_file_that_breaks_off_is_found(written, tmp_path, name):
    whole = (written / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(UserError, match=name):
        check_file(tmp_path / name)


@pytest.mark.parametrize(
    "transforms", ["{}", '{"frames": []}', '{"frames": [{"file_path": "a.png", "fg_mask_path": "a.png", "flame_param_path": "a.npz"}]}']
)
def test_a_vhap_folder_without_its_parameters_is_refused(written, tmp_path, transforms):
    shutil.copy(written / "out" / "out_00001.png", tmp_path / "a.png")
    # Begins as an archive does, and is none.
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "export.json").write_text('{"complete": true}')
    (tmp_path / "transforms.json").write_text(transforms)
    with pytest.raises(UserError, match="frame 0 is not whole"):
        check_file(tmp_path)


def test_a_lost_picture_is_found(written, tmp_path):
    shutil.copytree(written / "out", tmp_path / "out")
    path = tmp_path / "out" / "out_00003.png"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="out_00003"):
        check_file(tmp_path / "out")


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=400), name=st.sampled_from(["a.csv", "a.json", "a.bvh", "a.html", "a.mp4"]))
def test_anything_else_is_refused_in_one_line(tmp_path_factory, data, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data)
    with pytest.raises(UserError) as refusal:
        check_file(path)
    assert "\n" not in str(refusal.value)
