"""Blending a tile's ellipses front to back, and its gradient (CPU kernels).

Per pixel, nearest first: alpha_i = min(opacity_i exp(-d'Q_i d / 2), ALPHA_MAX), taken as 0 below ALPHA_MIN; w_i = alpha_i T_i,
T_(i+1) = T_i - w_i, T_1 = 1; a pixel is finished once T < T_MIN (the Gaussian that brings it there still counts).
Lanes: the inner loops run over the 16 pixels of a tile's row with selects instead of branches, and all they touch lies at constant distances in one
local array, so that LLVM can prove them independent and turn each loop into straight vector code.
"""

import math

import numpy as np
from numba import njit

from avatar3d.render.projection import ALPHA_MIN as ALPHA_THRESHOLD
from avatar3d.render.projection import BLUE, CONIC_XX, CONIC_XY, CONIC_YY, DEPTH, GREEN, LOG2_OPACITY, MEAN_X, MEAN_Y, RED
from avatar3d.render.tiles import TILE

SLOT_WIDTH = 10
DEPTH_EPS = 1e-10
"""Expected depth is sum(w z) / max(sum(w), DEPTH_EPS)."""

F = np.float32
ZERO, HALF, ONE, EIGHTH = F(0), F(0.5), F(1), F(0.125)
ALPHA_MAX = F(0.999)
T_MIN = F(1e-4)
LOG2_ALPHA_MIN = F(math.log2(ALPHA_THRESHOLD))
EPS = F(DEPTH_EPS)
# 2^t on [-1, 0], Chebyshev fit of degree 5, relative error 1e-7; exponents of interest lie in [-8, 0], so three squarings finish 2^p = (2^(p/8))^8.
E0, E1, E2, E3, E4, E5 = (F(c) for c in (9.99999945e-01, 6.93143202e-01, 2.40179489e-01, 5.52996071e-02, 9.21087556e-03, 9.47553645e-04))

# No "nnan", "ninf": pixels outside an ellipse may overflow in the polynomial before they are masked.
FAST = {"contract", "reassoc", "nsz", "arcp"}


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def composite(first, last, tiles_x, tile_start, tile_stop, entries, splats, background, rgb, alpha, depth):
    """Draw tiles first..last-1 into rgb [H, W, 3], alpha [H, W], depth [H, W]; tile_stop [tiles] becomes the end of the entries that still counted.

    background is [H, W, 3] or [1, 1, 3], all float32.
    """
    height, width = alpha.shape
    step = 1 if background.shape[0] * background.shape[1] > 1 else 0
    state = np.empty((5, TILE, TILE), np.float32)  # transmittance, red, green, blue, depth
    for tile in range(first, last):
        row0, column0 = (tile // tiles_x) * TILE, (tile % tiles_x) * TILE
        rows, columns = min(height - row0, TILE), min(width - column0, TILE)
        x0, y0 = F(column0) + HALF, F(row0) + HALF
        state[:] = ZERO
        state[0, :rows, :columns] = ONE
        stop = tile_start[tile + 1]
        for e in range(tile_start[tile], tile_start[tile + 1]):
            if (e & 7) == 7:
                clearest = ZERO
                for y in range(TILE):
                    for lane in range(TILE):
                        clearest = state[0, y, lane] if state[0, y, lane] > clearest else clearest
                if clearest < T_MIN:
                    stop = e
                    break
            g = entries[e, 0]
            xx, xy, yy, log2_opacity = splats[g, CONIC_XX], splats[g, CONIC_XY], splats[g, CONIC_YY], splats[g, LOG2_OPACITY]
            red, green, blue, z = splats[g, RED], splats[g, GREEN], splats[g, BLUE], splats[g, DEPTH]
            left, top = x0 - splats[g, MEAN_X], y0 - splats[g, MEAN_Y]
            for y in range(entries[e, 1] & 31, entries[e, 1] >> 5):
                dy = top + F(y)
                constant, linear = log2_opacity - yy * dy * dy, xy * dy
                for lane in range(TILE):
                    dx = left + F(lane)
                    power = constant - dx * (linear + xx * dx)
                    t = power * EIGHTH
                    a = ((((E5 * t + E4) * t + E3) * t + E2) * t + E1) * t + E0
                    a = a * a
                    a = a * a
                    a = a * a
                    a = a if a < ALPHA_MAX else ALPHA_MAX
                    T = state[0, y, lane]
                    a = a if power >= LOG2_ALPHA_MIN else ZERO
                    a = a if T >= T_MIN else ZERO
                    w = a * T
                    state[0, y, lane] = T - w
                    state[1, y, lane] += w * red
                    state[2, y, lane] += w * green
                    state[3, y, lane] += w * blue
                    state[4, y, lane] += w * z
        tile_stop[tile] = stop
        for y in range(rows):
            for lane in range(columns):
                v, u = row0 + y, column0 + lane
                T = state[0, y, lane]
                rgb[v, u, 0] = state[1, y, lane] + T * background[v * step, u * step, 0]
                rgb[v, u, 1] = state[2, y, lane] + T * background[v * step, u * step, 1]
                rgb[v, u, 2] = state[3, y, lane] + T * background[v * step, u * step, 2]
                alpha[v, u] = ONE - T
                depth[v, u] = state[4, y, lane] / max(ONE - T, EPS)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def composite_backward(
    first, last, tiles_x, tile_start, tile_stop, entries, splats, background, rgb, alpha, depth, grad_rgb, grad_alpha, grad_depth, slots
):
    """Gradient of tiles first..last-1 into slots [P, 10] (see projection.project_backward), one slot per entry, zero where an entry did not count.

    Walks front to back a second time. With q_i = <dL/drgb, rgb_i> + dL/d(sum w z) z_i, and s_i what the Gaussians behind i and the background add to
    the loss, dL/dalpha_i = T_i q_i - s_i / (1 - alpha_i); s starts from the finished picture and loses w_i q_i at each step.
    """
    height, width = alpha.shape
    # transmittance, s, dL/d(red, green, blue, sum w z), and sums over the rows of one entry in [6, 0..6]
    state = np.empty((7, TILE, TILE), np.float32)
    for tile in range(first, last):
        row0, column0 = (tile // tiles_x) * TILE, (tile % tiles_x) * TILE
        rows, columns = min(height - row0, TILE), min(width - column0, TILE)
        x0, y0 = F(column0) + HALF, F(row0) + HALF
        state[:] = ZERO
        for y in range(rows):
            for lane in range(columns):
                v, u = row0 + y, column0 + lane
                cover = alpha[v, u]
                weight = max(cover, EPS)
                g_sum = grad_depth[v, u] / weight
                g_cover = grad_alpha[v, u] - (g_sum * depth[v, u] if cover > EPS else ZERO)
                state[0, y, lane] = ONE
                state[1, y, lane] = (
                    grad_rgb[v, u, 0] * rgb[v, u, 0]
                    + grad_rgb[v, u, 1] * rgb[v, u, 1]
                    + grad_rgb[v, u, 2] * rgb[v, u, 2]
                    + grad_depth[v, u] * depth[v, u]
                    - g_cover * (ONE - cover)
                )
                state[2, y, lane] = grad_rgb[v, u, 0]
                state[3, y, lane] = grad_rgb[v, u, 1]
                state[4, y, lane] = grad_rgb[v, u, 2]
                state[5, y, lane] = g_sum
        for e in range(tile_start[tile], tile_stop[tile]):
            g = entries[e, 0]
            xx, xy, yy, log2_opacity = splats[g, CONIC_XX], splats[g, CONIC_XY], splats[g, CONIC_YY], splats[g, LOG2_OPACITY]
            red, green, blue, z = splats[g, RED], splats[g, GREEN], splats[g, BLUE], splats[g, DEPTH]
            left, top = x0 - splats[g, MEAN_X], y0 - splats[g, MEAN_Y]
            for k in range(7):
                for lane in range(TILE):
                    state[6, k, lane] = ZERO
            for y in range(entries[e, 1] & 31, entries[e, 1] >> 5):
                dy = top + F(y)
                constant, linear = log2_opacity - yy * dy * dy, xy * dy
                for lane in range(TILE):
                    dx = left + F(lane)
                    power = constant - dx * (linear + xx * dx)
                    t = power * EIGHTH
                    a = ((((E5 * t + E4) * t + E3) * t + E2) * t + E1) * t + E0
                    a = a * a
                    a = a * a
                    a = a * a
                    free = ONE if a < ALPHA_MAX else ZERO
                    a = a if a < ALPHA_MAX else ALPHA_MAX
                    T = state[0, y, lane]
                    a = a if power >= LOG2_ALPHA_MIN else ZERO
                    a = a if T >= T_MIN else ZERO
                    w = a * T
                    state[0, y, lane] = T - w
                    q = red * state[2, y, lane] + green * state[3, y, lane] + blue * state[4, y, lane] + z * state[5, y, lane]
                    s = state[1, y, lane] - w * q
                    state[1, y, lane] = s
                    h = free * (w * q - s * (a / (ONE - a)))
                    state[6, 0, lane] += h
                    state[6, 1, lane] += h * dy
                    state[6, 2, lane] += h * dy * dy
                    state[6, 3, lane] += w * state[2, y, lane]
                    state[6, 4, lane] += w * state[3, y, lane]
                    state[6, 5, lane] += w * state[4, y, lane]
                    state[6, 6, lane] += w * state[5, y, lane]
            m0, m_x, m_y, m_xx, m_xy, m_yy = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
            g_red, g_green, g_blue, g_z = ZERO, ZERO, ZERO, ZERO
            for lane in range(TILE):
                dx = left + F(lane)
                h, h_y = state[6, 0, lane], state[6, 1, lane]
                m0 += h
                m_x += h * dx
                m_xx += h * dx * dx
                m_y += h_y
                m_xy += h_y * dx
                m_yy += state[6, 2, lane]
                g_red += state[6, 3, lane]
                g_green += state[6, 4, lane]
                g_blue += state[6, 5, lane]
                g_z += state[6, 6, lane]
            slot = entries[e, 2]
            slots[slot, 0], slots[slot, 1], slots[slot, 2] = m0, m_x, m_y
            slots[slot, 3], slots[slot, 4], slots[slot, 5] = m_xx, m_xy, m_yy
            slots[slot, 6], slots[slot, 7], slots[slot, 8], slots[slot, 9] = g_red, g_green, g_blue, g_z
        for e in range(tile_stop[tile], tile_start[tile + 1]):
            slot = entries[e, 2]
            for k in range(SLOT_WIDTH):
                slots[slot, k] = ZERO
