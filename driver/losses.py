"""What the driver's network is trained on: the flow, speeds, lips, and what the sound says."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from driver.channels import JAW, LIDS, NUM_CHANNELS, REGIONS
from driver.conditions import PRESENCE, SLOTS
from driver.features import MEL_SLICE, MELS, PER_FRAME
from driver.lips import Lips
from driver.model import DriverNet
from driver.phones import UNKNOWN
from driver.windows import Batch, live_mask, random_mask

_CHANNEL_WEIGHT = torch.ones(NUM_CHANNELS)
# A blink is two channels among twenty and seldom: without more weight it is learnt last.
_CHANNEL_WEIGHT[LIDS] = 4.0
_NOISE = 0.2
"""Standard deviation of what is added to each feature of a whole window: other microphones and voices."""
_TOUCHING_MM = 0.1
_VISEME_WEIGHT = 0.3
_DEAF_SHARE = 0.1
"""How often a window hears nothing, for guidance."""
_DRIFT = 0.25
"""Of a channel's spread: how far what a live window takes over may be off, at most, as what was made before it is."""


def losses(net: DriverNet, lips: Lips, batch: Batch, rng: np.random.Generator, live: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
    """The training loss of a batch, and its parts for the log.

    Every region counts alike in the flow loss; on top come speeds, lip vertices and the gap of the lips in millimetres (linear basis), more where the
    lips must meet, and the viseme that the sound codes should tell.

    Args:
        net: on the batch's device.
        lips: of the head, on any device.
        batch: windows.
        rng: of noise and masks.
        live: make each window's end without its sound, as a stream does; the batch has `LIVE_FRAMES` frames.
    """
    count, device = len(batch.motion), batch.motion.device
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))

    def uniform() -> Tensor:
        return torch.rand(count, generator=generator, device=device)

    clean = net.whiten(batch.motion)
    noise = torch.randn(clean.shape, generator=generator, device=device)
    # Squared like the steps of the sampler: what is rare and sudden, a blink, is decided while almost all is noise.
    t = uniform() ** 2
    t = torch.where(uniform() < (0.4 if live else 0.125), torch.zeros_like(t), t)
    masks = live_mask(count, rng) if live else (random_mask(count, rng), torch.ones(clean.shape[:2], dtype=torch.bool), torch.ones(clean.shape))
    known, hears, counts = (mask.to(device, non_blocking=True) for mask in masks)
    given = clean
    if live:
        given = clean + _DRIFT * uniform()[:, None, None] * torch.randn((count, 1, NUM_CHANNELS), generator=generator, device=device)
    if not net.config.flow:
        noise, t = torch.zeros_like(noise), torch.zeros_like(t)
    noisy = t[:, None, None] * clean + (1 - t[:, None, None]) * noise
    noisy = known * given + (1 - known) * noisy
    heard = batch.features + _NOISE * torch.randn((count, 1, batch.features.shape[-1]), generator=generator, device=device)
    sound = net.encode(without_bands(heard, rng))
    told = F.cross_entropy(net.viseme_head(sound).flatten(0, 1), batch.viseme.flatten(), ignore_index=UNKNOWN, reduction="sum")
    viseme = told / (batch.viseme != UNKNOWN).sum().clamp(min=1)
    # As `sample_window` does it: what is not heard yet goes on like the last that is.
    last = hears.sum(1)[:, None, None].expand(-1, -1, sound.shape[-1]) - 1
    sound = torch.where(hears[..., None], sound, sound.gather(1, last))
    sound = sound * (uniform() >= _DEAF_SHARE)[:, None, None]
    asked = batch.asked.clone()
    asked[..., SLOTS["style"]] = net.style_of(batch.clip)[:, None] * batch.asked[..., PRESENCE["style"], None]
    made = net(noisy, known, t, sound, asked)
    made = known * clean + (1 - known) * made

    error = made - clean
    weight = (1 / (1 - t + 0.25))[:, None, None] * _CHANNEL_WEIGHT.to(device)
    free = (1 - known) * counts
    flow = torch.stack([(weight * counts * error**2)[..., rows].sum() / free[..., rows].sum().clamp(min=1) for rows in REGIONS.values()]).mean()
    speed = (counts[:, 1:] * torch.diff(error, dim=1) ** 2).mean()
    basis, gap = lips.basis.to(device), lips.gap.to(device)
    of_mouth = counts[..., JAW, None]
    contact = 1 + 4 * batch.closed[..., None]
    lip = (of_mouth * contact * ((error * net.std) @ basis) ** 2).mean()
    # Closed means touching, however the jaw stands.
    apart = ((net.colour(made) @ gap) - net.lips_apart - _TOUCHING_MM).clamp(min=0)
    touch = ((batch.closed > 0.9) * (1 - known[..., JAW]) * of_mouth[..., 0] * apart**2).mean()
    total = flow + speed + 0.5 * lip + 0.5 * touch + _VISEME_WEIGHT * viseme
    parts = {"flow": flow, "speed": speed, "lip": lip, "touch": touch, "viseme": viseme}
    return total, {name: value.detach() for name, value in parts.items()}


def without_bands(features: Tensor, rng: np.random.Generator) -> Tensor:
    """Features [B, T, *] in which some mel bands and moments are wiped out (SpecAugment, Park et al. 2019): no cue is to be needed."""
    count, frames = features.shape[:2]

    def stripes(size: int, widest: int, share: float) -> np.ndarray:
        """[B, size] 0 in one stripe of some rows, 1 elsewhere."""
        width = rng.integers(1, widest + 1, count) * (rng.random(count) < share)
        since = np.arange(size) - (rng.random(count) * (size - width)).astype(np.int64)[:, None]
        return np.where((since >= 0) & (since < width[:, None]), 0, 1).astype(np.float32)

    bands, moments = stripes(MELS, 12, 0.5)[:, None], stripes(frames, 3, 0.3)[..., None]
    keep = torch.from_numpy(bands).to(features.device, non_blocking=True).repeat(1, 1, PER_FRAME + 1)
    mels = slice(MEL_SLICE.start, MEL_SLICE.stop + MELS)
    features = features.clone()
    features[..., mels] = features[..., mels] * keep * torch.from_numpy(moments).to(features.device, non_blocking=True)
    return features
