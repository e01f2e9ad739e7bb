"""Who a synthetic capture shows: shape and colours drawn from a seed."""

from dataclasses import dataclass

import numpy as np

from avatar3d.head.model import HeadModel
from recon.synthetic_light import STUDIO, WINDOW, Light, to_linear

_SKINS = ((0.86, 0.67, 0.57), (0.80, 0.60, 0.49), (0.69, 0.49, 0.38), (0.52, 0.36, 0.28))
_HAIRS = ((0.16, 0.11, 0.08), (0.30, 0.19, 0.12), (0.45, 0.30, 0.17), (0.10, 0.09, 0.09))
_IRISES = ((0.33, 0.44, 0.52), (0.34, 0.24, 0.13), (0.36, 0.40, 0.24), (0.22, 0.14, 0.08))
_CLOTHES = (((0.16, 0.30, 0.38), (0.82, 0.78, 0.68)), ((0.42, 0.16, 0.17), (0.75, 0.66, 0.55)), ((0.22, 0.26, 0.20), (0.70, 0.58, 0.36)))
_SPREAD = 0.65
"""Standard deviation of the identity coefficients: a face among the more usual ones."""


@dataclass(frozen=True)
class Look:
    """What a person wears, and the light that they are filmed in."""

    long_hair: bool = False
    beard: bool = False
    glasses: bool = False
    light: Light = STUDIO


PLAIN = Look()
ADORNED = Look(long_hair=True, beard=True, glasses=True, light=WINDOW)
"""All that hides landmarks and outlines of the face, or lies off the mesh."""


@dataclass(frozen=True, eq=False)
class Person:
    """An identity; colours are linear light."""

    shape: np.ndarray
    """[S] float32 of the head's identity modes."""
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    cloth: np.ndarray
    stripe: np.ndarray
    seed: int
    look: Look = PLAIN


def random_person(head: HeadModel, seed: int, look: Look = PLAIN) -> Person:
    """The person of a seed; identity and colours do not depend on the look."""
    rng = np.random.default_rng([seed, 1])
    shape = (_SPREAD * rng.standard_normal(head.num_shape)).astype(np.float32)
    skin, hair, iris = (to_linear(np.array(palette[rng.integers(len(palette))])) for palette in (_SKINS, _HAIRS, _IRISES))
    cloth, stripe = _CLOTHES[rng.integers(len(_CLOTHES))]
    return Person(shape, skin, hair, iris, to_linear(np.array(cloth)), to_linear(np.array(stripe)), seed, look)
