"""A browser, pages in it, and the player's own packages; tests that need them are skipped where there are none."""

import base64
import functools
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from avatar3d.camera import Camera
from avatar3d.head.store import load_head
from avatar3d.motion import Motion, rest_motion
from tests.avatar3d.tiny import tiny_avatar
from viewer.export.web import WEB, export_web

ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
_READ = """async (time) => {
  const player = await window.avatar3d.ready;
  player.stop();
  player.splats.pose(player.performance.exactly(time));
  const text = (array) => {
    let out = "";
    for (const byte of new Uint8Array(array.buffer, 0, array.byteLength)) out += String.fromCharCode(byte);
    return btoa(out);
  };
  return Object.fromEntries(Object.entries(player.splats.read()).map(([name, values]) => [name, text(values)]));
}"""
_PICTURE = """async ([time, camera]) => {
  const player = await window.avatar3d.ready;
  player.stop();
  player.splats.pose(player.performance.exactly(time));
  let out = "";
  for (const byte of await player.view.picture(camera)) out += String.fromCharCode(byte);
  return btoa(out);
}"""


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


def until(true: Callable[[], object], most: float = 60.0) -> None:
    """Wait for something that a page will do."""
    end = time.monotonic() + most
    while not true():
        assert time.monotonic() < end, "the page did not come to it"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("AVATAR3D_CHROMIUM") or next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium; install the packages chromium and libgl1-mesa-dri")
    with playwright.sync_playwright() as machine:
        started = machine.chromium.launch(executable_path=path, args=list(ARGUMENTS), ignore_default_args=["--headless"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def serve() -> Iterator:
    """serve(folder) -> its address."""
    servers = []

    def start(folder: Path) -> str:
        handler = functools.partial(_Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def show(browser) -> Iterator:
    """show(address) -> Shown, once the head is there; whatever the page complains of fails the test."""
    shown: list[Shown] = []

    def open_page(address: str, *scripts: str, size: tuple[int, int] = (200, 150)) -> Shown:
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        each = Shown(page)
        page.set_default_timeout(90_000)
        shown.append(each)
        page.on("request", lambda request: each.requests.append(request.url))
        page.on("pageerror", lambda error: each.troubles.append(str(error)))
        page.on("console", lambda message: each.troubles.append(message.text) if message.type == "error" else None)
        for script in scripts:
            page.add_init_script(script)
        page.goto(address)
        page.wait_for_selector("body.ready, body.failed", state="attached")
        return each

    yield open_page
    for each in shown:
        each.page.close()
        assert not each.troubles


def performing(frames: int = 30, sound: bool = True) -> Motion:
    """Random frames of the embedded head, each as far as a face goes, with a tone."""
    rng = np.random.default_rng(0)
    motion = rest_motion(load_head(), frames)
    sizes = {"jaw_pose": 0.1, "neck_pose": 0.3, "eyes_pose": 0.2, "rotation": 0.3, "translation": 0.05, "neck_translation": 0.01}
    for name, size in sizes.items():
        track = getattr(motion, name)
        track[:] = rng.normal(size=track.shape, scale=size)
    motion.expr[:] = rng.uniform(0, 1, motion.expr.shape) * rng.uniform(0, 1, (frames, 1))
    tone = 0.1 * np.sin(np.arange(int(16000 * motion.duration)) / 8).astype(np.float32)
    return replace(motion, sound=tone, sound_rate=16000) if sound else motion


@pytest.fixture(scope="session")
def person():
    """Random Gaussians with moving bases on the embedded head."""
    return tiny_avatar(load_head(), count=1500, bases=12)


@pytest.fixture(scope="session")
def page_folder(person, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "page"
    export_web(person, performing(), folder)
    return folder


@pytest.fixture(scope="session")
def packages() -> Path:
    """The player's node_modules, fetched when they are not there or of another lock file."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm")
    modules, lock = WEB / "node_modules", (WEB / "package-lock.json").read_bytes()
    stamp = modules / ".lock-of-tests"
    if stamp.is_file() and stamp.read_bytes() == lock:
        return modules
    # Fetched beside and renamed, since several workers may be at it.
    with tempfile.TemporaryDirectory(dir=WEB, prefix=".fetch-") as name:
        for file in ("package.json", "package-lock.json"):
            shutil.copy2(WEB / file, name)
        done = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=name, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            pytest.skip(f"npm could not fetch the packages: {done.stderr.strip()[-200:]}")
        (Path(name) / "node_modules" / stamp.name).write_bytes(lock)
        shutil.rmtree(modules, ignore_errors=True)
        try:
            (Path(name) / "node_modules").rename(modules)
        except OSError:
            assert stamp.is_file(), "another worker did not finish either"
    return modules
