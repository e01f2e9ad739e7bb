"""The network: a rectified-flow transformer directly in motion space.

Flow: Liu et al. 2022 (rectified flow), with the clean motion as the network's output (Salimans and Ho 2022), so that
losses on lips and speeds apply to it. Sound enters every layer frame by frame as scale and shift (AdaLN, Peebles and Xie
2022); frames attend to their neighbours only (rotary positions, Su et al. 2021), so that any length works.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from driver.channels import NUM_CHANNELS
from driver.conditions import NUM_CONDITIONS, STYLE
from driver.features import LOOKAHEAD, NUM_FEATURES
from driver.phones import VISEME_NAMES

_NEAR = 6
_KERNEL, _DILATIONS = 5, (1, 2, 4)
PAST = _NEAR + (_KERNEL - 1) * sum(_DILATIONS)
"""Motion frames of sound before its own that reach a frame's sound code; attention carries more."""
WINDOW = _NEAR + 1 + LOOKAHEAD
STYLE_CLIP = 100
"""Frames of motion, 4 s, from which a style code is read."""


@dataclass(frozen=True)
class Config:
    """Sizes of the network."""

    width: int = 192
    layers: int = 6
    heads: int = 6
    reach: int = 12
    """Frames to either side that a frame attends to in one layer."""
    flow: bool = True
    """False for a regression: no noise goes in, and one step is all; a baseline, which says the mean of what could be done."""
    encoder: str = ""
    """Network that hears beside the built-in features (`driver.encoders`), by folder or name."""
    codes: int = 0
    """Numbers that it says a frame."""

    def as_dict(self) -> dict[str, int | str]:
        return asdict(self)


class DriverNet(nn.Module):
    """Noisy motion, its mask of known values, time, sound and conditions -> clean motion (whitened)."""

    mean: Tensor
    """[NUM_CHANNELS] of the training motion."""
    std: Tensor
    """[NUM_CHANNELS], with a floor."""
    usual_style: Tensor
    """[STYLE] of people without particular habits, who speak where nobody is named."""
    lips_apart: Tensor
    """Millimetres between lips that touch, by the channels: 0 but for a person whose tracker sees closed lips some way open."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.hear = nn.Sequential(nn.Linear(NUM_FEATURES + config.codes, d), nn.GELU())
        self.listen = nn.Conv1d(d, d, WINDOW)
        self.recall = nn.ModuleList(Recall(d, dilation) for dilation in _DILATIONS)
        self.understand = nn.Sequential(nn.GELU(), nn.Linear(d, d))
        self.viseme_head = nn.Linear(d, len(VISEME_NAMES))
        self.ask = nn.Linear(NUM_CONDITIONS, d)
        self.style = StyleEncoder()
        self.enter = nn.Linear(2 * NUM_CHANNELS, d)
        self.time = nn.Sequential(nn.Linear(d, d), nn.SiLU(), nn.Linear(d, d))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.leave = nn.Linear(d, NUM_CHANNELS)
        self.register_buffer("mean", torch.zeros(NUM_CHANNELS))
        self.register_buffer("std", torch.ones(NUM_CHANNELS))
        self.register_buffer("usual_style", torch.zeros(STYLE))
        self.register_buffer("lips_apart", torch.zeros(()))

    def encode(self, features: Tensor) -> Tensor:
        """Sound codes [B, T, d] of features [B, PAST + T + LOOKAHEAD, NUM_FEATURES + codes]."""
        heard = self.listen(self.hear(features).transpose(1, 2))
        for layer in self.recall:
            heard = layer(heard)
        return self.understand(heard.transpose(1, 2))

    def style_of(self, frames: Tensor) -> Tensor:
        """Style codes [B, STYLE] of motion clips [B, T, NUM_CHANNELS], about STYLE_CLIP frames each."""
        return self.style(self.whiten(frames))

    def forward(self, noisy: Tensor, known: Tensor, time: Tensor, sound: Tensor, asked: Tensor) -> Tensor:
        """Clean whitened motion [B, T, NUM_CHANNELS].

        Args:
            noisy: [B, T, NUM_CHANNELS] whitened motion at flow time `time`, clean where it is known.
            known: [B, T, NUM_CHANNELS] 1 where the value is given.
            time: [B] 0 (noise) .. 1 (motion).
            sound: [B, T, d] from `encode`.
            asked: [B, T, NUM_CONDITIONS], see `driver.conditions`.
        """
        T = noisy.shape[1]
        heeded = sound + self.ask(asked)
        hidden = self.enter(torch.cat([noisy, known], dim=-1)) + heeded
        condition = F.silu(heeded + self.time(_time_embedding(time, self.config.width))[:, None])
        rotation = _rotary(T, self.config.width // self.config.heads, noisy.device)
        position = torch.arange(T, device=noisy.device)
        near = (position[:, None] - position[None, :]).abs() <= self.config.reach
        for block in self.blocks:
            hidden = block(hidden, condition, rotation, near)
        return self.leave(F.layer_norm(hidden, hidden.shape[-1:]))

    def whiten(self, frames: Tensor) -> Tensor:
        return (frames - self.mean) / self.std

    def colour(self, white: Tensor) -> Tensor:
        return white * self.std + self.mean


class Recall(nn.Module):
    """What was heard some time ago, added to what is heard now: a causal convolution that shortens [B, d, T] by what it looks back."""

    def __init__(self, d: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.look_back = nn.Conv1d(d, d, _KERNEL, dilation=dilation)
        self.mix = nn.Conv1d(d, d, 1)
        self.shortens = (_KERNEL - 1) * dilation

    def forward(self, heard: Tensor) -> Tensor:
        past = self.look_back(self.norm(heard.transpose(1, 2)).transpose(1, 2))
        return heard[..., self.shortens :] + self.mix(F.gelu(past))


class StyleEncoder(nn.Module):
    """A clip of whitened motion [B, T, NUM_CHANNELS] -> style codes [B, STYLE], whatever its length: what moves how, not when."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv1d(NUM_CHANNELS, width, 5, padding=2), nn.GELU(),
            nn.Conv1d(width, width, 5, stride=2, padding=2), nn.GELU(),
            nn.Conv1d(width, width, 5, stride=2, padding=2), nn.GELU(),
        )  # fmt: skip
        self.tell = nn.Linear(2 * width, STYLE)

    def forward(self, clip: Tensor) -> Tensor:
        seen = self.look(clip.transpose(1, 2))
        return torch.tanh(self.tell(torch.cat([seen.mean(-1), seen.var(-1, correction=0).add(1e-6).sqrt()], dim=-1)))


class Block(nn.Module):
    """Attention to near frames, then a feed-forward layer; both see the sound as scale and shift."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        d = config.width
        self.heads = config.heads
        self.modulate = nn.Linear(d, 4 * d)
        self.attend = nn.Linear(d, 3 * d)
        self.merge = nn.Linear(d, d)
        self.feed = nn.Sequential(nn.Linear(d, 3 * d), nn.GELU(), nn.Linear(3 * d, d))
        # A block begins as the identity: training starts stable.
        nn.init.zeros_(self.merge.weight)
        nn.init.zeros_(self.merge.bias)
        nn.init.zeros_(self.feed[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.feed[2].bias)  # type: ignore[arg-type]

    def forward(self, hidden: Tensor, condition: Tensor, rotation: tuple[Tensor, Tensor], near: Tensor) -> Tensor:
        B, T, d = hidden.shape
        scale1, shift1, scale2, shift2 = self.modulate(condition).chunk(4, dim=-1)
        normed = F.layer_norm(hidden, (d,)) * (1 + scale1) + shift1
        q, k, v = self.attend(normed).view(B, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = _rotate(q, rotation), _rotate(k, rotation)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=near)
        hidden = hidden + self.merge(mixed.transpose(1, 2).reshape(B, T, d))
        normed = F.layer_norm(hidden, (d,)) * (1 + scale2) + shift2
        return hidden + self.feed(normed)


def _time_embedding(time: Tensor, width: int) -> Tensor:
    """Sines and cosines [B, width] of the flow time."""
    frequency = torch.exp(torch.linspace(0, 5, width // 2, device=time.device))
    angle = time[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def _rotary(T: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    frequency = 100.0 ** (-torch.arange(0, width, 2, device=device) / width)
    angle = torch.arange(T, device=device)[:, None] * frequency
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = rotation
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
