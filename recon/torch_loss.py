"""The photometric loss of `recon.loss` in torch, for a batch of frames on a device."""

from functools import lru_cache

import torch
from torch import Tensor

from recon.loss import C1, C2, RADIUS, TAPS, LossWeights

Box = tuple[int, int, int, int]


def photometric_losses(
    rgb: Tensor, alpha: Tensor, target: Tensor, matte: Tensor, importance: Tensor, boxes: list[Box], weights: LossWeights
) -> Tensor:
    """Loss [B] of rendered frames: `recon.loss.photometric_loss` of each.

    Args:
        rgb: [B, H, W, 3] rendered over some background.
        alpha: [B, H, W] rendered coverage.
        target: [B, H, W, 3] the frames over the same background through their mattes.
        matte: [B, H, W] 0..1.
        importance: [B, H, W] weight of each pixel in the L1 term, about 1 on average.
        boxes: (top, left, bottom, right) around the subject in each frame: where structure is compared.
        weights: of the terms.
    """
    pixels = alpha.shape[1] * alpha.shape[2]
    difference = (rgb - target).abs() * importance[..., None]
    losses = difference.sum((1, 2, 3)) * ((1 - weights.dssim) / (3 * pixels)) + weights.coverage * (alpha - matte).abs().mean((1, 2))
    if weights.dssim > 0:
        # The box counts by its share of the picture, so that the term does not depend on how tight it is.
        shares = _sent([0.5 * weights.dssim * _area(box) / pixels for box in boxes], rgb.device)
        losses = losses + shares * (1 - ssim(rgb, target, boxes))
    return losses


def ssim(x: Tensor, y: Tensor, boxes: list[Box]) -> Tensor:
    """Mean SSIM [B] of pictures [B, H, W, 3], each inside its own box as if all were black outside.

    11-pixel Gaussian window, sigma 1.5, channels averaged (Wang et al. 2004).
    """
    top, left = min(box[0] for box in boxes), min(box[1] for box in boxes)
    bottom, right = max(box[2] for box in boxes), max(box[3] for box in boxes)
    inside = x.new_zeros(len(boxes), bottom - top, right - left, 1)
    for index, box in enumerate(boxes):
        inside[index, box[0] - top : box[2] - top, box[1] - left : box[3] - left] = 1
    x, y = ((picture[:, top:bottom, left:right] * inside).permute(0, 3, 1, 2) for picture in (x, y))
    mx, my, xx, yy, xy = _smooth(torch.stack([x, y, x * x, y * y, x * y])).unbind(0)
    vx, vy, cov = xx - mx * mx, yy - my * my, xy - mx * my
    similarity = (2 * mx * my + C1) * (2 * cov + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    areas = _sent([3.0 * _area(box) for box in boxes], x.device)
    return (similarity * inside.permute(0, 3, 1, 2)).sum((1, 2, 3)) / areas


def _sent(values: list[float], device: torch.device) -> Tensor:
    """Numbers on a device, without waiting for what the device is at."""
    return torch.tensor(values).to(device, non_blocking=True)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _smooth(planes: Tensor) -> Tensor:
    """Planes [..., h, w] under the Gaussian window, zeros beyond their edges.

    As products with banded matrices: a variance is a small difference of large moments, and convolutions may run in reduced precision by default,
    products of matrices do not.
    """
    height, width = planes.shape[-2:]
    band = _band(-(-max(height, width) // 256) * 256, planes.device)
    return band[:height, :height] @ planes @ band[:width, :width]


@lru_cache(maxsize=8)
def _band(size: int, device: torch.device) -> Tensor:
    """[size, size] symmetric matrix whose rows are the window; any leading block of it is the window of a smaller picture."""
    with torch.inference_mode(False):
        offset = torch.arange(size)[:, None] - torch.arange(size)[None]
        taps = torch.from_numpy(TAPS)[(offset + RADIUS).clamp(0, 2 * RADIUS)]
        return torch.where(offset.abs() <= RADIUS, taps, 0.0).to(device)
