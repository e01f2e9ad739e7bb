"""An OpenUSD stage of an avatar: its axes, units, times, what it says of itself, its camera and its sound.

A stage is made in a folder of its own and moved to its place when it is whole: as one package (.usdz: a zip without compression, the layer first), or
as a layer (.usdc) whose texture and sound lie beside it.
"""

# usd-core says nothing of its types.
# pyright: reportAttributeAccessIssue=false

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from avatar3d.camera import Camera
from avatar3d.errors import UserError
from avatar3d.files import atomic_path, check_output
from viewer.export.axes import axes_rotation
from viewer.export.frames import Frames
from viewer.export.provenance import Provenance
from viewer.export.soundtrack import has_beside

ROOT = "/avatar"
_APERTURE = 36.0
"""Width of the camera's picture, tenths of the scene's unit; only its ratio to the focal length can be seen."""
_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""The IPTC's word for what a trained model made."""


def check_usd() -> None:
    """Refuse to begin without usd-core.

    Raises:
        UserError: it is not installed, or older than Gaussians in USD.
    """
    try:
        from pxr import UsdMedia, UsdVol
    except ImportError as error:
        raise UserError("--format usd: needs usd-core; run `pip install 'avatar3d[usd]'`") from error
    if not hasattr(UsdVol, "ParticleField3DGaussianSplat") or not hasattr(UsdMedia, "AuthorshipAPI"):
        raise UserError("--format usd: needs a newer usd-core; run `pip install --upgrade 'avatar3d[usd]'`")


@contextlib.contextmanager
def usd_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` to make a stage in, removed afterwards; what USD fails at is one line about `path`."""
    from pxr import Tf

    check_output(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give the name of a file")
    try:
        # Beside a device there is no place for a folder.
        with tempfile.TemporaryDirectory(prefix=f".{path.stem}.", dir=path.parent if has_beside(path) else None) as folder:
            yield Path(folder)
    except Tf.ErrorException as error:
        raise UserError(f"{path}: cannot be written ({_reason(error)}); free some space or choose another output path") from error
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({(error.strerror or str(error)).lower()}); free some space or choose another output path"
        ) from error


def _reason(error: Exception) -> str:
    """The first thing that USD complained of; it names its own source first and the system's reason last."""
    first = re.search(r": '(.*)'$", str(error), re.MULTILINE)
    return first[1].rpartition(": ")[2].lower()[:160] if first else "USD gave no reason"


def new_stage(path: Path, frames: Frames, told: Provenance) -> Any:
    """An empty stage with its root and what it says of itself; one second is `fps` time codes, frame i is at time code i.

    Raises:
        UserError: axes that USD has no word for.
    """
    from pxr import Kind, Sdf, Usd, UsdGeom, UsdMedia

    if frames.up == "-y":
        raise UserError("--up -y: USD knows y and z only; choose one of them")
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, {"y": UsdGeom.Tokens.y, "z": UsdGeom.Tokens.z}[frames.up])
    UsdGeom.SetStageMetersPerUnit(stage, {"m": 1.0, "cm": 0.01}[frames.selection.unit])
    stage.SetTimeCodesPerSecond(float(frames.fps))
    stage.SetFramesPerSecond(float(frames.fps))
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(frames.count - 1)
    layer = stage.GetRootLayer()
    layer.documentation = told.sentence
    layer.customLayerData = frames.facts()
    root = UsdGeom.Xform.Define(stage, ROOT).GetPrim()
    stage.SetDefaultPrim(root)
    Usd.ModelAPI(root).SetKind(Kind.Tokens.component)
    record = UsdMedia.AuthorshipAPI.Apply(root, "avatar3d")
    record.CreateDescriptionAttr(told.sentence)
    record.CreateDigitalSourceTypeAttr(_SOURCE)
    record.CreateUsageTermsAttr(f"Licence: {told.licence}. Consent: {told.consent}.")
    record.CreateSoftwarePackageAttr("avatar3d")
    record.CreateSoftwareVersionAttr(told.generator.removeprefix("avatar3d "))
    assert isinstance(layer, Sdf.Layer)
    return stage


def add_camera(stage: Any, camera: Camera, frames: Frames) -> None:
    """A camera as the avatar was filmed. USD's looks along its -z, its y upwards; ours along +z, its y downwards."""
    from pxr import Gf, UsdGeom

    prim = UsdGeom.Camera.Define(stage, f"{ROOT}/camera")
    height = _APERTURE * camera.height / camera.width * camera.fx / camera.fy
    prim.CreateHorizontalApertureAttr(_APERTURE)
    prim.CreateVerticalApertureAttr(height)
    prim.CreateHorizontalApertureOffsetAttr((0.5 - camera.cx / camera.width) * _APERTURE)
    prim.CreateVerticalApertureOffsetAttr((camera.cy / camera.height - 0.5) * height)
    prim.CreateFocalLengthAttr(camera.fx / camera.width * _APERTURE)
    prim.CreateClippingRangeAttr(Gf.Vec2f(0.01 * frames.factor, 100 * frames.factor))
    turn = axes_rotation(frames.up)
    T_world_cam = np.linalg.inv(camera.T_cam_world)
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ T_world_cam[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    matrix[:3, 3] = turn @ T_world_cam[:3, 3] * frames.factor
    prim.AddTransformOp().Set(usd_matrix(matrix))


def add_sound(stage: Any, name: str) -> None:
    """The sound file `name`, which lies beside the layer, once from time code 0 on (where USD begins unless told), alike from everywhere."""
    from pxr import Sdf, UsdMedia

    prim = UsdMedia.SpatialAudio.Define(stage, f"{ROOT}/sound")
    prim.CreateFilePathAttr(Sdf.AssetPath(f"./{name}"))
    prim.CreateAuralModeAttr(UsdMedia.Tokens.nonSpatial)
    prim.CreatePlaybackModeAttr(UsdMedia.Tokens.onceFromStart)


def usd_matrix(matrix: np.ndarray) -> Any:
    """A matrix [4, 4] that acts on columns as USD's, which acts on rows."""
    from pxr import Gf

    return Gf.Matrix4d(*(float(x) for x in matrix.T.reshape(-1)))


def package(folder: Path, layer: str, path: Path) -> None:
    """All files of `folder` as one .usdz, its `layer` first."""
    from pxr import Sdf

    names = [layer, *sorted(entry.name for entry in folder.iterdir() if entry.name != layer)]
    made = folder / "package.usdz"
    with Sdf.ZipFileWriter.CreateNew(str(made)) as writer:
        for name in names:
            writer.AddFile(str(folder / name), name)
    move(made, path)


def move(made: Path, path: Path) -> None:
    """A finished file to its place; a device is written to."""
    with atomic_path(path) as temporary:
        if temporary == path:
            temporary.write_bytes(made.read_bytes())
        else:
            made.replace(temporary)
