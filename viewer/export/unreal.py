"""A folder for Unreal: the plugin with the C++ runtime in it, the avatar as an .a3d file, and the sound of its motion for Sequencer.

The plugin's sources lie in viewer/unreal and the runtime's in viewer/runtime: only here do they come together, so that neither is kept twice.
"""

from pathlib import Path

from avatar3d.errors import UserError
from avatar3d.files import check_output, write_whole
from avatar3d.progress import Progress
from viewer.export.a3d_bundle import write_a3d
from viewer.export.frames import Frames
from viewer.export.options import FormatOptions
from viewer.export.provenance import provenance
from viewer.export.soundtrack import check_beside, write_soundtrack

PLUGIN = "Avatar3D"
_VIEWER = Path(__file__).resolve().parents[1]
_KINDS = (".uplugin", ".cs", ".h", ".cpp", ".hlsl")
_RUNTIME = Path("Source/ThirdParty/a3d")
"""Where Avatar3D.Build.cs looks for it first."""


def write_unreal(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a folder; see `formats.Writer`. Files of others in it stay; a plugin of ours is brought up to date."""
    check_output(path / PLUGIN)
    name = path.name or PLUGIN
    bundle, sound = path / f"{name}.a3d", path / f"{name}.wav"
    _check(path, bundle, sound)
    told = write_a3d(frames, bundle, options, progress).rpartition("\nnext:")[0]
    if frames.sound is not None:
        write_soundtrack(sound, frames, provenance(frames.avatar, "motion"))
    for target, data in plugin_files().items():
        (path / PLUGIN / target).parent.mkdir(parents=True, exist_ok=True)
        write_whole(path / PLUGIN / target, data)
    return f"{told}\nnext: copy {path / PLUGIN} into the Plugins folder of your Unreal project, and read its README.md"


def plugin_files() -> dict[Path, bytes]:
    """The plugin's files by their places in it, the runtime included."""
    plugin, runtime = _VIEWER / "unreal" / PLUGIN, _VIEWER / "runtime"
    files = {file.relative_to(plugin): file for file in sorted(plugin.rglob("*")) if file.suffix in _KINDS}
    files |= {_RUNTIME / file.relative_to(runtime): file for file in sorted(runtime.rglob("*.hpp"))}
    files[Path("README.md")] = _VIEWER / "unreal" / "README.md"
    return {target: file.read_bytes() for target, file in files.items()}


def _check(path: Path, bundle: Path, sound: Path) -> None:
    """Refuse to write in the place of what no export made."""
    plugin = path / PLUGIN
    if plugin.exists() and not (plugin / f"{PLUGIN}.uplugin").is_file():
        raise UserError(f"{plugin}: is there and is not the plugin; choose another output folder")
    if bundle.exists() and (not bundle.is_file() or not _starts(bundle, b"A3DB")):
        raise UserError(f"{bundle}: is there and is no .a3d file; choose another output folder")
    check_beside(bundle, sound.name)


def _starts(path: Path, mark: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(mark)) == mark
