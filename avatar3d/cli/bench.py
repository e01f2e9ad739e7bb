"""bench: how fast this machine is, as a table and as JSON."""

import json
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from avatar3d.cli.common import check_range, note, say


def bench(
    json_out: Annotated[Path | None, arg(name="json")] = None,
    quick: bool = False,
    threads: int | None = None,
    device: Literal["cpu", "cuda"] = "cpu",
    truth: Path | None = None,
) -> None:
    """Measure rendering, training, tracking and driving on this machine.

    Args:
        json_out: also write the figures to this file.
        quick: fewer repetitions, fewer sizes.
        threads: default all cores.
        device: cuda measures an NVIDIA GPU instead: rendering, a quality fit to a synthetic capture, and how close its pictures are to the CPU's.
            On a machine without one it says so and ends well.
        truth: a folder: measures the errors of tracking instead, on two made-up people who are wholly known, and leaves them and their curves there.
    """

    from avatar3d.bench import machine, render_figures
    from avatar3d.data import data_path
    from avatar3d.errors import UserError
    from avatar3d.files import atomic_path, check_output
    from avatar3d.head.store import load_head
    from avatar3d.threads import num_cores
    from recon.bench import track_figures, train_figures

    check_range("--threads", threads, 1, 1024)
    if json_out is not None:
        check_output(json_out)
    threads = threads or num_cores()
    head = load_head()
    if truth is not None:
        _truth_errors(truth, json_out)
        return
    described = machine() | {"threads": threads}
    stages = {
        "render": lambda: _avatar_figures(quick, threads) | render_figures(quick, threads=threads),
        "train": lambda: train_figures(head, quick, threads),
        "track": lambda: track_figures(data_path("demo", "demo.mp4"), head),
        "drive": _driver_figures,
    }
    skipped: dict[str, str] = {}
    if device == "cuda":
        stages = {"cuda": lambda: _cuda_figures(quick)}
        try:
            described |= _gpu()
        except UserError as error:
            stages, skipped = {}, {"skipped": str(error)}
            note(f"bench: nothing measured: {error}")
    results: dict[str, float] = {}
    for name, measure in stages.items():
        note(f"bench: {name} ...")
        results |= measure()
    for key, value in sorted(results.items()):
        say(f"{key:40s} {value:10.2f}")
    say(", ".join(f"{key} {value}" for key, value in described.items()))
    if json_out is not None:
        with atomic_path(json_out) as temporary:
            temporary.write_text(json.dumps({"machine": described, "results": results} | skipped, indent=1) + "\n")


def _truth_errors(folder: Path, json_out: Path | None) -> None:
    """Print how well the made-up people are tracked."""
    from avatar3d.files import atomic_path, check_output
    from avatar3d.head.store import load_head
    from avatar3d.progress import console
    from recon.truth_bench import table_lines, truth_bench

    check_output(folder / "errors.json")
    with console("film") as progress:
        table = truth_bench(folder, load_head(), progress)
    for line in table_lines(table):
        say(line)
    say(f"bench: curves in {folder / 'demo.png'} and {folder / 'adorned.png'}")
    if json_out is not None:
        with atomic_path(json_out) as temporary:
            temporary.write_text(json.dumps(table, indent=1) + "\n")


def _gpu() -> dict[str, str]:
    """The CUDA device and its libraries.

    Raises:
        UserError: there is none that works.
    """
    import importlib.metadata

    import torch

    from avatar3d.render.cuda import require_cuda

    require_cuda()
    return {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda), "gsplat": importlib.metadata.version("gsplat")}


def _cuda_figures(quick: bool) -> dict[str, float]:
    from avatar3d.head.store import load_head
    from recon.bench_cuda import cuda_figures

    return cuda_figures(load_head(), quick)


def _avatar_figures(quick: bool, threads: int) -> dict[str, float]:
    """Frames per second of posing and drawing together, and milliseconds of posing alone."""
    import numpy as np

    from avatar3d.bench import times
    from avatar3d.drawing import draw
    from avatar3d.head.store import load_head
    from avatar3d.render.cpu import Workspace
    from recon.bench import bench_avatar, bench_camera, bench_motion

    head = load_head()
    motion, background, workspace = bench_motion(head), np.zeros(3, np.float32), Workspace()
    figures: dict[str, float] = {}
    for count in (15_000, 60_000):
        avatar = bench_avatar(head, count)
        for size in (512,) if quick else (256, 512, 1024):
            camera = bench_camera(size)
            clock = iter(np.linspace(0, motion.duration, 10_000))

            def frame() -> None:
                draw(avatar, motion, float(next(clock)), camera, background, threads=threads, workspace=workspace)  # noqa: B023

            name = f"{count // 1000}k_{size}"
            figures[f"render_{name}_fps"] = 1e3 / times(frame, 15 if quick else 60)[1]
        figures[f"pose_{count // 1000}k_ms"] = times(lambda: avatar.pose(motion, 0.11), 30)[1]  # noqa: B023
    return figures


def _driver_figures() -> dict[str, float]:
    import time

    import numpy as np

    from avatar3d.data import data_path
    from avatar3d.head.store import load_head
    from avatar3d.sound import read_sound
    from driver.lips import lips_of
    from driver.sample import drive
    from driver.stream import Stream
    from driver.weights import load_weights

    sound, head = read_sound(data_path("demo", "demo.mp4"), 16000), load_head()
    drive(sound[:32000], 16000, head=head)
    start = time.perf_counter()
    drive(sound, 16000, head=head)
    factor = len(sound) / 16000 / (time.perf_counter() - start)
    stream, lasted = Stream(load_weights(), lips_of(head)), []
    stream.hear(sound[: 20 * 16000])
    while stream.waiting:
        start = time.perf_counter()
        stream.make()
        lasted.append(1e3 * (time.perf_counter() - start))
    return {
        "driver_realtime_factor": factor,
        "driver_live_hop_ms_p50": float(np.median(lasted)),
        "driver_live_hop_ms_p95": float(np.quantile(lasted, 0.95)),
    }
