"""The avatar: a rig, an identity, and Gaussians bound to its triangles."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from avatar3d import posing
from avatar3d.basis_network import Layers, network_inputs
from avatar3d.carriers import with_carriers
from avatar3d.gaussians import SH_C0, Gaussians
from avatar3d.head.model import HeadModel, axis_angle_to_matrix, joint_transforms
from avatar3d.motion import Motion
from avatar3d.statistics import NOTHING_MEANT, Meant, MotionStatistics, admit


@dataclass(frozen=True, eq=False)
class Avatar:
    """N Gaussians on a head of V vertices (carriers included), with K linear bases. Tensors are float32, contiguous."""

    head: HeadModel
    shape: Tensor
    """[S] identity."""
    vertex_offset: Tensor
    """[V0, 3] person-specific displacement of the neutral head's own vertices, metres."""
    face: np.ndarray
    """[N] int32 triangle of each Gaussian; F0 + i is carrier i."""
    bary: np.ndarray
    """[N, 3] its foot on the triangle."""
    position: Tensor
    """[N, 3] in the triangle's frame, metres at rest."""
    rotation: Tensor
    """[N, 4] wxyz, in the triangle's frame."""
    log_scale: Tensor
    """[N, 3] log metres at rest."""
    opacity_logit: Tensor
    """[N]."""
    colour: Tensor
    """[N, 3] sRGB."""
    position_basis: Tensor
    """[K, N, 3] metres at rest."""
    rotation_basis: Tensor
    """[K, N, 4] added to `rotation` before normalisation."""
    colour_basis: Tensor
    """[K, N, 3]."""
    input_mean: Tensor
    """[D] of the network's inputs."""
    input_std: Tensor
    """[D]."""
    layers: Layers
    statistics: MotionStatistics
    metadata: dict = field(default_factory=dict)
    """JSON-ready: subject, consent, provenance, licence, fit, camera."""

    def __len__(self) -> int:
        return self.position.shape[0]

    @cached_property
    def rig(self) -> HeadModel:
        """The head with its carriers."""
        return with_carriers(self.head)

    @cached_property
    def faces(self) -> np.ndarray:
        """[F, 3] int32 triangles of the rig."""
        return np.ascontiguousarray(self.rig.faces.numpy().astype(np.int32))

    @cached_property
    def rest(self) -> np.ndarray:
        """[V, 3] neutral vertices of this person."""
        offset = torch.cat([self.vertex_offset, torch.zeros(self.rig.num_vertices - len(self.vertex_offset), 3)])
        return np.ascontiguousarray((self.rig.shaped(self.shape) + offset).numpy())

    @cached_property
    def rest_area(self) -> np.ndarray:
        """[F] square metres."""
        return posing.triangle_areas(self.rest, self.faces)

    @cached_property
    def _joints(self) -> Tensor:
        return self.rig.joints(self.shape)[None]

    @cached_property
    def _deltas(self) -> Tensor:
        """[K, 10N]: position, rotation and colour bases side by side, so that one product adds them all."""
        parts = (self.position_basis, self.rotation_basis, self.colour_basis)
        return torch.cat([part.flatten(1) for part in parts], dim=1).contiguous()

    @cached_property
    def _base(self) -> np.ndarray:
        """[10N]: position, rotation and colour side by side."""
        return torch.cat([part.flatten() for part in (self.position, self.rotation, self.colour)]).numpy()

    def vertices(self, frame: Motion) -> np.ndarray:
        """[V, 3] posed vertices of a motion of one frame."""
        poses = [frame.rotation, frame.neck_pose, frame.jaw_pose, frame.eyes_pose[:, :3], frame.eyes_pose[:, 3:]]
        rotations = axis_angle_to_matrix(torch.from_numpy(np.concatenate(poses)))[None]
        coefficients = np.concatenate([frame.expr[0], (rotations[0, 1:] - torch.eye(3)).reshape(36).numpy()])
        moved = posing.combine(self.rest.reshape(-1), coefficients, self.rig.offset_matrix.numpy())
        if frame.eyelids is not None and self.rig.eyelid_basis is not None:
            moved = posing.combine(moved, frame.eyelids[0], self.rig.eyelid_basis.flatten(1).numpy())
        shift = None if frame.neck_translation is None else torch.from_numpy(frame.neck_translation)
        transforms = joint_transforms(rotations, self._joints, torch.from_numpy(frame.translation), shift, self.rig.parents)[0]
        return posing.skin(moved.reshape(-1, 3), self.rig.skin_weights.numpy(), transforms.numpy())

    def weights(self, frame: Motion) -> np.ndarray:
        """[K] weights of the bases for a motion of one frame: `basis_weights` in numpy."""
        x = (network_inputs(frame)[0].numpy() - self.input_mean.numpy()) / self.input_std.numpy()
        for weight, bias in self.layers[:-1]:
            x = np.tanh(weight.numpy() @ x + bias.numpy())
        weight, bias = self.layers[-1]
        return weight.numpy() @ x + bias.numpy()

    def pose(self, motion: Motion, time: float) -> Gaussians:
        """The Gaussians in world space at `time` seconds of a motion; stateless, never clamps (see `admit`).

        The exact mathematics, for other runtimes, is in docs/posing.md.
        """
        frame = motion.at(time)
        N = len(self)
        # Numpy throughout: torch would spread these small arrays over threads, which costs more than it saves.
        local = posing.combine(self._base, self.weights(frame), self._deltas.numpy())
        vertices = self.vertices(frame)
        frames = posing.triangle_frames(vertices, self.faces, self.rest_area)
        position, rotation, log_scale = posing.bind(
            vertices, self.faces, frames, self.face, self.bary,
            local[: 3 * N].reshape(N, 3), local[3 * N : 7 * N].reshape(N, 4), self.log_scale.numpy(),
        )  # fmt: skip
        sh = (local[7 * N :] - np.float32(0.5)) / np.float32(SH_C0)
        posed = {"position": position, "rotation": rotation, "log_scale": log_scale, "sh": sh.reshape(N, 1, 3)}
        return Gaussians(**{name: torch.from_numpy(value) for name, value in posed.items()}, opacity_logit=self.opacity_logit)

    def admit(self, motion: Motion, own: bool = False, meant: Meant = NOTHING_MEANT) -> Motion:
        """A foreign motion, or one that the person's `own` driver made, brought inside what this avatar has seen and what is `meant`."""
        return admit(motion, self.statistics, self.head, own, meant)
