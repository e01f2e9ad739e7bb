"""Fitting the Gaussians: batches of frames, one frame per thread, analytic gradients all the way, Adam."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from avatar3d import posing
from avatar3d.avatar import Avatar
from avatar3d.basis_network import Layers, basis_weights, init_network, network_inputs
from avatar3d.camera import Camera
from avatar3d.gaussians import SH_C0
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from avatar3d.render.cpu import backward_arrays, render_arrays
from avatar3d.statistics import motion_statistics
from recon.basis_groups import basis_masks
from recon.belief import GRAZING, PLAIN, PLAINLY_SEEN, Known, Neighbourhood, belief, beyond, facing, first_known, inner, neighbourhood, settle
from recon.frame_gradients import FrameGradients, Mesh, frame_gradients, workspace
from recon.loss import LossWeights
from recon.motion_refiner import MotionRefiner
from recon.overlay import pose_frames
from recon.presets import FitPreset
from recon.relocation import choose, split
from recon.seeding import Seeds
from recon.training_frames import FrameStore

START_OPACITY = 0.9
SMALLEST, LARGEST = 2e-4, 6e-3
"""Metres: bounds of a Gaussian's standard deviations."""
MOST_ELONGATED = 6.0
"""Bound of the largest over the middle standard deviation: needles show as spikes from new viewpoints."""
INPUT_FLOOR = {"expr": 0.2, "angle": 0.08, "shift": 0.4, "lids": 0.2}
"""Least standard deviation by which the network's inputs are normalised: a channel that hardly moves is mostly the tracker's noise, and
blown up to the size of the others it would only serve to tell the frames apart."""
ON_SURFACE = 0.003
"""Metres by which a Gaussian may leave its place on the mesh before it is drawn back: how deep it lies, one camera cannot see."""
SETTLING_FLOOR = 0.03
"""Strength of `settle` at the end, as a part of that at the start."""
SETTLING_INTERVAL, LOOKING_INTERVAL, LOOKS = 5, 250, 16
"""Steps between two calls of `settle`, steps between two looks at what the frames show, and frames of a look."""


@dataclass(frozen=True, eq=False)
class Draw:
    """What a step works on; depends on the seed and the step's number only, so that a resumed fit goes on as if never stopped."""

    batch: np.ndarray
    """[B] frames."""
    backgrounds: np.ndarray
    """[B, 3] float32 colours behind them."""
    noise: np.ndarray
    """[B, D] float32 on the network's normalised inputs."""
    shrink: int
    camera: Camera
    """At the step's resolution."""
    weights: LossWeights
    with_bases: bool


class Trainer:
    """State of a fit: parameters, optimizer, step."""

    def __init__(
        self, head: HeadModel, rig: HeadModel, motion: Motion, camera: Camera, seeds: Seeds, colour: np.ndarray, preset: FitPreset, seed: int
    ):
        self.head, self.rig, self.motion, self.camera, self.preset, self.seed = head, rig, motion, camera, preset, seed
        self.step = 0
        shape = torch.from_numpy(motion.shape)
        faces = np.ascontiguousarray(rig.faces.numpy().astype(np.int32))
        rest = np.ascontiguousarray(rig.shaped(shape).numpy())
        self.mesh = Mesh(faces, posing.triangle_areas(rest, faces), seeds.face.copy(), seeds.bary.copy())
        N, K = len(seeds.face), preset.bases + preset.torso_bases
        frames, level = posing.triangle_frames(rest, faces, self.mesh.rest_area), np.tile(np.array([1, 0, 0, 0], np.float32), (N, 1))
        self.place = posing.bind(rest, faces, frames, seeds.face, seeds.bary, seeds.position, level, seeds.log_scale)[0]
        """[N, 3] where each Gaussian was seeded on the neutral person, metres."""
        self.near: Neighbourhood = neighbourhood(head, seeds.face, self.place, seeds.log_scale)
        self.known: Known | None = None
        self.refiner: MotionRefiner | None = None
        self.masks = basis_masks(rig, motion, seeds.face, preset.bases, preset.torso_bases)
        self.inputs = network_inputs(motion)
        self.input_mean, self.input_std = self.inputs.mean(0), self.inputs.std(0).clamp_min(_input_floor(motion))
        generator = torch.Generator().manual_seed(seed)
        network = init_network(self.inputs.shape[1], K, generator)
        rotation = torch.zeros(N, 4)
        rotation[:, 0] = 1
        self.parameters: dict[str, Tensor] = {
            "position": torch.from_numpy(seeds.position.copy()),
            "rotation": rotation,
            "log_scale": torch.from_numpy(seeds.log_scale.copy()),
            "opacity_logit": torch.full((N,), float(np.log(START_OPACITY / (1 - START_OPACITY)))),
            "colour": torch.from_numpy(colour.copy()),
            "position_basis": torch.zeros(K, 3 * N),
            "rotation_basis": torch.zeros(K, 4 * N),
            "colour_basis": torch.zeros(K, 3 * N),
        }
        for index, (weight, bias) in enumerate(network):
            weight = weight * self.masks.get(f"network.{index}.weight", 1.0)
            self.parameters |= {f"network.{index}.weight": weight, f"network.{index}.bias": bias}
        rates = {name: getattr(preset, f"{name.split('.')[0]}_rate") for name in self.parameters}
        groups = [{"params": [value], "lr": rates[name], "rate": rates[name], "name": name} for name, value in self.parameters.items()]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)

    @property
    def layers(self) -> Layers:
        count = sum(name.endswith(".weight") for name in self.parameters)
        return tuple((self.parameters[f"network.{i}.weight"], self.parameters[f"network.{i}.bias"]) for i in range(count))

    def draw(self, step: int, frames: np.ndarray, probabilities: np.ndarray) -> Draw:
        """What a step works on: `frames` [F] may be drawn with `probabilities` [F]."""
        preset, rng = self.preset, np.random.default_rng((self.seed, step))
        share = step / preset.steps
        shrink = 2 if share < preset.half_share else 1
        batch = np.sort(rng.choice(frames, preset.batch, p=probabilities, replace=len(frames) < preset.batch))
        backgrounds = rng.uniform(size=(preset.batch, 3)).astype(np.float32)
        noise = rng.normal(size=(preset.batch, self.inputs.shape[1]), scale=preset.input_noise).astype(np.float32)
        camera = self.camera.resized(self.camera.width // shrink, self.camera.height // shrink)
        # Structure is compared only at full resolution: the first part of the way is colour and shape.
        weights = LossWeights(dssim=0.2 if shrink == 1 else 0.0)
        return Draw(batch, backgrounds, noise, shrink, camera, weights, share >= preset.free_share)

    def advance(self, store: FrameStore, frames: np.ndarray, probabilities: np.ndarray, pool: ThreadPoolExecutor) -> tuple[float, float]:
        """One optimizer step over a batch of frames; returns mean loss and PSNR."""
        preset, drawn, share = self.preset, self.draw(self.step, frames, probabilities), self.step / self.preset.steps
        batch, with_bases, noise = drawn.batch, drawn.with_bases, torch.from_numpy(drawn.noise)
        p, N = self.parameters, len(self.mesh.face)
        refiner = self._refiner(share)
        vertices = self.vertices(batch)
        names = ("position", "rotation", "colour")
        layers = tuple((w.detach().requires_grad_(), b.detach().requires_grad_()) for w, b in self.layers)
        bases_weights = basis_weights(self.inputs[batch] + noise * self.input_std, self.input_mean, self.input_std, layers)
        plain = bases_weights.detach()
        deltas = {name: plain @ p[f"{name}_basis"] for name in names} if with_bases else {}

        def work(index: int) -> FrameGradients:
            local = {name: p[name].numpy() for name in ("position", "rotation", "log_scale", "opacity_logit", "colour")}
            for name, delta in deltas.items():
                local[name] = (p[name] + delta[index].view(N, -1)).numpy()
            frame = store.get(int(batch[index]), drawn.shrink)
            view = (drawn.camera, drawn.backgrounds[index], drawn.weights, refiner is not None)
            return frame_gradients(self.mesh, vertices[index], local, frame, *view)

        results = list(pool.map(work, range(preset.batch)))
        scale = 1 / preset.batch
        gradients: dict[str, Tensor] = {}
        for name in ("position", "rotation", "log_scale", "opacity_logit", "colour"):
            stacked = torch.from_numpy(np.stack([getattr(result, name) for result in results]))
            gradients[name] = stacked.sum(0).mul_(scale)
            if name in deltas:
                flat = stacked.flatten(1)
                gradients[f"{name}_basis"] = (plain.T @ flat).mul_(scale)
                part = flat @ p[f"{name}_basis"].T
                gradients["weights"] = gradients["weights"] + part if "weights" in gradients else part
        if with_bases:
            leaves = [leaf for layer in layers for leaf in layer]
            found = torch.autograd.grad(bases_weights, leaves, gradients.pop("weights") * scale)
            for index in range(len(layers)):
                gradients |= {f"network.{index}.weight": found[2 * index], f"network.{index}.bias": found[2 * index + 1]}
        self._descend(gradients, share)
        if refiner is not None:
            refiner.apply(batch, np.stack([result.vertices for result in results]), rate=0.1**share)
        self._tend(store, frames)
        self.step += 1
        return float(np.mean([r.loss for r in results])), float(np.mean([r.psnr for r in results]))

    def vertices(self, frames: np.ndarray) -> np.ndarray:
        """[B, V, 3] posed vertices of some frames of the motion, as far as it has been corrected."""
        return pose_frames(self.rig, self.motion, frames) if self.refiner is None else self.refiner.vertices(frames)

    def _refiner(self, share: float) -> MotionRefiner | None:
        """What corrects the motion, from the time on when the Gaussians are good enough to tell."""
        if self.refiner is None and share >= self.preset.refined_from:
            self.refiner = MotionRefiner(self.motion, self.rig, self.camera, np.arange(len(self.motion)))
        return self.refiner

    def _descend(self, gradients: dict[str, Tensor], share: float) -> None:
        N, mesh = len(self.mesh.face), self.near.on_mesh[:, None]
        gradients["position"] = gradients["position"] + self.preset.surface / N / ON_SURFACE**2 * mesh * self.parameters["position"]
        for group in self.optimizer.param_groups:
            name = group["name"]
            gradient = gradients.get(name)
            group["params"][0].grad = gradient if gradient is None or name not in self.masks else gradient * self.masks[name]
            floor = 0.01 if name in ("position", "position_basis") else 0.1
            group["lr"] = group["rate"] * floor**share
        self.optimizer.step()
        # Beyond black and white only sums of several could look right, and from one side only.
        self.parameters["colour"].clamp_(0, 1)
        log_scale = self.parameters["log_scale"]
        log_scale.clamp_(np.log(SMALLEST), np.log(LARGEST))
        middle = log_scale.median(dim=1, keepdim=True).values
        torch.minimum(log_scale, middle + np.log(MOST_ELONGATED), out=log_scale)

    def _tend(self, store: FrameStore, frames: np.ndarray) -> None:
        """Now and then, look at some frames: move Gaussians to where they are needed, and draw what hardly shows to its neighbours."""
        preset = self.preset
        relocate = self.step in [round(share * preset.steps) for share in preset.relocations]
        settling = preset.settling > 0 and self.step % SETTLING_INTERVAL == 0
        if relocate or (settling and (self.known is None or self.step % LOOKING_INTERVAL == 0)):
            seen, error, trust, plain = self._look(store, frames)
            self.known = self.known.seen_again(trust, plain) if self.known else first_known(trust, plain, self.parameters["colour"], self.near)
            if relocate:
                # Head and torso keep their numbers: clothes may be full of errors that no Gaussian could mend.
                part = (self.masks["colour_basis"][-1, ::3].cpu().numpy() if self.masks else np.zeros(len(seen))).astype(int)
                given_up, chosen = choose(error, seen, trust.cpu().numpy(), part, preset.relocated)
                self._split(given_up, chosen)
        if settling and self.known is not None:
            # It ebbs as the learning rates do, or in the end it would win over what the frames show.
            settle(self.parameters, self.known.trust, self.near, preset.settling * SETTLING_FLOOR ** (self.step / preset.steps))
            self.known.temper(self.parameters["colour"], self.parameters["colour_basis"], self.near)

    def _look(self, store: FrameStore, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, Tensor, Tensor]:
        """What some frames show of each Gaussian: the pixels it fills on average [N], the error under it [N], the trust [N] in it
        and how plainly it is seen [N]."""
        chosen = frames[np.unique(np.linspace(0, len(frames) - 1, LOOKS).astype(int))]
        p = {name: value.cpu() for name, value in self.parameters.items()}
        N, camera, black = len(self.mesh.face), self.camera, np.zeros(3, np.float32)
        layers = tuple((weight.cpu(), bias.cpu()) for weight, bias in self.layers)
        weights = basis_weights(self.inputs[chosen], self.input_mean, self.input_std, layers)
        ones, depth = np.ones((camera.height, camera.width, 3), np.float32), 1.0
        seen, plain, error, outside = np.zeros(N), np.zeros(N), np.zeros(N), np.zeros(N, np.float32)
        for row, vertices in enumerate(self.vertices(chosen)):
            local = {name: (p[name] + (weights[row] @ p[f"{name}_basis"]).view(N, -1)).numpy() for name in ("position", "rotation", "colour")}
            triangles = posing.triangle_frames(vertices, self.mesh.faces, self.mesh.rest_area)
            posed = posing.bind(
                vertices, self.mesh.faces, triangles, self.mesh.face, self.mesh.bary, local["position"], local["rotation"], p["log_scale"].numpy()
            )
            sh = ((local["colour"] - np.float32(0.5)) / np.float32(SH_C0))[:, None]
            drawn = render_arrays(*posed, p["opacity_logit"].numpy(), sh, camera, black, workspace=workspace())
            frame = store.get(int(chosen[row]), 1)
            difference = np.abs(drawn.rgb - frame.over(black)[0])
            if frame.shown is not None:
                difference *= frame.shown[..., None]
            # The derivative of the picture's sum with respect to a colour is the sum of its blending weights; so for a weighted sum.
            error += backward_arrays(workspace(), difference).sh[:, 0].sum(axis=1) / SH_C0
            outside += beyond(posed[0], frame.matte, camera) / len(chosen)
            cosine = facing(posed[0], triangles.rotation[self.mesh.face, :, 2], camera, self.near)
            pixels = backward_arrays(workspace(), ones).sh[:, 0, 0] / SH_C0 / len(chosen)
            seen += (cosine > GRAZING) * pixels
            plain += (cosine > PLAIN) * backward_arrays(workspace(), ones * inner(frame.matte)[..., None]).sh[:, 0, 0] / SH_C0 / len(chosen)
            depth = float(vertices.mean(axis=0) @ camera.T_cam_world[2, :3] + camera.T_cam_world[2, 3])
        shape = (p["log_scale"].numpy(), p["opacity_logit"].numpy(), camera.fx / depth)
        trust = belief(seen, *shape)
        device = self.near.on_mesh.device
        return seen, error, torch.maximum(trust, torch.from_numpy(outside)).to(device), belief(plain, *shape, PLAINLY_SEEN).to(device)

    def _split(self, given_up: np.ndarray, chosen: np.ndarray) -> None:
        """Put what is given up where what is chosen is, on the same triangle."""
        moments = {group["name"]: self.optimizer.state.get(group["params"][0], {}) for group in self.optimizer.param_groups}
        split(self.parameters, moments, given_up, chosen)
        self.mesh.face[given_up], self.mesh.bary[given_up] = self.mesh.face[chosen], self.mesh.bary[chosen]
        if self.known is not None:
            self.known.replaced(given_up, chosen)
        self.place[given_up] = self.place[chosen]
        self.near.log_scale[given_up] = self.near.log_scale[chosen]
        self._meet()

    def _meet(self) -> None:
        """Find everybody's neighbours anew."""
        device = self.near.on_mesh.device
        self.near = neighbourhood(self.head, self.mesh.face, self.place, self.near.log_scale.cpu().numpy()).to(device)

    def avatar(self, metadata: dict, seen: np.ndarray) -> Avatar:
        """The avatar as it stands; `seen` are the frames whose motion its statistics describe."""
        p, N = {name: value.detach().clone() for name, value in self.parameters.items()}, len(self.mesh.face)
        K = self.preset.bases + self.preset.torso_bases
        return Avatar(
            head=self.head,
            shape=torch.from_numpy(self.motion.shape.copy()),
            vertex_offset=torch.zeros(self.head.num_vertices, 3),
            face=self.mesh.face,
            bary=self.mesh.bary,
            **{name: p[name] for name in ("position", "rotation", "log_scale", "opacity_logit", "colour")},
            position_basis=p["position_basis"].view(K, N, 3),
            rotation_basis=p["rotation_basis"].view(K, N, 4),
            colour_basis=p["colour_basis"].view(K, N, 3),
            input_mean=self.input_mean,
            input_std=self.input_std,
            layers=tuple((w.detach().clone(), b.detach().clone()) for w, b in self.layers),
            statistics=motion_statistics(self.motion.frames(seen), self.head),
            metadata=metadata,
        )

    def state(self) -> dict[str, Tensor]:
        """All that a checkpoint needs, by name."""
        tensors = {f"parameter.{name}": value for name, value in self.parameters.items()}
        for name, value in self.parameters.items():
            for key, moment in self.optimizer.state.get(value, {}).items():
                tensors[f"adam.{name}.{key}"] = moment
        known = {} if self.known is None else {f"known.{field.name}": getattr(self.known, field.name).clone() for field in fields(self.known)}
        places = {"face": self.mesh.face, "bary": self.mesh.bary, "place": self.place}
        binding = {name: torch.from_numpy(array.copy()) for name, array in places.items()}
        corrections = {} if self.refiner is None else self.refiner.state()
        return tensors | known | binding | corrections | {"step": torch.tensor(self.step)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from a `state`. Raises KeyError or RuntimeError where it is of another fit."""
        for name, value in self.parameters.items():
            value.copy_(state[f"parameter.{name}"])
            moments = {key: state[f"adam.{name}.{key}"].clone() for key in ("step", "exp_avg", "exp_avg_sq") if f"adam.{name}.{key}" in state}
            if moments:
                self.optimizer.state[value] = moments
        self.known = Known(*(state[f"known.{field.name}"].clone() for field in fields(Known))) if "known.trust" in state else None
        if "refiner.correction" in state:
            self.refiner = MotionRefiner(self.motion, self.rig, self.camera, np.arange(len(self.motion)))
            self.refiner.restore(state)
        if not np.array_equal(state["face"].cpu().numpy(), self.mesh.face):
            self.mesh.face[:], self.mesh.bary[:] = state["face"].cpu().numpy(), state["bary"].cpu().numpy()
            self.place[:] = state["place"].cpu().numpy()
            self._meet()
        self.step = int(state["step"])


def _input_floor(motion: Motion) -> Tensor:
    f = INPUT_FLOOR
    floors = [f["expr"]] * motion.expr.shape[1] + [f["angle"]] * 12 + [f["shift"]] * 3 + [f["lids"]] * (0 if motion.eyelids is None else 2)
    return torch.tensor(floors)
