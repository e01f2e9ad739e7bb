"""Pages in a browser, and the player's own packages; tests that need them are skipped where there are none."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar3d.head.store import load_head
from avatar3d.motion import Motion, rest_motion
from tests.avatar3d.tiny import tiny_avatar
from tests.viewer.web.shown import Shown, opened, served
from viewer.export.web import WEB, export_web


@pytest.fixture(scope="session")
def serve() -> Iterator:
    """serve(folder) -> its address."""
    with contextlib.ExitStack() as stack:
        yield lambda folder: stack.enter_context(served(folder))


@pytest.fixture
def show(browser) -> Iterator:
    """show(address) -> Shown, once the head is there; whatever the page complains of fails the test."""
    pages: list[Shown] = []

    def open_page(address: str, *scripts: str, size: tuple[int, int] = (200, 150)) -> Shown:
        pages.append(opened(browser, address, *scripts, size=size))
        return pages[-1]

    yield open_page
    for each in pages:
        each.page.close()
        # A test's server may have gone before its page.
        assert not [line for line in each.troubles if "ERR_CONNECTION_REFUSED" not in line]


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
