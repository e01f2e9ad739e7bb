"""The CPU rasterizer on plain numpy arrays: forward and backward, without autograd.

`rasterizer.rasterize` wraps it for torch; a training loop that draws one frame per thread calls it directly (threads=1, a Workspace per worker: all
kernels release the interpreter lock). Results are the same to the bit for every number of threads.
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from avatar3d.camera import Camera
from avatar3d.errors import UserError
from avatar3d.render.compositing import SLOT_WIDTH, composite, composite_backward
from avatar3d.render.projection import SPLAT_WIDTH, project, project_backward, view_vector
from avatar3d.render.tiles import ENTRY_WIDTH, RADIX_BITS, TILE, depth_order, fill_lists, find_tiles, reserve_slots, start_lists

MAX_PAIRS = 1 << 25
"""Most (Gaussian, tile) pairs of one picture; about 20 bytes each forward, 40 more backward."""
MAX_PIXELS = 1 << 26
"""Most pixels of one picture (8192 x 8192)."""
CHUNKS_PER_THREAD = 4


class Pictures(NamedTuple):
    """float32 pictures of one frame."""

    rgb: np.ndarray
    """[H, W, 3] colour over the background."""
    alpha: np.ndarray
    """[H, W] sum of weights."""
    depth: np.ndarray
    """[H, W] expected depth, metres; 0 where nothing was drawn."""


class Gradients(NamedTuple):
    """dL/d(parameter) with the parameters' shapes, float32."""

    position: np.ndarray
    rotation: np.ndarray
    log_scale: np.ndarray
    opacity_logit: np.ndarray
    sh: np.ndarray


@dataclass
class Frame:
    """What the backward pass needs of the forward pass; arrays belong to the workspace, parameters to the caller."""

    parameters: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    view: np.ndarray
    background: np.ndarray
    pictures: Pictures
    splats: np.ndarray
    order: np.ndarray
    first_slot: np.ndarray
    slot_count: np.ndarray
    tiles_x: int
    tile_start: np.ndarray
    tile_stop: np.ndarray
    entries: np.ndarray
    pairs: int


class Workspace:
    """Reusable buffers for one frame at a time; grows to the largest frame it has seen. Not to be shared by threads that run at once."""

    def __init__(self) -> None:
        self._buffers: dict[str, np.ndarray] = {}
        self.frame: Frame | None = None
        """The frame drawn last, for `backward_arrays`."""

    def array(self, name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        """An uninitialised contiguous array on the buffer called `name`, aligned to a cache line; valid until the name is asked for again."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.nbytes < size:
            room = np.empty(size + size // 4 + 64, np.uint8)
            buffer = self._buffers[name] = room[-room.ctypes.data % 64 :]
        return buffer[:size].view(dtype).reshape(shape)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="rasterize")


# A forked child inherits the pools but not their threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _over(threads: int, edges: np.ndarray, work: Callable[[int, int, int], None]) -> None:
    """work(part, first, last) for every stretch between `edges`, on the pool where there is more than one."""
    stretches = [(part, int(first), int(last)) for part, (first, last) in enumerate(pairwise(edges)) if last > first]
    if threads == 1 or len(stretches) == 1:
        for stretch in stretches:
            work(*stretch)
        return
    for _ in _pool(threads).map(lambda stretch: work(*stretch), stretches):
        pass


def _split(count: int, parts: int) -> np.ndarray:
    return np.linspace(0, count, parts + 1).astype(np.int64)


def _split_tiles(tile_start: np.ndarray, threads: int) -> np.ndarray:
    """Edges of stretches of tiles that hold about equal numbers of entries; an empty tile costs about as much as eight entries."""
    if threads == 1:
        return np.array([0, len(tile_start) - 1])
    cost = tile_start + 8 * np.arange(len(tile_start))
    targets = np.linspace(0, cost[-1], threads * CHUNKS_PER_THREAD + 1)
    return np.searchsorted(cost, targets)


def check_size(width: int, height: int) -> None:
    """Raises UserError where a picture of this size is empty or beyond what memory should be spent on."""
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise UserError(f"picture of {width} x {height} pixels: outside 1 to {MAX_PIXELS} pixels; choose another size")


def render_arrays(
    position: np.ndarray,
    rotation: np.ndarray,
    log_scale: np.ndarray,
    opacity_logit: np.ndarray,
    sh: np.ndarray,
    camera: Camera,
    background: np.ndarray,
    *,
    threads: int = 1,
    workspace: Workspace | None = None,
    out: Pictures | None = None,
) -> Pictures:
    """Draw Gaussians given as contiguous float32 arrays (shapes as in `Gaussians`).

    Args:
        background: [3] or [H, W, 3].
        threads: worker threads; 1 runs in the calling thread.
        workspace: buffers to reuse; its `frame` then serves `backward_arrays`. Without one, fresh buffers are made and dropped.
        out: where to draw; by default into the workspace, where the next frame overwrites the pictures.

    Raises:
        UserError: the picture or the number of (Gaussian, tile) pairs is beyond what memory should be spent on.
        ValueError: background of another shape.
    """
    workspace = workspace or Workspace()
    count, (width, height) = len(position), (camera.width, camera.height)
    check_size(width, height)
    if background.shape not in {(3,), (height, width, 3)}:
        raise ValueError(f"background has shape {background.shape}, expected (3,) or {(height, width, 3)}")
    background = np.ascontiguousarray(background, np.float32).reshape(-1 if background.ndim == 1 else height, 1 if background.ndim == 1 else width, 3)
    parameters = (position, rotation, log_scale, opacity_logit, sh)
    view = view_vector(camera)
    array = workspace.array

    splats, boxes = array("splats", (count, SPLAT_WIDTH), np.float32), array("boxes", (count, 4), np.int32)
    _over(threads, _split(count, threads), lambda part, first, last: project(first, last, *parameters, view, splats, boxes))

    order = array("order", (count,), np.int32)
    drawn = depth_order(
        splats,
        boxes,
        array("keys", (count,), np.uint32),
        order,
        array("keys_spare", (count,), np.uint32),
        array("order_spare", (count,), np.int32),
        array("histogram", (1 << RADIX_BITS,), np.int64),
    )
    first_slot, slot_count = array("first_slot", (count,), np.int64), array("slot_count", (count,), np.int32)
    slots = reserve_slots(boxes, first_slot, slot_count)
    if slots > MAX_PAIRS:
        raise UserError(f"{drawn} Gaussians cover {slots} tiles, at most {MAX_PAIRS} are drawn; choose a smaller picture or smaller Gaussians")

    tiles_x, tiles_y = -(-width // TILE), -(-height // TILE)
    tiles, edges = tiles_x * tiles_y, _split(drawn, threads)
    slot_tile, slot_rows = array("slot_tile", (slots,), np.int32), array("slot_rows", (slots,), np.int32)
    counts, tile_start = array("counts", (threads, tiles), np.int32), array("tile_start", (tiles + 1,), np.int64)
    counts[:] = 0
    lists = (first_slot, slot_count, slot_tile, slot_rows, counts)
    _over(threads, edges, lambda part, first, last: find_tiles(first, last, part, order, splats, boxes, tiles_x, *lists))
    start_lists(threads, counts, tile_start)
    entries = array("entries", (int(tile_start[-1]), ENTRY_WIDTH), np.int32)
    _over(threads, edges, lambda part, first, last: fill_lists(first, last, part, order, *lists, entries))

    if out is None:
        shape = (height, width)
        out = Pictures(array("rgb", (*shape, 3), np.float32), array("alpha", shape, np.float32), array("depth", shape, np.float32))
    tile_stop = array("tile_stop", (tiles,), np.int64)
    tile_work = (tiles_x, tile_start, tile_stop, entries, splats, background, *out)
    _over(threads, _split_tiles(tile_start, threads), lambda part, first, last: composite(first, last, *tile_work))
    workspace.frame = Frame(
        parameters, view, background, out, splats, order[:drawn], first_slot, slot_count, tiles_x, tile_start, tile_stop, entries, slots
    )
    return out


def backward_arrays(
    workspace: Workspace,
    grad_rgb: np.ndarray,
    grad_alpha: np.ndarray | None = None,
    grad_depth: np.ndarray | None = None,
    *,
    threads: int = 1,
    out: Gradients | None = None,
) -> Gradients:
    """Gradients of the frame that `render_arrays` drew last into `workspace`; its parameters and pictures must be unchanged.

    Args:
        grad_rgb: [H, W, 3] dL/drgb, contiguous float32; grad_alpha, grad_depth [H, W] likewise, None for zero.
        out: where to write (overwritten); by default fresh arrays.
    """
    frame = workspace.frame
    if frame is None:
        raise ValueError("no frame has been drawn into this workspace")
    shape = frame.pictures.alpha.shape
    if grad_alpha is None or grad_depth is None:
        zero = workspace.array("zero", shape, np.float32)
        zero.fill(0)
        grad_alpha = zero if grad_alpha is None else grad_alpha
        grad_depth = zero if grad_depth is None else grad_depth
    if out is None:
        out = Gradients(*(np.zeros_like(parameter) for parameter in frame.parameters))
    else:
        for gradient in out:
            gradient.fill(0)
    slots = workspace.array("slots", (frame.pairs, SLOT_WIDTH), np.float32)
    lists = (frame.tiles_x, frame.tile_start, frame.tile_stop, frame.entries, frame.splats, frame.background)
    tile_work: list[Any] = [*lists, *frame.pictures, grad_rgb, grad_alpha, grad_depth, slots]
    _over(threads, _split_tiles(frame.tile_start, threads), lambda part, first, last: composite_backward(first, last, *tile_work))
    work = (frame.first_slot, frame.slot_count, slots, *frame.parameters, frame.view, *out)
    _over(threads, _split(len(frame.splats), threads), lambda part, first, last: project_backward(first, last, *work))
    return out
