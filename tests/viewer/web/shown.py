"""Pages of the player in a browser, and what they show beside what Python computes."""

import base64
import contextlib
import functools
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avatar3d.camera import Camera
from avatar3d.gaussians import SH_C0, Gaussians

_TEXT = """const text = (array) => {
    let out = "";
    for (const byte of new Uint8Array(array.buffer, array.byteOffset, array.byteLength)) out += String.fromCharCode(byte);
    return btoa(out);
  };
  const player = await window.avatar3d.ready;
  player.stop();
"""
_READ = f"""async (time) => {{
  {_TEXT}
  player.splats.pose(player.performance.exactly(time));
  return Object.fromEntries(Object.entries(player.splats.read()).map(([name, values]) => [name, text(values)]));
}}"""
_PICTURE = f"""async ([time, camera]) => {{
  {_TEXT}
  player.splats.pose(player.performance.exactly(time));
  return text(await player.view.picture(camera));
}}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def until(true: Callable[[], object], most: float = 90.0) -> None:
    """Wait for something that a page will do."""
    end = time.monotonic() + most
    while not true():
        assert time.monotonic() < end, "the page did not come to it"
        time.sleep(0.02)


@dataclass
class Shown:
    """A page in the browser."""

    page: object
    """Playwright's."""
    requests: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def evaluate(self, code: str, argument: object = None):
        """The value of an expression in `player`."""
        return self.page.evaluate(f"async (argument) => {{ const player = await window.avatar3d.ready; return {code}; }}", argument)

    def wait(self, code: str) -> None:
        """Until an expression in `player` is true; asked from here, since the page's policy forbids what playwright's own waiting does."""
        until(lambda: self.evaluate(code))

    def posed(self, time: float) -> dict[str, np.ndarray]:
        """The Gaussians [N, 4] as the page has posed them at a time."""
        return {name: np.frombuffer(base64.b64decode(text), np.float32).reshape(-1, 4) for name, text in self.page.evaluate(_READ, time).items()}

    def picture(self, time: float, camera: Camera) -> np.ndarray:
        """[H, W, 3] uint8 as drawn with exactly this camera."""
        raw = base64.b64decode(self.page.evaluate(_PICTURE, [time, camera.to_json()]))
        return np.frombuffer(raw, np.uint8).reshape(camera.height, camera.width, 4)[::-1, :, :3]


def opened(browser, address: str, *scripts: str, size: tuple[int, int] = (200, 150)) -> Shown:
    """A page once its head is there, or has failed to be; `scripts` run before its own."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.set_default_timeout(90_000)
    shown = Shown(page)
    page.on("request", lambda request: shown.requests.append(request.url))
    page.on("pageerror", lambda error: shown.troubles.append(str(error)))
    page.on("console", lambda message: shown.troubles.append(message.text) if message.type == "error" else None)
    for script in scripts:
        page.add_init_script(script)
    page.goto(address)
    page.wait_for_selector("body.ready, body.failed", state="attached")
    return shown


def differences(seen: dict[str, np.ndarray], expected: Gaussians) -> dict[str, np.ndarray]:
    """How far each Gaussian [N] of a page is from Python's: position (metres), rotation (radians), log_scale, colour, opacity."""
    rotation = expected.rotation.numpy() / np.linalg.norm(expected.rotation.numpy(), axis=1, keepdims=True)
    turned = seen["rotation"][:, [3, 0, 1, 2]]
    opacity = 1 / (1 + np.exp(-expected.opacity_logit.numpy()))
    return {
        "position": np.abs(seen["position"][:, :3] - expected.position.numpy()).max(axis=1),
        "rotation": 2 * np.minimum(np.linalg.norm(turned - rotation, axis=1), np.linalg.norm(turned + rotation, axis=1)),
        "log_scale": np.abs(seen["log_scale"][:, :3] - expected.log_scale.numpy()).max(axis=1),
        "colour": np.abs(seen["colour"][:, :3] - (0.5 + SH_C0 * expected.sh[:, 0].numpy())).max(axis=1),
        "opacity": np.abs(seen["position"][:, 3] - opacity),
    }
