"""The test programs of the C++ runtime, built, and what they say."""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

from avatar3d.motion import Motion
from viewer.export.a3d import Bundle

HERE = Path(__file__).parent
RUNTIME = HERE.parents[2] / "viewer" / "runtime"
CHANNELS = ("expr", "jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation", "neck_translation", "eyelids")
"""Of a frame, in its order."""
PLANES = (3, 4, 3, 3, 1)
"""Planes of positions, rotations, log-scales, colours, and the opacities."""
_STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-fno-exceptions")
OPTIMISED, SANITIZED = ("-O2",), ("-O1", "-g", "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all")


@functools.cache
def built(name: str, flags: tuple[str, ...] = OPTIMISED, source: Path | None = None) -> Path:
    """The program `name`, of `name`.cpp here or of another source; skips the test where there is no compiler."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    program = _folder() / f"{name}{'-'.join(flags).replace('/', '')}"
    command = ["g++", *_STRICT, *flags, f"-I{RUNTIME}", str(source or HERE / f"{name}.cpp"), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return program


@functools.cache
def _folder() -> Path:
    holder = tempfile.TemporaryDirectory(prefix="a3d-")
    _HELD.append(holder)
    return Path(holder.name)


_HELD: list[tempfile.TemporaryDirectory] = []


def frames_of(motion: Motion) -> np.ndarray:
    """The motion [T, P] as the runtime takes frames of a rig."""
    widths = {"neck_translation": 3, "eyelids": 2}
    parts = [getattr(motion, name) for name in CHANNELS]
    return np.concatenate(
        [np.zeros((len(motion), widths[name])) if part is None else part for name, part in zip(CHANNELS, parts, strict=True)], axis=1
    ).astype("<f4")


def run_pose(mode: str, data: bytes, given: np.ndarray, flags: tuple[str, ...] = OPTIMISED) -> bytes:
    """What `pose MODE` writes for a file's bytes."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "a.a3d").write_bytes(data)
        (Path(name) / "given").write_bytes(given.tobytes())
        command = [str(built("pose", flags)), mode, str(Path(name) / "a.a3d"), str(Path(name) / "given")]
        done = subprocess.run(command, capture_output=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def posed(mode: str, bundle: Bundle, data: bytes, given: np.ndarray, flags: tuple[str, ...] = OPTIMISED) -> list[dict[str, np.ndarray]]:
    """For each frame: position [N, 3], rotation [N, 4], log_scale [N, 3], colour [N, 3], opacity [N, 1]."""
    count = len(bundle.arrays["splat_face"])
    rows = np.frombuffer(run_pose(mode, data, given, flags), "<f4").reshape(len(given), sum(PLANES), count)
    names = ("position", "rotation", "log_scale", "colour", "opacity")
    return [dict(zip(names, (part.T for part in np.split(row, np.cumsum(PLANES)[:-1])), strict=True)) for row in rows]
