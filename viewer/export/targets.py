"""What the programs that people use make of an exported file; docs/formats.md says where each statement comes from."""

from collections.abc import Callable

from viewer.export.found import Found
from viewer.export.selection import Up
from viewer.export.splat_files import AXES

VR_COUNT = 50_000
"""Gaussians that a standalone headset still draws at its own rate when a head fills the view."""
_SEQUENCES = {"ply-seq", "splat-seq", "spz-seq"}
_WEB = {"ply", "splat", "spz"}


def targets(found: Found) -> list[str]:
    """A line for each program."""
    if found.kind in MEDIA:
        return [f"{name}: {verdict}" for name, verdict in MEDIA[found.kind].items()] + _headsets(found)
    return [f"{name}: {verdict(found)}" for name, verdict in TARGETS.items()]


def _headsets(found: Found) -> list[str]:
    if "stereo" not in found.layout:
        return []
    if found.kind == "webm" and not str(found.layout["stereo"]).endswith("half sphere"):
        return ["headsets: go by the name, for WebM says which eye is where, not that it is a half sphere: it should end in _SBS, _OU or _180_LR"]
    return ["headsets and YouTube: go by what the file says, or by its name, which should end in _SBS, _OU, _180_LR or _180_TB"]


def _up(found: Found) -> str:
    """The axes of a file: what it says, or what files of its kind are in."""
    return found.facts.get("up", _usual_up(found))


def _usual_up(found: Found) -> Up:
    return AXES.get(found.kind.removesuffix("-seq"), "-y")


def _shrink(found: Found) -> float:
    """By what its lengths become metres."""
    try:
        units = float(found.facts.get("units_per_metre", 1))
    except ValueError:
        return 1.0
    return 1 / units if 1e-9 < units < 1e9 else 1.0


def _placed(found: Found) -> str:
    """What a program that takes files in their usual axes, in metres, shows otherwise than it should."""
    usual, shrink = _usual_up(found), _shrink(found)
    notes = [] if _up(found) == usual else [f"not upright there: export with --up {usual}"]
    if shrink != 1:
        notes.append(f"{1 / shrink:g} units are a metre: scale it by {shrink:g} there")
    return "".join(f"; {text}" for text in notes)


def _unity_transform(found: Found) -> str:
    """Rotation and scale that show a file upright, unmirrored, in metres and facing the camera that a new scene has. Unity is left-handed, y up."""
    size = _shrink(found)
    across, along = f"({size:g}, {-size:g}, {size:g})", f"({size:g}, {size:g}, {-size:g})"
    return {"-y": f"the scale {across}", "y": f"the scale {along}"}.get(_up(found), f"the rotation (-90, 0, 0) and the scale {across}")


def _unity(found: Found) -> str:
    if found.kind == "spz":
        return "no: it reads SPZ of version 2 only; export --format ply"
    if found.kind == "ply-seq":
        return "an asset for each frame; it has no player (forks of it do)"
    if found.kind != "ply":
        return "no: it reads PLY; export --format ply"
    if found.layout.get("degree") in (1, 2):
        return "colours come out wrong, since it takes harmonics for degree 3; export with --sh-degree 3 or 0"
    if found.layout.get("stride") != 248:
        versions = "yes in recent versions, which go by name (older ones demand 248 bytes a Gaussian: --sh-degree 3 --normals)"
    else:
        versions = "yes, in all versions"
    return f"{versions}; give its Transform {_unity_transform(found)}, since Unity is left-handed"


def _supersplat(found: Found) -> str:
    if found.kind in _WEB:
        return f"yes: drag the file into the page{_placed(found)}"
    if found.kind == "ply-seq":
        return f"yes: drag the folder into the page; it plays {found.frames} frames by the numbers in their names{_placed(found)}"
    if found.kind in _SEQUENCES:
        return "frame by frame only: it takes sequences of PLY; export --format ply-seq"
    return "no; export --format ply or ply-seq"


def _spark(found: Found) -> str:
    if found.kind == "spz" and found.layout.get("version") == 4:
        return "no: as of 2.2 it reads SPZ up to version 3; export with --spz-version 3"
    if found.kind in _WEB:
        turn = {"y": "", "-y": "; upside down there: set quaternion (1, 0, 0, 0), or export with --up y"}
        size = "" if _shrink(found) == 1 else f"; set scale {_shrink(found):g}, since {1 / _shrink(found):g} units are a metre"
        return f"yes{turn.get(_up(found), '; on its back there: export with --up y')}{size}"
    if found.kind in _SEQUENCES:
        return "frame by frame only; `--format web` moves the head in it"
    return "no; export --format spz or web"


def _xscene(found: Found) -> str:
    if found.kind == "ply":
        placed = _placed(found)
        return f"yes{placed}" if found.layout.get("stride") == 248 else f"perhaps: give it 248 bytes a Gaussian (--sh-degree 3 --normals){placed}"
    return "one frame at a time: it does not play sequences" if found.kind == "ply-seq" else "no: it reads PLY; export --format ply"


def _mlslabs(found: Found) -> str:
    if found.kind == "ply-seq":
        return f"yes: import the folder, set {found.fps:g} frames a second, put the .wav on the Sequencer beside it{_placed(found)}"
    return f"yes{_placed(found)}" if found.kind == "ply" else "no: it reads PLY and folders of PLY; export --format ply-seq"


def _dazai(found: Found) -> str:
    if found.kind == "gsd":
        return f"yes: BP_4DGS, Sequence Path; the .wav beside it is the Audio Path{_placed(found)}"
    return f"yes: BP_3DGS, PLY File Path{_placed(found)}" if found.kind == "ply" else "no; export --format gsd"


def _quest(found: Found) -> str:
    if found.kind not in _WEB:
        return "no page opens it there; export --format web, which has a VR button"
    if found.count > VR_COUNT:
        return f"slow: a head is near and {found.count} Gaussians are many; export with --max-gaussians {VR_COUNT}"
    return "as a still, in a page of Spark's or SuperSplat's; `--format web` moves, and has a VR button"


def _blender(found: Found) -> str:
    if found.kind == "rig-glb":
        return "yes: File, Import, glTF 2.0; expressions are shape keys, the motion an action; put the .wav on the video sequencer"
    if found.kind == "usd":
        return "from 5.3 on, which is said to read Gaussians of USD; the mesh in it, hidden at first, in earlier ones, too"
    return "no; export --format rig-glb or usd"


def _usd(found: Found) -> str:
    return "yes: plays from the timeline, by version 26.3 or later" if found.kind == "usd" else "no; export --format usd"


def _gltf(found: Found) -> str:
    if found.kind == "rig-glb":
        return "yes, as any animated glTF"
    if found.kind == "glb":
        return "where they know KHR_gaussian_splatting (three.js r186, Babylon.js, Cesium); others show coloured points"
    return "no; export --format glb or rig-glb"


def _engines(found: Found) -> str:
    return (
        "yes, as any animated glTF: meshes, morphs, skeleton (Unity by the package glTFast)"
        if found.kind == "rig-glb"
        else "no; export --format rig-glb"
    )


TARGETS: dict[str, Callable[[Found], str]] = {
    "Unity (aras-p)": _unity,
    "SuperSplat": _supersplat,
    "Spark": _spark,
    "Unreal (XScene)": _xscene,
    "Unreal (MLSLabs)": _mlslabs,
    "Unreal (Splat Renderer)": _dazai,
    "Quest browser": _quest,
    "Blender": _blender,
    "usdview, Omniverse": _usd,
    "glTF viewers": _gltf,
    "Unity, Unreal, as a mesh": _engines,
}

MEDIA: dict[str, dict[str, str]] = {
    "mp4": {"players, browsers, editors": "yes"},
    "mov": {"video editors": "yes: ProRes 4444; its alpha is straight (unmatted)", "browsers": "no; export the same with a name in .webm"},
    "webm": {"Chromium, Firefox": "yes, with its alpha", "Safari, video editors": "not its alpha; export the same with a name in .mov"},
    "png-seq": {"video editors, Blender, Nuke": "yes, as an image sequence at the manifest's rate; the .wav is its sound"},
    "web": {
        "browsers": "yes; a single file from disk too, a folder from any web server",
        "headset browsers": "yes: the VR button, where the page comes by https or from localhost",
    },
    "viser-html": {"browsers": "yes, from disk too; silent"},
    "arkit-csv": {"Unreal (Live Link Face Importer), Blender add-ons": "yes, as a take of Live Link Face"},
    "bvh": {"Blender": "yes, as its importer stands: y up, forward -z, unless --up said otherwise"},
    "motion-json": {"programs of your own": "its fields are in docs/formats.md"},
    "a3d": {"C++ programs and engines": "yes: the headers of viewer/runtime load, pose and sort it (docs/a3d.md)"},
    "vhap": {"GaussianAvatars, VHAP's users": "yes: -s FOLDER"},
}
"""Of films, pictures, motions and pages, by kind."""
