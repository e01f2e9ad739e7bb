"""Glasses of a synthetic person: rims, bridge and temples of stretched Gaussians that ride on the skull."""

import numpy as np
import torch

from avatar3d.carriers import CARRIER_WEIGHTS
from recon.synthetic_light import VIEW, to_srgb
from recon.synthetic_splats import Splats, frame_around, joined, unit
from recon.synthetic_surface import Surface

_HALF_WIDTH, _HALF_HEIGHT = 0.0245, 0.0185
"""Metres of a lens."""
_SQUARENESS = 3.2
"""Exponent of the rims' superellipse."""
_CLEARANCE = 0.004
_COLOUR = np.array([0.020, 0.012, 0.009])
"""Linear light."""
_THICK, _FIBRE = 0.0011, 0.0006
"""Metres: a wire is a bundle of thin Gaussians on a circle of this radius, so that its edges are sharp, each this thick."""
_EAR = np.array([0.082, 0.022, 0.004])
"""Where a temple ends on the subject's left of the mean head."""


def glasses(surface: Surface) -> Splats:
    """Dark rims with a faint glare on the lenses. Carried by the carrier that follows the head and nothing else."""
    joints = surface.head.joints(torch.from_numpy(surface.person.shape)).double().numpy()
    eyes = joints[[3, 4]]
    span = np.linalg.norm(eyes[0] - eyes[1]) / 0.0612
    rim = _rim()
    centres = eyes + np.array([0, -0.002, 0]) * span
    # As near to the eyes as brows, nose and cheeks allow.
    skin = surface.rest
    reach = [
        skin[(np.abs(skin[:, 0] - c[0]) < 1.15 * _HALF_WIDTH * span) & (np.abs(skin[:, 1] - c[1]) < _HALF_HEIGHT * span) & (skin[:, 2] > 0)]
        for c in centres
    ]
    front = max(float(np.percentile(points[:, 2], 93)) for points in reach) + _CLEARANCE
    lines = []
    for centre in centres:
        outline = np.column_stack([centre[:2] + rim * span, np.full(len(rim), front)])
        outline[:, 2] -= 4.0 * (outline[:, 0] - centre[0]) * np.sign(centre[0]) * 0.03
        lines.append(outline)
    inner = [lines[0][np.argmin(lines[0][:, 0])], lines[1][np.argmax(lines[1][:, 0])]]
    up = np.array([0, 0.006, 0.002])
    lines.append(_sampled(np.array([inner[0] + [0, 0.003, 0], (inner[0] + inner[1]) / 2 + up, inner[1] + [0, 0.003, 0]]), 14))
    for index, sign in ((0, 1.0), (1, -1.0)):
        outline = lines[index]
        hinge = outline[np.argmax(sign * outline[:, 0])] + np.array([0, 0.004, 0])
        bend = np.array([sign * (abs(hinge[0]) + 0.005), hinge[1], hinge[2] - 0.010])
        side = np.abs(surface.rest[(np.abs(surface.rest[:, 1] - 0.02) < 0.02) & (np.abs(surface.rest[:, 2] - 0.01) < 0.02)][:, 0]).max()
        lines.append(_sampled(np.array([hinge, bend, [sign * max(side + 0.001, _EAR[0]), _EAR[1], _EAR[2]]]), 40))
    wire = joined([_wire(surface, line) for line in lines])
    return joined([wire, _glare(surface, centres, front)])


def _rim() -> np.ndarray:
    """[65, 2] a closed superellipse."""
    angle = np.linspace(0, 2 * np.pi, 65)
    cosine, sine = np.cos(angle), np.sin(angle)
    curve = np.stack([np.sign(cosine) * np.abs(cosine) ** (2 / _SQUARENESS), np.sign(sine) * np.abs(sine) ** (2 / _SQUARENESS)], axis=1)
    return curve * np.array([_HALF_WIDTH, _HALF_HEIGHT])


def _sampled(corners: np.ndarray, count: int) -> np.ndarray:
    """[count, 3] evenly along a polyline."""
    way = np.r_[0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))]
    return np.stack([np.interp(np.linspace(0, way[-1], count), way, corners[:, k]) for k in range(3)], axis=1)


def _wire(surface: Surface, line: np.ndarray) -> Splats:
    step = np.diff(line, axis=0)
    middle, length = (line[1:] + line[:-1]) / 2, np.linalg.norm(step, axis=1)
    towards = np.tile(VIEW, (len(step), 1)) + 0.01
    axes = frame_around(unit(step), towards)
    # A round wire shows its highlight on the side of the light.
    shine = 0.10 * np.maximum(1 - (unit(step) @ surface.person.look.light.key) ** 2, 0) ** 8
    angle = np.arange(6) * np.pi / 3
    around = _THICK * (np.cos(angle)[:, None, None] * axes[None, :, :, 1] + np.sin(angle)[:, None, None] * axes[None, :, :, 2])
    count = 6 * len(step)
    scale = np.column_stack([np.tile(0.6 * length, 6), np.full(count, _FIBRE), np.full(count, _FIBRE)])
    colour = np.tile(to_srgb(_COLOUR + shine[:, None]), (6, 1))
    return _on_head(surface, (middle + around).reshape(-1, 3), np.tile(axes, (6, 1, 1)), scale, np.full(count, 0.985), colour)


def _glare(surface: Surface, centres: np.ndarray, front: float) -> Splats:
    """A pale streak on each lens."""
    places = np.concatenate([c[None] + np.array([[-0.008, 0.007, 0.0], [0.004, 0.010, 0.0]]) for c in centres])
    places[:, 2] = front - 0.001
    axes = frame_around(np.tile(unit(np.array([0.6, 0.8, 0.0])), (len(places), 1)), np.tile(VIEW, (len(places), 1)))
    scale = np.tile([0.006, 0.0012, 0.0003], (len(places), 1))
    return _on_head(surface, places, axes, scale, np.full(len(places), 0.22), np.full((len(places), 3), 0.95))


def _on_head(surface: Surface, position: np.ndarray, axes: np.ndarray, scale: np.ndarray, opacity: np.ndarray, colour: np.ndarray) -> Splats:
    face = np.full(len(position), len(surface.faces) + CARRIER_WEIGHTS.index(1.0), np.int32)
    return Splats(face, np.tile([1.0, 0.0, 0.0], (len(position), 1)), position, axes, scale, opacity, colour)
