""".splat, antimatter15's layout: 32 bytes a Gaussian and nothing else.

Three float32 position, three float32 standard deviations, RGBA as uint8, quaternion w, x, y, z as uint8 (128 is zero, 128 steps to one). The largest
and most opaque come first, so that a page that is still loading shows the whole. The layout has no room for words: what the file is stands beside
it, in NAME.splat.json.
"""

from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from avatar3d.gaussians import SH_C0, Gaussians
from viewer.export.splats import Splats, gaussians_of

ROW = np.dtype([("position", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])


def splat_bytes(gaussians: Gaussians) -> bytes:
    """The file, for Gaussians in its axes with unit quaternions; harmonics above degree 0 are lost, colours are clamped to 0..1."""
    scale, opacity = np.exp(gaussians.log_scale.numpy()), _sigmoid(gaussians.opacity_logit.numpy())
    order = np.argsort(-scale.prod(axis=1) * opacity, kind="stable")
    rows = np.empty(len(gaussians), ROW)
    rows["position"] = gaussians.position.numpy()[order]
    rows["scale"] = scale[order]
    rows["rgba"][:, :3] = _byte(255 * (0.5 + SH_C0 * gaussians.sh[:, 0].numpy()[order]))
    rows["rgba"][:, 3] = _byte(255 * opacity[order])
    rows["rotation"] = _byte(128 + 128 * gaussians.rotation.numpy()[order])
    return rows.tobytes()


def facts_path(path: Path) -> Path:
    """Where the words stand that the file has no room for."""
    return path.with_name(path.name + ".json")


def read_splat(data: bytes, name: str = "the splat file") -> Splats:
    """Gaussians from a .splat file, in its own axes.

    Raises:
        UserError: not such a file, or damaged.
    """
    if not data or len(data) % ROW.itemsize:
        raise UserError(f"{name}: has {len(data)} bytes, which is no whole number of Gaussians of {ROW.itemsize}; copy it again")
    rows = np.frombuffer(data, ROW)
    if not (rows["scale"] > 0).all():
        raise UserError(f"{name}: has Gaussians without a size; copy it again")
    with np.errstate(divide="ignore", invalid="ignore"):
        log_scale = np.log(rows["scale"])
        opacity = np.clip(rows["rgba"][:, 3] / np.float32(255), 1e-4, 1 - 1e-4)
    sh = (rows["rgba"][:, None, :3] / np.float32(255) - 0.5) / SH_C0
    rotation = (rows["rotation"].astype(np.float32) - 128) / 128
    gaussians = gaussians_of(name, rows["position"], rotation, log_scale, np.log(opacity / (1 - opacity)), sh)
    return Splats(gaussians, "splat", {"degree": 0, "stride": ROW.itemsize})


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def _byte(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
