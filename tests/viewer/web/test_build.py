"""The built player against its sources."""

import hashlib
import re
import shutil
import subprocess

import pytest

from viewer.export.web import WEB

BUILT = WEB / "dist" / "player.js"


def test_the_built_player_is_of_these_sources():
    digest = hashlib.sha256()
    for name in ("package-lock.json", "vite.config.js", *sorted(f"src/{file.name}" for file in (WEB / "src").iterdir())):
        digest.update(name.encode() + b"\0" + (WEB / name).read_bytes() + b"\0")
    built = re.search(r"built from ([0-9a-f]{64})", BUILT.read_text()[:400])
    assert built is not None and built[1] == digest.hexdigest(), "run `npm ci && npm run build` in viewer/web"


def test_building_it_again_gives_the_same(packages, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    command = [node, packages / "vite" / "bin" / "vite.js", "build", "--outDir", tmp_path / "dist", "--emptyOutDir", "--logLevel", "warn"]
    subprocess.run([str(part) for part in command], cwd=WEB, check=True, capture_output=True, timeout=300)
    assert (tmp_path / "dist" / "player.js").read_bytes() == BUILT.read_bytes()


def test_the_licences_of_what_is_inside_go_with_it():
    text = BUILT.read_text()
    for name in ("three.js authors", "WORLD LABS", "Arjun Barrett"):
        assert name in text


def test_the_lock_file_names_no_place():
    assert '"resolved"' not in (WEB / "package-lock.json").read_text()
