"""Gaussians in the units of their triangles, which multiply where the picture asks for more: the state of the GaussianAvatars baseline.

After "GaussianAvatars: Photorealistic Head Avatars with Rigged 3D Gaussians" (Qian et al., CVPR 2024) and, for the adaptive
density control that it builds on, "3D Gaussian Splatting" (Kerbl et al., SIGGRAPH 2023).
"""

import numpy as np
import torch
from numba import njit
from torch import Tensor

from avatar3d.gaussians import SH_C0
from avatar3d.posing import triangle_areas
from avatar3d.render.compositing import SLOT_WIDTH
from avatar3d.render.cpu import Workspace
from avatar3d.render.projection import CONIC_XX, CONIC_XY, CONIC_YY, HALF_LOG2_E
from recon.frame_gradients import Mesh

RATES = {"position": 5e-3, "rotation": 1e-3, "log_scale": 0.017, "opacity_logit": 0.05, "sh": 2.5e-3}
"""Adam's, in triangle units and, for the colour, per coefficient of the constant spherical harmonic."""
POSITION_DECAY = 0.01
"""The position's rate at the end over that at the start; exponential in between. The other rates stay."""
START_OPACITY = 0.1
GRADIENT_THRESHOLD = 2e-4
"""Mean norm of the loss' derivative by a Gaussian's place on the picture, the picture being two units wide, above which it multiplies."""
LARGE = 0.01
"""Gaussians larger than this share of the rig's radius are split, the others cloned."""
SPLIT_SHRINK = 1.6
LEAST_OPACITY = 0.005
RESET_OPACITY = 0.01
MOST_GAUSSIANS = 200_000
"""A bound on memory; the papers have none."""


def triangle_sizes(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """[F] metres: mean of the first edge's length and of the height on it, the unit of a triangle's Gaussians."""
    edge = np.linalg.norm(vertices[faces[:, 1]] - vertices[faces[:, 0]], axis=1)
    height = 2 * triangle_areas(vertices, faces) / np.maximum(edge, 1e-9)
    return np.maximum((edge + height) / 2, 1e-6).astype(np.float32)


class Splats:
    """Parameters of N Gaussians, their triangles, Adam's moments, and how strongly the picture pulled at each since they last multiplied."""

    def __init__(self, rest: np.ndarray, faces: np.ndarray) -> None:
        """One Gaussian at the centre of every triangle, round, one unit in size, grey.

        Args:
            rest: [V, 3] float32 the person's neutral vertices.
            faces: [F, 3] int32.
        """
        self.faces, self.sizes, self.rest_area = faces, triangle_sizes(rest, faces), triangle_areas(rest, faces)
        self.large = LARGE * float(np.linalg.norm(rest.max(axis=0) - rest.min(axis=0))) / 2
        self.face = np.arange(len(faces), dtype=np.int32)
        N = len(faces)
        rotation = torch.zeros(N, 4)
        rotation[:, 0] = 1
        start = {
            "position": torch.zeros(N, 3),
            "rotation": rotation,
            "log_scale": torch.zeros(N, 3),
            "opacity_logit": torch.full((N,), _logit(START_OPACITY)),
            "sh": torch.zeros(N, 3),
        }
        groups = [{"params": [value], "lr": RATES[name], "name": name} for name, value in start.items()]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.999), eps=1e-15, fused=True)
        self._forget_pull()

    def __len__(self) -> int:
        return len(self.face)

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {group["name"]: group["params"][0] for group in self.optimizer.param_groups}

    @property
    def unit(self) -> np.ndarray:
        """[N] metres: the size of each Gaussian's triangle."""
        return self.sizes[self.face]

    def mesh(self) -> Mesh:
        """The binding: every Gaussian stands on the centre of its triangle."""
        return Mesh(self.faces, self.rest_area, self.face, np.full((len(self), 3), 1 / 3, np.float32))

    def metric(self) -> dict[str, np.ndarray]:
        """position, rotation, log_scale, opacity_logit, colour as `Avatar` has them: metres at rest, sRGB."""
        p, unit = {name: value.numpy() for name, value in self.parameters.items()}, self.unit[:, None]
        return {
            "position": p["position"] * unit,
            "rotation": p["rotation"].copy(),
            "log_scale": p["log_scale"] + np.log(unit),
            "opacity_logit": p["opacity_logit"].copy(),
            "colour": np.float32(0.5) + np.float32(SH_C0) * p["sh"],
        }

    def descend(self, gradients: dict[str, Tensor], share: float) -> None:
        """One step of Adam at `share` of the run; gradients by parameter, with respect to triangle units."""
        for group in self.optimizer.param_groups:
            group["params"][0].grad = gradients[group["name"]]
            if group["name"] == "position":
                group["lr"] = RATES["position"] * POSITION_DECAY**share
        self.optimizer.step()

    def pull(self, screen: np.ndarray, visible: np.ndarray) -> None:
        """Take note of one picture: the derivative [N, 2] by the places on it, and which [N] were drawn."""
        self._pulled += np.linalg.norm(screen, axis=1)
        self._seen += visible

    def densify(self, rng: np.random.Generator) -> None:
        """Clone or split what is pulled at, children on their parent's triangle; then drop what cannot be seen.

        Of every triangle the most opaque Gaussian stays, whatever its opacity.
        """
        count, p = len(self), self.parameters
        strong = self._pulled / np.maximum(self._seen, 1) > GRADIENT_THRESHOLD
        if count + strong.sum() > MOST_GAUSSIANS:
            strong[:] = False
        large = np.exp(p["log_scale"].numpy().max(axis=1)) * self.unit > self.large
        cloned, split = np.flatnonzero(strong & ~large), np.flatnonzero(strong & large)
        # A split Gaussian makes way for two; of a cloned one the original goes on with its moments.
        stays = np.flatnonzero(~(strong & large))
        born = np.concatenate([cloned, split, split])
        halves = np.concatenate([split, split])
        self._regroup(np.concatenate([stays, born]), len(born))
        if len(halves):
            p, tail = self.parameters, slice(len(self) - len(halves), len(self))
            spread = torch.from_numpy(rng.normal(size=(len(halves), 3)).astype(np.float32)) * p["log_scale"][tail].exp()
            p["position"][tail] += _rotated(p["rotation"][tail], spread)
            p["log_scale"][tail] -= float(np.log(SPLIT_SHRINK))
        self._prune()
        self._forget_pull()

    def reset_opacity(self) -> None:
        """Make all nearly transparent, so that those that are not needed stay so."""
        logit = self.parameters["opacity_logit"]
        logit.clamp_(max=_logit(RESET_OPACITY))
        for name in ("exp_avg", "exp_avg_sq"):
            if logit in self.optimizer.state:
                self.optimizer.state[logit][name].zero_()

    def _prune(self) -> None:
        logit = self.parameters["opacity_logit"].numpy()
        keep = logit >= _logit(LEAST_OPACITY)
        # Sorted by triangle and opacity, the last of each triangle is its most opaque.
        order = np.lexsort((logit, self.face))
        last = np.append(self.face[order][1:] != self.face[order][:-1], True)
        keep[order[last]] = True
        if not keep.all():
            self._regroup(np.flatnonzero(keep), 0)

    def _regroup(self, source: np.ndarray, born: int) -> None:
        """Row i becomes a copy of row source[i]; the last `born` rows start without moments."""
        self.face = np.ascontiguousarray(self.face[source])
        index = torch.from_numpy(source)
        for group in self.optimizer.param_groups:
            old = group["params"][0]
            group["params"] = [new := old[index].contiguous()]
            moments = self.optimizer.state.pop(old, None)
            if moments:
                for name in ("exp_avg", "exp_avg_sq"):
                    moments[name] = moments[name][index].contiguous()
                    moments[name][len(source) - born :] = 0
                self.optimizer.state[new] = moments

    def _forget_pull(self) -> None:
        self._pulled, self._seen = np.zeros(len(self)), np.zeros(len(self), np.int64)


@njit(cache=True, nogil=True)
def _screen_gradient(first_slot, slot_count, slots, splats, out):
    for g in range(out.shape[0]):
        x, y = 0.0, 0.0
        for slot in range(first_slot[g], first_slot[g] + slot_count[g]):
            x += slots[slot, 1]
            y += slots[slot, 2]
        if slot_count[g] > 0:
            # The conic is scaled for powers of two and holds its mixed element twice.
            out[g, 0] = (splats[g, CONIC_XX] * x + 0.5 * splats[g, CONIC_XY] * y) / HALF_LOG2_E
            out[g, 1] = (0.5 * splats[g, CONIC_XY] * x + splats[g, CONIC_YY] * y) / HALF_LOG2_E


def screen_gradient(workspace: Workspace) -> tuple[np.ndarray, np.ndarray]:
    """Of the frame whose backward pass ran last in `workspace`: dL/d(centre on the picture, pixels) [N, 2], and which [N] were drawn."""
    frame = workspace.frame
    if frame is None:
        raise ValueError("no frame has been drawn into this workspace")
    slots = workspace.array("slots", (frame.pairs, SLOT_WIDTH), np.float32)
    out = np.zeros((len(frame.slot_count), 2), np.float32)
    _screen_gradient(frame.first_slot, frame.slot_count, slots, frame.splats, out)
    return out, frame.slot_count > 0


def _rotated(quaternion: Tensor, vectors: Tensor) -> Tensor:
    """Vectors [N, 3] turned by quaternions [N, 4] wxyz of any length: v + 2 w u x v + 2 u x (u x v)."""
    q = quaternion / quaternion.norm(dim=1, keepdim=True)
    w, u = q[:, :1], q[:, 1:]
    across = torch.linalg.cross(u, vectors)
    return vectors + 2 * (w * across + torch.linalg.cross(u, across))


def _logit(opacity: float) -> float:
    return float(np.log(opacity / (1 - opacity)))
