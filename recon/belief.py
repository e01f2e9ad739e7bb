"""How far the frames show each Gaussian, and what holds those that they hardly show.

A frontal video says nothing of the back of the head and little of the cheeks' sides, and gradient descent leaves noise there
that only other views reveal. A Gaussian is believed as far as it is seen; for the rest it is drawn, a little now and then, to
its neighbours (those on the mirrored side of the face count too), which carry on what is known into what is not.
"""

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.head.model import HeadModel

FULLY_SEEN = 0.01
"""Share of the pixels that a Gaussian would fill, were it alone and face on, from which on it is believed: in plain view a
typical one has a fifth of them, since some ten lie over one another; on the far side it has a thousandth."""
PLAINLY_SEEN = 0.03
"""The same, from which on its colour is believed: what lies half buried may have any colour that mends the picture from where it was filmed."""
GRAZING = 0.0
"""Cosine of the angle between a triangle's normal and the direction to the camera below which it shows nothing of itself."""
PLAIN = 0.35
"""The same, above which its colour is seen for what it is: at the rim a colour is right only together with what lies behind, from that one side."""
LIKENESS = 0.06
"""By how much a colour that was never seen plainly may differ from what its neighbours' colours make likely."""
RIM = 0.008
"""Part of the picture's width, along the person's outline, in which no colour counts as plainly seen: what the matte takes for person there
may be wall."""
OUTSIDE = 64
"""Matte below which a place is beyond the person's outline."""
CALM = 0.3
"""Part of what a pose changes in such a colour that is taken back each time: else it would be wrong in some poses instead of all."""
NEIGHBOURS = 8
REACH, LOOSE_REACH = 0.004, 0.01
"""Metres at which a neighbour's word counts half: on the mesh, and for Gaussians off it, which lie farther apart."""
MIRRORED = 0.3
"""Weight of a neighbour on the other side of the face."""
SPREADING_STEPS = 300
CLEAR = -3.0
"""Opacity before the sigmoid of what is off the mesh and never seen."""
INSIDE = ("scalp", "mouth_interior", "tongue", "upper_teeth", "lower_teeth", "left_eye", "right_eye", "lips")
"""Parts into which and out of which colours do not run."""
_IDENTITY = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Who stands beside whom, and where everybody started."""

    index: Tensor
    """[N, 2 NEIGHBOURS] neighbours, those on the mirrored side last; a Gaussian off the mesh has the nearest ones off it or outside on it."""
    weight: Tensor
    """[N, 2 NEIGHBOURS] rows sum to one."""
    on_mesh: Tensor
    """[N] float32, 1 or 0."""
    log_scale: Tensor
    """[N, 3] extents that cover the mesh evenly."""

    def mean(self, values: Tensor) -> Tensor:
        """[N, C] mean of the values [N, C] of each one's neighbours."""
        return torch.einsum("nk,nkc->nc", self.weight, values[self.index])

    def to(self, device: torch.device) -> "Neighbourhood":
        """The same on another device."""
        return Neighbourhood(*(getattr(self, field.name).to(device) for field in fields(self)))


def neighbourhood(head: HeadModel, face: np.ndarray, place: np.ndarray, log_scale: np.ndarray) -> Neighbourhood:
    """Neighbours in the neutral pose.

    Args:
        head: without carriers.
        face: [N] triangle of each Gaussian.
        place: [N, 3] where it was seeded, metres.
        log_scale: [N, 3] as seeded.
    """
    N, faces = len(face), head.faces.numpy()
    on_mesh = face < len(faces)
    own, loose = np.flatnonzero(on_mesh), np.flatnonzero(~on_mesh)
    points = place[own]
    part = np.zeros(len(faces), np.int64)
    for label, name in enumerate(INSIDE, 1):
        members = np.zeros(head.num_vertices, bool)
        members[head.regions.get(name, np.zeros(0, np.int64))] = True
        part[members[faces].all(axis=1)] = label
    labels = part[face[own]]
    index = np.repeat(np.arange(N)[:, None], 2 * NEIGHBOURS, axis=1)
    weight = np.full(index.shape, 1 / index.shape[1])
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        tree = KDTree(points[members])
        for side, (mirror, factor) in enumerate((((1, 1, 1), 1.0), ((-1, 1, 1), MIRRORED))):
            distance, near = tree.query(points[members] * mirror, k=NEIGHBOURS)
            # A part of fewer Gaussians has fewer neighbours: those missing lie infinitely far and count nothing.
            block = np.ix_(own[members], np.arange(side * NEIGHBOURS, (side + 1) * NEIGHBOURS))
            index[block] = own[members[np.minimum(near, len(members) - 1)]]
            weight[block] = factor / (1 + (distance / REACH) ** 2)
    if len(loose):
        outer = np.concatenate([loose, own[(labels == 0) | (labels == 1 + INSIDE.index("scalp"))]])
        distance, near = KDTree(place[outer]).query(place[loose], k=2 * NEIGHBOURS)
        index[loose] = outer[np.minimum(near, len(outer) - 1)]
        weight[loose] = 1 / (1 + (distance / LOOSE_REACH) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    arrays = (index, weight.astype(np.float32), on_mesh.astype(np.float32), log_scale.copy())
    return Neighbourhood(*(torch.from_numpy(array) for array in arrays))


def spread_colours(colour: np.ndarray, seen: np.ndarray, near: Neighbourhood) -> np.ndarray:
    """Colours [N, 3] in which those not `seen` [N] have taken over what their neighbours are, from where it is known."""
    known = torch.from_numpy(seen)[:, None]
    start = torch.from_numpy(np.asarray(colour, np.float32))
    spread = start.clone()
    for _ in range(SPREADING_STEPS):
        spread = torch.where(known, start, near.mean(spread))
    return spread.numpy()


def facing(position: np.ndarray, normal: np.ndarray, camera: Camera, near: Neighbourhood) -> np.ndarray:
    """[N] cosine of the angle between the `normal` [N, 3] of a Gaussian's triangle and the way from its `position` [N, 3] to the camera.

    One for those off the mesh.
    """
    centre = -camera.T_cam_world[:3, :3].T @ camera.T_cam_world[:3, 3]
    towards = centre.astype(np.float32) - position
    cosine = (towards * normal).sum(axis=1) / np.linalg.norm(towards, axis=1)
    return np.where(near.on_mesh.cpu().numpy() == 0, np.float32(1), cosine)


def inner(matte: np.ndarray) -> np.ndarray:
    """[H, W] float32, 1 where a matte [H, W] uint8 shows the person and no rim is near; the picture's own edges are no rim."""
    distance = cv2.distanceTransform((matte >= 128).astype(np.uint8), cv2.DIST_L2, 5)
    return (distance > RIM * matte.shape[1]).astype(np.float32)


def beyond(position: np.ndarray, matte: np.ndarray, camera: Camera) -> np.ndarray:
    """[N] float32, 1 for Gaussians at `position` [N, 3] that the person's outline, the matte [H, W] uint8 seen by `camera`, leaves out.

    They are not to be seen, which is known as well as what is seen: nothing may draw them back.
    """
    seen = camera.project(position)
    column, row = np.floor(np.clip(seen, 0, (camera.width - 1, camera.height - 1))).astype(np.int64).T
    return (matte[row, column] < OUTSIDE).astype(np.float32)


def belief(seen: np.ndarray, log_scale: np.ndarray, opacity_logit: np.ndarray, pixels_per_metre: float, share: float = FULLY_SEEN) -> Tensor:
    """[N] 0..1: the pixels `seen` [N] that each Gaussian fills on average, against `share` of what it would fill face on and alone."""
    area = np.sort(np.exp(log_scale), axis=1)[:, 1:].prod(axis=1)
    alone = 2 * np.pi * area * pixels_per_metre**2 / (1 + np.exp(-opacity_logit))
    return torch.from_numpy(np.clip(seen / (share * np.maximum(alone, 1e-6)), 0, 1).astype(np.float32))


def settle(parameters: dict[str, Tensor], trust: Tensor, near: Neighbourhood, rate: float) -> None:
    """Draw the parameters, in place, by `rate` times their lack of trust towards what is likely.

    Args:
        parameters: position [N, 3], rotation [N, 4], log_scale [N, 3], opacity_logit [N], colour [N, 3], and the bases [K, ...].
        trust: [N] from `belief`.
        near: the neighbours.
        rate: share of the way that a Gaussian goes that was never seen.
    """
    p, doubt = parameters, rate * (1 - trust)
    by = (doubt * near.on_mesh)[:, None]
    p["colour"] += by * (near.mean(p["colour"]) - p["colour"])
    p["position"] += by * (near.mean(p["position"]) - p["position"])
    p["rotation"] += by * (p["rotation"].new_tensor(_IDENTITY) - p["rotation"])
    p["log_scale"] += by * (near.log_scale - p["log_scale"])
    beside = near.mean(p["opacity_logit"][:, None])[:, 0]
    p["opacity_logit"] += doubt * (torch.where(near.on_mesh > 0, beside, CLEAR) - p["opacity_logit"])
    for name, width in (("position_basis", 3), ("rotation_basis", 4), ("colour_basis", 3)):
        p[name] *= 1 - doubt.repeat_interleave(width)


@dataclass(frozen=True, eq=False)
class Known:
    """What the frames tell of each Gaussian."""

    trust: Tensor
    """[N] 0..1 `belief` in it."""
    plain: Tensor
    """[N] 0..1 the same of its colour: seen face on, or nearly, and not at the person's outline."""
    likely: Tensor
    """[N, 3] colours as they spread from where they are plainly seen."""

    def seen_again(self, trust: Tensor, plain: Tensor) -> "Known":
        """The same after another look."""
        return Known(trust, plain, self.likely)

    def temper(self, colour: Tensor, colour_basis: Tensor, near: Neighbourhood) -> None:
        """Keep colours [N, 3] that were never seen plainly, in place, near what their neighbours make likely, and steady (bases [K, 3N]).

        What is likely spreads a step further.
        """
        known = self.plain[:, None]
        self.likely.copy_(known * colour + (1 - known) * near.mean(self.likely))
        within = torch.minimum(torch.maximum(colour, self.likely - LIKENESS), self.likely + LIKENESS)
        colour += (1 - known) * (within - colour)
        colour_basis *= 1 - CALM * (1 - self.plain).repeat_interleave(3)

    def replaced(self, given_up: np.ndarray, chosen: np.ndarray) -> None:
        """Let Gaussians that were given up [M] be known, in place, as those [M] whose halves they now are."""
        for field in fields(self):
            values = getattr(self, field.name)
            values[given_up] = values[chosen]

    def to(self, device: torch.device) -> "Known":
        """The same on another device."""
        return Known(*(getattr(self, field.name).to(device) for field in fields(self)))


def first_known(trust: Tensor, plain: Tensor, colour: Tensor, near: Neighbourhood) -> Known:
    """What is known after the first look, colours [N, 3] being as they are; on the device of `colour`."""
    cpu = torch.device("cpu")
    spread = spread_colours(colour.cpu().numpy(), plain.cpu().numpy() > 0.5, near.to(cpu))
    return Known(trust, plain, torch.from_numpy(spread).to(colour.device))
