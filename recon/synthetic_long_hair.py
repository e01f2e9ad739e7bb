"""What hangs and grows beyond short hair on a synthetic person: long hair that falls over ears and neck, and a full beard."""

import numpy as np
from scipy.spatial import KDTree

from avatar3d.render.mesh import vertex_normals
from recon.synthetic_hair import hairline, strands
from recon.synthetic_noise import noise, smoothstep
from recon.synthetic_skin import stubble
from recon.synthetic_splats import Splats, unit
from recon.synthetic_surface import Surface

STRANDS, BEARD_HAIRS = 6000, 6500
_STEP = 0.010
"""Metres between the points of a long strand."""
_STEPS = 22
_ENDS = -0.142
"""Height at which long hair is cut, metres on the mean head."""
_BEHIND = ((0.085, 0.070), (0.060, 0.045), (0.035, 0.016), (-0.150, 0.008))
"""Height, and how far forward hair may hang there: the face stays free, from the side as well."""
_PUSH = 0.004
"""Metres that a strand is moved off the skin in one step at most."""


def long_hair(surface: Surface, coarseness: float = 1.0) -> Splats:
    """Strands parted in the middle, combed to the sides, that fall outside head and neck."""
    rng = np.random.default_rng([surface.person.seed, 6])
    weight = hairline(surface.template, 0.003) * surface.spacing**2 * smoothstep(surface.template[:, 1], -0.02, 0.05)
    root = rng.choice(len(weight), round(STRANDS / coarseness**2), p=weight / weight.sum())
    q, normal = surface.template[root], surface.normal[root]
    side = np.where(q[:, 0] + 0.002 * rng.standard_normal(len(root)) > 0, 1.0, -1.0)
    top = smoothstep(q[:, 1], 0.05, 0.11)
    clump = noise(q, 0.012, rng)
    comb = unit(np.stack([side * (0.4 + 0.6 * top), -0.5 - 0.3 * (1 - top), -0.25 + 0.15 * clump], axis=1))
    height = (0.005 + 0.010 * rng.uniform(size=len(root)) ** 1.5) * (1 + 0.2 * clump)
    wave = rng.uniform(0, 2 * np.pi, len(root))
    cut = _ENDS + 0.012 * rng.standard_normal(len(root)) + 0.006 * clump
    points = _fall(surface, surface.position[root], normal, comb, height, wave + 2.0 * clump, cut)
    tone = np.exp(0.22 * rng.standard_normal(len(root)) + 0.2 * clump)
    depth = np.clip(height / 0.016, 0.1, 1)[:, None] * np.linspace(0.6, 1.0, points.shape[1])
    lit = 0.55 + 0.45 * np.clip(surface.lit[root], 0, 1.1)
    return _without_points(strands(surface, root, points, 0.00045 * coarseness, tone, lit, depth, opacity=0.92))


def _fall(
    surface: Surface, start: np.ndarray, normal: np.ndarray, comb: np.ndarray, height: np.ndarray, phase: np.ndarray, cut: np.ndarray
) -> np.ndarray:
    """[M, P, 3] strands that begin along `comb`, give way to gravity, and keep `height` metres off the skin and leave the face free."""
    # The ears are hidden under the hair: pushed off them, strands would stand away from the head.
    solid = np.setdiff1d(np.arange(len(surface.rest)), surface.head.regions["ears"])
    tree, normals = KDTree(surface.rest[solid]), vertex_normals(surface.rest, surface.faces)[solid]
    place, going = start + 0.001 * normal, comb.copy()
    points = [place]
    for step in range(_STEPS):
        going = unit(going + np.array([0, -0.22, 0]) + 0.05 * np.stack([np.sin(phase + 0.55 * step), 0 * phase, np.cos(phase + 0.45 * step)], axis=1))
        moved = place + _STEP * going
        _, nearest = tree.query(moved)
        away = np.einsum("nc,nc->n", moved - surface.rest[solid][nearest], normals[nearest])
        lift = np.minimum(height, 0.002 + 0.004 * step)
        moved = moved + normals[nearest] * np.clip(lift - away, 0, _PUSH)[:, None]
        foremost = np.interp(-moved[:, 1], [-y for y, _ in _BEHIND], [z for _, z in _BEHIND], left=1.0) - 0.4 * height
        moved[:, 2] = np.minimum(moved[:, 2], np.maximum(foremost, place[:, 2] - 0.7 * _STEP))
        # A strand that has been cut stays where it ends: what remains of it has no length.
        moved = np.where((place[:, 1] < cut)[:, None], place, moved)
        going, place = unit(moved - place + 1e-9 * going), moved
        points.append(place)
    return np.stack(points, axis=1)


def beard(surface: Surface, coarseness: float = 1.0) -> Splats:
    """A beard of a centimetre on jaw and chin."""
    rng = np.random.default_rng([surface.person.seed, 7])
    strength = stubble(surface)
    # The upper lip is shaved: a detector takes sparse dark hairs there for the line between the lips.
    grows = (surface.mask("lips", "nose", blur=2) < 0.35) & (surface.template[:, 1] < -0.050)
    weight = smoothstep(strength, 0.15, 0.7) * surface.spacing**2 * grows
    root = rng.choice(len(weight), round(BEARD_HAIRS / coarseness**2), p=weight / weight.sum())
    q, normal = surface.template[root], surface.normal[root]
    outward = np.sign(q[:, 0])[:, None] * np.array([1.0, 0, 0]) * smoothstep(np.abs(q[:, 0]), 0.0, 0.02)[:, None]
    direction = np.array([0, -0.9, 0.05]) + 0.35 * outward + 0.25 * rng.standard_normal((len(root), 3)) + 0.2 * noise(q, 0.008, rng)[:, None]
    direction = unit(direction - 0.7 * normal * (direction * normal).sum(1, keepdims=True) + 0.35 * normal)
    length = 0.0110 * (1 + 0.2 * rng.standard_normal(len(root))).clip(0.4)
    t = np.linspace(0, 1, 4)[None, :, None]
    points = surface.position[root][:, None] + direction[:, None] * length[:, None, None] * t + normal[:, None] * 0.0006 * np.sin(np.pi * t)
    tone = 1.1 * np.exp(0.25 * rng.standard_normal(len(root)))
    depth = np.tile(np.linspace(0.25, 0.8, 4), (len(root), 1))
    return strands(surface, root, points, 0.00016 * coarseness, tone, surface.lit[root], depth, opacity=0.8)


def _without_points(splats: Splats) -> Splats:
    """Those that have a length."""
    return splats.chosen(splats.scale[:, 0] > 0.0005)
