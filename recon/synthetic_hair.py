"""Hair, brows and lashes of a synthetic person: strands of a few stretched Gaussians that ride on the triangle of their root."""

import numpy as np
from scipy.spatial import KDTree

from recon.synthetic_light import VIEW, to_srgb
from recon.synthetic_noise import noise, smoothstep
from recon.synthetic_splats import Splats, frame_around, joined, unit
from recon.synthetic_surface import Surface

STRANDS, BROW_HAIRS, LASHES = 12000, 800, 170
"""Hairs on the head, of each brow, of each upper lid."""
_SEGMENTS = 5
_PART = 0.028
"""Metres to the subject's left at which the hair is parted."""
_LID_THICKNESS = 0.003
_CURVATURE = 0.085
"""Radius of a scalp, metres: hair lies on it."""
_BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
"""MediaPipe's outline of the right and left brow: the upper edge from the temple to the nose, and the lower edge back."""


def hairline(template: np.ndarray, softness: float) -> np.ndarray:
    """[N] 0..1 where hair grows, from places [N, 3] on the mean head; the edge is so many metres wide."""
    x, y, z = template.T
    lowest = np.interp(
        z, [-0.09, -0.05, -0.025, 0.0, 0.012, 0.022, 0.040, 0.062, 0.085], [-0.075, -0.055, 0.012, 0.004, -0.004, 0.034, 0.058, 0.076, 0.086]
    )
    lowest = lowest + 0.010 * smoothstep(np.abs(x), 0.012, 0.045) * smoothstep(z, 0.03, 0.06)
    ripple = 0.0016 * np.sin(x * 700 + 3 * np.sin(z * 260)) + 0.0012 * np.sin(z * 900 + x * 300)
    return smoothstep(y - lowest + ripple, -softness, softness) * smoothstep(np.abs(x), 0.091, 0.088)


def brow_strength(surface: Surface) -> np.ndarray:
    """[N] 0..1 under the brows, soft at their edges."""
    total = np.zeros(len(surface.face))
    for outline in _BROWS:
        total = np.maximum(total, smoothstep(_brow_place(surface, outline)[2], 0.0, 0.9))
    return total


def hair_splats(surface: Surface, coarseness: float = 1.0) -> Splats:
    """All strands; `coarseness` 2 gives a quarter as many, twice as thick."""
    rng = np.random.default_rng([surface.person.seed, 4])
    return joined([_head_hair(surface, coarseness, rng), _brow_hair(surface, coarseness, rng), _lashes(surface, coarseness, rng)])


def _head_hair(surface: Surface, coarseness: float, rng: np.random.Generator) -> Splats:
    weight = hairline(surface.template, 0.003) * surface.spacing**2 * (surface.mask("ears") < 0.05)
    root = rng.choice(len(weight), round(STRANDS / coarseness**2), p=weight / weight.sum())
    q, normal = surface.template[root], surface.normal[root]
    top = smoothstep(q[:, 1], 0.03, 0.085)
    clump = noise(q, 0.012, rng)
    edge = 0.35 + 0.65 * hairline(q, 0.022)
    # Away from the parting, back, and down at the sides.
    side = np.where(q[:, 0] > _PART, 1.0, -1.0)
    comb = np.stack([side * (0.25 + 0.75 * top), -0.15 - 0.9 * (1 - top), -0.45 + 0.25 * noise(q, 0.02, rng)], axis=1)
    comb = comb + 0.10 * rng.standard_normal(comb.shape) + 0.13 * np.stack([noise(q, 0.015, rng) for _ in range(3)], axis=1)
    comb = unit(comb - normal * (comb * normal).sum(1, keepdims=True))
    length = (0.016 + 0.026 * top) * (1 + 0.15 * clump + 0.12 * rng.standard_normal(len(root))) * (0.6 + 0.4 * edge)
    front = smoothstep(q[:, 2], 0.04, 0.075) * top
    height = (0.0035 + 0.011 * top + 0.006 * front) * (1 + 0.25 * clump) * rng.uniform(0.15, 1.0, len(root)) * edge
    t = np.linspace(0, 1, _SEGMENTS + 1)[None, :, None]
    along = length[:, None, None] * t
    rise = height[:, None, None] * (1 - (1 - t) ** 2.2) - along**2 / (2 * _CURVATURE)
    points = surface.position[root][:, None] + comb[:, None] * along + normal[:, None] * rise
    lit = surface.lit[root]
    depth = (height / height.max())[:, None] * (0.35 + 0.65 * t[..., 0])
    tone = np.exp(0.20 * rng.standard_normal(len(root)) + 0.16 * clump)
    return strands(surface, root, points, 0.00030 * coarseness, tone, lit, depth, opacity=0.9)


def _brow_hair(surface: Surface, coarseness: float, rng: np.random.Generator) -> Splats:
    parts = []
    for outline, sign in zip(_BROWS, (-1.0, 1.0), strict=True):
        along, across, strength = _brow_place(surface, outline)
        weight = smoothstep(strength, 0.05, 0.8) * surface.spacing**2
        root = rng.choice(len(weight), round(BROW_HAIRS / coarseness**2), p=weight / weight.sum())
        normal = surface.normal[root]
        # Near the nose the hairs stand up, then they lie down towards the temple; upper ones point down a little.
        lean = np.clip(0.42 + 0.75 * along[root] - 0.25 * across[root], 0, 1.2)
        direction = np.stack([sign * np.sin(lean * np.pi / 2), np.cos(lean * np.pi / 2) - 0.15, np.zeros(len(root))], axis=1)
        direction = direction + 0.10 * rng.standard_normal(direction.shape)
        direction = unit(direction - normal * (direction * normal).sum(1, keepdims=True))
        length = 0.0055 * (1 + 0.2 * rng.standard_normal(len(root))) * (1 - 0.35 * along[root])
        t = np.linspace(0, 1, 3)[None, :, None]
        points = surface.position[root][:, None] + direction[:, None] * length[:, None, None] * t + normal[:, None] * (0.0005 + 0.0006 * t)
        depth = np.full((len(root), 3), 0.5)
        tone = 0.85 * np.exp(0.15 * rng.standard_normal(len(root)))
        parts.append(strands(surface, root, points, 0.00011 * coarseness, tone, np.full(len(root), 0.8), depth, opacity=0.5))
    return joined(parts)


def _brow_place(surface: Surface, outline: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where points lie in a brow: along it (0 nose, 1 temple), across it (-1 lower edge, 1 upper), and how much inside [N]."""
    points = surface.landmarks[list(outline)]
    half = len(points) // 2
    # From the nose outwards, by distance from the face's middle.
    upper, lower = points[:half][::-1], points[half:]
    p = surface.position
    x, middle = np.abs(p[:, 0]), (upper + lower) / 2
    order = np.argsort(np.abs(middle[:, 0]))
    xs = np.abs(middle[order, 0])
    along = (x - xs[0]) / (xs[-1] - xs[0])
    centre = np.interp(x, xs, middle[order, 1])
    half_height = 0.55 * np.interp(x, xs, (upper - lower)[order, 1]).clip(0.003)
    across = (p[:, 1] - centre) / half_height
    same_side = np.sign(p[:, 0]) == np.sign(middle[:, 0].mean())
    front = same_side & (p[:, 2] > middle[:, 2].min() - 0.012) & (np.abs(across) < 2)
    inside = smoothstep(along, -0.12, 0.10) * smoothstep(along, 1.12, 0.75) * smoothstep(np.abs(across), 1.05, 0.35)
    return np.clip(along, 0, 1), across, inside * front


def _lashes(surface: Surface, coarseness: float, rng: np.random.Generator) -> Splats:
    parts = []
    for side in ("left", "right"):
        for edge, count, length, up in (("upper", LASHES, 0.0050, 1.0), ("lower", LASHES // 4, 0.0022, -0.8)):
            line = lash_line(surface, side, edge)
            where = np.sort(rng.uniform(0.15, 0.85, round(count / coarseness))) * (len(line) - 1)
            first = where.astype(int)
            base = line[first] + (line[first + 1] - line[first]) * (where - first)[:, None]
            root = _nearest(surface, base, f"{side}_eyelid_{edge}")
            # They fan out a little from the middle of the lid, go forward, and curl away from the other lid.
            fan = (base[:, 0] - line[:, 0].mean()) / np.ptp(line[:, 0])
            forward = unit(np.stack([0.7 * fan, np.full(len(base), 0.05 * up), np.ones(len(base))], axis=1) + 0.05 * rng.standard_normal(base.shape))
            t = np.linspace(0, 1, 4)[None, :, None]
            reach = (length * (1 - 0.8 * fan**2) * (1 + 0.15 * rng.standard_normal(len(base))))[:, None, None]
            points = base[:, None] + reach * (forward[:, None] * t + np.array([0.0, 0.42 * up, 0.0]) * t**2)
            tone = np.full(len(base), 0.25)
            parts.append(
                strands(surface, root, points, 0.00006 * coarseness, tone, np.full(len(base), 0.6), np.full((len(base), 4), 0.2), opacity=0.28)
            )
    return joined(parts)


def lash_line(surface: Surface, side: str, edge: str) -> np.ndarray:
    """[M, 3] the front rim of a lid, along which the lashes grow; `side` left or right, `edge` upper or lower."""
    ring = surface.rest[surface.head.regions[f"{side}_lid_{edge}"]].astype(np.float64)
    lid = surface.rest[surface.head.regions[f"{side}_eyelid_{edge}"]].astype(np.float64)
    # The named ring is where the lid meets the eyeball; its rim lies a lid's thickness before it.
    front = lid[np.linalg.norm(lid[None] - (ring + np.array([0, 0, _LID_THICKNESS]))[:, None], axis=2).argmin(axis=1)]
    return front[np.r_[True, np.any(np.diff(front, axis=0) != 0, axis=1)]]


def _nearest(surface: Surface, points: np.ndarray, region: str) -> np.ndarray:
    """[M] index of the surface point of a region that is nearest to each of `points` [M, 3]."""
    candidates = np.flatnonzero(surface.inside(region))
    return candidates[KDTree(surface.position[candidates]).query(points)[1]]


def strands(
    surface: Surface, root: np.ndarray, points: np.ndarray, radius: float, tone: np.ndarray, lit: np.ndarray, depth: np.ndarray, opacity: float
) -> Splats:
    """Gaussians along polylines.

    Args:
        surface: carries them.
        root: [M] surface point each strand grows from.
        points: [M, P, 3] along it.
        radius: standard deviation across, metres; the last one is half as thick.
        tone: [M] brightness of the strand's own colour.
        lit: [M] light at its root.
        depth: [M, P] 0 deep inside the hair, 1 on its outside.
        opacity: of each Gaussian.
    """
    M, P = points.shape[:2]
    step = points[:, 1:] - points[:, :-1]
    middle = (points[:, 1:] + points[:, :-1]) / 2
    length = np.linalg.norm(step, axis=2)
    tangent = step / np.maximum(length, 1e-9)[..., None]
    normal = surface.normal[root]
    thin = np.linspace(1.0, 0.6, P - 1)
    scale = np.stack([0.42 * length, np.tile(radius * thin, (M, 1)), np.tile(radius * thin, (M, 1))], axis=2)
    # Kajiya and Kay (1989): a hair is bright where it runs across the light, and shines in a cone around the mirror direction.
    key = surface.person.look.light.key
    across_light = np.sqrt(np.maximum(1 - (tangent @ key) ** 2, 0))
    across_half = np.sqrt(np.maximum(1 - (tangent @ unit(key + VIEW)) ** 2, 0))
    outside = 0.5 * (depth[:, 1:] + depth[:, :-1])
    facing = 0.35 + 0.65 * np.clip(normal @ unit(key + np.array([0, 0.5, 0])), 0, 1)
    light = (0.25 + 0.75 * np.clip(lit, 0.15, 1.1) * facing)[:, None] * (0.25 + 0.9 * outside) * (0.45 + 0.55 * across_light)
    shine = 0.10 * (facing * tone)[:, None] * outside * across_half**28
    colour = surface.person.hair * (tone[:, None] * light * 1.25)[..., None] + shine[..., None] * (0.35 + 0.65 * unit(surface.person.hair))
    carrier = np.repeat(root, P - 1)
    return Splats(
        face=surface.face[carrier],
        bary=surface.bary[carrier],
        position=middle.reshape(-1, 3),
        axes=frame_around(tangent.reshape(-1, 3), normal.repeat(P - 1, axis=0)),
        scale=np.maximum(scale.reshape(-1, 3), 2e-5),
        opacity=np.full(len(carrier), opacity),
        colour=to_srgb(colour.reshape(-1, 3)),
    )
