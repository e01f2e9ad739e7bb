"""Gaussians over time as USD's `UsdVol.ParticleField3DGaussianSplat`.

Every frame has half-precision centres and orientations, 14 bytes a Gaussian; opacities are written once; scales and colours, which change little and
slowly, every twelfth frame, and readers interpolate between. The centres are relative to a point that goes with the avatar: the three digits of half
precision shall not be spent on how far away it stands.
"""

# usd-core says nothing of its types.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from typing import Any

import numpy as np

from avatar3d.gaussians import Gaussians
from avatar3d.progress import Progress
from avatar3d.threads import in_order
from viewer.export.frames import Frames
from viewer.export.usd_stage import ROOT

SLOW = 12
"""Frames from one sample of scales and colours to the next."""
_SAVED = 64
"""Frames after which the layer is saved, which is when USD lets go of them."""
_SIGMAS = 3.0
"""Standard deviations that count as the extent."""


@dataclass(frozen=True, eq=False)
class _Sample:
    """One frame in USD's numbers."""

    centre: np.ndarray
    """[3] float64."""
    position: np.ndarray
    """[N, 3] float16, from the centre."""
    orientation: np.ndarray
    """[N, 4] float32 xyzw, of unit length."""
    extent: np.ndarray
    """[2, 3] float32, from the centre."""
    gaussians: Gaussians


def add_splats(stage: Any, frames: Frames, progress: Progress) -> None:
    """Write all frames to the stage's layer and save it; memory holds a few of them."""
    from pxr import UsdGeom, UsdVol, Vt

    field = UsdVol.ParticleField3DGaussianSplat.Define(stage, f"{ROOT}/gaussians")
    prim = field.GetPrim()
    place = UsdGeom.Xformable(prim).AddTranslateOp()
    slow = {"scalesh": prim.GetAttribute("scalesh"), "harmonics": prim.GetAttribute("radiance:sphericalHarmonicsCoefficientsh")}
    fast = {"position": prim.GetAttribute("positionsh"), "orientation": prim.GetAttribute("orientationsh")}
    extent = UsdGeom.Boundable(prim).CreateExtentAttr()
    last, before = frames.count - 1, None
    for index, sample in enumerate(in_order(lambda each: _sample(frames, each), frames.count)):
        gaussians, time = sample.gaussians, float(index)
        if index == 0:
            prim.GetAttribute("opacities").Set(Vt.FloatArray.FromNumpy(gaussians.opacity_logit.sigmoid().numpy()))
            prim.GetAttribute("radiance:sphericalHarmonicsDegree").Set(int(np.sqrt(gaussians.sh.shape[1])) - 1)
            prim.GetAttribute("sortingModeHint").Set(UsdVol.Tokens.zDepth)
        # An orientation and its negative are one, but what lies between two of them is not.
        orientation = (
            sample.orientation if before is None else np.where(_dot(sample.orientation, before) < 0, -sample.orientation, sample.orientation)
        )
        before = orientation
        place.Set(tuple(float(x) for x in sample.centre), time)
        extent.Set(Vt.Vec3fArray.FromNumpy(sample.extent), time)
        fast["position"].Set(Vt.Vec3hArray.FromNumpy(sample.position), time)
        fast["orientation"].Set(Vt.QuathArray.FromNumpy(orientation.astype(np.float16)), time)
        if index % SLOW == 0 or index == last:
            slow["scalesh"].Set(Vt.Vec3hArray.FromNumpy(gaussians.log_scale.exp().numpy().astype(np.float16)), time)
            harmonics = gaussians.sh.reshape(-1, 3).numpy().astype(np.float16)
            slow["harmonics"].Set(Vt.Vec3hArray.FromNumpy(np.ascontiguousarray(harmonics)), time)
        if index % _SAVED == _SAVED - 1 or index == last:
            stage.GetRootLayer().Save()
        progress(index + 1, frames.count)


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[N, 1]."""
    return np.einsum("nc,nc->n", first, second)[:, None]


def _sample(frames: Frames, index: int) -> _Sample:
    gaussians = frames.gaussians(index)
    position = gaussians.position.numpy()
    low, high = position.min(axis=0).astype(np.float64), position.max(axis=0).astype(np.float64)
    centre = (low + high) / 2
    reach = _SIGMAS * gaussians.log_scale.max(dim=1).values.exp().numpy()[:, None]
    local = (position - centre).astype(np.float32)
    extent = np.stack([(local - reach).min(axis=0), (local + reach).max(axis=0)])
    return _Sample(centre, local.astype(np.float16), gaussians.rotation.numpy()[:, [1, 2, 3, 0]], extent, gaussians)
