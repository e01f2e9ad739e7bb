"""Files from a browser."""

from types import SimpleNamespace

import pytest

from avatar3d.errors import UserError
from viewer.live import uploads
from viewer.live.uploads import kept_upload


def test_a_name_of_ours_in_a_folder_of_ours(tmp_path):
    path = kept_upload(SimpleNamespace(name="../../etc/evil.WAV", content=b"abc"), tmp_path, (".wav",))
    assert path.parent == tmp_path and path.suffix == ".wav" and path.read_bytes() == b"abc"
    odd = kept_upload(SimpleNamespace(name="a.b/c$;x", content=b"abc"), tmp_path, ())
    assert odd.parent == tmp_path


def test_two_of_one_name_are_two_files(tmp_path):
    upload = SimpleNamespace(name="a.npz", content=b"abc")
    assert kept_upload(upload, tmp_path, ()) != kept_upload(upload, tmp_path, ())


@pytest.mark.parametrize(("name", "content"), [("a.exe", b"abc"), ("a.wav", b""), ("wav", b"abc")])
def test_other_kinds_and_empty_ones_are_refused(tmp_path, name, content):
    with pytest.raises(UserError, match=name):
        kept_upload(SimpleNamespace(name=name, content=content), tmp_path, (".wav",))


def test_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "LARGEST", 2)
    with pytest.raises(UserError, match="3 bytes"):
        kept_upload(SimpleNamespace(name="a.wav", content=b"abc"), tmp_path, (".wav",))
    assert not list(tmp_path.iterdir())
