"""Make `posing.json`: a small avatar, a motion and where its Gaussians must lie. Run `python data/golden/make.py`.

The numbers are for the authors of other runtimes; docs/posing.md says what to compute from them.
"""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.basis_network import init_network, network_inputs
from avatar3d.gaussians import SH_C0
from avatar3d.head.model import HeadModel
from avatar3d.motion import CHANNELS, Motion
from avatar3d.statistics import motion_statistics

OUT = Path(__file__).with_name("posing.json")
TIMES = (0.0, 0.013, 0.1, 0.16, 9.0)
S, E, N, K, T = 2, 3, 16, 2, 5
RIG = ("template", "shape_basis", "expr_basis", "pose_basis", "skin_weights", "joint_template", "joint_shape_basis", "eyelid_basis", "faces")
AVATAR = (
    "shape", "vertex_offset", "face", "bary", "position", "rotation", "log_scale", "opacity_logit", "colour",
    "position_basis", "rotation_basis", "colour_basis", "input_mean", "input_std",
)  # fmt: skip


def golden_head(rng: np.random.Generator) -> HeadModel:
    """An octahedron with random bases."""
    points = 0.1 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32)
    corners = [(x, y, z) for x in (0, 1) for y in (2, 3) for z in (4, 5)]
    faces = [[x, y, z] if (x + y + z) % 2 == 0 else [x, z, y] for x, y, z in corners]
    V = len(points)

    def noise(*shape: int, size: float) -> torch.Tensor:
        return torch.from_numpy(rng.normal(size=shape, scale=size).astype(np.float32))

    return HeadModel(
        name="golden", template=torch.from_numpy(points),
        shape_basis=noise(V, 3, S, size=0.01), expr_basis=noise(V, 3, E, size=0.01), pose_basis=noise(V, 3, 36, size=0.005),
        skin_weights=torch.from_numpy(rng.dirichlet(np.ones(5), V).astype(np.float32)),
        joint_template=noise(5, 3, size=0.03), joint_shape_basis=noise(5, 3, S, size=0.005), eyelid_basis=noise(2, V, 3, size=0.01),
        faces=torch.tensor(faces), uv=np.zeros((len(faces), 3, 2), np.float32), regions={}, landmarks=None,
        expr_names=("a", "b", "c"), licence="CC0-1.0", redistributable=True, jaw_open_angle=0.4,
    )  # fmt: skip


def golden_motion(head: HeadModel, rng: np.random.Generator) -> Motion:
    """Five frames at 25 per second, with large turns."""
    sizes = {"jaw_pose": 0.3, "neck_pose": 0.5, "eyes_pose": 0.3, "rotation": 1.0, "translation": 0.2, "neck_translation": 0.01, "eyelids": 0.5}
    tracks = {name: rng.normal(size=(T, width), scale=sizes[name]).astype(np.float32) for name, width in CHANNELS.items()}
    expr = rng.uniform(size=(T, E)).astype(np.float32)
    return Motion(expr=expr, **tracks, shape=np.zeros(S, np.float32), fps=Fraction(25), head_fingerprint=head.fingerprint)


def golden_avatar(head: HeadModel, motion: Motion, rng: np.random.Generator) -> Avatar:
    """Gaussians on every face and every carrier."""
    inputs = network_inputs(motion)

    def noise(*shape: int, size: float = 1.0) -> torch.Tensor:
        return torch.from_numpy(rng.normal(size=shape, scale=size).astype(np.float32))

    return Avatar(
        head=head, shape=noise(S), vertex_offset=noise(head.num_vertices, 3, size=0.003),
        face=(np.arange(N) % (len(head.faces) + 5)).astype(np.int32), bary=rng.dirichlet(np.ones(3), N).astype(np.float32),
        position=noise(N, 3, size=0.01), rotation=noise(N, 4), log_scale=noise(N, 3, size=0.3) - 5,
        opacity_logit=noise(N), colour=torch.from_numpy(rng.uniform(size=(N, 3)).astype(np.float32)),
        position_basis=noise(K, N, 3, size=0.005), rotation_basis=noise(K, N, 4, size=0.1), colour_basis=noise(K, N, 3, size=0.1),
        input_mean=inputs.mean(0), input_std=inputs.std(0) + 0.1,
        layers=init_network(inputs.shape[1], K, torch.Generator().manual_seed(0)), statistics=motion_statistics(motion, head),
    )  # fmt: skip


def main() -> None:
    """Write the file."""
    rng = np.random.default_rng(20261120)
    head = golden_head(rng)
    motion = golden_motion(head, rng)
    avatar = golden_avatar(head, motion, rng)
    posed = []
    for time in TIMES:
        g = avatar.pose(motion, time)
        colour = 0.5 + SH_C0 * g.sh[:, 0]
        values = {"position": g.position, "rotation": g.rotation, "log_scale": g.log_scale, "colour": colour}
        posed.append({"time": time} | {name: _list(value) for name, value in values.items()})
    record = {
        "version": 1,
        "head": {name: _list(getattr(head, name)) for name in RIG},
        "avatar": {name: _list(getattr(avatar, name)) for name in AVATAR}
        | {"layers": [{"weight": _list(weight), "bias": _list(bias)} for weight, bias in avatar.layers]},
        "motion": {"fps": [25, 1], "expr": _list(motion.expr)} | {name: _list(getattr(motion, name)) for name in CHANNELS},
        "expected": posed,
    }
    OUT.write_text(json.dumps(record, separators=(",", ":")) + "\n")


def _list(values: torch.Tensor | np.ndarray) -> list:
    array = np.asarray(values)
    return array.tolist() if array.dtype.kind == "i" else np.vectorize(lambda x: float(f"{x:.8g}"))(array).tolist()


if __name__ == "__main__":
    main()
