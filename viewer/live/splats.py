"""Gaussians as viser's browser client takes them: float16 covariances, sent ten times as large as they are."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from avatar3d.drawing import as_bytes
from avatar3d.gaussians import SH_C0, Gaussians

SCALE = 0.1
"""Of the scene node that undoes the enlargement. In metres a head's covariances are near the smallest numbers that float16 holds."""
_LEAST, _MOST = 4e-5, 1.0
"""Metres between which a standard deviation is sent."""
_FLATTEST = 0.04
"""Thinnest axis against the widest one. Rounding to float16 moves an eigenvalue by up to three times 2^-11 of the largest: thinner
Gaussians would lose their positive definiteness, and a twenty-fifth of a width is not seen."""


@dataclass(frozen=True, eq=False)
class Splats:
    """The arguments of viser's `set_gaussians`."""

    centers: np.ndarray
    """[N, 3] float32, metres / SCALE."""
    covariances: np.ndarray
    """[N, 3, 3] float32, square metres / SCALE^2; positive definite, also once rounded to float16."""
    rgbs: np.ndarray
    """[N, 3] uint8."""
    opacities: np.ndarray
    """[N, 1] uint8."""


def splats_of(gaussians: Gaussians) -> Splats:
    """What the client is sent: the constant term of the colour, since it knows no harmonics."""
    count = len(gaussians)
    covariances = np.empty((count, 3, 3), np.float32)
    _covariances(gaussians.rotation.numpy(), gaussians.log_scale.numpy(), np.float32(1 / SCALE), covariances)
    colour = np.float32(0.5) + np.float32(SH_C0) * gaussians.sh[:, 0].numpy()
    opacity = 1 / (1 + np.exp(-gaussians.opacity_logit.numpy()[:, None]))
    return Splats(gaussians.position.numpy() * np.float32(1 / SCALE), covariances, as_bytes(colour), as_bytes(opacity))


@njit(cache=True, nogil=True)
def _covariances(rotation, log_scale, enlarged, out):
    for g in range(rotation.shape[0]):
        w, x, y, z = rotation[g, 0], rotation[g, 1], rotation[g, 2], rotation[g, 3]
        norm = w * w + x * x + y * y + z * z
        k = np.float32(2.0) / max(norm, np.float32(1e-12))
        r00, r01, r02 = 1 - k * (y * y + z * z), k * (x * y - w * z), k * (x * z + w * y)
        r10, r11, r12 = k * (x * y + w * z), 1 - k * (x * x + z * z), k * (y * z - w * x)
        r20, r21, r22 = k * (x * z - w * y), k * (y * z + w * x), 1 - k * (x * x + y * y)
        a, b, c = np.exp(log_scale[g, 0]), np.exp(log_scale[g, 1]), np.exp(log_scale[g, 2])
        most = min(max(a, b, c), np.float32(_MOST))
        least = max(np.float32(_FLATTEST) * most, np.float32(_LEAST))
        a = (min(max(a, least), np.float32(_MOST)) * enlarged) ** 2
        b = (min(max(b, least), np.float32(_MOST)) * enlarged) ** 2
        c = (min(max(c, least), np.float32(_MOST)) * enlarged) ** 2
        out[g, 0, 0] = r00 * r00 * a + r01 * r01 * b + r02 * r02 * c
        out[g, 1, 1] = r10 * r10 * a + r11 * r11 * b + r12 * r12 * c
        out[g, 2, 2] = r20 * r20 * a + r21 * r21 * b + r22 * r22 * c
        out[g, 0, 1] = out[g, 1, 0] = r00 * r10 * a + r01 * r11 * b + r02 * r12 * c
        out[g, 0, 2] = out[g, 2, 0] = r00 * r20 * a + r01 * r21 * b + r02 * r22 * c
        out[g, 1, 2] = out[g, 2, 1] = r10 * r20 * a + r11 * r21 * b + r12 * r22 * c
