"""Synthetic captures: a made-up person filmed with known motion and camera, to measure the reconstruction against."""

from collections.abc import Iterator

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.basis_network import init_network, network_inputs
from avatar3d.camera import Camera, look_at
from avatar3d.carriers import with_carriers
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion, rest_motion
from avatar3d.render.cpu import Workspace, render_arrays
from avatar3d.statistics import motion_statistics
from recon.synthetic_glasses import glasses
from recon.synthetic_hair import hair_splats
from recon.synthetic_long_hair import beard, long_hair
from recon.synthetic_noise import noise, smoothstep
from recon.synthetic_person import PLAIN, Look, random_person
from recon.synthetic_skin import surface_splats
from recon.synthetic_splats import bound, joined
from recon.synthetic_surface import sample_surface

FOCAL = 2.07
"""Focal length over the side of the picture: not what the tracker assumes, as with any real camera."""
DISTANCE = 0.86
"""Metres from the camera to the head."""
_LOOKED_AT = np.array([0.0, -0.014, 0.0])
SUPERSAMPLING = 2


def synthetic_avatar(head: HeadModel, seed: int, coarseness: float = 1.0, look: Look = PLAIN) -> Avatar:
    """A random person as an avatar: procedural skin, eyes, mouth, hair and clothes on a random identity.

    Args:
        head: the embedded head, or one with its regions and landmarks.
        seed: of the identity and of everything that is random in its look.
        coarseness: 1 for a fine picture at 512 pixels; 2 has a quarter as many Gaussians.
        look: hair, beard, glasses and light.
    """
    person = random_person(head, seed, look)
    surface = sample_surface(head, person, coarseness)
    rig = with_carriers(head)
    rest = np.ascontiguousarray(rig.shaped(torch.from_numpy(person.shape)).numpy())
    parts = [surface_splats(surface), hair_splats(surface, coarseness)]
    if look.long_hair:
        parts.append(long_hair(surface, coarseness))
    if look.beard:
        parts.append(beard(surface, coarseness))
    if look.glasses:
        parts.append(glasses(surface))
    local = bound(joined(parts), rest, np.ascontiguousarray(rig.faces.numpy().astype(np.int32)))
    still = rest_motion(head, 2, shape=person.shape)
    inputs = network_inputs(still)
    N = len(local["face"])
    names = ("position", "rotation", "log_scale", "opacity_logit", "colour")
    return Avatar(
        head=head,
        shape=torch.from_numpy(person.shape),
        vertex_offset=torch.zeros(head.num_vertices, 3),
        face=local["face"],
        bary=local["bary"],
        **{name: torch.from_numpy(local[name]) for name in names},
        position_basis=torch.zeros(1, N, 3),
        rotation_basis=torch.zeros(1, N, 4),
        colour_basis=torch.zeros(1, N, 3),
        input_mean=inputs.mean(0),
        input_std=torch.ones(inputs.shape[1]),
        layers=init_network(inputs.shape[1], 1, torch.Generator().manual_seed(seed)),
        statistics=motion_statistics(still, head),
        metadata={"subject": "a made-up person", "consent": "not needed: nobody is shown", "licence": "CC0-1.0", "synthetic": True},
    )


def synthetic_camera(size: int) -> Camera:
    """The camera that films a synthetic person: in front, still, square pictures of so many pixels."""
    return look_at(_LOOKED_AT + np.array([0, 0.02, DISTANCE]), _LOOKED_AT, focal=FOCAL * size, size=(size, size))


def backdrop(size: int, seed: int) -> np.ndarray:
    """[size, size, 3] float32 sRGB: a wall out of focus, lit from one side."""
    rng = np.random.default_rng([seed, 5])
    row, column = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size), indexing="ij")
    points = np.column_stack([column.ravel(), row.ravel()])
    light = 0.80 - 0.30 * smoothstep(np.hypot(points[:, 0] - 0.32, 0.8 * (points[:, 1] - 0.30)), 0.05, 1.05)
    light = light + 0.022 * noise(points, 0.22, rng) + 0.008 * noise(points, 0.05, rng)
    tint = np.array([0.93, 0.97, 1.0]) + 0.03 * noise(points, 0.4, rng)[:, None] * np.array([1.0, 0.2, -1.0])
    return np.ascontiguousarray((light[:, None] * tint).reshape(size, size, 3), np.float32).clip(0, 1)


def film_synthetic(avatar: Avatar, motion: Motion, camera: Camera, background: np.ndarray, threads: int = 1) -> Iterator[np.ndarray]:
    """Pictures [H, W, 3] uint8 of every frame of a motion, drawn larger and averaged as a camera's sensor does.

    Args:
        avatar: who.
        motion: what it does.
        camera: who watches; its size is the pictures'.
        background: [H, W, 3] sRGB, float.
        threads: of the rasterizer.
    """
    large = camera.resized(camera.width * SUPERSAMPLING, camera.height * SUPERSAMPLING)
    behind = np.ascontiguousarray(background.repeat(SUPERSAMPLING, axis=0).repeat(SUPERSAMPLING, axis=1), np.float32)
    workspace = Workspace()
    for index in range(len(motion)):
        g = avatar.pose(motion, float(index / motion.fps))
        position, rotation, log_scale, opacity_logit, sh = (x.numpy() for x in (g.position, g.rotation, g.log_scale, g.opacity_logit, g.sh))
        rgb = render_arrays(position, rotation, log_scale, opacity_logit, sh, large, behind, threads=threads, workspace=workspace).rgb
        rgb = rgb.reshape(camera.height, SUPERSAMPLING, camera.width, SUPERSAMPLING, 3).mean(axis=(1, 3))
        yield (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
