"""Pictures for compositing: colours that are not multiplied by alpha, and that go on where alpha ends.

Straight alpha, as PNG and WebM define it: seen = alpha colour + (1 - alpha) background, in sRGB values. Around the silhouette the colours of its
edge continue, so that neither scaling nor the coarse chroma of a video mixes black into the edge.
"""

import cv2
import numpy as np

from viewer.views import Layer

_SEEN = 1 / 1024
"""Alpha from which a pixel's own colour is known; below, that of its neighbours is taken."""


def straight_rgba(layer: Layer) -> np.ndarray:
    """[H, W, 4] float32 sRGB and alpha, 0..1, of a layer whose colours are multiplied by alpha."""
    colours = extended(np.dstack([layer.rgb, layer.alpha]))
    return np.clip(np.dstack([colours, layer.alpha]), 0, 1)


def extended(weighted: np.ndarray) -> np.ndarray:
    """Colours [H, W, 3] of weighted ones [H, W, 4] (colour times weight, weight); where there is no weight, the mean colour of a square of 2^k pixels
    around, the smallest that has any: down a pyramid of sums and smoothly up again."""
    weight = weighted[..., 3:]
    known = weight > _SEEN
    own = weighted[..., :3] / np.where(known, weight, 1)
    if known.all() or weighted.shape[0] * weighted.shape[1] <= 1:
        return np.where(known, own, 0)
    height, width = weight.shape[:2]
    even = np.pad(weighted, ((0, height % 2), (0, width % 2), (0, 0)))
    coarse = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    around = cv2.resize(extended(coarse), even.shape[1::-1], interpolation=cv2.INTER_LINEAR)[:height, :width]
    return np.where(known, own, around)


def as_integers(picture: np.ndarray, bits: int) -> np.ndarray:
    """0..1 as uint8 or uint16."""
    most = (1 << bits) - 1
    return (np.clip(picture, 0, 1) * most + 0.5).astype(f"uint{bits}")
