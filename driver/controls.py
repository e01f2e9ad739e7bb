"""What the controls of a performance do: the effect that each is meant to have, and what it does to the lips besides.

Measured on held-out generated speech, whose closures are known. Directions are in `driver.direction`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from driver import metrics
from driver.blinks import lid_closure
from driver.channels import INDEX, NECK, REGIONS
from driver.conditions import EMOTIONS
from driver.direction import Direction
from driver.evaluate import CONTACT_MM, blinks_per_minute, closure_gaps, lip_motion_mm
from driver.features import FPS
from driver.lips import Lips, posed
from driver.model import DriverNet
from driver.mood import mood_face
from driver.pins import Pins, no_pins, region_pins, stretch_pins
from driver.sample import perform
from driver.takes import Take

_PINNED_EVERY = 40
"""Frames between two keyframes of the test."""

_BLINK_SEEDS = 5
"""With which each sound is driven where blinks are counted: ten sentences have a dozen."""


@dataclass(frozen=True, eq=False)
class Effect:
    """One row of the table."""

    control: str
    wanted: str
    """What it is meant to change, and to what."""
    found: float
    """What it changed it to."""
    closed: float
    """Share of the p, b and m in which the lips touch."""
    lips_mm: float
    """How far the lips are from those of the undirected performance, worst vertex, mean over the frames."""


@dataclass(frozen=True, eq=False)
class _Performed:
    take: Take
    plain: np.ndarray
    made: np.ndarray


_Measure = Callable[[list[_Performed]], float]


def effects(takes: Sequence[Take], net: DriverNet, lips: Lips, steps: int = 4) -> list[Effect]:
    """The table of all controls.

    Args:
        takes: held-out generated speech.
        net: the driver.
        lips: of the head.
        steps: of the sampler.
    """
    plain = [perform(take.sound, net, lips, Direction(), seed=number, steps=steps) for number, take in enumerate(takes)]

    def measured(control: str, wanted: str, direct: Callable[[np.ndarray], Direction], measure: _Measure, seed: int = 0, times: int = 1) -> Effect:
        done = [
            _Performed(take, usual, perform(take.sound, net, lips, direct(usual), seed=number + seed + 10_000 * again, steps=steps))
            for again in range(times)
            for number, (take, usual) in enumerate(zip(takes, plain, strict=True))
        ]
        return Effect(control, wanted, measure(done), _closed(done, lips), _lips_apart(done, lips))

    rows = [measured("nothing", "blinks a minute, as usual", lambda _: Direction(), _blink_rate, times=_BLINK_SEEDS)]
    for name in EMOTIONS:
        rows.append(measured(f"emotion {name}:1", "share of its face that shows: 1", _with(emotion={name: 1.0}), _shown(name)))
    rows.append(measured("emotion happy:0.5", "share of the whole face: 0.5", _with(emotion={"happy": 0.5}), _shown("happy")))
    mixed = _with(emotion={"happy": 0.5, "surprised": 0.5})
    rows.append(measured("happy:0.5 surprised:0.5", "share of surprise: 0.5", mixed, _shown("surprised")))
    for region in ("mouth", "brows", "head"):
        for amount in (0.5, 2.0):
            rows.append(measured(f"{region} amount {amount:g}", f"spread against the usual: {amount:g}", _with(**{region: amount}), _spread(region)))
    rows.append(measured("head amount 0", "spread against the usual: 0", _with(head=0.0), _spread("head")))
    for rate in (0.0, 10.0, 40.0):
        rows.append(measured(f"blink rate {rate:g}", f"blinks a minute: {rate:g}", _with(blinks=rate), _blink_rate, times=_BLINK_SEEDS))
    for right, up in ((0.0, 0.0), (15.0, 0.0), (-15.0, 0.0), (0.0, 10.0), (0.0, -10.0)):
        axis, target = (1, right) if right or not up else (0, -up)
        wanted = f"degrees {'right' if axis else 'down'}: {target:g}"
        rows.append(measured(f"gaze {right:g},{up:g}", wanted, _with(gaze=(right, up)), _gaze(axis)))
    for mode in ("listen", "idle"):
        rows.append(measured(f"mode {mode}", "lips' motion, mm RMS: 0", _with(mode=mode), _lip_motion(lips)))
    rows.append(measured("another seed", "head's distance (1.41: nothing in common)", lambda _: Direction(), _distance("head", net), seed=1000))
    rows.append(measured("keep head", "error, degrees: 0", lambda usual: Direction(pins=region_pins(usual[::-1], "head", len(usual))), _pin_error))
    smooth = "acceleration there against elsewhere: 1"
    rows.append(measured("keyframes", smooth, lambda usual: Direction(pins=_keyframes(usual)), _at_keyframes))
    rows.append(measured("redo a second", smooth, lambda usual: Direction(pins=_middle(usual)), _at_ends, seed=500))
    rows.append(measured("loop", "jump at the turn against steps elsewhere: 1", _with(loop=True), _jump))
    return rows


def effect_lines(rows: Sequence[Effect]) -> list[str]:
    """The table as text."""
    lines = [f"{'control':26s} {'what it is meant to do':46s} {'found':>7s} {'p b m closed':>13s} {'lips moved, mm':>15s}"]
    return lines + [f"{row.control:26s} {row.wanted:46s} {row.found:7.2f} {100 * row.closed:11.1f} % {row.lips_mm:15.2f}" for row in rows]


def _with(**options) -> Callable[[np.ndarray], Direction]:
    direction = Direction(**options)
    return lambda _: direction


def _mean(values) -> float:
    return float(np.mean(list(values)))


def _closed(done: list[_Performed], lips: Lips) -> float:
    """Share of the closures in which the lips touch."""
    closest = np.concatenate([closure_gaps(each.take.viseme, each.take.closed, each.made, lips)[0] for each in done])
    return float((closest <= CONTACT_MM).mean()) if len(closest) else float("nan")


def _lips_apart(done: list[_Performed], lips: Lips) -> float:
    pairs = [[posed(lips.head, torch.from_numpy(frames)).numpy() for frames in (each.made, each.plain)] for each in done]
    return _mean(metrics.lip_vertex_error(made, plain) for made, plain in pairs)


def _shown(name: str) -> _Measure:
    """How much of an emotion's face the difference to the plain performance holds: its projection on that face."""
    face = mood_face({name: 1.0})

    def measure(done: list[_Performed]) -> float:
        return _mean((each.made - each.plain).mean(axis=0) @ face / (face @ face) for each in done)

    return measure


def _spread(region: str) -> _Measure:
    rows = REGIONS[region]

    def measure(done: list[_Performed]) -> float:
        made, plain = (np.concatenate([frames[:, rows] - frames[:, rows].mean(axis=0) for frames in all_frames])
                       for all_frames in ([each.made for each in done], [each.plain for each in done]))  # fmt: skip
        spread = plain.std(axis=0)
        moving = spread > 1e-3 * spread.max()
        return float(np.median(made.std(axis=0)[moving] / spread[moving]))

    return measure


def _blink_rate(done: list[_Performed]) -> float:
    return blinks_per_minute([each.made for each in done])


def _gaze(axis: int) -> _Measure:
    """Where the eyes look most of the time, degrees against straight ahead, lids open, head and torso counted."""

    def measure(done: list[_Performed]) -> float:
        looks = []
        for each in done:
            turned = [each.made[:, INDEX[f"{pose}_{axis}"]] for pose in ("eyes_pose", "neck_pose", "rotation")]
            looks.append(np.degrees(sum(turned))[lid_closure(each.made) < 0.5])
        return float(np.median(np.concatenate(looks)))

    return measure


def _lip_motion(lips: Lips) -> _Measure:
    return lambda done: _mean(lip_motion_mm(each.made, lips.head) for each in done)


def _distance(region: str, net: DriverNet) -> _Measure:
    rows, spread = REGIONS[region], net.std.numpy()[REGIONS[region]]

    def measure(done: list[_Performed]) -> float:
        return _mean(metrics.diversity([each.made[:, rows] / spread, each.plain[:, rows] / spread]) for each in done)

    return measure


def _pin_error(done: list[_Performed]) -> float:
    return float(np.degrees(max(np.abs(each.made[:, NECK] - each.plain[::-1][:, NECK]).max() for each in done)))


def _keyframes(usual: np.ndarray) -> Pins:
    """Other poses of head and brows, those of another time of the performance, every so often."""
    pins = no_pins(len(usual))
    rows = np.concatenate([REGIONS["head"], REGIONS["brows"]])
    for frame in range(_PINNED_EVERY // 2, len(usual), _PINNED_EVERY):
        pins.values[frame, rows], pins.known[frame, rows] = usual[(frame + 17) % len(usual), rows], True
    return pins


def _middle(usual: np.ndarray) -> Pins:
    middle = len(usual) // 2
    return stretch_pins(usual, middle - FPS // 2, middle + FPS // 2)


def _ratio(done: list[_Performed], frames_of: Callable[[_Performed], Sequence[int]]) -> float:
    """Mean acceleration of the neck around some frames against that of all others."""
    near, far = [], []
    for each in done:
        acceleration = np.linalg.norm(np.diff(each.made[:, NECK], 2, axis=0), axis=1)
        at = np.zeros(len(acceleration), bool)
        for frame in frames_of(each):
            at[max(0, frame - 2) : frame + 1] = True
        near.append(acceleration[at])
        far.append(acceleration[~at])
    return float(np.concatenate(near).mean() / np.concatenate(far).mean())


def _at_keyframes(done: list[_Performed]) -> float:
    return _ratio(done, lambda each: range(_PINNED_EVERY // 2, len(each.made), _PINNED_EVERY))


def _at_ends(done: list[_Performed]) -> float:
    return _ratio(done, lambda each: [len(each.made) // 2 + side * (FPS // 2) for side in (-1, 1)])


def _jump(done: list[_Performed]) -> float:
    """Size of the step from the last frame to the first against the steps elsewhere, of the neck."""
    turns = [np.linalg.norm(each.made[0, NECK] - each.made[-1, NECK]) for each in done]
    steps = [np.linalg.norm(np.diff(each.made[:, NECK], axis=0), axis=1).mean() for each in done]
    return _mean(turns) / _mean(steps)
