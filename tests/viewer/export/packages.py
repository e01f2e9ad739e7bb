"""Programs of Node that read what we write; tests that need them are skipped where they cannot be fetched."""

import json
import os
import subprocess
from pathlib import Path

from tests.npm import npm_package

HERE = Path(__file__).resolve().parent
_VERSIONS = {"gltf-validator": "2.0.0-dev.3.10", "three": "0.187.0"}


def run_node(script: str, *arguments: object, needs: str) -> str:
    """What a script of this folder prints.

    Args:
        script: its name.
        arguments: of the script.
        needs: the package that it uses.
    """
    folder = npm_package(needs, _VERSIONS[needs]).parent.parent
    command = ["node", str(HERE / script), *(str(argument) for argument in arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env=os.environ | {"PACKAGES": str(folder)}).stdout


def complaints(path: Path) -> set[tuple[str, str]]:
    """(code, where) of all that the Khronos validator says about a .glb."""
    found = json.loads(run_node("validate.mjs", path, needs="gltf-validator"))
    return {(issue["code"], issue.get("pointer", "")) for issue in found}
