"""The Unreal plugin without Unreal: its syntax and types against headers that have the engine's signatures."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.viewer.unreal.uht import generated

PLUGIN = Path(__file__).parents[3] / "viewer" / "unreal" / "Avatar3D"
RUNTIME = Path(__file__).parents[3] / "viewer" / "runtime"
STUBS = Path(__file__).parent / "stubs"
FLAGS = ("-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wno-unused-parameter", "-fno-exceptions", "-fno-rtti")
SOURCES = sorted(PLUGIN.glob("Source/*/Private/*.cpp"))
HEADERS = sorted(PLUGIN.glob("Source/*/Public/*.h")) + sorted(PLUGIN.glob("Source/*/Private/*.h"))
REFLECTED = [header for header in HEADERS if ".generated.h" in header.read_text()]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with all generated headers."""
    folder = tmp_path_factory.mktemp("generated")
    for header in REFLECTED:
        (folder / f"{header.stem}.generated.h").write_text(generated(header))
    return folder


def _checked(source: Path, made: Path) -> subprocess.CompletedProcess:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    module = PLUGIN / "Source" / "Avatar3D"
    folders = [made, *{source.parent.parent / "Public", source.parent, module / "Public"}]
    return subprocess.run(
        ["g++", *FLAGS, "-isystem", str(STUBS), "-isystem", str(RUNTIME), *(f"-I{folder}" for folder in folders), "-x", "c++", str(source)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_it_compiles_against_the_engines_signatures(source, made):
    done = _checked(source, made)
    assert done.returncode == 0, done.stderr


def test_what_the_engine_does_not_have_is_noticed(made, tmp_path):
    wrong = tmp_path / "Wrong.cpp"
    source = PLUGIN / "Source" / "Avatar3D" / "Private" / "Avatar3DLiveLinkSource.cpp"
    wrong.write_text(source.read_text().replace("PushSubjectFrameData_AnyThread(", "PushFrameData("))
    (tmp_path / "Public").mkdir()
    for header in source.parent.glob("*.h"):
        shutil.copy(header, tmp_path)
    assert "PushFrameData" in _checked(wrong, made).stderr


def test_the_descriptor_names_the_modules_that_are_there():
    descriptor = json.loads((PLUGIN / "Avatar3D.uplugin").read_text())
    modules = {module["Name"]: module["Type"] for module in descriptor["Modules"]}
    assert modules == {"Avatar3D": "Runtime", "Avatar3DEditor": "Editor"}
    for name in modules:
        assert re.search(rf"class {name} : ModuleRules", (PLUGIN / "Source" / name / f"{name}.Build.cs").read_text())
    assert {plugin["Name"] for plugin in descriptor["Plugins"]} == {"LiveLink", "Niagara"}


MODULE_OF = {
    "Common/": "Networking", "Interfaces/IPv4": "Networking", "Sockets.h": "Sockets", "SocketSubsystem.h": "Sockets", "Niagara": "Niagara",
    "LiveLink": "LiveLinkInterface", "ILiveLink": "LiveLinkInterface", "Roles/": "LiveLinkInterface", "Widgets/": "Slate", "Factories/": "UnrealEd",
    "Components/": "Engine", "GameFramework/": "Engine", "Kismet/": "Engine", "Sound/": "Engine", "UObject/": "CoreUObject", "CoreMinimal.h": "Core",
    "Dom/": "Json", "Serialization/Json": "Json",
}  # fmt: skip


@pytest.mark.parametrize("module", ["Avatar3D", "Avatar3DEditor"])
def test_a_module_depends_on_what_it_includes(module):
    folder = PLUGIN / "Source" / module
    named = re.findall(r'"(\w+)"', (folder / f"{module}.Build.cs").read_text())
    for source in [*folder.glob("*/*.h"), *folder.glob("*/*.cpp")]:
        for include in re.findall(r'#include "([^"]+)"', source.read_text()):
            needed = [name for start, name in MODULE_OF.items() if include.startswith(start)]
            assert all(name in named for name in needed), (source.name, include, needed)


def test_epics_style():
    for path in [*SOURCES, *HEADERS, *PLUGIN.glob("Source/*/*.cs")]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert len(line.expandtabs(4)) <= 170 and line == line.rstrip(), f"{path.name}:{number}"
            assert not line.startswith("    "), f"{path.name}:{number}: indented by spaces"
