"""Packages of npm that tests read our files with, fetched once into the user's cache."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def npm_package(name: str, version: str) -> Path:
    """The folder of a package with its dependencies beside it; the test is skipped where npm cannot fetch it."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "avatar3d-tests"
    kept = cache / f"{name.strip('@').replace('/', '-')}-{version}"
    if not kept.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # Fetched beside and renamed, since several workers may be at it.
        with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as folder:
            (Path(folder) / "package.json").write_text('{"private": true}')
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"{name}@{version}"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
            if done.returncode:
                pytest.skip(f"npm could not fetch {name}: {done.stderr.strip()[-200:]}")
            try:
                Path(folder).rename(kept)
            except OSError:
                assert kept.is_dir(), "another worker did not finish either"
            else:
                Path(folder).mkdir()
    return kept / "node_modules" / name
