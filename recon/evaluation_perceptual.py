"""Distances that follow what people see: FLIP, and LPIPS where its weights are on this machine. Both come from packages that may be absent."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from recon.evaluation import Meter

PIXELS_PER_DEGREE = 67.0
"""Of FLIP: a display of 0.7 m and 3840 pixels, seen from 0.7 m (Andersson et al. 2020)."""
_LPIPS_BACKBONE = "alexnet-owt-7be5be79.pth"


def perceptual_meters() -> dict[str, Meter]:
    """The distances that this machine can measure, by the name of their figure: `flip_full`, `lpips_full`."""
    meters = {"flip_full": _flip(), "lpips_full": _lpips()}
    return {name: meter for name, meter in meters.items() if meter is not None}


def _flip() -> Meter | None:
    """LDR-FLIP (Andersson et al., FLIP: A Difference Evaluator for Alternating Images, 2020), mean over the picture, 0..1."""
    if find_spec("flip_evaluator") is None:
        return None
    import flip_evaluator

    def measure(render: np.ndarray, truth: np.ndarray) -> float:
        reference, test = (np.ascontiguousarray(picture, np.float32) for picture in (truth, render))
        return float(flip_evaluator.evaluate(reference, test, "LDR", applyMagma=False, parameters={"ppd": PIXELS_PER_DEGREE})[1])

    return measure


def _lpips() -> Meter | None:
    """LPIPS on AlexNet (Zhang et al. 2018). Nothing is downloaded: without the backbone's weights in torch's cache it is left out."""
    import torch

    weights = Path(torch.hub.get_dir(), "checkpoints", _LPIPS_BACKBONE)
    if find_spec("lpips") is None or find_spec("torchvision") is None or not weights.is_file():
        return None
    import lpips  # pyright: ignore[reportMissingImports]

    network = lpips.LPIPS(net="alex", verbose=False).eval()

    def measure(render: np.ndarray, truth: np.ndarray) -> float:
        tensors = (torch.from_numpy(np.ascontiguousarray(np.moveaxis(picture, -1, 0)[None])) for picture in (render, truth))
        with torch.no_grad():
            return float(network(*tensors, normalize=True))

    return measure
