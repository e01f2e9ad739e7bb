"""Reading Gaussians over time back from OpenUSD."""

# usd-core says nothing of its types.
# pyright: reportAttributeAccessIssue=false

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from avatar3d.errors import UserError
from viewer.export.splats import Splats, gaussians_of
from viewer.export.usd_stage import check_usd

_MAX_FRAMES = 10_000_000


def read_usd(path: Path) -> tuple[dict, Iterator[Splats]]:
    """What a stage says of itself, and the Gaussians of each of its frames in the stage's own axes and units.

    Returns:
        fps, count, facts, layout and complaints, the last of USD's own validation; and the frames, each read when it is asked for.

    Raises:
        UserError: not whole, or without Gaussians.
    """
    check_usd()
    from pxr import Tf, Usd, UsdGeom, UsdUtils, UsdValidation

    if path.suffix.lower() == ".usdz":
        _check_package(path)

    # What USD would print of the file's faults; they are told in our own words.
    _hushed = UsdUtils.CoalescingDiagnosticDelegate()
    try:
        stage = Usd.Stage.Open(str(path))
        prim = next((each for each in stage.Traverse() if each.GetTypeName() == "ParticleField3DGaussianSplat"), None)
        if prim is None:
            raise UserError(f"{path}: holds no Gaussians; export it again with --format usd")
        times = prim.GetAttribute("positions").GetTimeSamples() or prim.GetAttribute("positionsh").GetTimeSamples() or [stage.GetStartTimeCode()]
        if len(times) > _MAX_FRAMES:
            raise UserError(f"{path}: claims {len(times)} frames; export it again")
        _check_neighbours(path)
        context = UsdValidation.ValidationContext(UsdValidation.ValidationRegistry().GetOrLoadAllValidators())
        complaints = [f"USD itself says {error.GetName()}: {error.GetMessage()}" for error in context.Validate(stage)]
        mesh = any(each.GetTypeName() == "SkelRoot" for each in stage.TraverseAll())
        layout = {"up": str(UsdGeom.GetStageUpAxis(stage)).lower(), "metres per unit": UsdGeom.GetStageMetersPerUnit(stage), "rig": mesh}
        facts = {str(key): str(value) for key, value in stage.GetRootLayer().customLayerData.items()}
    except (Tf.ErrorException, ValueError, RuntimeError, MemoryError) as error:
        raise UserError(f"{path}: is no USD file, or damaged; export it again") from error
    header = {"fps": float(stage.GetTimeCodesPerSecond()), "count": len(times), "facts": facts, "layout": layout, "complaints": complaints}
    return header, (_splats(path, stage, prim, time, header) for time in times)


def _check_package(path: Path) -> None:
    """Refuse a package whose files are not those that its sums are of: USD itself does not look at them."""
    try:
        with zipfile.ZipFile(path) as package:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in package.infolist()):
                raise UserError(f"{path}: is compressed, which no USD package may be; export it again")
            damaged = package.testzip()
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: is no USD package, or damaged; export it again") from error
    if damaged:
        raise UserError(f"{path}: {damaged} in it is damaged; copy it again, or export it again")


def _check_neighbours(path: Path) -> None:
    """Refuse a stage that lacks a file it names."""
    from pxr import UsdUtils

    missing = UsdUtils.ComputeAllDependencies(str(path))[2]
    if missing:
        raise UserError(f"{path}: {Path(missing[0]).name} belongs to it and is not there; copy it here, or export again (.usdz is one file)")


def _splats(path: Path, stage: Any, prim: Any, time: float, header: dict) -> Splats:
    """One frame; `stage` is named so that it lives as long as its prim does."""
    from pxr import Tf, UsdGeom

    def values(name: str) -> np.ndarray:
        # Each attribute has a twin in half precision, as ours are; the whole one counts where a file has both.
        whole = prim.GetAttribute(name)
        return np.array((whole if whole.HasAuthoredValue() else prim.GetAttribute(f"{name}h")).Get(time), np.float32)

    try:
        matrix = np.array(UsdGeom.XformCache(time).GetLocalToWorldTransform(prim))
        if not np.allclose(matrix[:3, :3], np.eye(3)):
            raise ValueError("its Gaussians are turned or stretched as a whole")
        # As numpy sees them: xyzw.
        quaternions, opacity = values("orientations"), values("opacities")
        count = len(quaternions)
        with np.errstate(divide="ignore", invalid="ignore"):
            logit, log_scale = np.log(opacity) - np.log1p(-opacity), np.log(values("scales"))
        sh = values("radiance:sphericalHarmonicsCoefficients").reshape(count, -1, 3)
        position = values("positions") + matrix[3, :3].astype(np.float32)
        if not len(position) == len(logit) == len(log_scale) == count:
            raise ValueError("its attributes do not go together")
        return Splats(gaussians_of(str(path), position, quaternions[:, [3, 0, 1, 2]], log_scale, logit, sh), "usd", header["layout"], header["facts"])
    except (Tf.ErrorException, ValueError, TypeError, AttributeError, RuntimeError, MemoryError) as error:
        raise UserError(f"{path}: is damaged ({' '.join(str(error).split())[:80]}); export it again") from error
