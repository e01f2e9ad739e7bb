"""Files that are given in another's place."""

import zipfile

import pytest

from avatar3d.avatar_file import save_avatar
from avatar3d.data import data_path
from avatar3d.errors import UserError
from avatar3d.file_kinds import AVATAR, HEAD, MOTION, check_avatar_file, check_kind, kind_of
from avatar3d.motion import save_motion
from tests.avatar3d.tiny import tiny_avatar, tiny_motion


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, avatar = tmp_path_factory.mktemp("kinds"), tiny_avatar()
    save_avatar(avatar, folder / "me.avatar")
    save_motion(tiny_motion(avatar.head, 3), folder / "talk.npz")
    return {AVATAR: folder / "me.avatar", MOTION: folder / "talk.npz", HEAD: data_path("head", "head.npz")}


@pytest.mark.parametrize("kind", [AVATAR, MOTION, HEAD])
def test_each_kind_is_known_and_refused_as_another(files, kind, tmp_path):
    assert kind_of(files[kind]) == kind
    check_kind(files[kind], kind)
    for wanted in files:
        if wanted != kind:
            with pytest.raises(UserError, match=f"{files[kind].name}: is {kind}, not {wanted}; give"):
                check_kind(files[kind], wanted)


def test_what_is_no_file_of_ours_is_nothing_known(tmp_path):
    (tmp_path / "text").write_text("PK but no zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme", "hello")
    for path in (tmp_path / "text", tmp_path / "other.zip", tmp_path, tmp_path / "missing"):
        assert kind_of(path) is None
        check_kind(path, AVATAR)


def test_only_a_whole_avatar_passes(files, tmp_path):
    check_avatar_file(files[AVATAR])
    whole = files[AVATAR].read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (b"", b"text", whole[: len(whole) // 2], bytes(flipped)):
        (tmp_path / "broken.avatar").write_bytes(content)
        with pytest.raises(UserError, match=r"broken\.avatar: is not an avatar or is damaged"):
            check_avatar_file(tmp_path / "broken.avatar")
    with pytest.raises(UserError, match="no such file"):
        check_avatar_file(tmp_path / "missing.avatar")
    with pytest.raises(UserError, match="is a folder"):
        check_avatar_file(tmp_path)
    with pytest.raises(UserError, match="is a motion, not an avatar"):
        check_avatar_file(files[MOTION])
