"""How fast the workbench's pictures and splats reach a browser, how soon a slider shows, and how far sound and motion are apart.

    python -m tests.bench.view [--width 800 --height 600] [--seconds 6]

Sent: what arrives at a listener of another process, which draws nothing. Seen: what a headless
Chromium on the same machine takes up; without a GPU it takes its share of the cores, so that a desktop shows more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from avatar3d.bench import machine
from avatar3d.head.store import load_head
from recon.bench import bench_avatar, bench_motion
from tests.chromium import find_chromium, launched
from tests.cli.page import Page
from viewer.live.workbench import Workbench, close_server, open_server

WATCH = """
const given = HTMLCanvasElement.prototype.getContext, seen = {times: []};
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return given.call(this, kind, kind.startsWith('webgl') ? {...options, preserveDrawingBuffer: true} : options);
};
window.seen = seen;
for (const name of ['texImage2D', 'texSubImage2D']) {
  const upload = WebGL2RenderingContext.prototype[name];
  WebGL2RenderingContext.prototype[name] = function (...what) {
    const data = what[what.length - 1];
    // A picture may be handed over in several calls of one frame.
    if (data && (data.width > 64 || data.length > 4096) && !seen.now) {
      seen.times.push(Date.now());
      seen.now = true;
      requestAnimationFrame(() => { seen.now = false; });
    }
    return upload.apply(this, what);
  };
}
const small = new OffscreenCanvas(3, 3).getContext('2d', {willReadFrequently: true});
seen.grey = () => {
  small.drawImage([...document.querySelectorAll('canvas')].find(each => each.width > 10), 0, 0, 3, 3);
  return small.getImageData(1, 1, 1, 1).data[0];
};
"""
"""Keeps when the page hands a picture or splats to its graphics, and lets its canvas be read when asked."""

LISTEN = """
import json, sys, time
from collections import Counter
from tests.viewer.live.wire import listen, messages
port, version, width, height, seconds = sys.argv[1:]
socket = listen(int(port), version, (int(width), int(height)))
for _ in messages(socket, 3.0):
    pass
kinds, size, began = Counter(), 0, time.monotonic()
for message in messages(socket, float(seconds)):
    kinds[message["type"]] += 1
    size += len(message.get("rgb_data") or b"")
    if "buffer" in message.get("updates", {}):
        kinds["splats"] += 1
        size += message["updates"]["buffer"].nbytes
passed = time.monotonic() - began
print(json.dumps({"pictures": kinds["BackgroundImageMessage"] / passed, "splats": kinds["splats"] / passed, "MB": size / passed / 1e6}))
"""


def sent(bench: Workbench, size: tuple[int, int], seconds: float) -> dict[str, float]:
    """Pictures or splats, and megabytes, a second while a motion plays, at a listener that draws nothing."""
    import viser

    bench.player.set_loop(True)
    bench.player.play()
    bench.stage.wake()
    words = [sys.executable, "-c", LISTEN, bench.server.get_port(), viser.__version__, *size, seconds]
    heard = json.loads(subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout)
    bench.player.pause()
    rate = heard["splats"] if bench.stage.usual.splats else heard["pictures"]
    return {"sent": rate, "MB": heard["MB"]}


def behind(page: Page, bench: Workbench) -> float:
    """Milliseconds from a moment of the player to its picture in the browser: pictures of one grey each, ten milliseconds a step."""
    bench.stage.choose(None, painter=lambda *_: np.full((90, 120, 3), round(100 * bench.player.position) % 256, np.uint8))
    bench.player.set_loop(False)
    bench.player.seek(0.0)
    bench.player.play()
    page.page.wait_for_timeout(500)
    found = []
    while bench.player.position < bench.player.end - 0.2:
        before = time.monotonic()
        grey = page.page.evaluate("window.seen.grey()")
        now = bench.player.position - (time.monotonic() - before) / 2
        found.append((10 * (round(100 * now) - grey)) % 2560)
        page.page.wait_for_timeout(70)
    bench.stage.choose(None, painter=None)
    return float(np.median(found))


def rates(page: Page, bench: Workbench, seconds: float) -> dict[str, float]:
    """Pictures or splats a second while a motion plays: posed, and taken up by the browser; size and time of the last picture."""
    (browser,) = bench.stage.browsers.values()
    bench.player.set_loop(True)
    bench.player.play()
    bench.stage.wake()
    page.page.wait_for_timeout(3000)
    page.page.evaluate("window.seen.times.length = 0")
    scene, began = bench.stage.scene.number, time.monotonic()
    page.page.wait_for_timeout(1000 * seconds)
    passed = time.monotonic() - began
    changes = page.page.evaluate("window.seen.times.length")
    posed, size = bench.stage.scene.number - scene, browser.size
    bench.player.pause()
    bench.stage.wake()
    return {"posed": posed / passed, "seen": changes / passed, "width": size[0], "height": size[1], "ms": browser.milliseconds}


def delays(page: Page, presses: int = 20) -> dict[str, float]:
    """Milliseconds from a key on a slider to the picture or splats that show it, as the browser takes them up."""
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
        bench.desk.moved()
        page.page.wait_for_timeout(600)
        for _ in range(8):
            before = time.monotonic()
            heard = page.page.evaluate("document.querySelector('audio').currentTime")
            found.append(1e3 * (bench.player.position - (time.monotonic() - before) / 2 - heard))
            page.page.wait_for_timeout(150)
        bench.player.pause()
        bench.desk.moved()
    return {"median": float(np.median(found)), "spread": float(np.ptp(np.quantile(found, [0.05, 0.95])))}


def measure(count: int, width: int, height: int, seconds: float, browser) -> dict:
    """All figures for an avatar of `count` Gaussians."""
    head = load_head()
    motion = bench_motion(head, 100)
    motion = replace(motion, sound=np.zeros(round(motion.duration * 16000), np.float32), sound_rate=16000)
    with tempfile.TemporaryDirectory() as folder:
        server = open_server("127.0.0.1", 0, "bench")
        bench = Workbench(server, bench_avatar(head, count), "bench", ("bench", motion), scratch=Path(folder))
        over = threading.Event()
        running = threading.Thread(target=bench.run, args=(over.is_set,), daemon=True)
        running.start()
        found: dict = {"pictures": sent(bench, (width, height), seconds)}
        bench.stage.choose(None, splats=True)
        found["splats"] = sent(bench, (width, height), seconds)
        bench.stage.choose(None, splats=False)
        page = Page(browser, f"http://127.0.0.1:{server.get_port()}", {"width": width + 320, "height": height}, WATCH)
        for kind in ("pictures", "splats"):
            bench.stage.choose(None, splats=kind == "splats")
            found[kind] |= rates(page, bench, seconds) | {"slider_ms": delays(page)}
        bench.stage.choose(None, splats=False)
        page.page.mouse.click(5, 5)
        found["picture_behind_ms"] = behind(page, bench)
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
    path = find_chromium()
    if path is None:
        parser.error("no Chromium; install the packages chromium and libgl1-mesa-dri")
    with launched(path) as browser:
        for count in (15_000, 60_000):
            print(count, json.dumps(measure(count, options.width, options.height, options.seconds, browser), indent=1), flush=True)
    print(machine())


if __name__ == "__main__":
    main()
