"""What the driver's network is trained on: the flow, speeds, lips, and what the sound says."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from driver.channels import INDEX, NUM_CHANNELS, REGIONS
from driver.conditions import PRESENCE, SLOTS
from driver.features import MEL_SLICE, MELS, PER_FRAME
from driver.lips import Lips
from driver.model import DriverNet
from driver.phones import UNKNOWN
from driver.windows import Batch, random_mask

_CHANNEL_WEIGHT = torch.ones(NUM_CHANNELS)
# A blink is two channels among twenty and seldom: without more weight it is learnt last.
_CHANNEL_WEIGHT[[INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]] = 4.0
_NOISE = 0.2
"""Standard deviation of what is added to each feature of a whole window: other microphones and voices."""
_TOUCHING_MM = 0.1
_VISEME_WEIGHT = 0.3
_DEAF_SHARE = 0.1
"""How often a window hears nothing, for guidance."""


def losses(net: DriverNet, lips: Lips, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """The training loss of a batch, and its parts for the log.

    Every region counts alike in the flow loss; on top come speeds, lip vertices and the gap of the lips in millimetres (linear basis), more where the
    lips must meet, and the viseme that the sound codes should tell.

    Args:
        net: on the batch's device.
        lips: of the head, on any device.
        batch: windows.
        rng: of noise and masks.
    """
    count, device = len(batch.motion), batch.motion.device
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))

    def uniform() -> Tensor:
        return torch.rand(count, generator=generator, device=device)

    clean = net.whiten(batch.motion)
    noise = torch.randn(clean.shape, generator=generator, device=device)
    # Squared like the steps of the sampler: what is rare and sudden, a blink, is decided while almost all is noise.
    t = uniform() ** 2
    t = torch.where(uniform() < 0.125, torch.zeros_like(t), t)
    known = random_mask(count, rng).to(device, non_blocking=True)
    if not net.config.flow:
        noise, t = torch.zeros_like(noise), torch.zeros_like(t)
    noisy = t[:, None, None] * clean + (1 - t[:, None, None]) * noise
    noisy = known * clean + (1 - known) * noisy
    heard = batch.features + _NOISE * torch.randn((count, 1, batch.features.shape[-1]), generator=generator, device=device)
    sound = net.encode(without_bands(heard, rng))
    told = F.cross_entropy(net.viseme_head(sound).flatten(0, 1), batch.viseme.flatten(), ignore_index=UNKNOWN, reduction="sum")
    viseme = told / (batch.viseme != UNKNOWN).sum().clamp(min=1)
    sound = sound * (uniform() >= _DEAF_SHARE)[:, None, None]
    asked = batch.asked.clone()
    asked[..., SLOTS["style"]] = net.style_of(batch.clip)[:, None] * batch.asked[..., PRESENCE["style"], None]
    made = net(noisy, known, t, sound, asked)
    made = known * clean + (1 - known) * made

    error = made - clean
    weight = (1 / (1 - t + 0.25))[:, None, None] * _CHANNEL_WEIGHT.to(device)
    free = 1 - known
    flow = torch.stack([(weight * error**2)[..., rows].sum() / free[..., rows].sum().clamp(min=1) for rows in REGIONS.values()]).mean()
    speed = (torch.diff(error, dim=1) ** 2).mean()
    basis, gap = lips.basis.to(device), lips.gap.to(device)
    contact = 1 + 4 * batch.closed[..., None]
    lip = (contact * ((error * net.std) @ basis) ** 2).mean()
    # Closed means touching, however the jaw stands.
    apart = ((net.colour(made) @ gap) - net.lips_apart - _TOUCHING_MM).clamp(min=0)
    touch = ((batch.closed > 0.9) * (1 - known[..., 0]) * apart**2).mean()
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
