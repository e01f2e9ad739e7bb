"""How fast, how large and how lean each export is: `python -m tests.bench.export`, or with an avatar and a motion of one's own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tyro.conf import Positional, arg

from avatar3d.avatar_file import save_avatar
from avatar3d.head.store import load_head
from avatar3d.motion import save_motion
from recon.bench import bench_avatar, bench_motion

GAUSSIANS, FRAMES = 15_000, 250


def bench(avatar: Path | None = None, motion: Path | None = None, formats: str = "", out: Annotated[Path | None, arg(aliases=["-o"])] = None) -> None:
    """Print a row of a Markdown table for each format: seconds, seconds of the processors, bytes a Gaussian a frame, peak memory.

    Each is written in a process of its own, after one frame that is not counted, since numba compiles then. The memory is that process's own before
    the export, and what the export adds.

    Args:
        avatar: the .avatar file; default one of 15,000 random Gaussians.
        motion: the motion (.npz); default 250 random frames with ten seconds of sound.
        formats: names with commas between; default all that are no page.
        out: a folder on the disk to measure; default a temporary one.
    """
    from avatar3d.cli.export import all_formats

    names = formats.split(",") if formats else [name for name in all_formats(Path()) if name != "web"]
    with tempfile.TemporaryDirectory(dir=out) as name:
        folder = Path(name)
        if avatar is None:
            avatar = folder / "bench.avatar"
            save_avatar(bench_avatar(load_head(), GAUSSIANS), avatar)
        if motion is None:
            motion = folder / "bench.npz"
            save_motion(replace(bench_motion(load_head(), FRAMES), sound=np.zeros(160_000, np.float32), sound_rate=16000), motion)
        print(f"load {os.getloadavg()[0]:.1f}\n")
        print("| format | seconds | of the processors | bytes a Gaussian a frame | memory, MB |\n|---|---|---|---|---|")
        for each in names:
            command = [sys.executable, "-m", "tests.bench.export", "one", each, str(avatar), str(motion), str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"| {each} | {done.stderr.strip().splitlines()[-1]} |")
                continue
            row = json.loads(done.stdout.splitlines()[-1])
            figures = f"{row['seconds']:.1f} | {row['worked']:.1f} | {row['bytes']:.1f} | {row['before']:.0f} + {row['more']:.0f}"
            print(f"| {each} | {figures} |", flush=True)


def one_format(name: Positional[str], avatar: Positional[Path], motion: Positional[Path], folder: Positional[Path], /) -> None:
    """Write one format and print its figures as JSON."""
    from avatar3d.cli.common import open_avatar
    from avatar3d.cli.export import all_formats
    from avatar3d.motion import load_motion
    from avatar3d.progress import silent
    from viewer.export.frames import open_frames
    from viewer.export.options import FormatOptions
    from viewer.export.selection import Selection

    format, person = all_formats(avatar)[name], open_avatar(avatar)
    performed = load_motion(motion, person.head)
    suffix = format.suffixes[0]
    one = open_frames(person, performed.frames(slice(0, 1)), Selection(), format.up)
    format.write(one, folder / f"first-{name}{suffix}", FormatOptions(), silent)
    frames = open_frames(person, performed, Selection(), format.up)
    path, before = folder / f"{name}{suffix}", _peak()
    start, worked = time.perf_counter(), time.process_time()
    format.write(frames, path, FormatOptions(), silent)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    files = [entry for entry in path.rglob("*") if entry.is_file() and entry.suffix != ".wav"] if path.is_dir() else [path]
    count = frames.count if "end" in format.selects else 1
    size = sum(entry.stat().st_size for entry in files)
    figures = {
        "seconds": seconds,
        "worked": worked,
        "frames": count,
        "bytes": size / count / frames.num_gaussians,
        "before": before,
        "more": _peak() - before,
    }
    for entry in files:
        entry.unlink()
    print(json.dumps(figures))


def _peak() -> float:
    """Most memory that this process has had, MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    tyro.cli(one_format, args=sys.argv[2:]) if sys.argv[1:2] == ["one"] else tyro.cli(bench)
