"""What the C++ receiver of ue:// makes of a bad network, and of a million spoiled datagrams: `python -m tests.bench.datagrams`.

Needs g++. What it prints goes into docs/stream.md.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from tests.viewer.runtime.programs import SANITIZED
from tests.viewer.runtime.streams import Script
from tests.viewer.runtime.test_streams import INTRODUCTION, RATE, frame, moved, spoiled
from viewer.bridge.ue import introduce

LOOKS = 240
"""A second."""


@dataclass(frozen=True)
class Network:
    """What happens to datagrams on their way."""

    loss: float = 0.0
    twice: float = 0.0
    jitter: float = 0.0
    """Seconds by which one is late: the mean of an exponential distribution, so that many come in another order."""
    away: float = 0.0
    """Seconds for which nothing comes, from a sixth of the time on."""


NETWORKS = {
    "clean": Network(),
    "10 % lost": Network(loss=0.1),
    "10 % lost, 10 % twice, 10 ms late in the mean": Network(0.1, 0.1, 0.01),
    "the same, and away for 5 s": Network(0.1, 0.1, 0.01, 5),
    "30 % lost": Network(loss=0.3),
}


def bench(minutes: float = 10, mutations: int = 1_000_000, seed: int = 1) -> None:
    """Print a Markdown table of what was shown, then how often each status came of spoiled datagrams.

    Args:
        minutes: of each stream, at 60 frames a second; a quarter at least.
        mutations: spoiled datagrams; 0 for none.
        seed: of everything random.
    """
    print(f"load {os.getloadavg()[0]:.1f}\n")
    print("| network | frames lost | late | newest held for want of the next | off: median, 99 %, most | silent after, back after |")
    print("|---|---|---|---|---|---|")
    for what, network in NETWORKS.items():
        print(f"| {what} | {_row(network, minutes * 60, seed)} |", flush=True)
    if mutations:
        with tempfile.TemporaryDirectory() as name:
            start = time.perf_counter()
            seen = spoiled(mutations, seed, Path(name))
        told = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in seen.items() if count)
        print(f"\n{' '.join(SANITIZED)}, {time.perf_counter() - start:.0f} s: {told}")


def _row(network: Network, seconds: float, seed: int) -> str:
    rng = np.random.default_rng(seed)
    script, sent, taken = Script(), round(seconds * RATE), 0
    gone, returned = seconds / 6, seconds / 6 + network.away
    for number in range(sent):
        moment = number / RATE
        away = gone <= moment < returned
        if number % (RATE // 2) == 0 and not away and rng.random() >= network.loss:
            script.arrive(moment + rng.exponential(network.jitter), introduce(INTRODUCTION))
        if away or rng.random() < network.loss:
            continue
        taken += 1
        for _ in range(1 + (rng.random() < network.twice)):
            script.arrive(moment + rng.exponential(network.jitter), frame(number))
    looks = np.arange(1, seconds - 1, 1 / LOOKS) + 1e-4
    script.ask(*looks)
    _, answers = script.follow()
    pairs = [(moment, streams[0]) for moment, streams in zip(looks, answers, strict=True) if streams]
    live = [(moment, seen) for moment, seen in pairs if seen.flow in ("playing", "held") and not (network.away and gone <= moment < returned + 0.3)]
    off = np.array([np.abs(seen.values - moved(moment - seen.delay)).max() for moment, seen in live])
    held = np.mean([seen.flow == "held" for _, seen in live])
    last = pairs[-1][1]
    told = "-"
    if network.away:
        quiet = next(moment for moment, seen in pairs if moment > gone and seen.flow == "silent")
        back = next(moment for moment, seen in pairs if moment > returned and seen.flow == "playing")
        told = f"{quiet - gone:.2f} s, {back - returned:.2f} s"
    shares = ", ".join(f"{value:.3f}" for value in (np.median(off), np.quantile(off, 0.99), off.max()))
    return f"{last.lost / sent:.1%} | {last.late / max(taken, 1):.1%} | {held:.1%} | {shares} | {told}"


if __name__ == "__main__":
    tyro.cli(bench)
