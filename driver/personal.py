"""The default driver made one person's own: adapted to the minutes in which that person was filmed.

What it hears stays as it was learned from many voices; how a face answers is learned anew, from the person's own
tracked motion, mixed with the speech that the default driver knows so that sounds which the person did not say are not
forgotten. First the network's units are made the person's, so that what it knew before is said with this face.
"""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.signal import find_peaks
from torch import Tensor

from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.progress import Progress, silent
from avatar3d.statistics import motion_statistics
from driver import metrics
from driver.captures import capture_takes, tracked, with_people
from driver.channels import LIDS, REGIONS
from driver.comparison import Driver, sampled
from driver.corpus import joined
from driver.features import FPS, SAMPLES
from driver.held_out import admitted
from driver.lips import Lips, lips_of, posed
from driver.losses import losses
from driver.manner import Manner
from driver.model import STYLE_CLIP, DriverNet
from driver.takes import Take, generated_take, quiet_take, sentences
from driver.windows import FRAMES, Windows

COPIES = 4
"""Times that the person's sound is used, heard by other microphones."""
LEAST_SECONDS = 12.0
"""Of speech and face, below which a person cannot be told from the default."""
_CHOSEN_SHARE, _GAP = 0.15, 1.0
"""Share of the person's time, at its end, by which training is stopped, at least a window's length; and seconds before it that are left out."""
_PRIOR_TAKES, _QUIET_TAKES, _PRIOR_SHARE = 80, 4, 0.25
_BATCH, _RATE, _WARM_UP = 16, 5e-4, 0.1
_LOOKS = 8
"""At the stretch that decides; those of the first half are only shown, since a few seconds tell little while the weights still move much."""
_AVERAGED = 0.98
_HEARING = ("hear", "listen", "recall", "understand", "viseme_head")
_STD_FLOOR = 0.02
_SHUT_PERCENT = 5.0
"""Of the frames, those with the lips closest, that stand for closed lips where none are."""
_STEPS = 4
_LEAST_BLINK, _MOST_DEEPENED = 0.15, 3.0
"""Of a lid's way, what is taken for a blink; and by how much blinks are deepened at most."""


@dataclass(frozen=True, eq=False)
class Personal:
    """A person's own driver and how it came about."""

    net: DriverNet
    seconds: float
    """Wall time."""
    steps: int
    """Of optimisation, up to the weights that were kept."""
    error: tuple[float, float]
    """Lip vertex error, mm, on the stretch that decided: of the default driver as the avatar performs it, and of what was kept."""
    material: float
    """Seconds of the person that were learned from."""


def adapt(
    folder: Path,
    head: HeadModel,
    prior: DriverNet,
    *,
    holdout: float = 0.0,
    minutes: float = math.inf,
    steps: int = 240,
    seed: int = 0,
    progress: Progress = silent,
) -> Personal:
    """Adapt a driver to a capture.

    Args:
        folder: that `avatar3d track` made, with sound.
        head: it was tracked with.
        prior: to begin from; left as it is.
        holdout: share of the capture, at its end, that is not looked at.
        minutes: wall time at most.
        steps: of optimisation at most.
        seed: of everything random.
        progress: told how many steps are done.

    Raises:
        UserError: the capture cannot be used, shows too little of a speaking face, or the default driver does as well.
    """
    began = time.monotonic()
    lips, until = lips_of(head), 1 - holdout
    whole = capture_takes(folder, head, part=(0.0, until))
    material = sum(len(take.frames) for take in whole) / FPS
    if material < LEAST_SECONDS:
        raise UserError(f"{folder}: shows {material:.0f} s of a face with sound, and a driver of its own needs {LEAST_SECONDS:.0f}; film a minute")
    deciding = max(_CHOSEN_SHARE, (FRAMES + 2) / FPS / material) * until
    own = capture_takes(folder, head, part=(0.0, until - deciding - _GAP / material * until), copies=COPIES, seed=seed)
    judged = capture_takes(folder, head, part=(until - deciding, until))
    motion, _ = tracked(folder, head)
    statistics = motion_statistics(motion.frames(np.arange(round(len(motion) * (until - deciding)))), head)
    usual = sampled(prior, lips, _STEPS)
    default = _error(lambda sound: admitted(usual(sound), statistics, head), judged, lips)
    net = in_units_of(prior, np.concatenate([take.frames for take in own]), np.concatenate([take.closed for take in own]), lips)
    windows = _windows(net, prior, own, seed)
    kept, best, best_step = _copied(net), _error(sampled(net, lips, _STEPS), judged, lips), 0
    average = _copied(net)
    free = [value.requires_grad_(not name.startswith(_HEARING)) for name, value in net.named_parameters()]
    optimizer = torch.optim.AdamW([value for value in free if value.requires_grad], lr=_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    step, share, looked = 0, 0.0, 0.0
    # What is learned when depends on the steps alone, or another load of the machine would give another driver; the clock only ends it.
    while share < 1 and time.monotonic() - began < 60 * minutes:
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, (share + 1 / steps) / _WARM_UP) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
        rng = np.random.default_rng([seed, step])
        loss, _ = losses(net, lips, windows.draw(_BATCH, rng), rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        for name, value in net.state_dict().items():
            average[name].lerp_(value, 1 - min(_AVERAGED, (step + 1) / (step + 10)))
        step += 1
        share = step / steps
        if share >= min(looked + 1 / _LOOKS, 1):
            looked = share
            found = _error(sampled(_with(net, average), lips, _STEPS), judged, lips)
            if found < best and share > 0.5:
                kept, best, best_step = {name: value.clone() for name, value in average.items()}, found, step
            progress(step, steps, lips_mm=found)
    net = _with(net, kept)
    net.usual_style = _style(net, own)
    net = with_whole_blinks(net, lips, whole)
    if best >= default:
        raise UserError(f"{folder}: what it shows of speech teaches nothing better than the default driver ({best:.2f} mm, {default:.2f}); film more")
    return Personal(net, time.monotonic() - began, best_step, (default, best), material)


def in_units_of(prior: DriverNet, frames: np.ndarray, closed: np.ndarray, lips: Lips) -> DriverNet:
    """A driver whose zero and whose unit of every channel are a person's, and so are its touching lips.

    The mouth that rests stays a mouth that rests: what was zero to the prior becomes the person's mouth with closed lips. Other
    channels keep their mean.

    Args:
        prior: left as it is.
        frames: [T, NUM_CHANNELS] of the person.
        closed: [T] 0..1 where the lips meet.
        lips: of the head.
    """
    net, mouth = _with(prior, _copied(prior)), REGIONS["mouth"]
    gap = frames @ lips.gap.numpy()
    shut = closed > 0.9 if (closed > 0.9).any() else gap <= np.percentile(gap, _SHUT_PERCENT)
    net.lips_apart = torch.tensor(float(np.median(gap[shut])))
    net.std = torch.maximum(torch.from_numpy(frames.std(axis=0)), prior.std.clamp(max=_STD_FLOOR))
    net.mean = torch.from_numpy(frames.mean(axis=0))
    rest = torch.from_numpy(np.median(frames[shut][:, mouth], axis=0))
    net.mean[mouth] = rest + prior.mean[mouth] * net.std[mouth] / prior.std[mouth]
    return net


def with_whole_blinks(net: DriverNet, lips: Lips, takes: list[Take]) -> DriverNet:
    """A driver whose blinks are as deep as the person's: learned from few, in few steps, they are half as deep, which looks like twitching lids.

    Args:
        net: the person's; left as it is.
        lips: of the head.
        takes: of the person.
    """
    made = np.concatenate([sampled(net, lips, _STEPS)(take.sound) for take in takes])
    seen = np.concatenate([take.frames for take in takes])
    deeper = _with(net, _copied(net))
    for lid in LIDS:
        peaks, _ = find_peaks(made[:, lid], prominence=_LEAST_BLINK)
        rest, deepest = float(np.median(seen[:, lid])), float(np.percentile(seen[:, lid], 99.5))
        if len(peaks):
            depth = float(np.median(made[peaks, lid])) - float(np.median(made[:, lid]))
            gain = float(np.clip((deepest - rest) / depth, 1.0, _MOST_DEEPENED))
            # Its unit of this channel grows about the open lid; nothing else of the driver notices.
            open_lid = float(np.median(made[:, lid]))
            deeper.mean[lid] = open_lid - (open_lid - net.mean[lid]) * gain
            deeper.std[lid] = net.std[lid] * gain
    return deeper


def _windows(net: DriverNet, prior: DriverNet, own: list[Take], seed: int) -> Windows:
    """Windows of the person and of generated speech, whose motion is brought into the person's units."""
    pool, _ = sentences()
    known = [generated_take(pool, np.random.default_rng([seed, index])) for index in range(_PRIOR_TAKES)]
    # Somebody who pauses with open lips shall close them all the same when nobody has spoken for long. Quiet is the person's own,
    # since the style is, and too short to be taken for a style.
    quiet = [_translated(quiet_take(np.random.default_rng([seed, index]), Manner()), prior, net) for index in range(_QUIET_TAKES)]
    quiet = [_first(take, STYLE_CLIP - 1) for take in quiet]
    corpus, odds = with_people(joined([[_translated(take, prior, net)] for take in known]), [[*own, *quiet]], 1 - _PRIOR_SHARE)
    return Windows(corpus, weights=odds)


def _translated(take: Take, prior: DriverNet, net: DriverNet) -> Take:
    frames = net.colour(prior.whiten(torch.from_numpy(take.frames))).numpy()
    # In another's units lips that touch are some way apart or inside each other: when they meet, the person's own frames say.
    return replace(take, frames=frames, closed=np.zeros_like(take.closed))


def _first(take: Take, frames: int) -> Take:
    parts = {name: getattr(take, name)[:frames] for name in ("features", "frames", "viseme", "closed")}
    return replace(take, sound=take.sound[: frames * SAMPLES], **parts)


@torch.no_grad()
def _style(net: DriverNet, takes: list[Take]) -> Tensor:
    """Mean style code [STYLE] of a person's takes."""
    clips = [take.frames[first : first + STYLE_CLIP] for take in takes for first in range(0, len(take.frames) - STYLE_CLIP + 1, STYLE_CLIP // 2)]
    clips = clips or [take.frames for take in takes[:1]]
    return net.style_of(torch.from_numpy(np.stack(clips))).mean(0)


def _error(driver: Driver, takes: list[Take], lips: Lips) -> float:
    """Lip vertex error, mm, of what a driver makes of the sound of some takes."""
    found = []
    for take in takes:
        made = driver(take.sound)
        ours, theirs = (posed(lips.head, torch.from_numpy(frames)).numpy() for frames in (take.frames, made[: len(take.frames)]))
        found.append(metrics.lip_vertex_error(ours, theirs))
    return float(np.mean(found))


def _copied(net: DriverNet) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def _with(net: DriverNet, state: dict[str, Tensor]) -> DriverNet:
    """A network of the same sizes with other values."""
    other = DriverNet(net.config)
    other.load_state_dict(state)
    return other.eval().requires_grad_(False)
