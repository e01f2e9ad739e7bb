"""Build the wheel, install it in an empty environment and let it speak a sentence: `python tests/wheel.py`.

It takes minutes, so it is a script of its own (`make wheel`), not a test among the fast ones.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPEAK = """
import sys
from pathlib import Path
import avatar3d, numpy as np
assert not Path(avatar3d.__file__).is_relative_to(sys.argv[1]), avatar3d.__file__
from avatar3d.avatar_file import save_avatar
from avatar3d.head.store import load_head
from recon.bench import bench_avatar
save_avatar(bench_avatar(load_head(), 3000), "head.avatar")
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        # A copy of what git tracks: build leftovers of the checkout must not help.
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
        for file in filter(None, files):
            target = source / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / file).exists():
                shutil.copy2(ROOT / file, target)
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source)
        wheel = next(folder.glob("avatar3d-*.whl"))
        names = zipfile.ZipFile(wheel).namelist()
        assert any(name.endswith("head/head.npz") for name in names), "the head is not in the wheel"
        for part in ("player.js", "speech.js", "runtime.wasm.gz"):
            assert f"viewer/web/dist/{part}" in names, f"the web player's {part} is not in the wheel"
        for part in ("unreal/Avatar3D/Avatar3D.uplugin", "unreal/README.md", "runtime/a3d/stream_receiver.hpp", "runtime/examples/follow.py"):
            assert f"viewer/{part}" in names, f"{part} is not in the wheel"
        run(sys.executable, "-m", "venv", folder / "venv")
        python = folder / "venv" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", "torch==2.13.0")
        run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", f"{wheel}[tts]")
        run(python, "-c", SPEAK, ROOT, cwd=folder)
        command = folder / "venv" / "bin" / "avatar3d"
        run(command, "speak", "head.avatar", "--text", "The wheel can speak.", "-o", "said.mp4", "--size", "128", cwd=folder)
        assert (folder / "said.mp4").stat().st_size > 5000, "the video is empty"
        run(command, "export", "head.avatar", "-o", "page.html", cwd=folder)
        assert (folder / "page.html").stat().st_size > 1_000_000, "the page is empty"
    print("wheel: installed in an empty environment and spoke a sentence")


def run(*command: object, cwd: Path | None = None) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=cwd)


if __name__ == "__main__":
    main()
