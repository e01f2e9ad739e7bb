"""Pages of the web player's are read to the end, and what is missing or damaged in them is found."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatar3d.errors import UserError
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.export.checks import check_file, describe, is_exported
from viewer.export.targets import targets
from viewer.export.web import export_web


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A folder with page.html, one file, and page/, a folder."""
    folder, avatar = tmp_path_factory.mktemp("pages"), tiny_avatar()
    motion = replace(tiny_motion(avatar.head, 8), sound=np.sin(np.arange(5120) / 4).astype(np.float32) / 2, sound_rate=16000)
    for name in ("page.html", "page"):
        export_web(avatar, motion, folder / name)
    return folder


@pytest.mark.parametrize("name", ["page.html", "page", "page/index.html"])
def test_a_page_is_read_to_its_end(pages, name):
    found = check_file(pages / name)
    assert is_exported(pages / name) and (found.kind, found.frames, found.fps, found.layout["sound"]) == ("web", 8, 25, "yes")
    lines = describe(pages / name, found) + targets(found)
    assert "Gaussians 50" in lines[1] and "subject: nobody" in lines[2] and any("browsers" in line for line in lines)


def test_a_page_that_idles_has_one_frame(tmp_path):
    export_web(tiny_avatar(), None, tmp_path / "page.html")
    found = check_file(tmp_path / "page.html")
    assert (found.frames, found.fps, found.layout["sound"]) == (1, 0.0, "none")


@pytest.mark.parametrize("lost", ["avatar.bin", "sound.webm", "player.js"])
def test_a_lost_file_is_named(pages, tmp_path, lost):
    shutil.copytree(pages / "page", tmp_path / "page")
    (tmp_path / "page" / lost).unlink()
    with pytest.raises(UserError, match=re.escape(lost)):
        check_file(tmp_path / "page")


@pytest.mark.parametrize("damaged", ["avatar.bin", "motion.bin", "sound.webm"])
def test_a_file_that_breaks_off_is_told(pages, tmp_path, damaged):
    shutil.copytree(pages / "page", tmp_path / "page")
    part = tmp_path / "page" / damaged
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 3])
    with pytest.raises(UserError, match=damaged.partition(".")[0]):
        check_file(tmp_path / "page")


def test_a_page_never_leads_out_of_its_folder(pages, tmp_path):
    shutil.copytree(pages / "page", tmp_path / "page")
    index = tmp_path / "page" / "index.html"
    (tmp_path / "avatar.bin").write_bytes((tmp_path / "page" / "avatar.bin").read_bytes())
    (tmp_path / "page" / "avatar.bin").unlink()
    index.write_text(index.read_text().replace("avatar.bin", "../avatar.bin"))
    with pytest.raises(UserError, match="page/avatar"):
        check_file(tmp_path / "page")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1), value=st.integers(0, 255), cut=st.floats(0.2, 1))
def test_damage_is_one_line_or_harmless(pages, tmp_path, place, value, cut):
    whole = (pages / "page.html").read_bytes()
    start = whole.index(b'id="config"')
    broken = bytearray(whole)
    broken[start + int(place * (len(whole) - start - 1))] = value
    for data in (bytes(broken), whole[: int(cut * len(whole))]):
        (tmp_path / "page.html").write_bytes(data)
        try:
            check_file(tmp_path / "page.html")
        except UserError as error:
            assert "\n" not in str(error) and "page.html" in str(error)
