"""An avatar that lives on a device: posed and drawn there, many frames at once, without a look back."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from avatar3d.avatar import Avatar
from avatar3d.basis_network import basis_weights, network_inputs
from avatar3d.camera import Camera
from avatar3d.motion import Motion
from avatar3d.posing_graph import PosingGraph
from avatar3d.posing_torch import Binding, RigPoses, TorchRig, bind, binding, motion_channels, posed_vertices, rig_poses, torch_rig
from avatar3d.render.frames import GaussianFrames, rasterize_frames

RECORDED = 8
"""Most frames of a call whose posing is recorded: with more of them the device is busy anyway."""


@dataclass(frozen=True, eq=False)
class Performance:
    """T frames of a motion as this avatar takes them, on the device: some hundred numbers a frame."""

    poses: RigPoses
    weights: Tensor
    """[T, K] of the bases."""

    def __len__(self) -> int:
        return len(self.poses)

    def __getitem__(self, frames: slice | Tensor) -> "Performance":
        return Performance(self.poses[frames], self.weights[frames])

    def clone(self) -> "Performance":
        """A copy in memory of its own."""
        return Performance(RigPoses(self.poses.offsets.clone(), self.poses.transforms.clone()), self.weights.clone())

    def copy_(self, other: "Performance") -> None:
        """Take over the numbers of another one of as many frames."""
        self.weights.copy_(other.weights)
        self.poses.offsets.copy_(other.poses.offsets)
        self.poses.transforms.copy_(other.poses.transforms)


@dataclass(frozen=True, eq=False)
class DeviceAvatar:
    """N Gaussians with K bases and their rig, on one device."""

    avatar: Avatar
    """Where it comes from."""
    device: torch.device
    rig: TorchRig
    bound: Binding
    base: Tensor
    """[10N] position, rotation and colour, one after the other."""
    deltas: Tensor
    """[K, 10N] bases of the same."""
    log_scale: Tensor
    """[N, 3]."""
    opacity_logit: Tensor
    """[N]."""
    graphs: dict[int, PosingGraph] = field(default_factory=dict, kw_only=True)
    """Recorded posing by number of frames, on a CUDA device."""

    def __len__(self) -> int:
        return self.log_scale.shape[0]

    def perform(self, motion: Motion) -> Performance:
        """All frames of a motion, ready to be posed; for a moment between two frames give `motion.at(time)`.

        Worked out on the CPU, since it is little work in many steps, and moved over at once.
        """
        a = self.avatar
        poses = rig_poses(a.rig, a.rig.joints(a.shape), motion_channels(motion, "cpu"))
        weights = basis_weights(network_inputs(motion), a.input_mean, a.input_std, a.layers)
        parts = (poses.offsets, poses.transforms.flatten(1), weights)
        offsets, transforms, weights = torch.cat(parts, dim=1).to(self.device).split([part.shape[1] for part in parts], dim=1)
        return Performance(RigPoses(offsets.contiguous(), transforms.unflatten(1, (5, 3, 4))), weights.contiguous())

    def pose(self, performance: Performance) -> GaussianFrames:
        """The Gaussians of all its frames, on the device: `Avatar.pose`."""
        N = len(self)
        local = torch.addmm(self.base, performance.weights, self.deltas)
        position, rotation, colour = (part.unflatten(1, (N, -1)) for part in local.split([3 * N, 4 * N, 3 * N], dim=1))
        vertices = posed_vertices(self.rig, performance.poses)
        return GaussianFrames(*bind(vertices, self.bound, position, rotation, self.log_scale), self.opacity_logit, colour)

    @torch.no_grad()
    def draw(
        self, performance: Performance, camera: Camera, background: Tensor, *, backend: str = "auto", packed: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Pictures [T, H, W, 3] and coverage [T, H, W] of all frames of a performance, on the device; arguments as in `rasterize_frames`."""
        posed = self._recorded(performance) if self.device.type == "cuda" and len(performance) <= RECORDED else self.pose(performance)
        return rasterize_frames(posed, camera, background, backend=backend, packed=packed)

    def _recorded(self, performance: Performance) -> GaussianFrames:
        """`pose` by its recording; the result lasts until the next of as many frames."""
        if len(performance) not in self.graphs:
            self.graphs[len(performance)] = PosingGraph(self.pose, performance)
        return self.graphs[len(performance)](performance)


def device_avatar(avatar: Avatar, device: str | torch.device) -> DeviceAvatar:
    """An avatar moved to a device.

    Args:
        avatar: on the CPU.
        device: where to.
    """
    device = torch.device(device)
    base = torch.cat([part.flatten() for part in (avatar.position, avatar.rotation, avatar.colour)])
    deltas = torch.cat([part.flatten(1) for part in (avatar.position_basis, avatar.rotation_basis, avatar.colour_basis)], dim=1)
    base, deltas, log_scale, opacity_logit = (x.to(device) for x in (base, deltas, avatar.log_scale, avatar.opacity_logit))
    rig = torch_rig(avatar.rig, avatar.shape, device, avatar.vertex_offset)
    bound = binding(avatar.faces, avatar.rest_area, avatar.face, avatar.bary, device)
    return DeviceAvatar(avatar, device, rig, bound, base, deltas, log_scale, opacity_logit)
