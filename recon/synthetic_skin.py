"""What the surface of a synthetic person looks like: skin, lips, eyes, teeth, mouth and clothes, painted by rules."""

from itertools import pairwise

import numpy as np
import torch
from scipy.spatial import KDTree

from recon.synthetic_hair import brow_strength, hairline, lash_line
from recon.synthetic_light import glint, to_srgb
from recon.synthetic_noise import mix, noise, smoothstep
from recon.synthetic_splats import Splats, frame_around, unit
from recon.synthetic_surface import Surface, flat_scales

IRIS_RADIUS, PUPIL_RADIUS = 5.9, 2.1
"""Millimetres."""
OPACITY = 0.97
_CHEEKS, _NOSE_TIP, _CHIN, _UNDER_EYES = (205, 425), 4, 199, (119, 348)
_COLLAR_HEIGHT, _COLLAR_TILT = -0.156, 0.45
"""The collar's plane on the mean head: metres of height in its middle, and fall per metre to the front."""
_TOOTH_WIDTH = 0.0078


def surface_splats(surface: Surface) -> Splats:
    """Gaussians of everything that is on the mesh."""
    rng = np.random.default_rng([surface.person.seed, 3])
    lit = surface.lit
    colour = to_srgb(_skin(surface, lit, rng))
    cloth, colour_cloth, thickness = _cloth(surface, lit, rng)
    colour = np.where(cloth[:, None], to_srgb(colour_cloth), colour)
    for paint, regions in (
        (_mouth, ("mouth_interior",)), (_tongue, ("tongue",)), (_upper_teeth, ("upper_teeth",)), (_lower_teeth, ("lower_teeth",)),
        (_socket, ("eye_sockets",)),
    ):  # fmt: skip
        inside = surface.inside(*regions)
        colour[inside] = to_srgb(paint(surface, lit, rng)[inside])
    for side, joint in (("left", 3), ("right", 4)):
        inside = surface.inside(f"{side}_eye")
        colour[inside] = to_srgb(_eye(surface, joint, lit, rng)[inside])
    normal = surface.normal
    tangent = np.cross(normal, unit(np.array([0.2, 1.0, 0.3])))
    return Splats(
        face=surface.face,
        bary=surface.bary,
        position=surface.position + normal * thickness[:, None],
        axes=frame_around(tangent, normal),
        scale=flat_scales(surface),
        opacity=np.full(len(surface.face), OPACITY),
        colour=colour,
    )


def _skin(surface: Surface, lit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    p = surface.position
    flush = 0.9 * sum(surface.near(cheek, 0.017) for cheek in _CHEEKS) + 0.8 * surface.near(_NOSE_TIP, 0.010)
    flush = flush + 0.3 * surface.near(_CHIN, 0.010) + 0.6 * surface.mask("ears", blur=2)
    flush = np.clip(flush * (1 + 0.12 * noise(p, 0.006, rng)), 0, 1.2)
    tired = sum(surface.near(point, 0.008) for point in _UNDER_EYES)
    lid = surface.mask("left_eyelid", "right_eyelid", blur=2)
    albedo = surface.person.skin * (1 + 0.035 * noise(p, 0.018, rng) + 0.03 * noise(p, 0.004, rng) + 0.025 * noise(p, 0.0011, rng))[:, None]
    albedo = albedo * np.array([1.02, 0.80, 0.77]) ** flush[:, None] * np.array([0.90, 0.84, 0.86]) ** (0.9 * tired + 0.6 * lid)[:, None]
    freckles = smoothstep(noise(p, 0.0012, rng), 1.6, 2.4) * np.clip(flush, 0, 1)
    albedo = albedo * np.array([0.90, 0.82, 0.76]) ** freckles[:, None]
    shadow = stubble(surface) * (0.8 + 0.25 * noise(p, 0.0008, rng))
    dark = 0.75 if surface.person.look.beard else 0.28
    albedo = mix(albedo, 0.35 * surface.person.hair + 0.5 * albedo * [0.92, 0.97, 1.0], dark * np.clip(shadow, 0, 1))
    albedo = mix(
        albedo, surface.person.hair, 0.45 * brow_strength(surface) + 0.85 * hairline(surface.template, 0.004) * (1 - surface.mask("ears", blur=2))
    )
    lips = surface.mask("lips", blur=2)
    lines = noise(p * [1.0, 0.15, 0.3], 0.0007, rng)
    lip = surface.person.skin * [0.82, 0.52, 0.53] * (1 + 0.05 * lines + 0.04 * noise(p, 0.004, rng))[:, None]
    lips = smoothstep(lips, 0.25, 0.8)
    albedo = mix(albedo, lip, lips)
    seam = _distance(p, surface.rest[np.r_[surface.head.regions["lip_inner_upper"], surface.head.regions["lip_inner_lower"]]])
    albedo = albedo * (1 - 0.55 * lips * np.exp(-seam / 0.0018))[:, None]
    for side in ("left", "right"):
        for edge, width, strength in (("upper", 0.0010, 0.8), ("lower", 0.0008, 0.35)):
            line = lash_line(surface, side, edge)
            albedo = mix(albedo, 0.25 * surface.person.hair + [0.012, 0.006, 0.005], strength * np.exp(-((_distance(p, line) / width) ** 2)))
    # Light that enters the skin leaves it redder: shadows are warm.
    shade = np.maximum(lit, 0.03)[:, None] ** np.array([0.82, 1.0, 1.06])
    oily = 1 + 0.3 * noise(p, 0.0013, rng)
    dull, sharp, wet = (glint(surface.normal, sharpness, surface.person.look.light) for sharpness in (14, 90, 50))
    shine = 0.045 * dull + 0.05 * sharp * oily + 0.12 * lips * wet
    return albedo * shade + (np.minimum(lit, 1) * shine)[:, None]


def stubble(surface: Surface) -> np.ndarray:
    """[N] 0..1 where a beard would grow: jaw, chin and upper lip."""
    x, y, z = surface.template.T
    jaw = smoothstep(y, -0.030 - 0.25 * np.maximum(z - 0.05, 0) - 0.35 * np.maximum(0.05 - np.abs(x), 0), -0.062) * smoothstep(y, -0.115, -0.098)
    moustache = np.exp(-(((y + 0.040) / 0.006) ** 2)) * smoothstep(np.abs(x), 0.028, 0.014) * smoothstep(z, 0.08, 0.09)
    return np.maximum(jaw * smoothstep(z, -0.01, 0.02), moustache) * (1 - surface.mask("lips"))


def _cloth(surface: Surface, lit: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which points are clothed [N], their colour [N, 3], and how far off the skin they are [N]."""
    q = surface.template
    above = q[:, 1] - (_COLLAR_HEIGHT - _COLLAR_TILT * (q[:, 2] + 0.01))
    below = -above - 0.0012 * noise(q, 0.03, rng)
    clothed = (below > 0) & surface.inside("neck", "shoulders")
    ribbing = smoothstep(below, 0.016, 0.014)
    around = np.arctan2(q[:, 0], q[:, 2] + 0.04)
    striped = smoothstep(np.abs((q[:, 1] + 0.03 * q[:, 2]) / 0.026 % 1 - 0.5), 0.36, 0.40) * (1 - ribbing) * smoothstep(q[:, 1], -0.172, -0.180)
    heather = 1 + 0.16 * noise(q, 0.0011, rng) + 0.10 * noise(q, 0.005, rng) + 0.10 * noise(q * [1, 0.5, 1], 0.03, rng)
    colour = mix(np.tile(surface.person.cloth, (len(q), 1)), np.tile(surface.person.stripe, (len(q), 1)), striped) * heather[:, None]
    colour = colour * (1 - ribbing * (0.15 + 0.22 * np.cos(around * 150)))[:, None]
    colour = colour * (1 - 0.5 * np.exp(-np.maximum(below, 0) / 0.0012) - 0.25 * np.exp(-(((below - 0.0155) / 0.0012) ** 2)))[:, None]
    thickness = np.where(clothed, 0.003 * smoothstep(below, 0.0, 0.002) + 0.0012 * ribbing, 0.0)
    return clothed, colour * np.maximum(lit, 0.05)[:, None], thickness


def _eye(surface: Surface, joint: int, lit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    centre = surface.head.joints(torch.from_numpy(surface.person.shape)).numpy()[joint]
    offset = (surface.position - centre) * 1e3
    # The back of the eyeball is as far from the axis as its front: it counts as white, whatever its distance.
    away = np.where(offset[:, 2] > 0, np.hypot(offset[:, 0], offset[:, 1]), 20.0)
    angle = np.arctan2(offset[:, 1], offset[:, 0])
    ring = np.column_stack([np.cos(angle), np.sin(angle), 0.02 * away])
    fibres = noise(ring, 0.06, rng)
    inner = np.exp(-(((away - PUPIL_RADIUS) / 1.3) ** 2))
    iris = surface.person.iris * (1 + 0.28 * fibres + 0.5 * inner)[:, None] * mix(np.ones((len(ring), 3)), np.array([1.25, 0.95, 0.7]), inner)
    # The light from above gathers in the lower half of the iris.
    iris = iris * (1.0 - 0.35 * offset[:, 1] / IRIS_RADIUS)[:, None].clip(0.5, 1.5)
    iris = iris * (1 - 0.8 * smoothstep(away, IRIS_RADIUS - 1.3, IRIS_RADIUS - 0.1))[:, None]
    veins = smoothstep(noise(offset * [0.5, 1.6, 1.0], 1.1, rng), 0.9, 2.0) * smoothstep(away, 7.0, 12.0)
    white = np.array([0.66, 0.62, 0.59]) * np.array([1.0, 0.82, 0.78]) ** (1.1 * smoothstep(away, 7.5, 13.5) + 0.8 * veins)[:, None]
    colour = mix(iris, white, smoothstep(away, IRIS_RADIUS - 0.25, IRIS_RADIUS + 0.45))
    colour = mix(np.tile([0.004, 0.003, 0.003], (len(ring), 1)), colour, smoothstep(away, PUPIL_RADIUS - 0.25, PUPIL_RADIUS + 0.25))
    colour = colour * (0.22 + 0.85 * np.minimum(lit, 1.0))[:, None]
    catch = smoothstep(np.hypot(offset[:, 0] + 1.5, offset[:, 1] - 1.7), 1.0, 0.6) * (offset[:, 2] > 0)
    soft = 0.25 * smoothstep(np.hypot(offset[:, 0] - 1.6, offset[:, 1] + 1.2), 1.0, 0.4) * (offset[:, 2] > 0)
    return colour + (0.9 * catch + 0.25 * soft)[:, None]


def _upper_teeth(surface: Surface, lit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _teeth(surface, 1.0)


def _lower_teeth(surface: Surface, lit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 0.8 * _teeth(surface, -1.0)


def _teeth(surface: Surface, gums: float) -> np.ndarray:
    """Enamel in a row along the arch, gums on the side to which `gums` points (+1 up)."""
    x, y, z = surface.template.T
    edge = -0.053 if gums > 0 else -0.048
    height = gums * (y - edge)
    along = np.arctan2(x, z - 0.055) * 0.036
    gap = np.abs((along / _TOOTH_WIDTH + (0.5 if gums < 0 else 0.0) + 0.5) % 1 - 0.5)
    enamel = np.array([0.66, 0.60, 0.50]) * (1 - 0.6 * smoothstep(gap, 0.10, 0.0) - 0.15 * smoothstep(height, 0.004, 0.009))[:, None]
    colour = mix(enamel, np.tile([0.36, 0.12, 0.11], (len(x), 1)), smoothstep(height + 0.004 * gap, 0.0095, 0.0115))
    # What lies deep in the mouth is lit by red light.
    return colour * (0.08 + 0.77 * smoothstep(z, 0.06, 0.092))[:, None] ** np.array([0.85, 1.1, 1.15])


def _tongue(surface: Surface, lit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x, _, z = surface.template.T
    bumps = 1 + 0.08 * noise(surface.template, 0.0012, rng) - 0.25 * np.exp(-((x / 0.0015) ** 2))
    return surface.person.look.light.mouth * np.array([0.36, 0.105, 0.10]) * (bumps * (0.06 + 0.6 * smoothstep(z, 0.05, 0.084)))[:, None]


def _mouth(surface: Surface, lit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    z = surface.template[:, 2]
    return surface.person.look.light.mouth * np.array([0.24, 0.06, 0.06]) * (0.03 + 0.6 * smoothstep(z, 0.06, 0.1))[:, None]


def _socket(surface: Surface, lit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.tile(0.35 * surface.person.skin * [1.0, 0.6, 0.55], (len(lit), 1))


def _distance(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """[N] metres to the nearest point of a polyline [M, 3], sampled finely."""
    steps = np.linspace(0, 1, 12)[:, None]
    fine = np.concatenate([a + (b - a) * steps for a, b in pairwise(line)])
    return KDTree(fine).query(points)[0]
