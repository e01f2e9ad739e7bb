"""The built player, and what lets it speak, against their sources."""

import gzip
import hashlib
import re
import shutil
import subprocess

import pytest

from viewer.export.web import WEB

BUILT = WEB / "dist" / "player.js"
RUNTIME = "runtime.wasm.gz"
BUNDLES = {"player.js": ("src",), "speech.js": ("src", "src/speech")}


@pytest.mark.parametrize("bundle", BUNDLES)
def test_what_is_built_is_of_these_sources(bundle):
    digest = hashlib.sha256()
    scripts = [f"{folder}/{file.name}" for folder in BUNDLES[bundle] for file in sorted((WEB / folder).glob("*.js"))]
    for name in ("package-lock.json", "vite.config.js", *scripts):
        digest.update(name.encode() + b"\0" + (WEB / name).read_bytes() + b"\0")
    built = re.search(r"built from ([0-9a-f]{64})", (WEB / "dist" / bundle).read_text()[:400])
    assert built is not None and built[1] == digest.hexdigest(), "run `npm ci && npm run build` in viewer/web"


def test_building_it_again_gives_the_same(packages, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    for mode in ("production", "speech"):
        command = [node, packages / "vite" / "bin" / "vite.js", "build", "--mode", mode, "--outDir", tmp_path / "dist", "--logLevel", "warn"]
        subprocess.run([str(part) for part in command], cwd=WEB, check=True, capture_output=True, timeout=300)
    for bundle in BUNDLES:
        assert (tmp_path / "dist" / bundle).read_bytes() == (WEB / "dist" / bundle).read_bytes()
    # Another zlib packs the same otherwise.
    assert gzip.decompress((tmp_path / "dist" / RUNTIME).read_bytes()) == gzip.decompress((WEB / "dist" / RUNTIME).read_bytes())


def test_the_licences_of_what_is_inside_go_with_it():
    text = BUILT.read_text()
    for name in ("three.js authors", "WORLD LABS", "Arjun Barrett"):
        assert name in text
    assert "Copyright (c) Microsoft Corporation" in (WEB / "dist" / "speech.js").read_text()


def test_the_lock_file_names_no_place():
    assert '"resolved"' not in (WEB / "package-lock.json").read_text()
