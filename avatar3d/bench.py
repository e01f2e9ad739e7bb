"""How fast this machine draws: figures of the rasterizer on a head-like scene."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from avatar3d.camera import Camera, look_at
from avatar3d.gaussians import Gaussians, rgb_to_sh
from avatar3d.render.cpu import Gradients, Workspace, backward_arrays, render_arrays
from avatar3d.threads import num_cores

HEAD_AXES = (0.085, 0.11, 0.095)
"""Half axes of the ellipsoid, metres."""
FRAME = 0.22
"""Side of the picture at the head's distance, metres: the head covers 60 % of it."""


def machine() -> dict[str, str | int]:
    """What the figures depend on: processor, cores that may be used, the load of the last minute, versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        model = next((line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")), model)
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    cores = num_cores()
    return {"cpu": model, "cores": cores, "load": load, "python": platform.python_version(), "torch": torch.__version__}


def head_scene(count: int, *, seed: int = 0) -> Gaussians:
    """`count` flat Gaussians on an ellipsoid the size of a head at the origin, as dense and as opaque as a fitted avatar's, colour without harmonics.

    At 512 pixels per FRAME their standard deviation is about 2.9 pixels for 15,000 and 1.5 for 60,000.
    """
    rng = np.random.default_rng(seed)
    i = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * i / count), np.pi * (1 + 5**0.5) * i
    unit = np.stack([np.cos(turn) * np.sin(polar), np.cos(polar), np.sin(turn) * np.sin(polar)], -1)
    axes = np.array(HEAD_AXES)
    normal = unit / axes
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    # The quaternion that turns +z into the normal, (1 + n_z, z x n) up to length; the pole -z is never hit exactly.
    rotation = np.stack([1 + normal[:, 2], -normal[:, 1], normal[:, 0], np.zeros(count)], -1)
    spacing = np.sqrt(4 * np.pi * (axes.prod() ** (2 / 3)) / count)
    scale = 0.45 * spacing * np.exp(rng.normal(0, 0.2, (count, 3))) * np.array([1.0, 1.0, 0.25])
    color = np.clip(0.5 + 0.3 * unit + rng.normal(0, 0.05, (count, 3)), 0, 1)
    tensors = (unit * axes, rotation, np.log(scale), rng.normal(2.2, 0.8, count))
    position, rotation, log_scale, opacity_logit = (torch.tensor(array, dtype=torch.float32) for array in tensors)
    return Gaussians(position, rotation, log_scale, opacity_logit, rgb_to_sh(torch.tensor(color, dtype=torch.float32)))


def head_camera(size: int) -> Camera:
    """A camera one metre in front of `head_scene`, size x size pixels."""
    return look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), focal=size / FRAME, size=(size, size))


def times(work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> tuple[float, float]:
    """Least and median time of `work` in milliseconds by `clock`, after one call that is not counted."""
    work()
    spans = []
    for _ in range(repeats):
        start = clock()
        work()
        spans.append(clock() - start)
    return 1e3 * min(spans), 1e3 * float(np.median(spans))


def render_figures(quick: bool, *, threads: int | None = None) -> dict[str, float]:
    """Times of the CPU rasterizer alone, without posing.

    Args:
        quick: only 15k Gaussians at 256 and 512 pixels, few repeats.
        threads: of the figures that do not name theirs; None means torch.get_num_threads().

    Returns:
        raster_forward_{15k,60k}_{256,512,1024}_ms: median milliseconds a picture; ..._min_ms: the least; ..._fps: pictures a second by the median.
        raster_backward_...: likewise for the backward pass. raster_frame_..._1t_ms: forward and backward together on one thread, as in training, and
        ..._1t_cpu_ms: the processor time of that, which other programs disturb less.
        raster_threads: the number of threads.
    """
    threads = threads or torch.get_num_threads()
    repeats = 10 if quick else 40
    figures: dict[str, float] = {"raster_threads": threads}
    for count in (15_000,) if quick else (15_000, 60_000):
        scene = head_scene(count)
        arrays = [getattr(scene, name).numpy() for name in Gradients._fields]
        for size in (256, 512) if quick else (256, 512, 1024):
            figures |= _figures_of(arrays, size, f"{count // 1000}k_{size}", threads, repeats)
    return figures


def _figures_of(arrays: list[np.ndarray], size: int, name: str, threads: int, repeats: int) -> dict[str, float]:
    camera, background, workspace = head_camera(size), np.zeros(3, np.float32), Workspace()
    gradients = Gradients(*(np.zeros_like(array) for array in arrays))
    grad_rgb = np.random.default_rng(0).normal(size=(size, size, 3)).astype(np.float32)
    position, rotation, log_scale, opacity_logit, sh = arrays

    def forward(threads: int) -> None:
        render_arrays(position, rotation, log_scale, opacity_logit, sh, camera, background, threads=threads, workspace=workspace)

    def backward(threads: int) -> None:
        backward_arrays(workspace, grad_rgb, threads=threads, out=gradients)

    def frame() -> None:
        forward(1)
        backward(1)

    figures: dict[str, float] = {}
    for key, work in (("forward", lambda: forward(threads)), ("backward", lambda: backward(threads))):
        least, median = times(work, repeats)
        figures |= {f"raster_{key}_{name}_ms": median, f"raster_{key}_{name}_min_ms": least, f"raster_{key}_{name}_fps": 1e3 / median}
    figures[f"raster_frame_{name}_1t_ms"] = times(frame, repeats)[1]
    figures[f"raster_frame_{name}_1t_cpu_ms"] = times(frame, repeats, time.thread_time)[1]
    return figures
