"""The bridge's sender on a busy machine, and what a receiver makes of a bad network: `python -m tests.bench.bridge --minutes 10`.

The command line sends the demo's motion to Live Link Face at 60 frames a second from a process of its own. Times of arrival are the
kernel's, so that they tell of the sender alone; beside it sleeps a loop that does nothing else, which is what the machine allows.
"""

import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from fractions import Fraction
from pathlib import Path

import numpy as np
import tyro

from avatar3d.avatar_file import save_avatar
from avatar3d.data import data_path
from avatar3d.head.store import load_head
from avatar3d.motion import load_motion, resampled
from recon.bench import bench_avatar
from viewer.bridge import livelink
from viewer.bridge.jitter_buffer import JitterBuffer
from viewer.bridge.receiver import Assembly
from viewer.bridge.sender import ARKIT, face_track
from viewer.stream.prompt_thread import run_promptly

FPS = 60
_SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)


def bench(minutes: float = 10.0, network: float = 30.0) -> None:
    """Print how far packets are from their time, and how a receiver follows them over a network that loses, doubles and reorders.

    Args:
        minutes: of the first.
        network: seconds of each network.
    """
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        avatar = Path(folder) / "bench.avatar"
        save_avatar(bench_avatar(load_head(), 200), avatar)
        ear.bind(("127.0.0.1", 0))
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        ear.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        motion = data_path("demo", "truth.npz")
        command = [sys.executable, "-m", "avatar3d.cli.main", "stream", str(avatar), "--motion", str(motion), "--loop"]
        command += ["--to", f"livelink://127.0.0.1:{ear.getsockname()[1]}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as sender:
            try:
                ear.recv(1024)
                _steadiness(ear, 60 * minutes)
                truth = face_track(resampled(load_motion(motion), Fraction(FPS)), load_head())[ARKIT]
                for name, lost, doubled, shuffled, away in (
                    ("clean", 0.0, 0.0, 0.0, 0.0), ("10 % lost", 0.1, 0.0, 0.0, 0.0), ("10 % late by 5 to 40 ms", 0.0, 0.0, 0.1, 0.0),
                    ("10 % twice", 0.0, 0.1, 0.0, 0.0), ("all of these", 0.1, 0.1, 0.1, 0.0), ("all, and away for 3 s", 0.1, 0.1, 0.1, 3.0),
                ):  # fmt: skip
                    _followed(ear, name, network, truth, lost, doubled, shuffled, away)
            finally:
                sender.terminate()


def _heard(ear: socket.socket, until: float):
    """Datagrams with the kernel's time of arrival, seconds."""
    ear.settimeout(0.5)
    while time.monotonic() < until:
        try:
            data, extra, _, _ = ear.recvmsg(1024, 64)
        except TimeoutError:
            continue
        seconds, nanos = struct.unpack("ll", extra[0][2][:16])
        yield data, seconds + 1e-9 * nanos


_SLEEPER = """
import sys, time
import numpy as np
began, late, number, seconds = time.monotonic(), [], 0, float(sys.argv[1])
while number < 60 * seconds:
    ahead = began + number / 60 - time.monotonic()
    if ahead > 0:
        time.sleep(ahead)
    late.append(1e3 * (time.monotonic() - began - number / 60))
    number += 1
p50, p95, p99, most = np.quantile(late, (0.5, 0.95, 0.99, 1))
print(f"beside it a loop that only sleeps: late by p50 {p50:.2f}, p95 {p95:.2f}, p99 {p99:.2f}, max {most:.2f} ms", flush=True)
"""


def _steadiness(ear: socket.socket, seconds: float) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", _SLEEPER, str(seconds)])
    numbers, times = [], []
    for data, when in _heard(ear, time.monotonic() + seconds):
        heard = livelink.decode(data)
        assert heard is not None and heard.time is not None
        numbers.append(round(heard.time * FPS))
        times.append(when)
    number, arrived = np.array(numbers), np.array(times)
    off = 1e3 * (arrived - number / FPS)
    # The sender's clock has no zero that is known here; packets are never early.
    off -= np.quantile(off, 0.001)
    steps = np.diff(number)
    first, last = off[: len(off) // 10].mean(), off[-len(off) // 10 :].mean()
    quantiles = ", ".join(f"{name} {np.quantile(off, share):.2f}" for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)))
    print(f"{len(off)} packets in {seconds / 60:.1f} min, load {os.getloadavg()[0]:.1f}: late by {quantiles} ms;", end=" ")
    print(f"{int((steps - 1).sum())} left out, {int((steps < 1).sum())} back; drift {last - first:+.2f} ms;", end=" ")
    print(f"shortest step {1e3 * np.diff(arrived).min():.2f} ms", flush=True)
    sleeper.wait()


def _followed(ear: socket.socket, name: str, seconds: float, truth: np.ndarray, lost: float, doubled: float, shuffled: float, away: float) -> None:
    """What a receiver shows 60 times a second of what such a network lets through."""
    run_promptly()
    rng = random.Random(0)
    assembly, buffer = Assembly(livelink), JitterBuffer()
    waiting: deque[tuple[float, bytes]] = deque()
    began = time.monotonic()
    shown: list[tuple[float, np.ndarray]] = []
    number, gone = 0, began + seconds / 2
    for data, _ in _heard(ear, began + seconds):
        now = time.monotonic()
        if gone <= now < gone + away:
            continue
        for _ in range(1 + (rng.random() < doubled)):
            if rng.random() >= lost:
                waiting.append((now + (rng.uniform(0.005, 0.04) if rng.random() < shuffled else 0.0), data))
        for due in sorted(item for item in waiting if item[0] <= now):
            waiting.remove(due)
            face = assembly.add(due[1], now)
            if face is not None:
                buffer.push(face.time, now, {ARKIT: face.weights})
        while began + number / FPS <= now:
            values = buffer.at(began + number / FPS)
            number += 1
            if values is not None and began + number / FPS > now - 1 / FPS:
                shown.append((buffer.shown, values[ARKIT]))
    moments, faces = np.array([when for when, _ in shown]), np.stack([face for _, face in shown])
    # The sender repeats its motion; where in it a moment lies is found by the best of all rounds.
    start = min(np.arange(len(truth)) / FPS, key=lambda start: abs(_truth(truth, moments[::37] - moments[0] + start) - faces[::37]).mean())
    fine = min(start + np.linspace(-1, 1, 81) / FPS, key=lambda start: abs(_truth(truth, moments - moments[0] + start) - faces).mean())
    places = moments - moments[0] + fine
    error = 255 * abs(_truth(truth, places) - faces).max(axis=1)
    # Where the motion goes round it jumps, and nobody can draw what lies between.
    error = error[abs(np.mod(places * FPS + len(truth) / 2, len(truth)) - len(truth) / 2) > 6]
    held = 100 * buffer.held / max(len(shown), 1)
    print(
        f"{name}: {len(shown)} moments shown, {held:.1f} % held the newest frame, {buffer.late} frames came too late, {buffer.twice} twice;", end=" "
    )
    print(f"worst weight off by {np.median(error):.2f} (median), {np.quantile(error, 0.99):.1f} (99 %), {error.max():.0f} of 255;", end=" ")
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)


def _truth(truth: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Weights [M, 52] of the motion that goes round, at moments in seconds."""
    place = np.mod(moments * FPS, len(truth))
    first = place.astype(int) % len(truth)
    share = (place - np.floor(place))[:, None]
    return (1 - share) * truth[first] + share * truth[(first + 1) % len(truth)]


if __name__ == "__main__":
    tyro.cli(bench)
