"""Blending a tile's ellipses front to back, and its gradient (CPU kernels).

Per pixel, nearest first: alpha_i = min(opacity_i exp(-d'Q_i d / 2), ALPHA_MAX), taken as 0 below ALPHA_MIN; w_i = alpha_i T_i,
T_(i+1) = T_i - w_i, T_1 = 1; a pixel is finished once T < T_MIN (the Gaussian that brings it there still counts).
The inner loop runs down the rows of a tile, sixteen pixels of a row at once (lanes.py), with selects instead of branches.
"""

# Intrinsics of lanes.py are called without the typing context, which pyright takes for their first argument.
# pyright: reportCallIssue=false

import math

import numpy as np
from numba import njit

from avatar3d.render.lanes import largest, load, select, spread, steps, store, total
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


# Pixels of a tile are kept row by row, and within a row channel by channel, TILE values each.
FORWARD_ROW = 5 * TILE
"""transmittance, red, green, blue, depth"""
BACKWARD_ROW = 6 * TILE
"""transmittance, s (see composite_backward), dL/d(red, green, blue, sum w z)"""


@njit(nogil=True, cache=True)
def _aligned(buffer):
    """The first index at which the float32 array `buffer` crosses into a new cache line."""
    return (-buffer.ctypes.data % 64) // 4


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _exp2(power):
    """2^power in lanes, good for -8 <= power <= 0."""
    t = power * EIGHTH
    a = ((((t * E5 + E4) * t + E3) * t + E2) * t + E1) * t + E0
    a = a * a
    a = a * a
    return a * a


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def composite(first, last, tiles_x, tile_start, tile_stop, entries, splats, background, rgb, alpha, depth):
    """Draw tiles first..last-1 into rgb [H, W, 3], alpha [H, W], depth [H, W]; tile_stop [tiles] becomes the end of the entries that still counted.

    background is [H, W, 3] or [1, 1, 3], all float32.
    """
    height, width = alpha.shape
    step = 1 if background.shape[0] * background.shape[1] > 1 else 0
    state = np.empty(TILE * FORWARD_ROW + TILE, np.float32)
    base = _aligned(state)
    for tile in range(first, last):
        row0, column0 = (tile // tiles_x) * TILE, (tile % tiles_x) * TILE
        rows, columns = min(height - row0, TILE), min(width - column0, TILE)
        x0, y0 = F(column0) + HALF, F(row0) + HALF
        state[:] = ZERO
        for y in range(rows):
            at = base + y * FORWARD_ROW
            state[at : at + columns] = ONE
        stop = tile_start[tile + 1]
        for e in range(tile_start[tile], tile_start[tile + 1]):
            if (e & 7) == 7:
                clearest = load(state, base)
                for y in range(1, TILE):
                    T = load(state, base + y * FORWARD_ROW)
                    clearest = select(clearest < T, T, clearest)
                if largest(clearest) < T_MIN:
                    stop = e
                    break
            g = entries[e, 0]
            log2_opacity, yy = splats[g, LOG2_OPACITY], splats[g, CONIC_YY]
            red, green, blue, z = splats[g, RED], splats[g, GREEN], splats[g, BLUE], splats[g, DEPTH]
            top = y0 - splats[g, MEAN_Y]
            dx = steps() + (x0 - splats[g, MEAN_X])
            square, linear = dx * dx * splats[g, CONIC_XX], dx * splats[g, CONIC_XY]
            for y in range(entries[e, 1] & 31, entries[e, 1] >> 5):
                at = base + y * FORWARD_ROW
                dy = top + F(y)
                power = (log2_opacity - yy * dy * dy) - (square + linear * dy)
                a = _exp2(power)
                T = load(state, at)
                a = select(a < ALPHA_MAX, a, ALPHA_MAX)
                w = select((power >= LOG2_ALPHA_MIN) & (T >= T_MIN), a * T, ZERO)
                store(state, at, T - w)
                store(state, at + TILE, load(state, at + TILE) + w * red)
                store(state, at + 2 * TILE, load(state, at + 2 * TILE) + w * green)
                store(state, at + 3 * TILE, load(state, at + 3 * TILE) + w * blue)
                store(state, at + 4 * TILE, load(state, at + 4 * TILE) + w * z)
        tile_stop[tile] = stop
        for y in range(rows):
            at = base + y * FORWARD_ROW
            for lane in range(columns):
                v, u = row0 + y, column0 + lane
                T = state[at + lane]
                rgb[v, u, 0] = state[at + TILE + lane] + T * background[v * step, u * step, 0]
                rgb[v, u, 1] = state[at + 2 * TILE + lane] + T * background[v * step, u * step, 1]
                rgb[v, u, 2] = state[at + 3 * TILE + lane] + T * background[v * step, u * step, 2]
                alpha[v, u] = ONE - T
                depth[v, u] = state[at + 4 * TILE + lane] / max(ONE - T, EPS)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def composite_backward(
    first, last, tiles_x, tile_start, tile_stop, entries, splats, background, rgb, alpha, depth, grad_rgb, grad_alpha, grad_depth, slots
):
    """Gradient of tiles first..last-1 into slots [P, 10] (see projection.project_backward), one slot per entry, zero where an entry did not count.

    Walks front to back a second time. With q_i = <dL/drgb, rgb_i> + dL/d(sum w z) z_i, and s_i what the Gaussians behind i and the background add to
    the loss, dL/dalpha_i = T_i q_i - s_i / (1 - alpha_i); s starts from the finished picture and loses w_i q_i at each step.
    """
    height, width = alpha.shape
    state = np.empty(TILE * BACKWARD_ROW + TILE, np.float32)
    base = _aligned(state)
    for tile in range(first, last):
        row0, column0 = (tile // tiles_x) * TILE, (tile % tiles_x) * TILE
        rows, columns = min(height - row0, TILE), min(width - column0, TILE)
        x0, y0 = F(column0) + HALF, F(row0) + HALF
        if tile_stop[tile] > tile_start[tile]:
            state[:] = ZERO
            for y in range(rows):
                at = base + y * BACKWARD_ROW
                for lane in range(columns):
                    v, u = row0 + y, column0 + lane
                    cover, g_depth = alpha[v, u], grad_depth[v, u]
                    g_sum = g_depth / max(cover, EPS)
                    g_cover = grad_alpha[v, u] - (g_sum * depth[v, u] if cover > EPS else ZERO)
                    g_red, g_green, g_blue = grad_rgb[v, u, 0], grad_rgb[v, u, 1], grad_rgb[v, u, 2]
                    drawn = g_red * rgb[v, u, 0] + g_green * rgb[v, u, 1] + g_blue * rgb[v, u, 2] + g_depth * depth[v, u]
                    state[at + lane] = ONE
                    state[at + TILE + lane] = drawn - g_cover * (ONE - cover)
                    state[at + 2 * TILE + lane] = g_red
                    state[at + 3 * TILE + lane] = g_green
                    state[at + 4 * TILE + lane] = g_blue
                    state[at + 5 * TILE + lane] = g_sum
        for e in range(tile_start[tile], tile_stop[tile]):
            g, slot = entries[e, 0], entries[e, 2]
            log2_opacity, yy = splats[g, LOG2_OPACITY], splats[g, CONIC_YY]
            red, green, blue, z = splats[g, RED], splats[g, GREEN], splats[g, BLUE], splats[g, DEPTH]
            top = y0 - splats[g, MEAN_Y]
            dx = steps() + (x0 - splats[g, MEAN_X])
            square, linear = dx * dx * splats[g, CONIC_XX], dx * splats[g, CONIC_XY]
            sum_h = sum_hy = sum_hyy = sum_red = sum_green = sum_blue = sum_z = spread(ZERO)
            for y in range(entries[e, 1] & 31, entries[e, 1] >> 5):
                at = base + y * BACKWARD_ROW
                dy = top + F(y)
                power = (log2_opacity - yy * dy * dy) - (square + linear * dy)
                a = _exp2(power)
                T = load(state, at)
                free = a < ALPHA_MAX
                a = select(free, a, ALPHA_MAX)
                a = select((power >= LOG2_ALPHA_MIN) & (T >= T_MIN), a, ZERO)
                w = a * T
                g_red, g_green, g_blue = load(state, at + 2 * TILE), load(state, at + 3 * TILE), load(state, at + 4 * TILE)
                g_sum = load(state, at + 5 * TILE)
                wq = w * (g_red * red + g_green * green + g_blue * blue + g_sum * z)
                s = load(state, at + TILE) - wq
                store(state, at, T - w)
                store(state, at + TILE, s)
                h = select(free, wq - s * a / (ONE - a), ZERO)
                hy = h * dy
                sum_h = sum_h + h
                sum_hy = sum_hy + hy
                sum_hyy = sum_hyy + hy * dy
                sum_red = sum_red + w * g_red
                sum_green = sum_green + w * g_green
                sum_blue = sum_blue + w * g_blue
                sum_z = sum_z + w * g_sum
            sum_hx = sum_h * dx
            slots[slot, 0], slots[slot, 1], slots[slot, 2] = total(sum_h), total(sum_hx), total(sum_hy)
            slots[slot, 3], slots[slot, 4], slots[slot, 5] = total(sum_hx * dx), total(sum_hy * dx), total(sum_hyy)
            slots[slot, 6], slots[slot, 7], slots[slot, 8], slots[slot, 9] = total(sum_red), total(sum_green), total(sum_blue), total(sum_z)
        for e in range(tile_stop[tile], tile_start[tile + 1]):
            slot = entries[e, 2]
            for k in range(SLOT_WIDTH):
                slots[slot, k] = ZERO
