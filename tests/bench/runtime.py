"""How fast the C++ runtime poses and sorts, and what it makes of a million spoiled files: `python -m tests.bench.runtime`.

Needs g++. What it prints goes into docs/a3d.md.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import tyro

from avatar3d.head.store import load_head
from recon.bench import bench_avatar, bench_motion
from tests.viewer.runtime.programs import SANITIZED, built
from tests.viewer.runtime.test_mutations import small_bundle, spoiled
from viewer.export.a3d import Bundle, write_bundle
from viewer.export.a3d_bundle import bundle_of

COUNTS = (15_000, 60_000)
FLAGS = (("-O2",), ("-O3",), ("-O3", "-march=native"))


def bench(frames: int = 500, mutations: int = 1_000_000, seed: int = 1) -> None:
    """Print milliseconds a frame on one core as a Markdown table, then how often each status came of spoiled files.

    Args:
        frames: of each measurement.
        mutations: of a file with a rig and of one with vertex tracks, half each; 0 for none.
        seed: of the mutations.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"load {os.getloadavg()[0]:.1f}\n")
        print("| Gaussians | built with | posing, ms: least, median, 95 % | sorting, ms: median | loading, ms |\n|---|---|---|---|---|")
        for what, bundle in _bundles().items():
            path = folder / "bench.a3d"
            path.write_bytes(write_bundle(bundle))
            for flags in FLAGS:
                done = subprocess.run([str(built("bench", flags)), str(path), str(frames)], capture_output=True, text=True, check=True)
                row = json.loads(done.stdout)
                posing = ", ".join(f"{row['pose'][part]:.2f}" for part in ("least", "median", "p95"))
                print(f"| {what} | {' '.join(flags)} | {posing} | {row['sort']['median']:.2f} | {row['load']:.0f} |", flush=True)
        for closed in (False, True) if mutations else ():
            start = time.perf_counter()
            seen = spoiled(small_bundle(closed), mutations // 2, seed, folder)
            told = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in seen.items() if count)
            print(f"\n{'vertex tracks' if closed else 'rig'}, {' '.join(SANITIZED)}, {time.perf_counter() - start:.0f} s: {told}", flush=True)


def _bundles() -> dict[str, Bundle]:
    head = load_head()
    made = {f"{count:,}": bundle_of(bench_avatar(head, count), None) for count in COUNTS}
    return made | {f"{COUNTS[0]:,}, vertex tracks": bundle_of(_closed(head), bench_motion(head, 250))}


def _closed(head):
    from dataclasses import replace

    return bench_avatar(replace(head, redistributable=False), COUNTS[0])


if __name__ == "__main__":
    tyro.cli(bench)
