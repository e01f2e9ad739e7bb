"""Speech -> motion: the shipped network, window by window, for sound of any length."""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from driver.channels import EXPR, INDEX, JAW, NUM_CHANNELS, REGIONS, check_driven_head, unpack
from driver.conditions import PRESENCE, SLOTS, USUAL, Asked, conditions
from driver.encoders import Encoder, load_encoder
from driver.features import FPS, LOOKAHEAD, RATE, FeatureStream, as_mono16k, num_frames, silence
from driver.lips import Lips, lips_of
from driver.model import PAST, DriverNet
from driver.phones import VISEME_INDEX
from driver.weights import load_weights

NEW, PREFIX, BEYOND = 64, 16, 8
"""Frames that a window adds, that it takes over from the one before, and that it makes and throws away so that its last
frames see what follows them."""
_JOIN = (np.arange(1, BEYOND + 1, dtype=np.float32) / (BEYOND + 1))[:, None]
"""[BEYOND, 1] share of the new window in the frames that both windows made."""
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
_MERGE = 14
_MOUTH_NOISE = 0.5
"""Of the noise's spread, what the mouth has: what is said leaves it little choice, and a mouth that takes none is nearest to the truth."""
_MOUTH_CLOSE = INDEX["mouthClose"]
_NOISE_BLOCK = 64
_SOUND_BLOCK = 60 * RATE


def drive(
    sound: np.ndarray,
    rate: int,
    *,
    head: HeadModel,
    seed: int = 0,
    steps: int = 4,
    shape: np.ndarray | None = None,
    weights: Path | DriverNet | None = None,
    asked: Asked | None = None,
    guidance: float = 1.0,
) -> Motion:
    """The motion of a head that speaks `sound`, at 25 frames a second, with the sound in it.

    Args:
        sound: [samples] or [samples, channels], -1..1.
        rate: Hz.
        head: the embedded head, or one with its expressions.
        seed: another seed, other blinks, gaze and head; the same seed, the same motion.
        steps: of the flow, 1-64; 2 are fast, and move head and lids half as much.
        shape: [S] identity, default the mean.
        weights: a weights file or a loaded network, default the one that ships.
        asked: what is asked for besides, by slot (see `driver.conditions`): values for all of it, or one row a frame.
        guidance: see `sample_window`.

    Raises:
        UserError: the head has no ARKit expressions, the sound is empty, or the weights cannot be used.
        ValueError: seed or steps are out of range, or what is asked for does not fit.
    """
    check_driven_head(head)
    if seed < 0:
        raise ValueError(f"seed is {seed}, expected 0 or more")
    if not 1 <= steps <= 64:
        raise ValueError(f"steps is {steps}, expected 1 to 64")
    net = weights if isinstance(weights, DriverNet) else load_weights(weights)
    clean = as_mono16k(sound, rate)
    frames = np.concatenate(list(generate(clean, net, lips_of(head), seed=seed, steps=steps, asked=asked, guidance=guidance)))
    mono = np.asarray(sound, np.float32)
    return Motion(
        **unpack(frames, head.jaw_open_angle),
        shape=np.zeros(head.num_shape, np.float32) if shape is None else np.asarray(shape, np.float32),
        fps=Fraction(FPS),
        head_fingerprint=head.fingerprint,
        sound=mono.mean(axis=1) if mono.ndim == 2 else mono,
        sound_rate=int(rate),
    )


def generate(
    sound: np.ndarray, net: DriverNet, lips: Lips, *, seed: int = 0, steps: int = 4, asked: Asked | None = None, guidance: float = 1.0
) -> Iterator[np.ndarray]:
    """Frames [n, NUM_CHANNELS], window after window, of a 16 kHz sound.

    `asked` are values by slot, for all of it or one row a frame (see `driver.conditions`); what it does not name is as usual.

    Each window continues the last frames of the one before, which are given to the network as known; the noise belongs to
    the absolute frame. Features are made a minute at a time, so that memory does not grow with the sound.
    """
    total = num_frames(len(sound))
    hearing = _Hearing(sound, total, load_encoder(net.config.encoder) if net.config.encoder else None)
    before, beyond = np.zeros((0, NUM_CHANNELS), np.float32), np.zeros((0, NUM_CHANNELS), np.float32)
    wanted = conditions(total, {**USUAL, "style": net.usual_style, **(asked or {})})
    for start in range(0, total, NEW):
        taken = len(before)
        first, last = start - taken, start + NEW + BEYOND
        features = torch.from_numpy(hearing.frames(first - PAST, last + LOOKAHEAD))
        noise = torch.from_numpy(frame_noise(seed, first, last))
        rows = wanted[np.minimum(np.arange(first, last), total - 1)]
        made = sample_window(net, lips, features, noise, torch.from_numpy(before), steps, rows, guidance)
        # What the window before made beyond its end and what this one makes there are one motion, seen from two sides.
        joined = slice(taken, taken + len(beyond))
        made[joined] += (1 - _JOIN[: len(beyond)]) * (beyond - made[joined])
        beyond = made[taken + NEW : taken + NEW + BEYOND]
        new = made[taken : taken + min(NEW, total - start)]
        before = np.concatenate([before, new])[-PREFIX:]
        yield new


@torch.inference_mode()
def sample_window(
    net: DriverNet, lips: Lips, features: Tensor, noise: Tensor, prefix: Tensor, steps: int, asked: Tensor | None = None, guidance: float = 1.0
) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] of one window by steps along the flow, short ones first.

    Args:
        net: the network.
        lips: of the head.
        features: [PAST + T + LOOKAHEAD, NUM_FEATURES].
        noise: [T, NUM_CHANNELS].
        prefix: [P, NUM_CHANNELS] motion to continue, P <= T.
        steps: number of them.
        asked: [T, NUM_CONDITIONS] what is asked for besides, see `driver.conditions`; default nothing.
        guidance: how far to go beyond what would be made without hearing (Ho and Salimans 2022): 1 is as learned, more follows
            the sound more strongly and takes twice the time.
    """
    T, P = len(noise), len(prefix)
    asked = conditions(T) if asked is None else asked
    sound = net.encode(features[None])
    known = torch.zeros(1, T, NUM_CHANNELS)
    given = torch.zeros(1, T, NUM_CHANNELS)
    known[:, :P] = 1
    given[0, :P] = net.whiten(prefix)
    if not net.config.flow:
        steps, noise = 1, torch.zeros_like(noise)
    x = known * given + (1 - known) * noise[None]
    touching = contact(net, sound[0], asked)
    times = [(step / steps) ** 2 for step in range(steps + 1)]
    clean, slope = x, 0.0
    for step, (now, then) in enumerate(pairwise(times)):
        before = clean
        clean = known * given + (1 - known) * _clean(net, x, known, now, sound, asked[None], guidance)
        clean = net.whiten(project(net.colour(clean[0]), lips, P, touching, float(net.lips_apart)))[None]
        if step:
            slope = (clean - before) / (now - times[step - 1])
        else:
            # What is said leaves the mouth little choice: it is settled first, and the rest is made to go with it.
            mouth = REGIONS["mouth"]
            known[..., mouth], given[..., mouth] = 1, clean[..., mouth]
        # The straight path through x and where its end seems to be by the middle of the step, a step further.
        end = clean + _EXTRAPOLATED * slope * (then - now) / 2
        x = end + (x - end) * (1 - then) / (1 - now)
        x = known * given + (1 - known) * x
    return net.colour(clean[0]).numpy()


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


def project(frames: Tensor, lips: Lips, first: int = 0, touching: Tensor | None = None, apart: float = 0.0) -> Tensor:
    """The nearest admissible motion: head and brows no faster than muscles move them, expressions within 0..1, the jaw not
    above its rest, lips that must meet or all but do closed, and lips not inside each other.

    Args:
        frames: [T, NUM_CHANNELS].
        lips: of the head.
        first: frames before it are left as they are.
        touching: [T] 0..1 how far the lips must meet.
        apart: millimetres between lips that touch, see `DriverNet.lips_apart`.
    """
    done = frames.clone()
    free = done[first:]
    for region, stiffness in _STIFFNESS.items():
        rows = REGIONS[region]
        free[:, rows] = _smoother(len(frames), first, stiffness) @ frames[:, rows]
    free[:, EXPR] = free[:, EXPR].clamp(0, 1)
    free[:, JAW] = free[:, JAW].clamp(min=0)
    gap = free @ lips.gap - apart
    ramp = ((gap - _CLOSED) / (_OPEN - _CLOSED)).clamp(0, 1)
    closing = gap.clamp(min=0) * (1 - ramp * ramp * (3 - 2 * ramp))
    if touching is not None:
        closing = torch.maximum(closing, touching[first:] * (gap + _TOUCH))
    free[:, _MOUTH_CLOSE] = (free[:, _MOUTH_CLOSE] - closing / lips.gap[_MOUTH_CLOSE]).clamp(0, 1)
    free[:, JAW] += (-_PRESSED - gap).clamp(min=0) / lips.gap[JAW]
    return done


@cache
def _smoother(T: int, first: int, stiffness: float) -> Tensor:
    """The linear map [T - first, T] that smooths the frames from `first` on and joins them to those before, which it keeps.

    Least squares with a penalty on second differences (Whittaker 1923). Just after the join the frames themselves count
    little: the motion runs on with the speed it had, and comes back to them within `_MERGE` frames.
    """
    second = np.diff(np.eye(T), 2, axis=0)
    given, free = second[:, :first], second[:, first:]
    trust = np.clip(np.arange(1, T - first + 1) / _MERGE, 0, 1) ** 3 if first else np.ones(T)
    system = np.diag(trust) + stiffness * free.T @ free
    targets = np.concatenate([-stiffness * free.T @ given, np.diag(trust)], axis=1)
    return torch.from_numpy(np.linalg.solve(system, targets).astype(np.float32))


class _Hearing:
    """Features of a sound, made as they are needed and forgotten when they are past; silence before and after it.

    An encoder's codes beside them are made at once, for the whole sound.
    """

    def __init__(self, sound: np.ndarray, total: int, encoder: Encoder | None = None) -> None:
        self._sound, self._total = sound, total
        self._codes = None if encoder is None else encoder.codes(sound)
        self._stream = FeatureStream()
        self._first, self._position = 0, 0
        self._kept = silence(0)

    def frames(self, first: int, last: int) -> np.ndarray:
        """Features [last - first, NUM_FEATURES + codes]; `first` never decreases from call to call."""
        while self._first + len(self._kept) < min(last, self._total):
            piece = self._sound[self._position : self._position + _SOUND_BLOCK]
            self._position += _SOUND_BLOCK
            if self._position >= len(self._sound):
                piece = np.concatenate([piece, np.zeros(RATE // FPS, np.float32)])
            self._kept = np.concatenate([self._kept, self._stream.push(piece)])
        past = max(0, first - self._first)
        self._kept, self._first = self._kept[past:], self._first + past
        inside = self._kept[: max(0, min(last, self._total) - self._first)]
        lead = max(0, -first)
        heard = np.concatenate([silence(lead), inside, silence(last - first - lead - len(inside))])
        if self._codes is None:
            return heard
        codes = np.zeros((last - first, self._codes.shape[1]), np.float32)
        codes[lead : lead + len(inside)] = self._codes[max(first, 0) : max(first, 0) + len(inside)]
        return np.concatenate([heard, codes], axis=1)


def frame_noise(seed: int, first: int, last: int) -> np.ndarray:
    """Noise [last - first, NUM_CHANNELS] of absolute frames: the same for a frame however the sound is cut, and for the mouth whatever the seed."""
    blocks = range(first // _NOISE_BLOCK, (last - 1) // _NOISE_BLOCK + 1)
    made = []
    for block in blocks:
        noise, of_mouth = (np.random.default_rng([each, block]).standard_normal((_NOISE_BLOCK, NUM_CHANNELS), np.float32) for each in (seed, 0))
        noise[:, REGIONS["mouth"]] = _MOUTH_NOISE * of_mouth[:, REGIONS["mouth"]]
        made.append(noise)
    offset = first - blocks[0] * _NOISE_BLOCK
    return np.concatenate(made)[offset : offset + last - first]
