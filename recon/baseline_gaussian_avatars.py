"""The recipe of GaussianAvatars as a baseline.

After "GaussianAvatars: Photorealistic Head Avatars with Rigged 3D Gaussians" (Qian et al., CVPR 2024), written from the paper.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from avatar3d.avatar import Avatar
from avatar3d.basis_network import network_inputs
from avatar3d.camera import Camera
from avatar3d.gaussians import SH_C0
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from avatar3d.statistics import motion_statistics
from recon.baseline_splats import Splats, screen_gradient
from recon.frame_gradients import FrameGradients, frame_gradients, workspace
from recon.loss import LossWeights
from recon.overlay import pose_frames
from recon.training_frames import FrameStore

BATCH = 2
"""Frames per step of GaussianAvatars here, one per core of a small machine; each counts as one of the paper's iterations, of one frame each."""
WEIGHTS = LossWeights(dssim=0.2, coverage=0.0)
FREE_OFFSET, OFFSET_WEIGHT = 1.0, 0.01
FREE_SIZE, SIZE_WEIGHT = 0.6, 1.0
"""Triangle units: offsets and sizes up to these cost nothing."""
DENSIFY_FROM, DENSIFY_EVERY, RESET_EVERY = (1 / 60, 500), (1 / 300, 100), (1 / 10, 3000)
"""(share of the run, least iterations). The shares are the paper's 10k, 2k and 60k of 600k iterations. In a short run they would multiply
Gaussians before these have taken on a colour, so that they never come closer than the iterations of 3D Gaussian splatting's own schedule."""
DENSIFY_UNTIL = 0.8
"""Share of the run. The paper goes on to the end, which needs the 2k iterations between its events to settle; 3D Gaussian splatting stops
half-way, which leaves a run of a few minutes with too few Gaussians."""

Step = Callable[[float], tuple[float, float]]
"""From the share of the run that is over to the loss and the PSNR of one step."""


def gaussian_avatars_step(
    motion: Motion, camera: Camera, head: HeadModel, train: np.ndarray, store: FrameStore, seed: int, pool: ThreadPoolExecutor
) -> tuple[Step, Callable[[], Avatar]]:
    """The recipe of GaussianAvatars (Qian et al., CVPR 2024): what advances the fit by a step, and what gives its avatar.

    Written from the paper. One Gaussian per triangle, on eyes, teeth and tongue too, in triangle units; Adam at the paper's
    rates; 0.8 L1 + 0.2 DSSIM at full resolution, offsets beyond one unit and sizes beyond 0.6 penalised, averaged over the
    Gaussians that were drawn; cloning, splitting, pruning and opacity resets with children on their parents' triangles.
    Where this differs: the run is shorter (see `DENSIFY_FROM`); batches have two frames; the pictures lie over a random
    colour, since over a fixed one what is equally dark or bright is left transparent; colours are constant, since with one
    fixed camera the direction of view hardly varies and higher harmonics would only learn the head's pose; a triangle's
    size follows the square root of its area when it deforms, as everywhere here; the tracking is not changed.
    """
    faces = np.ascontiguousarray(head.faces.numpy().astype(np.int32))
    splats = Splats(np.ascontiguousarray(head.shaped(torch.from_numpy(motion.shape)).numpy()), faces)
    even = np.ones((camera.height, camera.width), np.float32)
    iterations, densified, reset = 0, 0, 0

    def step(share: float) -> tuple[float, float]:
        nonlocal iterations, densified, reset
        rng = np.random.default_rng((seed, iterations))
        expected = iterations / share if share > 0 else np.inf
        since, every, between = (max(part * expected, least) for part, least in (DENSIFY_FROM, DENSIFY_EVERY, RESET_EVERY))
        if iterations >= since and iterations - densified >= every and share < DENSIFY_UNTIL:
            splats.densify(rng)
            densified = iterations
        # As in the paper, a whole interval is left after the last reset.
        if iterations - reset >= between and iterations + between <= expected:
            splats.reset_opacity()
            reset = iterations
        batch = np.sort(rng.choice(train, BATCH, replace=len(train) < BATCH))
        backgrounds = rng.uniform(size=(BATCH, 3)).astype(np.float32)
        vertices, mesh, local = pose_frames(head, motion, batch), splats.mesh(), splats.metric()

        def work(index: int) -> tuple[FrameGradients, np.ndarray, np.ndarray]:
            frame = replace(store.get(int(batch[index]), 1), importance=even)
            return frame_gradients(mesh, vertices[index], local, frame, camera, backgrounds[index], WEIGHTS), *screen_gradient(workspace())

        results = list(pool.map(work, range(BATCH)))
        for _, screen, visible in results:
            splats.pull(screen * np.float32(camera.width / 2), visible)
        splats.descend(_gradients(splats, results), share)
        iterations += BATCH
        return float(np.mean([r.loss for r, _, _ in results])), float(np.mean([r.psnr for r, _, _ in results]))

    return step, lambda: _avatar(splats, head, motion, train)


def _gradients(splats: Splats, results: list[tuple[FrameGradients, np.ndarray, np.ndarray]]) -> dict[str, Tensor]:
    """Mean gradients of a batch with respect to triangle units, with those of the two penalties."""
    frames = [result for result, _, _ in results]
    names = {"position": "position", "rotation": "rotation", "log_scale": "log_scale", "opacity_logit": "opacity_logit", "sh": "colour"}
    mean = {name: torch.from_numpy(np.mean([getattr(frame, field) for frame in frames], axis=0)) for name, field in names.items()}
    mean["sh"] *= SH_C0
    mean["position"] *= torch.from_numpy(splats.unit)[:, None]
    drawn = torch.from_numpy(np.mean([visible / max(visible.sum(), 1) for _, _, visible in results], axis=0).astype(np.float32))
    for name, gradient in penalty_gradients(splats.parameters["position"], splats.parameters["log_scale"], drawn).items():
        mean[name] += gradient
    return mean


def penalty_gradients(position: Tensor, log_scale: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Gradients of sum_g weight_g (0.01 max(|position_g| - 1, 0) + |max(scale_g - 0.6, 0)|), in triangle units.

    Args:
        position: [N, 3].
        log_scale: [N, 3].
        weight: [N], adding to one: the mean is over the Gaussians that were drawn.
    """
    share, distance = weight[:, None], position.norm(dim=1, keepdim=True)
    scale = log_scale.exp()
    excess = (scale - FREE_SIZE).clamp_min(0)
    return {
        "position": OFFSET_WEIGHT * share * (distance > FREE_OFFSET) * position / distance.clamp_min(1e-9),
        "log_scale": SIZE_WEIGHT * share * excess / excess.norm(dim=1, keepdim=True).clamp_min(1e-9) * scale,
    }


def _avatar(splats: Splats, head: HeadModel, motion: Motion, seen: np.ndarray) -> Avatar:
    """An avatar without bases."""
    mesh, N, inputs = splats.mesh(), len(splats), network_inputs(motion).shape[1]
    local = {name: torch.from_numpy(value) for name, value in splats.metric().items()}
    return Avatar(
        head=head,
        shape=torch.from_numpy(motion.shape.copy()),
        vertex_offset=torch.zeros(head.num_vertices, 3),
        face=mesh.face,
        bary=mesh.bary,
        position=local["position"],
        rotation=local["rotation"],
        log_scale=local["log_scale"],
        opacity_logit=local["opacity_logit"],
        colour=local["colour"],
        position_basis=torch.zeros(0, N, 3),
        rotation_basis=torch.zeros(0, N, 4),
        colour_basis=torch.zeros(0, N, 3),
        input_mean=torch.zeros(inputs),
        input_std=torch.ones(inputs),
        layers=((torch.zeros(0, inputs), torch.zeros(0)),),
        statistics=motion_statistics(motion.frames(seen), head),
    )
