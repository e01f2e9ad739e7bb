"""Shared fixtures."""

import os
import signal
from pathlib import Path

import pytest

from tests.chromium import find_chromium, launched

CHECKOUT = Path(__file__).resolve().parents[1]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl-C, and so would the commands that are ended by it here.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real clips and speech; tests that need them are skipped where they are absent."""
    folder = Path(os.environ.get("AVATAR3D_SHARED", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real material at {folder}")
    return folder


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window, one for all tests of a process: beside an open Playwright no second can be opened."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium; install the packages chromium and libgl1-mesa-dri")
    with launched(path) as opened:
        yield opened
