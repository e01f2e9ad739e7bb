"""The live link under load: `python -m tests.bench.websocket`. The server is a process of its own; times are of the clock that both share."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import tyro
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from viewer.stream.packets import Frame, Sound, unpack
from viewer.stream.server import PROTOCOL, StreamServer
from viewer.stream.site import Part

CHANNELS = (("expr", 51), ("jaw_pose", 3), ("neck_pose", 3), ("eyes_pose", 6), ("rotation", 3), ("translation", 3), ("neck_translation", 3))
FPS, RATE = 30, 24_000


@dataclass
class Received:
    """What the viewers got."""

    delays: list[float] = field(default_factory=list)
    """Seconds from the frame's making to its arrival."""
    bytes: int = 0
    frames: int = 0
    skipped: int = 0

    def report(self, name: str, viewers: int, seconds: float) -> None:
        delays = 1000 * np.array(self.delays)
        middle, slow, most = (float(np.quantile(delays, q)) for q in (0.5, 0.95, 1))
        print(f"{name}: {len(delays)} frames, from motion in to received {middle:.1f} ms, 95 % within {slow:.1f}, most {most:.1f};", end=" ")
        print(f"{self.skipped} skipped; {8e-6 * self.bytes / viewers / seconds:.3f} Mbit/s for each viewer", flush=True)


def serve() -> None:
    """The server's process: random frames with the time of their making, and noise, until nobody wants them any more."""
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=width).astype(np.float32) for name, width in CHANNELS}
    noise = (0.1 * rng.normal(size=RATE // FPS)).astype(np.float32)
    site = {"": Part("text/html", b"page"), "player.js": Part("text/javascript", os.urandom(1_000_000))}
    with StreamServer(site, {"fps": [FPS, 1]}, CHANNELS, host="127.0.0.1", port=0, rate=RATE) as server:
        print(server.port, flush=True)
        began, number = time.monotonic(), 0
        while os.getppid() != 1:
            number += 1
            time.sleep(max(0.0, began + number / FPS - time.monotonic()))
            server.sound(noise)
            server.frame(time.monotonic(), values)


async def watch(address: str, received: Received, end: float, sound: str | None) -> None:
    async with connect(address, subprotocols=[PROTOCOL], compression=None, max_size=1 << 16) as line:
        await line.send('{"sound": %s}' % (f'"{sound}"' if sound else "null"))
        last = None
        while time.monotonic() < end:
            data = await line.recv()
            now, packet = time.monotonic(), unpack(data if isinstance(data, bytes) else data.encode())
            received.bytes += len(data) + (2 if len(data) < 126 else 4)
            # The present state, which comes first, is as old as it is.
            if isinstance(packet, Frame) and last is not None:
                received.delays.append(now - packet.time)
                received.skipped += packet.number - last - 1
            if isinstance(packet, Frame):
                last = packet.number
            assert packet is None or not isinstance(packet, Sound) or sound


async def watched(address: str, viewers: int, seconds: float, name: str, *others) -> None:
    received, end = Received(), time.monotonic() + seconds
    await asyncio.gather(*(watch(address, received, end, "opus") for _ in range(viewers)), *(other(end) for other in others))
    received.report(name, viewers, seconds)


def stalled(port: int) -> socket.socket:
    """A viewer that never reads."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    line.connect(("127.0.0.1", port))
    line.sendall(
        f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    line.sendall(b"\x81\x90" + bytes(4) + b'{"sound":"opus"}')
    return line


async def storm(port: int, connects: int, seconds: float) -> None:
    """So many connections in so many seconds, one in five of them decent."""
    rng, began = np.random.default_rng(1), time.monotonic()

    async def one(number: int) -> None:
        await asyncio.sleep(max(0.0, began + number * seconds / connects - time.monotonic()))
        try:
            if number % 5 == 0:
                async with connect(f"ws://127.0.0.1:{port}/stream", compression=None) as line:
                    await line.recv()
            elif number % 5 == 1:
                async with connect(f"ws://127.0.0.1:{port}/stream", compression=None) as line:
                    await _offend(line, number, rng)
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                requests = {2: rng.bytes(3000), 3: b"GET /player.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 4: b"GET /stream HTTP/1.1\r\nUpgrade: webs"}
                writer.write(requests[number % 5])
                await writer.drain()
                if number % 2:
                    await asyncio.wait_for(reader.read(), 5)
                writer.close()
        except (OSError, WebSocketException, TimeoutError):
            pass

    await asyncio.gather(*(one(number) for number in range(connects)))


async def _offend(line: ClientConnection, number: int, rng: np.random.Generator) -> None:
    says = ["nonsense", rng.bytes(200), rng.bytes(1_000_000), '{"sound": "loud"}', "[" * 200]
    await line.send(says[number // 5 % len(says)])
    while True:
        await line.recv()


def usage(process: int) -> str:
    with open(f"/proc/{process}/status") as file:
        status = dict(line.split(":", 1) for line in file)
    memory, threads = int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"])
    return f"{memory:.1f} MB, {len(os.listdir(f'/proc/{process}/fd'))} files open, {threads} threads"


async def measure(port: int, process: int, viewers: int, seconds: float, connects: int) -> None:
    address = f"ws://127.0.0.1:{port}/stream"
    await watched(address, viewers, 3, "warming up")
    await asyncio.sleep(1)
    print(f"server with nobody: {usage(process)}")
    await watched(address, viewers, seconds, f"{viewers} viewers")
    stuck = [stalled(port) for _ in range(5)]
    await watched(address, viewers, seconds, f"{viewers} viewers beside 5 that do not read")
    print(f"server then: {usage(process)}")
    for line in stuck:
        line.close()
    for round_ in range(2):
        await watched(address, viewers, 60, f"{viewers} viewers beside {connects} connects in a minute", lambda end: storm(port, connects, 58))
        await asyncio.sleep(3)
        print(f"server with nobody, storm {round_ + 1}: {usage(process)}")


def bench(viewers: int = 50, seconds: float = 30, connects: int = 1000, server: bool = False) -> None:
    """Print delays, what is sent, and what the server holds, with many viewers, with stuck ones, and in a storm of good and bad connections.

    Args:
        viewers: all with sound.
        seconds: of each measurement.
        connects: in each of two minutes.
        server: be the server's process.
    """
    if server:
        serve()
        return
    child = subprocess.Popen([sys.executable, "-m", "tests.bench.websocket", "--server"], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        asyncio.run(measure(int(child.stdout.readline()), child.pid, viewers, seconds, connects))
    finally:
        child.kill()
        child.wait()


if __name__ == "__main__":
    tyro.cli(bench)
