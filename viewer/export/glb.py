"""Gaussians as binary glTF with KHR_gaussian_splatting (Khronos, release candidate of July 2026).

One primitive of points: ROTATION is xyzw and of unit length, SCALE linear, OPACITY linear from 0 to 1, SH_DEGREE_l_COEF_n the harmonics as they are.
glTF is right-handed, +y up, +z out of the face, in metres. What does not know the extension shows points in the colours of COLOR_0, which the core of
glTF wants linear.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from avatar3d.files import atomic_path
from avatar3d.gaussians import SH_C0, Gaussians
from avatar3d.progress import Progress
from viewer.export.frames import Frames
from viewer.export.glb_files import EXTENSION
from viewer.export.gltf import ARRAY, Buffer, asset_entry, write_glb
from viewer.export.options import FormatOptions

_KIND = {"kernel": "ellipse", "colorSpace": "srgb_rec709_display", "projection": "perspective", "sortingMethod": "cameraDistance"}


def splats_glb(gaussians: Gaussians, asset: dict) -> bytes:
    """The file's bytes.

    Args:
        gaussians: in glTF's axes, metres; at least one.
        asset: what the file says of itself (`gltf.asset_entry`).
    """
    buffer = Buffer()
    opacity = torch.sigmoid(gaussians.opacity_logit)
    position, scale = gaussians.position.numpy(), gaussians.log_scale.exp().numpy()
    attributes = {
        "POSITION": buffer.accessor(position, ARRAY, bounds=True),
        "COLOR_0": buffer.accessor(_fallback(gaussians, opacity), ARRAY, normalised=True),
        f"{EXTENSION}:ROTATION": buffer.accessor(normalize(gaussians.rotation, dim=1)[:, [1, 2, 3, 0]].numpy(), ARRAY),
        f"{EXTENSION}:SCALE": buffer.accessor(scale, ARRAY),
        f"{EXTENSION}:OPACITY": buffer.accessor(opacity.numpy(), ARRAY),
    }
    for band in range(gaussians.sh.shape[1]):
        degree = int(np.sqrt(band))
        attributes[f"{EXTENSION}:SH_DEGREE_{degree}_COEF_{band - degree * degree}"] = buffer.accessor(gaussians.sh[:, band].numpy(), ARRAY)
    document = {
        "asset": asset,
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "avatar", "mesh": 0}],
        "meshes": [{"name": "gaussians", "primitives": [{"mode": 0, "attributes": attributes, "extensions": {EXTENSION: _KIND}}]}],
    }
    return write_glb(document, buffer)


def _fallback(gaussians: Gaussians, opacity: torch.Tensor) -> np.ndarray:
    """[N, 4] uint16: linear colour and opacity."""
    srgb = (gaussians.sh[:, 0] * SH_C0 + 0.5).clamp(0, 1)
    linear = torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return torch.round(torch.cat([linear, opacity[:, None]], dim=1) * 0xFFFF).numpy().astype(np.uint16)


def write_splats_glb(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write the first frame; see `formats.Writer`."""
    del options, progress
    data = splats_glb(frames.gaussians(0), asset_entry(frames))
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return f"{path}: {frames.num_gaussians} Gaussians, {len(data) / 1e6:.1f} MB\nnext: avatar3d check {path}"
