"""The photometric loss of one frame and its gradient: weighted L1, structural dissimilarity, and coverage.

One serial numba pass per term, because a torch SSIM costs many times the rasterizer on a CPU.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

RADIUS = 5
"""Of the SSIM window: 11 pixels, sigma 1.5 (Wang et al. 2004)."""
C1, C2 = 0.01**2, 0.03**2


def _taps() -> np.ndarray:
    taps = np.exp(-((np.arange(-RADIUS, RADIUS + 1) / 1.5) ** 2) / 2)
    return (taps / taps.sum()).astype(np.float32)


TAPS = _taps()


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts; the L1 term counts 1 - dssim."""

    dssim: float = 0.2
    coverage: float = 0.1


@njit(cache=True, nogil=True, fastmath=True)
def _rows_of_moments(x, y, row, taps, sums):
    # Vertical pass over the 11 rows around `row` of the padded pictures: sums of x, y, xx, yy, xy.
    width = x.shape[1]
    for m in range(5):
        for c in range(width):
            sums[m, c] = 0.0
    for i in range(2 * RADIUS + 1):
        k = taps[i]
        for c in range(width):
            a, b = x[row + i, c], y[row + i, c]
            sums[0, c] += k * a
            sums[1, c] += k * b
            sums[2, c] += k * a * a
            sums[3, c] += k * b * b
            sums[4, c] += k * a * b


@njit(cache=True, nogil=True, fastmath=True)
def _smooth_row(source, taps, out):
    width = out.shape[0]
    for c in range(width):
        total = taps[5] * source[c + 5]
        total += taps[4] * (source[c + 4] + source[c + 6])
        total += taps[3] * (source[c + 3] + source[c + 7])
        total += taps[2] * (source[c + 2] + source[c + 8])
        total += taps[1] * (source[c + 1] + source[c + 9])
        total += taps[0] * (source[c] + source[c + 10])
        out[c] = total


@njit(cache=True, nogil=True, fastmath=True)
def _ssim_plane(x, y, taps, weight, gradient):
    """Sum of SSIM over one padded plane; adds weight * d(sum)/dx to `gradient` [h, w]."""
    height, width = gradient.shape
    sums = np.zeros((5, x.shape[1]), np.float32)
    smooth = np.zeros((5, width), np.float32)
    maps = np.zeros((3, height + 2 * RADIUS, width + 2 * RADIUS), np.float32)
    total = 0.0
    for r in range(height):
        _rows_of_moments(x, y, r, taps, sums)
        for m in range(5):
            _smooth_row(sums[m], taps, smooth[m])
        row_total = np.float32(0.0)
        for c in range(width):
            mx, my = smooth[0, c], smooth[1, c]
            vx, vy, cov = smooth[2, c] - mx * mx, smooth[3, c] - my * my, smooth[4, c] - mx * my
            a1, a2 = 2 * mx * my + np.float32(C1), 2 * cov + np.float32(C2)
            b1, b2 = mx * mx + my * my + np.float32(C1), vx + vy + np.float32(C2)
            inverse = 1 / (b1 * b2)
            s = a1 * a2 * inverse
            row_total += s
            # Derivatives with respect to the three moments of x: its mean, its mean square, the mean product.
            d_square = -s / b2
            d_product = 2 * a1 * inverse
            d_mean = 2 * my * a2 * inverse - 2 * mx * s / b1 - 2 * mx * d_square - my * d_product
            maps[0, r + RADIUS, c + RADIUS] = d_mean
            maps[1, r + RADIUS, c + RADIUS] = d_square
            maps[2, r + RADIUS, c + RADIUS] = d_product
        total += row_total
    for r in range(height):
        for m in range(3):
            for c in range(width + 2 * RADIUS):
                sums[m, c] = 0.0
            for i in range(2 * RADIUS + 1):
                k = taps[i]
                for c in range(width + 2 * RADIUS):
                    sums[m, c] += k * maps[m, r + i, c]
            _smooth_row(sums[m], taps, smooth[m])
        for c in range(width):
            a, b = x[r + RADIUS, c + RADIUS], y[r + RADIUS, c + RADIUS]
            gradient[r, c] += weight * (smooth[0, c] + 2 * a * smooth[1, c] + b * smooth[2, c])
    return total


@njit(cache=True, nogil=True, fastmath=True)
def _padded_planes(picture, top, left, bottom, right, planes):
    for r in range(top, bottom):
        for c in range(left, right):
            for k in range(3):
                planes[k, r - top + RADIUS, c - left + RADIUS] = picture[r, c, k]


@njit(cache=True, nogil=True, fastmath=True)
def _absolute(rgb, target, importance, scale, g_rgb):
    total = 0.0
    for r in range(rgb.shape[0]):
        row_total = np.float32(0.0)
        for c in range(rgb.shape[1]):
            w = scale * importance[r, c]
            for k in range(3):
                d = rgb[r, c, k] - target[r, c, k]
                row_total += w * abs(d)
                g_rgb[r, c, k] = w if d > 0 else (-w if d < 0 else np.float32(0.0))
        total += row_total
    return total


def ssim_and_gradient(rgb: np.ndarray, target: np.ndarray, box: tuple[int, int, int, int]) -> tuple[float, np.ndarray]:
    """Mean SSIM over a box and its gradient.

    11-pixel Gaussian window, sigma 1.5, zeros outside the box, channels averaged (Wang et al. 2004).

    Args:
        rgb: [H, W, 3] float32.
        target: [H, W, 3] float32.
        box: (top, left, bottom, right) pixels.

    Returns:
        the mean, and its gradient [3, bottom - top, right - left] with respect to rgb inside the box.
    """
    top, left, bottom, right = box
    h, w = bottom - top, right - left
    x = np.zeros((3, h + 2 * RADIUS, w + 2 * RADIUS), np.float32)
    y = np.zeros_like(x)
    _padded_planes(rgb, top, left, bottom, right, x)
    _padded_planes(target, top, left, bottom, right, y)
    gradient = np.zeros((3, h, w), np.float32)
    count = 3 * h * w
    total = sum(_ssim_plane(x[k], y[k], TAPS, np.float32(1 / count), gradient[k]) for k in range(3))
    return float(total) / count, gradient


def photometric_loss(
    rgb: np.ndarray,
    alpha: np.ndarray,
    target: np.ndarray,
    matte: np.ndarray,
    importance: np.ndarray,
    box: tuple[int, int, int, int],
    weights: LossWeights,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss of one rendered frame and its gradients with respect to rgb [H, W, 3] and alpha [H, W].

    Args:
        rgb: [H, W, 3] rendered over some background.
        alpha: [H, W] rendered coverage.
        target: [H, W, 3] the frame composited over the same background through its matte.
        matte: [H, W] 0..1.
        importance: [H, W] weight of each pixel in the L1 term, about 1 on average.
        box: (top, left, bottom, right) around the subject: where structure is compared.
        weights: of the terms.
    """
    pixels = alpha.size
    g_rgb = np.empty_like(rgb)
    loss = _absolute(rgb, target, importance, np.float32((1 - weights.dssim) / (3 * pixels)), g_rgb)
    if weights.dssim > 0:
        top, left, bottom, right = box
        similarity, gradient = ssim_and_gradient(rgb, target, box)
        # The box counts by its share of the picture, so that the term does not depend on how tight it is.
        share = weights.dssim * 0.5 * (bottom - top) * (right - left) / pixels
        loss += share * (1 - similarity)
        g_rgb[top:bottom, left:right] -= share * np.moveaxis(gradient, 0, -1)
    difference = alpha - matte
    loss += weights.coverage * float(np.abs(difference).mean())
    g_alpha = np.sign(difference) * np.float32(weights.coverage / pixels)
    return float(loss), g_rgb, g_alpha
