import os
import shutil
import subprocess

import pytest

from avatar3d.errors import UserError
from tests.viewer.export.scenes import tiny_frames
from viewer.export.a3d import read_bundle
from viewer.export.options import FormatOptions
from viewer.export.unreal import plugin_files, write_unreal


def _written(path, **options):
    return write_unreal(tiny_frames(up="y", **options), path, FormatOptions(), lambda *_: None)


def test_the_folder_holds_the_plugin_its_runtime_the_avatar_and_the_sound(tmp_path):
    told = _written(tmp_path / "ana")
    files = {str(file.relative_to(tmp_path / "ana")) for file in (tmp_path / "ana").rglob("*") if file.is_file()}
    assert {"ana.a3d", "ana.wav", "Avatar3D/Avatar3D.uplugin", "Avatar3D/README.md", "Avatar3D/Source/ThirdParty/a3d/a3d.hpp"} <= files
    assert "Avatar3D/Source/ThirdParty/a3d/a3d/stream_receiver.hpp" in files and "Avatar3D/Resources/GaussianSprite.hlsl" in files
    assert len(files) == len(plugin_files()) + 2
    assert len(read_bundle((tmp_path / "ana" / "ana.a3d").read_bytes()).arrays["motion.rotation"]) == 6
    assert "50 Gaussians" in told and "Plugins" in told


def test_the_runtime_that_is_exported_is_whole(tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    _written(tmp_path / "ana")
    (tmp_path / "all.cpp").write_text('#include "a3d.hpp"\nint main() { return 0; }\n')
    include = tmp_path / "ana" / "Avatar3D" / "Source" / "ThirdParty" / "a3d"
    done = subprocess.run(["g++", "-std=c++17", "-fsyntax-only", f"-I{include}", str(tmp_path / "all.cpp")], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_the_user_has_in_it_stays(tmp_path):
    path = tmp_path / "ana"
    _written(path)
    built = path / "Avatar3D" / "Binaries" / "Win64" / "some.dll"
    built.parent.mkdir(parents=True)
    built.write_text("built")
    (path / "Avatar3D" / "Avatar3D.uplugin").write_text("old")
    (path / "Other").mkdir()
    _written(path, sound=False)
    assert built.read_text() == "built" and (path / "Other").is_dir()
    assert "FriendlyName" in (path / "Avatar3D" / "Avatar3D.uplugin").read_text()


@pytest.mark.parametrize("name", ["Avatar3D/mine.txt", "ana.a3d", "ana.wav"])
def test_what_no_export_made_is_not_replaced(tmp_path, name):
    file = tmp_path / "ana" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(UserError, match=str(file.parent if "/" in name else file)):
        _written(tmp_path / "ana")
    assert file.read_text() == "mine" and os.listdir(tmp_path / "ana") == [name.split("/")[0]]
