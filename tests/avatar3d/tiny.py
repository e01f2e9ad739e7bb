"""A tiny random rig and avatar for tests of the mathematics."""

import numpy as np
import torch
import trimesh

from avatar3d.avatar import Avatar
from avatar3d.basis_network import init_network, network_inputs
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion, rest_motion
from avatar3d.statistics import motion_statistics


def tiny_head(seed: int = 0, expressions: int = 6) -> HeadModel:
    """A head-sized sphere of 42 vertices with random bases and weights."""
    rng = np.random.default_rng(seed)
    sphere = trimesh.creation.icosphere(subdivisions=1, radius=0.1)
    V = len(sphere.vertices)

    def noise(*shape: int, size: float) -> torch.Tensor:
        return torch.from_numpy(rng.normal(size=shape, scale=size).astype(np.float32))

    weights = rng.dirichlet(np.ones(5), V).astype(np.float32)
    return HeadModel(
        name="tiny",
        template=torch.from_numpy(sphere.vertices.astype(np.float32)),
        shape_basis=noise(V, 3, 4, size=0.003),
        expr_basis=noise(V, 3, expressions, size=0.004),
        pose_basis=noise(V, 3, 36, size=0.002),
        skin_weights=torch.from_numpy(weights),
        joint_template=noise(5, 3, size=0.03),
        joint_shape_basis=noise(5, 3, 4, size=0.002),
        faces=torch.from_numpy(np.asarray(sphere.faces, np.int64)),
        uv=np.zeros((len(sphere.faces), 3, 2), np.float32),
        regions={},
        landmarks=None,
        expr_names=tuple(f"e{i}" for i in range(expressions)),
        licence="CC0",
        redistributable=True,
        jaw_open_angle=0.4,
    )


def tiny_motion(head: HeadModel, frames: int = 12, seed: int = 0) -> Motion:
    """Random smooth-enough motion."""
    rng = np.random.default_rng(seed)
    motion = rest_motion(head, frames)
    sizes = {"expr": 0.5, "jaw_pose": 0.2, "neck_pose": 0.3, "eyes_pose": 0.2, "rotation": 0.4, "translation": 0.1, "neck_translation": 0.01}
    for name, size in sizes.items():
        track = getattr(motion, name)
        track[:] = rng.normal(size=track.shape, scale=size)
    return motion


def tiny_avatar(head: HeadModel | None = None, count: int = 50, bases: int = 3, seed: int = 0) -> Avatar:
    """Random Gaussians on the tiny head, some of them on carriers."""
    head = head or tiny_head(seed)
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    motion = tiny_motion(head, seed=seed)
    inputs = network_inputs(motion)

    def noise(*shape: int, size: float = 1.0) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * size

    return Avatar(
        head=head,
        shape=noise(4),
        vertex_offset=noise(head.num_vertices, 3, size=0.001),
        face=rng.integers(0, len(head.faces) + 5, count).astype(np.int32),
        bary=rng.dirichlet(np.ones(3), count).astype(np.float32),
        position=noise(count, 3, size=0.004),
        rotation=noise(count, 4),
        log_scale=noise(count, 3, size=0.3) - 5.0,
        opacity_logit=noise(count),
        colour=torch.rand(count, 3, generator=generator),
        position_basis=noise(bases, count, 3, size=0.002),
        rotation_basis=noise(bases, count, 4, size=0.05),
        colour_basis=noise(bases, count, 3, size=0.05),
        input_mean=inputs.mean(0),
        input_std=inputs.std(0) + 0.1,
        layers=init_network(inputs.shape[1], bases, generator),
        statistics=motion_statistics(motion, head),
        metadata={"subject": "nobody", "licence": "CC0"},
    )
