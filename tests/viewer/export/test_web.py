import base64
import gzip
import re
from dataclasses import replace

import numpy as np
import pytest

from avatar3d.errors import UserError
from tests.avatar3d.tiny import tiny_avatar, tiny_head, tiny_motion
from viewer.export import web
from viewer.export.packed import Packed, read_packed
from viewer.export.web import export_web


def _speaking(avatar):
    motion = tiny_motion(avatar.head)
    return replace(motion, sound=np.zeros(int(16000 * motion.duration) + 999, np.float32), sound_rate=16000)


def test_a_folder_holds_the_page_and_its_parts(tmp_path):
    avatar = tiny_avatar()
    sizes = export_web(avatar, _speaking(avatar), tmp_path / "page")
    files = {file.name: file.stat().st_size for file in (tmp_path / "page").iterdir()}
    assert set(files) == {"index.html", "player.js", "avatar.bin", "motion.bin", "idle.bin", "sound.webm"}
    assert files["avatar.bin"] == sizes["avatar"]
    header = read_packed(gzip.decompress((tmp_path / "page" / "avatar.bin").read_bytes())).header
    assert header["subject"] == "nobody"


def test_without_a_motion_there_is_none(tmp_path):
    export_web(tiny_avatar(), None, tmp_path / "page")
    assert {file.name for file in (tmp_path / "page").iterdir()} == {"index.html", "player.js", "avatar.bin", "idle.bin"}


DRIVER = Packed({"format": "some driver"}, {"flow": np.arange(9, dtype=np.uint8)})


def test_with_a_driver_the_page_carries_what_it_speaks_with(tmp_path):
    sizes = export_web(tiny_avatar(), None, tmp_path / "page", driver=DRIVER)
    names = {file.name for file in (tmp_path / "page").iterdir()}
    assert names == {"index.html", "player.js", "avatar.bin", "idle.bin", "speech.js", "driver.bin", "runtime.bin"}
    assert gzip.decompress((tmp_path / "page" / "runtime.bin").read_bytes())[:4] == b"\0asm"
    assert {"driver", "runtime", "speech"} < set(sizes)
    # It may be written again in the same place.
    export_web(tiny_avatar(), None, tmp_path / "page", driver=DRIVER)


def test_a_head_that_may_not_be_given_away_does_not_speak_by_itself(tmp_path):
    closed = replace(tiny_avatar(), head=replace(tiny_head(), redistributable=False))
    with pytest.raises(UserError, match="without --speech"):
        export_web(closed, None, tmp_path / "page", driver=DRIVER)
    assert not (tmp_path / "page").exists()


def test_one_file_holds_all(tmp_path):
    avatar = tiny_avatar()
    export_web(avatar, _speaking(avatar), tmp_path / "page")
    export_web(avatar, _speaking(avatar), tmp_path / "one.html")
    text = (tmp_path / "one.html").read_text()
    for name, file in (("avatar", "avatar.bin"), ("motion", "motion.bin"), ("idle", "idle.bin"), ("sound", "sound.webm")):
        inside = re.search(rf'<script id="data-{name}" type="text/plain">([^<]*)</script>', text)
        assert inside is not None and base64.b64decode(inside[1]) == (tmp_path / "page" / file).read_bytes()
    assert "src=" not in re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL)


def test_the_page_says_that_it_is_synthetic_of_whom_and_with_what_consent(tmp_path):
    avatar = replace(tiny_avatar(), metadata={"subject": "Ann <script>alert(1)</script>", "consent": 'for "this" page'})
    export_web(avatar, None, tmp_path / "page")
    text = (tmp_path / "page" / "index.html").read_text()
    assert '<meta name="avatar3d:synthetic" content="true">' in text and "this is not a recording of the person" in text
    assert '<meta name="avatar3d:subject" content="Ann &lt;script&gt;alert(1)&lt;/script&gt;">' in text
    assert '<meta name="avatar3d:consent" content="for &quot;this&quot; page">' in text
    assert "<script>alert" not in text


def test_the_page_names_no_other_host(tmp_path):
    export_web(tiny_avatar(), None, tmp_path / "page")
    assert "http" not in re.sub(r'http-equiv="[^"]*"', "", (tmp_path / "page" / "index.html").read_text())


def test_the_same_page_has_the_same_bytes(tmp_path):
    avatar = tiny_avatar()
    for name in ("a.html", "b.html"):
        export_web(avatar, _speaking(avatar), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_head_that_may_not_be_given_away_is_baked(tmp_path):
    avatar = tiny_avatar(replace(tiny_head(), redistributable=False))
    export_web(avatar, _speaking(avatar), tmp_path / "page")
    packed = {name: read_packed(gzip.decompress((tmp_path / "page" / f"{name}.bin").read_bytes())) for name in ("avatar", "motion", "idle")}
    assert packed["avatar"].header["mesh"] == "tracks"
    for name in ("motion", "idle"):
        assert set(packed[name].arrays) == {"coefficients", "weights", "rotation", "translation"}
    assert not [name for name in packed["avatar"].arrays if name.startswith(("expr", "pose", "skin", "joints", "rest_v", "network", "eyelids"))]


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"thesis\.tex"):
        export_web(tiny_avatar(), None, tmp_path / "site")
    assert (tmp_path / "site" / "thesis.tex").read_text() == "years of work"


def test_a_page_can_be_exported_again(tmp_path):
    avatar = tiny_avatar()
    export_web(avatar, _speaking(avatar), tmp_path / "page")
    export_web(avatar, None, tmp_path / "page")
    assert not (tmp_path / "page" / "motion.bin").exists()


def test_a_colour_that_is_none_is_refused(tmp_path):
    with pytest.raises(UserError, match="--background blurple"):
        export_web(tiny_avatar(), None, tmp_path / "page", background="blurple")
    assert not (tmp_path / "page").exists()


def test_a_player_that_is_not_built_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "WEB", tmp_path)
    web.player_script.cache_clear()
    with pytest.raises(UserError, match="npm run build"):
        export_web(tiny_avatar(), None, tmp_path / "page")
    web.player_script.cache_clear()
