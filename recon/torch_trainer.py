"""Fitting the Gaussians on a torch device: the trainer's step by autograd, all frames of a batch at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avatar3d import posing
from avatar3d.avatar import Avatar
from avatar3d.basis_network import basis_weights
from avatar3d.posing_torch import RigPoses, bind, binding, posed_vertices, rig_poses, torch_rig
from avatar3d.render.cuda import require_cuda
from avatar3d.render.frames import GaussianFrames, rasterize_frames
from recon.belief import GRAZING, PLAIN, PLAINLY_SEEN, belief, beyond, facing, inner
from recon.channel_layout import Layout
from recon.device_frames import DeviceFrames
from recon.relocation import PER_GAUSSIAN
from recon.torch_loss import photometric_losses
from recon.trainer import LOOKS, Draw, Trainer
from recon.training_frames import FrameStore

_WITH_BASES = ("position", "rotation", "colour")
_RESIDENT = ("masks", "near", "known")
"""What else of a trainer's state is used together with its parameters."""


class TorchTrainer(Trainer):
    """A `Trainer` whose parameters live on a device and whose steps are taken there.

    The same seeds draw the same frames, backgrounds and noise, checkpoints and avatars have the same names and shapes: a fit may begin on one kind of
    trainer and go on with another. On a GPU sums have no fixed order, so that two runs agree closely but not to the bit.
    """

    def __init__(
        self, trainer: Trainer, device: str | torch.device, *, rasterizer: str = "auto", packed: bool = False, frame_bytes: int | None = None
    ):
        """Take over where a trainer stands; that one is left as it is.

        Args:
            trainer: on the CPU.
            device: where to work.
            rasterizer: backend that draws, see `rasterize_frames`.
            packed: see `rasterize_frames`.
            frame_bytes: memory of the device that frames may take; default a share of what is free.
        """
        self._device, self._rasterizer, self._packed = torch.device(device), rasterizer, packed
        self.__dict__.update({name: self._moved(value) if name in _RESIDENT else value for name, value in trainer.__dict__.items()})
        self.mesh = replace(trainer.mesh, face=trainer.mesh.face.copy(), bary=trainer.mesh.bary.copy())
        self.place = trainer.place.copy()
        self.parameters = {name: value.detach().to(self._device, copy=True) for name, value in trainer.parameters.items()}
        options = [{key: value for key, value in group.items() if key != "params"} for group in trainer.optimizer.param_groups]
        groups = [option | {"params": [self.parameters[option["name"]]]} for option in options]
        defaults = trainer.optimizer.defaults
        self.optimizer = torch.optim.Adam(groups, betas=defaults["betas"], eps=defaults["eps"], fused=True)
        self.restore(trainer.state())
        self._frames = DeviceFrames(self._device, frame_bytes)
        shape = torch.from_numpy(self.motion.shape)
        self._torch_rig = torch_rig(self.rig, shape, self._device)
        self._joints = self.rig.joints(shape)
        self._layout = Layout.of(self.motion)
        self._tracks = self._layout.tracks(self.motion)
        self._inputs, self._mean, self._std = (tensor.to(self._device) for tensor in (self.inputs, self.input_mean, self.input_std))

    def _moved(self, value: Any) -> Any:
        """A tensor, or what holds tensors, on the device."""
        if isinstance(value, dict):
            return {name: part.to(self._device) for name, part in value.items()}
        return None if value is None else value.to(self._device)

    def _split(self, given_up: np.ndarray, chosen: np.ndarray) -> None:
        super()._split(given_up, chosen)
        self._bound = binding(self.mesh.faces, self.mesh.rest_area, self.mesh.face, self.mesh.bary, self._device)

    def advance(self, store: FrameStore, frames: np.ndarray, probabilities: np.ndarray, pool: ThreadPoolExecutor) -> tuple[float, float]:
        """One optimizer step over a batch of frames; returns mean loss and PSNR. The pool decodes the frames of this step and of the next."""
        drawn = self.draw(self.step, frames, probabilities)
        truth = self._frames.batch(store, drawn.batch, drawn.shrink, pool)
        if self.step + 1 < self.preset.steps:
            later = self.draw(self.step + 1, frames, probabilities)
            self._frames.request(store, later.batch, later.shrink, pool)
        leaves = {name: value.detach().requires_grad_() for name, value in self.parameters.items() if drawn.with_bases or name in PER_GAUSSIAN}
        background = self._sent(drawn.backgrounds)
        share = self.step / self.preset.steps
        refiner = self._refiner(share)
        channels = self._channels_of(drawn.batch).requires_grad_(refiner is not None)
        posed = self._pose(self._surface(channels), self._local(leaves, drawn))
        rgb, alpha = rasterize_frames(posed, drawn.camera, background, backend=self._rasterizer, packed=self._packed)
        target, matte = truth.over(background)
        loss = photometric_losses(truth.heeded(rgb), truth.heeded(alpha), target, matte, truth.importance.float(), truth.boxes, drawn.weights).mean()
        found = torch.autograd.grad(loss, [*leaves.values(), *([] if refiner is None else [channels])])
        self._descend(dict(zip(leaves, found, strict=False)), share)
        if refiner is not None:
            # The loss is the mean over the batch, a frame's correction goes by its own.
            refiner.descend(drawn.batch, len(drawn.batch) * found[-1].double().numpy(), rate=0.1**share)
        self._tend(store, frames)
        self.step += 1
        error = (rgb.detach() - target).square().mean((1, 2, 3))
        # One look at the device a step, after everything has been set going.
        mean_loss, psnr = torch.stack([loss.detach(), (-10 * torch.log10(error.clamp_min(1e-10))).mean()]).tolist()
        return mean_loss, psnr

    def _local(self, leaves: dict[str, Tensor], drawn: Draw) -> dict[str, Tensor]:
        """Of every Gaussian in the frames of a batch, [B or 1, N, *] by name, in the triangles' frames."""
        local = {name: leaves[name][None] for name in PER_GAUSSIAN}
        if drawn.with_bases:
            layers = tuple((leaves[f"network.{i}.weight"], leaves[f"network.{i}.bias"]) for i in range(len(self.layers)))
            batch, noise = self._sent(drawn.batch), self._sent(drawn.noise)
            weights = basis_weights(self._inputs[batch] + noise * self._std, self._mean, self._std, layers)
            for name in _WITH_BASES:
                local[name] = local[name] + (weights @ leaves[f"{name}_basis"]).unflatten(1, local[name].shape[1:])
        return local

    def _sent(self, array: np.ndarray) -> Tensor:
        """A small array on the device, without waiting for what the device is at."""
        return torch.from_numpy(array).to(self._device, non_blocking=True)

    def _channels_of(self, frames: np.ndarray) -> Tensor:
        """[B, P] float32 channels of some frames as far as they have been corrected, on the CPU: a few hundred numbers in many steps."""
        values = self._tracks[frames] if self.refiner is None else self.refiner.channels(frames)
        return torch.from_numpy(values.astype(np.float32))

    def _surface(self, channels: Tensor) -> Tensor:
        """[B, V, 3] posed vertices of channels [B, P], on the device; differentiable."""
        poses = rig_poses(self.rig, self._joints, {name: channels[:, part] for name, part in self._layout.slices.items()})
        offsets, transforms = (part.to(self._device, non_blocking=True) for part in (poses.offsets, poses.transforms))
        return posed_vertices(self._torch_rig, RigPoses(offsets, transforms))

    def _pose(self, vertices: Tensor, local: dict[str, Tensor]) -> GaussianFrames:
        """The Gaussians in world space, bound to posed vertices."""
        position, rotation, log_scale = bind(vertices, self._bound, local["position"], local["rotation"], local["log_scale"])
        return GaussianFrames(position, rotation, log_scale, local["opacity_logit"][0], local["colour"].expand(len(vertices), -1, -1))

    def _look(self, store: FrameStore, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, Tensor, Tensor]:
        """As the trainer on the CPU looks, drawn on the device."""
        chosen = frames[np.unique(np.linspace(0, len(frames) - 1, LOOKS).astype(int))]
        N, camera = len(self.mesh.face), self.camera
        seen, plain, error = torch.zeros(3, N, device=self._device)
        outside = np.zeros(N, np.float32)
        for first in range(0, len(chosen), self.preset.batch):
            part = chosen[first : first + self.preset.batch]
            rows = torch.from_numpy(part).to(self._device)
            weights = basis_weights(self._inputs[rows], self._mean, self._std, self.layers)
            local = {name: self.parameters[name].detach()[None] for name in PER_GAUSSIAN}
            for name in _WITH_BASES:
                local[name] = local[name] + (weights @ self.parameters[f"{name}_basis"]).unflatten(1, local[name].shape[1:])
            local["colour"] = local["colour"].detach().requires_grad_()
            surface = self._surface(self._channels_of(part))
            posed = self._pose(surface, local)
            cosine = torch.from_numpy(np.stack([self._facing(v, x) for v, x in zip(surface, posed.position.detach(), strict=True)])).to(self._device)
            looked_at = [store.get(int(i), 1) for i in part]
            for place, frame in zip(posed.position.detach().cpu().numpy(), looked_at, strict=True):
                outside += beyond(place, frame.matte, camera) / len(chosen)
            rgb, _ = rasterize_frames(posed, camera, torch.zeros(3, device=self._device), backend=self._rasterizer, packed=self._packed)
            truth = torch.from_numpy(np.stack([frame.over(np.zeros(3, np.float32))[0] for frame in looked_at])).to(self._device)
            weight = [np.ones_like(frame.importance) if frame.shown is None else frame.shown for frame in looked_at]
            shown = torch.from_numpy(np.stack(weight)[..., None]).to(self._device)
            # The derivative of the picture's sum with respect to a colour is the sum of its blending weights; so for a weighted sum.
            filled = torch.autograd.grad(rgb[..., 0].sum(), local["colour"], retain_graph=True)[0][..., 0]
            seen += ((cosine > GRAZING) * filled).sum(0)
            inside = torch.from_numpy(np.stack([inner(frame.matte) for frame in looked_at])).to(self._device)
            inward = torch.autograd.grad(rgb[..., 0], local["colour"], inside, retain_graph=True)[0][..., 0]
            plain += ((cosine > PLAIN) * inward).sum(0)
            error += torch.autograd.grad(rgb, local["colour"], (rgb - truth).abs() * shown)[0].sum((0, 2))
        depth = float(self.vertices(chosen[-1:])[0].mean(axis=0) @ camera.T_cam_world[2, :3] + camera.T_cam_world[2, 3])
        extents, opacity = (self.parameters[name].cpu().numpy() for name in ("log_scale", "opacity_logit"))
        shape = (extents, opacity, camera.fx / depth)
        pixels, plainly = (part.cpu().numpy() / len(chosen) for part in (seen, plain))
        trust = torch.maximum(belief(pixels, *shape), torch.from_numpy(outside))
        return pixels, error.cpu().numpy(), trust.to(self._device), belief(plainly, *shape, PLAINLY_SEEN).to(self._device)

    def _facing(self, vertices: Tensor, position: Tensor) -> np.ndarray:
        """[N] how far the Gaussians of a frame face the camera."""
        triangles = posing.triangle_frames(vertices.cpu().numpy(), self.mesh.faces, self.mesh.rest_area)
        return facing(position.cpu().numpy(), triangles.rotation[self.mesh.face, :, 2], self.camera, self.near)

    def avatar(self, metadata: dict, seen: np.ndarray) -> Avatar:
        """The avatar as it stands, on the CPU; `seen` are the frames whose motion its statistics describe."""
        resident = self.parameters
        self.parameters = {name: value.cpu() for name, value in resident.items()}
        try:
            return super().avatar(metadata, seen)
        finally:
            self.parameters = resident

    def state(self) -> dict[str, Tensor]:
        """All that a checkpoint needs, by name, on the CPU."""
        return {name: value.cpu() for name, value in super().state().items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from a `state` of any kind of trainer. Raises KeyError or RuntimeError where it is of another fit."""
        fitted = ("parameter.", "adam.")
        super().restore({name: value.to(self._device) if name.startswith(fitted) else value for name, value in state.items()})
        self.known = self._moved(self.known)
        self._bound = binding(self.mesh.faces, self.mesh.rest_area, self.mesh.face, self.mesh.bary, self._device)


def on_device(trainer: Trainer, device: str) -> Trainer:
    """The trainer that works on a device: the one given for "cpu", a `TorchTrainer` for "cuda".

    Raises:
        UserError: this machine cannot draw on the device.
    """
    if device == "cpu":
        return trainer
    require_cuda()
    return TorchTrainer(trainer, device)
