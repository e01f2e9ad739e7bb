"""How fast the workbench's pictures and splats reach a browser, how soon a slider shows, and how far sound and motion are apart.

    python -m tests.bench.view [--width 800 --height 600] [--seconds 6]

A headless Chromium on the same machine is the browser; without a GPU it takes its share of the cores, so that a desktop shows more.
"""

import argparse
import json
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from avatar3d.bench import machine
from avatar3d.head.store import load_head
from recon.bench import bench_avatar, bench_motion
from tests.cli.page import FLAGS, Page, require_chromium
from viewer.live.workbench import Workbench, close_server, open_server

KEEP = """
const given = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return given.call(this, kind, kind.startsWith('webgl') ? {...options, preserveDrawingBuffer: true} : options);
};
"""
"""Lets the canvas be read at any time."""
WATCH = """
() => {
  const canvas = [...document.querySelectorAll('canvas')].find(each => each.width > 10), small = document.createElement('canvas');
  small.width = 48; small.height = 36;
  const pen = small.getContext('2d', {willReadFrequently: true}), seen = {times: [], frames: 0};
  window.seen = seen;
  let last = 0;
  const look = () => {
    pen.drawImage(canvas, 0, 0, 48, 36);
    const data = pen.getImageData(0, 0, 48, 36).data;
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum = (31 * sum + data[i]) | 0;
    seen.frames++;
    if (sum !== last) seen.times.push(Date.now());
    last = sum;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
"""
"""Looks at the canvas after each frame of the browser, and keeps when it had changed."""


def rates(page: Page, bench: Workbench, seconds: float) -> dict[str, float]:
    """Pictures or splats a second while a motion plays: sent, and seen to change in the browser."""
    (browser,) = bench.stage.browsers.values()
    bench.player.set_loop(True)
    bench.player.play()
    bench.stage.wake()
    page.page.wait_for_timeout(3000)
    page.page.evaluate("window.seen.times.length = 0")
    sent, began = 0, time.monotonic()
    scene = bench.stage._scene
    page.page.wait_for_timeout(1000 * seconds)
    passed = time.monotonic() - began
    changes = page.page.evaluate("window.seen.times.length")
    sent = bench.stage._scene - scene
    size = browser.size
    bench.player.pause()
    bench.stage.wake()
    return {"posed": sent / passed, "seen": changes / passed, "width": size[0], "height": size[1], "ms": browser.milliseconds}


def delays(page: Page, presses: int = 20) -> dict[str, float]:
    """Milliseconds from a key on a slider to other pixels."""
    page.tab("Face")
    page.still()
    handle = page.slider("jaw open")
    handle.focus()
    page.page.evaluate("document.addEventListener('keydown', () => { window.pressed = Date.now() }, true)")
    found = []
    for index in range(presses):
        page.page.wait_for_timeout(700)
        page.page.evaluate("window.seen.times.length = 0")
        handle.press("End" if index % 2 == 0 else "Home")
        page.page.wait_for_function("window.seen.times.length > 0", timeout=10000)
        found.append(page.page.evaluate("window.seen.times[0] - window.pressed"))
    return {"median": float(np.median(found)), "most": float(max(found))}


def apart(page: Page, bench: Workbench) -> dict[str, float]:
    """Milliseconds by which the browser's sound is behind the player while it plays, over some seconds and three starts."""
    found = []
    bench.player.set_loop(False)
    for _ in range(3):
        bench.player.seek(0.0)
        bench.player.play()
        bench.bench.moved()
        page.page.wait_for_timeout(600)
        for _ in range(8):
            before = time.monotonic()
            heard = page.page.evaluate("document.querySelector('audio').currentTime")
            found.append(1e3 * (bench.player.position - (time.monotonic() - before) / 2 - heard))
            page.page.wait_for_timeout(150)
        bench.player.pause()
        bench.bench.moved()
    return {"median": float(np.median(found)), "spread": float(np.ptp(np.quantile(found, [0.05, 0.95])))}


def measure(count: int, width: int, height: int, seconds: float, chromium) -> dict:
    """All figures for an avatar of `count` Gaussians."""
    head = load_head()
    motion = bench_motion(head)
    motion = replace(motion, sound=np.zeros(round(motion.duration * 16000), np.float32), sound_rate=16000)
    with tempfile.TemporaryDirectory() as folder:
        server = open_server("127.0.0.1", 0, "bench")
        bench = Workbench(server, bench_avatar(head, count), "bench", ("bench", motion), scratch=Path(folder))
        over = threading.Event()
        running = threading.Thread(target=bench.run, args=(over.is_set,), daemon=True)
        running.start()
        page = Page(chromium, f"http://127.0.0.1:{server.get_port()}", {"width": width + 320, "height": height}, KEEP)
        page.page.evaluate(WATCH)
        found: dict = {"pictures": rates(page, bench, seconds)}
        found["pictures"]["slider_ms"] = delays(page)
        bench.stage.draw_by(splats=True)
        found["splats"] = rates(page, bench, seconds)
        found["splats"]["slider_ms"] = delays(page)
        bench.stage.draw_by(splats=False)
        page.page.mouse.click(5, 5)
        found["sound_behind_ms"] = apart(page, bench)
        page.page.close()
        over.set()
        running.join()
        bench.close()
        close_server(server)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=800)
    parser.add_argument("--height", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    with require_chromium().sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
        for count in (15_000, 60_000):
            print(count, json.dumps(measure(count, options.width, options.height, options.seconds, chromium), indent=1), flush=True)
        chromium.close()
    print(machine())


if __name__ == "__main__":
    main()
