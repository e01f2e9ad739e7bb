"""Chromium without a window, as tests and benches of pages open it."""

import contextlib
import os
import shutil
from collections.abc import Iterator

ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The program: $AVATAR3D_CHROMIUM, or what the system calls so."""
    return os.environ.get("AVATAR3D_CHROMIUM") or next((found for name in _NAMES if (found := shutil.which(name))), None)


@contextlib.contextmanager
def launched(path: str) -> Iterator:
    """Playwright's browser, which is closed with it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as machine:
        yield machine.chromium.launch(executable_path=path, args=list(ARGUMENTS), ignore_default_args=["--headless"])
