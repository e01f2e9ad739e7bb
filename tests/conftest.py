"""Shared fixtures."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real clips and speech; tests that need them are skipped where they are absent."""
    folder = Path(os.environ.get("AVATAR3D_SHARED", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real material at {folder}")
    return folder


@pytest.fixture(scope="session")
def browsers():
    """Playwright, one for all tests of a process: beside an open one no second can be opened."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as machine:
        yield machine
