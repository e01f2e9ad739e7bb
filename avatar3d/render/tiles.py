"""Which ellipses touch which tile of the picture, nearest first (CPU kernels).

Ellipses are sorted by depth once; tiles then receive them in that order, so that every tile's list is sorted already. Work is split over ranges of
the depth order, and neither the lists nor anything drawn from them depends on how it was split.
"""

import math

import numpy as np
from numba import njit

from avatar3d.render.projection import DEPTH, INV_VAR_X, LEAN, LIMIT, MARGIN, MEAN_X, MEAN_Y, SLOPE, SPREAD

TILE = 16
"""Side of a tile in pixels: one row of a tile is one AVX-512 register of float32."""
RADIX_BITS = 11
ENTRY_WIDTH = 3
"""A tile's list holds records of int32: Gaussian, rows touched (first | end << 5), slot for its gradient."""


@njit(nogil=True, cache=True)
def depth_order(splats, boxes, keys, order, keys_spare, order_spare, histogram):
    """Indices of the drawn Gaussians by increasing depth, equal depths by index, into order [N] int32; returns their number.

    A radix sort on the bits of the (positive) depth. keys, keys_spare [N] uint32, order_spare [N] int32 and histogram [2048] int64 are scratch.
    """
    depth_bits = splats.view(np.uint32)
    count = 0
    low, high = np.uint32(0xFFFFFFFF), np.uint32(0)
    for g in range(boxes.shape[0]):
        if boxes[g, 1] >= boxes[g, 0]:
            key = depth_bits[g, DEPTH]
            keys[count] = key
            order[count] = g
            low = min(low, key)
            high = max(high, key)
            count += 1
    if count == 0:
        return 0
    span = np.int64(high) - np.int64(low)
    mask = (1 << RADIX_BITS) - 1
    source, target, source_order, target_order = keys, keys_spare, order, order_spare
    shift = 0
    while (span >> shift) > 0:
        histogram[:] = 0
        for i in range(count):
            histogram[((np.int64(source[i]) - np.int64(low)) >> shift) & mask] += 1
        start = 0
        for b in range(histogram.shape[0]):
            size = histogram[b]
            histogram[b] = start
            start += size
        for i in range(count):
            b = ((np.int64(source[i]) - np.int64(low)) >> shift) & mask
            to = histogram[b]
            histogram[b] = to + 1
            target[to] = source[i]
            target_order[to] = source_order[i]
        source, target = target, source
        source_order, target_order = target_order, source_order
        shift += RADIX_BITS
    if (shift // RADIX_BITS) % 2 == 1:
        order[:count] = order_spare[:count]
    return count


@njit(nogil=True, cache=True)
def reserve_slots(boxes, first_slot, slot_count):
    """Fill first_slot [N] int64, where each Gaussian's slots begin, and slot_count [N] with 0; returns the number of slots: tiles under boxes.

    Slots follow the order of the arrays and not of depth, because what is done per Gaussian walks the arrays.
    """
    total = 0
    for g in range(boxes.shape[0]):
        first_slot[g] = total
        slot_count[g] = 0
        if boxes[g, 1] >= boxes[g, 0]:
            total += (boxes[g, 1] // TILE - boxes[g, 0] // TILE + 1) * (boxes[g, 3] // TILE - boxes[g, 2] // TILE + 1)
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def find_tiles(first, last, part, order, splats, boxes, tiles_x, first_slot, slot_count, slot_tile, slot_rows, counts):
    """For i in first..last-1 of the depth order: the tiles its ellipse touches and the rows it touches there.

    Fills slot_tile, slot_rows [P] int32 from the Gaussian's first slot on, slot_count [N] int32, and adds to counts [part, tile] int32.
    """
    for i in range(first, last):
        g = order[i]
        mx, my = splats[g, MEAN_X], splats[g, MEAN_Y]
        slope, spread, inv_var_x, limit, lean = splats[g, SLOPE], splats[g, SPREAD], splats[g, INV_VAR_X], splats[g, LIMIT], splats[g, LEAN]
        x0, x1, y0, y1 = boxes[g, 0], boxes[g, 1], boxes[g, 2], boxes[g, 3]
        slot = first_slot[g]
        for column in range(x0 // TILE, x1 // TILE + 1):
            row0, row1 = y0, y1
            if x0 // TILE < x1 // TILE:
                # The outline is highest, within this column's pixel centres, at its top or at the centre nearest to it; likewise below.
                left = max(column * TILE, x0) + 0.5 - mx
                right = min(column * TILE + TILE - 1, x1) + 0.5 - mx
                high = min(max(lean, left), right)
                low = min(max(-lean, left), right)
                top = slope * high + math.sqrt(max(spread * (limit - inv_var_x * high * high), 0.0)) + MARGIN + my
                bottom = slope * low - math.sqrt(max(spread * (limit - inv_var_x * low * low), 0.0)) - MARGIN + my
                row0 = max(math.ceil(max(bottom - 0.5, -1.0)), y0)
                row1 = min(math.floor(min(top - 0.5, y1 + 1.0)), y1)
                if row1 < row0:
                    continue
            for tile_row in range(row0 // TILE, row1 // TILE + 1):
                begin = max(row0 - tile_row * TILE, 0)
                end = min(row1 - tile_row * TILE + 1, TILE)
                tile = tile_row * tiles_x + column
                slot_tile[slot] = tile
                slot_rows[slot] = begin | (end << 5)
                counts[part, tile] += 1
                slot += 1
        slot_count[g] = slot - first_slot[g]


@njit(nogil=True, cache=True)
def start_lists(parts, counts, tile_start):
    """Turn counts [parts, tiles] into the place where each part writes next, and tile_start [tiles + 1] int64 into the start of each list."""
    total = 0
    for tile in range(counts.shape[1]):
        tile_start[tile] = total
        for part in range(parts):
            size = counts[part, tile]
            counts[part, tile] = total
            total += size
    tile_start[counts.shape[1]] = total


@njit(nogil=True, cache=True)
def fill_lists(first, last, part, order, first_slot, slot_count, slot_tile, slot_rows, counts, entries):
    """Write the entries [P, 3] int32 of i in first..last-1 of the depth order."""
    for i in range(first, last):
        g = order[i]
        for slot in range(first_slot[g], first_slot[g] + slot_count[g]):
            tile = slot_tile[slot]
            to = counts[part, tile]
            counts[part, tile] = to + 1
            entries[to, 0] = g
            entries[to, 1] = slot_rows[slot]
            entries[to, 2] = slot
