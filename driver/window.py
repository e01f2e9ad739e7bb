"""One window of motion: the network's flow from noise, brought to what a face can do at every step."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from driver.channels import EXPR, INDEX, JAW, REGIONS
from driver.conditions import PRESENCE, SLOTS, conditions
from driver.lips import Lips
from driver.model import DriverNet
from driver.phones import VISEME_INDEX

_CLOSED, _OPEN, _PRESSED = 0.5, 1.3, 0.8
"""Millimetres between the lips: what counts as closed, what is left as it is, and how far they press into each other."""
_TOUCH = 0.2
"""Millimetres by which lips that meet for a p, b or m press into each other."""
_DOUBTED, _BELIEVED = 0.1, 0.4
"""Probability of a p, b or m below which the lips are left as they are, and from which on they meet. A closure that is missed is
seen at once, one too many hardly."""
_BESIDE = 0.5
"""How far they go to meet a frame earlier and later."""
_EXTRAPOLATED = 0.5
"""Share of the second-order term of a step (Adams and Bashforth's, of the clean motion over the flow's time). Without it few steps show a head
and lids that hardly move, with all of it they move too much: half shows with 4 steps about what 32 show."""
_STIFFNESS = {"head": 4.0, "brows": 1.0}
"""Of the smoothing: half of what moves at 3 Hz (head) or 4 Hz (brows) is let through; gaze jumps and is not smoothed."""
_MERGE, _MEET = 14, 60
"""Frames within which a motion that goes on comes back to the network's, and within which it turns to what is pinned later."""
_MOUTH_CLOSE = INDEX["mouthClose"]


@torch.inference_mode()
def sample_window(
    net: DriverNet,
    lips: Lips,
    features: Tensor,
    noise: Tensor,
    given: Tensor,
    known: Tensor,
    steps: int,
    asked: Tensor | None = None,
    guidance: float = 1.0,
    heard: int | None = None,
) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] of one window by steps along the flow, short ones first; what is known comes back as it was given.

    Args:
        net: the network.
        lips: of the head.
        features: [PAST + T + LOOKAHEAD, NUM_FEATURES].
        noise: [T, NUM_CHANNELS].
        given: [T, NUM_CHANNELS] motion, where it is known.
        known: [T, NUM_CHANNELS] bool: where it is.
        steps: number of them.
        asked: [T, NUM_CONDITIONS] what is asked for besides, see `driver.conditions`; default nothing.
        guidance: how far to go beyond what would be made without hearing (Ho and Salimans 2022): 1 is as learned, more follows
            the sound more strongly and takes twice the time.
        heard: frames whose sound is known, look-ahead included; the others are made as if it went on the same. Default all.
    """
    asked = conditions(len(noise)) if asked is None else asked
    sound = net.encode(features[None])
    if heard is not None:
        # Silence would close the mouth beforehand; that all goes on as it is, is the better guess.
        sound[:, heard:] = sound[:, heard - 1 : heard]
    if not net.config.flow:
        steps, noise = 1, torch.zeros_like(noise)
    mask = known.float()[None]
    kept = mask * net.whiten(given)[None]
    x = kept + (1 - mask) * noise[None]
    touching = contact(net, sound[0], asked)
    times = [(step / steps) ** 2 for step in range(steps + 1)]
    clean, slope = x, 0.0
    for step, (now, then) in enumerate(pairwise(times)):
        before = clean
        clean = kept + (1 - mask) * _clean(net, x, mask, now, sound, asked[None], guidance)
        clean = net.whiten(project(net.colour(clean[0]), lips, known, touching, float(net.lips_apart)))[None]
        if step:
            slope = (clean - before) / (now - times[step - 1])
        else:
            # What is said leaves the mouth little choice: it is settled first, and the rest is made to go with it.
            mouth = REGIONS["mouth"]
            mask[..., mouth], kept[..., mouth] = 1, clean[..., mouth]
        # The straight path through x and where its end seems to be by the middle of the step, a step further.
        end = clean + _EXTRAPOLATED * slope * (then - now) / 2
        x = end + (x - end) * (1 - then) / (1 - now)
        x = kept + (1 - mask) * x
    return torch.where(known, given, net.colour(clean[0])).numpy()


def _clean(net: DriverNet, x: Tensor, known: Tensor, now: float, sound: Tensor, asked: Tensor, guidance: float) -> Tensor:
    """The network's clean motion [1, T, NUM_CHANNELS]; with guidance, of one call for the two that hear and do not."""
    if guidance == 1:
        return net(x, known, torch.full((1,), now), sound, asked)
    noisy, given, rows = (value.expand(2, -1, -1) for value in (x, known, asked))
    hearing, deaf = net(noisy, given, torch.full((2,), now), torch.cat([sound, torch.zeros_like(sound)]), rows).chunk(2)
    return deaf + guidance * (hearing - deaf)


def contact(net: DriverNet, sound: Tensor, asked: Tensor) -> Tensor:
    """How far the lips must meet [T], 0..1: for the p, b and m that are asked for, or else heard.

    Where the sound leaves it open, the network's motion is between lips that meet and lips that do not, which is seen as neither.

    Args:
        net: the network.
        sound: [T, d] codes of the sound.
        asked: [T, NUM_CONDITIONS].
    """
    heard, told = net.viseme_head(sound).softmax(-1), asked[:, SLOTS["phones"]]
    probability = torch.where(asked[:, PRESENCE["phones"]] > 0, told[:, VISEME_INDEX["pbm"]], heard[:, VISEME_INDEX["pbm"]])
    ramp = ((probability - _DOUBTED) / (_BELIEVED - _DOUBTED)).clamp(0, 1)
    meeting = F.pad(ramp * ramp * (3 - 2 * ramp), (1, 1))
    return torch.maximum(meeting[1:-1], _BESIDE * torch.maximum(meeting[:-2], meeting[2:]))


def project(frames: Tensor, lips: Lips, known: Tensor | None = None, touching: Tensor | None = None, apart: float = 0.0) -> Tensor:
    """The nearest admissible motion: head and brows no faster than muscles move them, expressions within 0..1, the jaw not
    above its rest, lips that must meet or all but do closed, and lips not inside each other.

    Args:
        frames: [T, NUM_CHANNELS].
        lips: of the head.
        known: [T, NUM_CHANNELS] bool: what is left as it is; default nothing.
        touching: [T] 0..1 how far the lips must meet.
        apart: millimetres between lips that touch, see `DriverNet.lips_apart`.
    """
    known = torch.zeros(frames.shape, dtype=torch.bool) if known is None else known
    done = frames.clone()
    for region, stiffness in _STIFFNESS.items():
        rows = REGIONS[region]
        done[:, rows] = _smoothed(frames[:, rows], known[:, rows], stiffness)
    done[:, EXPR] = done[:, EXPR].clamp(0, 1)
    done[:, JAW] = done[:, JAW].clamp(min=0)
    gap = done @ lips.gap - apart
    ramp = ((gap - _CLOSED) / (_OPEN - _CLOSED)).clamp(0, 1)
    closing = gap.clamp(min=0) * (1 - ramp * ramp * (3 - 2 * ramp))
    if touching is not None:
        closing = torch.maximum(closing, touching * (gap + _TOUCH))
    done[:, _MOUTH_CLOSE] = (done[:, _MOUTH_CLOSE] - closing / lips.gap[_MOUTH_CLOSE]).clamp(0, 1)
    done[:, JAW] += (-_PRESSED - gap).clamp(min=0) / lips.gap[JAW]
    return torch.where(known, frames, done)


def _smoothed(frames: Tensor, known: Tensor, stiffness: float) -> Tensor:
    """Channels [T, C] smoothed in time, and joined to their known values."""
    if bool((known == known[:, :1]).all()):
        return _smoother(known[:, 0].numpy().tobytes(), stiffness) @ frames
    columns = zip(known.T.contiguous(), frames.T, strict=True)
    return torch.stack([_smoother(given.numpy().tobytes(), stiffness) @ values for given, values in columns], dim=1)


@lru_cache(maxsize=256)
def _smoother(given: bytes, stiffness: float) -> Tensor:
    """The linear map [T, T] that smooths the frames which are not given (a bool each) and joins them to those that are, which it keeps.

    Least squares with a penalty on second differences (Whittaker 1923), or on third ones where more is given than a
    beginning: then the acceleration passes through a pinned frame without a peak. Beside a given frame the others themselves
    count little: the motion runs on with the speed it had, and comes back to them within some frames.
    """
    held = np.frombuffer(given, bool)
    T, free = len(held), ~held
    prefix = T if held.all() else int(free.argmax())
    pinned = np.flatnonzero(held[prefix:]) + prefix
    order = 3 if len(pinned) else 2
    # With pins a quarter lower in frequency: what leads to them shall not be seen as a jerk.
    penalty = stiffness if order == 2 else 3 * stiffness**1.5
    index = np.arange(T)
    trust = np.clip((index - prefix + 1) / _MERGE, 0, 1) if prefix else np.ones(T)
    if len(pinned):
        trust = np.minimum(trust, np.clip(np.abs(index[:, None] - pinned).min(axis=1) / _MEET, 0, 1))
    difference = np.diff(np.eye(T), order, axis=0)
    system = np.diag(trust[free] ** 3) + penalty * difference[:, free].T @ difference[:, free]
    smoother = np.eye(T)
    smoother[free] = 0
    if free.any():
        targets = np.zeros((int(free.sum()), T))
        targets[:, held] = -penalty * difference[:, free].T @ difference[:, held]
        targets[:, free] = np.diag(trust[free] ** 3)
        smoother[free] = np.linalg.solve(system, targets)
    return torch.from_numpy(smoother.astype(np.float32))
