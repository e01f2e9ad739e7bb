"""Timed phonemes -> mouth and jaw curves: the rules that teach the network, and a driver of their own.

Dominance functions after Cohen and Massaro (1993), onset and hold times after JALI (Edwards et al. 2016): a shape begins
120 ms before its sound, is held for three quarters of it, and the lips of p, b and m are shut before the burst. Contact
of the lips is no average of the neighbours but a fact of its own, so it has its own envelope that overrides them.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from driver.channels import INDEX, JAW, NUM_CHANNELS
from driver.features import FPS
from driver.phones import VISEME_INDEX, VISEMES, Segment

GRID = 100
"""Steps a second at which the curves are computed before they are sampled at the motion's rate."""
_PER_FRAME = GRID // FPS
JAW_OPEN = 0.36
"""Fraction of ARKit's jawOpen that the widest vowel of normal speech reaches."""
VISUAL_LEAD = 0.03
"""Seconds by which the mouth leads the sound that it makes."""
_ANTICIPATION, _CARRYOVER = 0.065, 0.055
_LIP_ANTICIPATION = 0.095
_SHORT_PAUSE = 0.3


@dataclass(frozen=True, eq=False)
class Articulation:
    """What the mouth does, at the motion's frame rate."""

    frames: np.ndarray
    """[T, NUM_CHANNELS], only the mouth's channels set."""
    viseme: np.ndarray
    """[T] index into VISEME_NAMES of what is sounding."""
    closed: np.ndarray
    """[T] 0..1: the lips must meet (p, b, m)."""
    resting: np.ndarray
    """[T] bool: well inside a pause."""


def articulate(
    segments: list[Segment], frames: int, loudness_db: np.ndarray | None = None, amplitude: float = 1.0, jaw_share: float = 1.0
) -> Articulation:
    """Mouth and jaw curves of timed segments.

    Args:
        segments: in order of time.
        frames: T, motion frames to make.
        loudness_db: [T] level against the speaker's usual level; the mouth opens 25 % wider for every 10 dB.
        amplitude: scales jaw and lips.
        jaw_share: scales the jaw, and the lips the other way (JALI's two axes), the speaker's habit.
    """
    steps = frames * _PER_FRAME
    time = np.arange(steps) / GRID + VISUAL_LEAD
    gain = np.full(steps, amplitude)
    if loudness_db is not None:
        gain *= np.clip(1 + 0.025 * np.repeat(loudness_db, _PER_FRAME), 0.5, 1.6)
    jaw, lip, funnel, show = _blend(segments, time)
    jaw, lip, funnel, show = (gaussian_filter1d(curve, 1.5, mode="nearest") for curve in (jaw, lip, funnel, show))
    close, bite = _contacts(segments, time, "close"), _contacts(segments, time, "bite")

    def at_frames(curve: np.ndarray) -> np.ndarray:
        return curve.reshape(frames, _PER_FRAME)[:, 0]

    def peak_at_frames(curve: np.ndarray) -> np.ndarray:
        # A closure may be shorter than a frame: the frame nearest to it shows it whole.
        padded = np.pad(curve, (2, 2), mode="edge")
        return np.max([padded[k : k + steps : _PER_FRAME] for k in range(5)], axis=0)

    gain, close, bite = at_frames(gain), peak_at_frames(close), peak_at_frames(bite)
    lips = gain / jaw_share**0.5
    shaped = _channels(at_frames(jaw) * gain * jaw_share, at_frames(lip) * lips, at_frames(funnel) * lips, at_frames(show) * lips, close, bite)
    return Articulation(shaped, visemes_at_frames(segments, frames), close.astype(np.float32), _resting(segments, frames))


def _blend(segments: list[Segment], time: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Jaw, lip, funnel and show curves [steps]: sum of D_k T_k over sum of D_k."""
    count = len(segments)
    targets = np.zeros((4, count))
    jaw_weight, lip_weight = np.zeros(count), np.zeros(count)
    start, end = np.array([s.start for s in segments]), np.array([s.end for s in segments])
    for k, segment in enumerate(segments):
        viseme = VISEMES[segment.viseme]
        jaw = viseme.jaw
        if segment.viseme == "sil" and 0 < k < count - 1:
            # A short pause leaves the mouth a little open.
            jaw = 0.3 * max(0.0, 1 - (segment.end - segment.start) / _SHORT_PAUSE)
        targets[:, k] = jaw * segment.stress, viseme.lip * min(segment.stress, 1.0), viseme.funnel, viseme.show
        jaw_weight[k], lip_weight[k] = viseme.jaw_weight, viseme.lip_weight
    # A pause is held to its end, however long: nobody opens the mouth half a second before the first word.
    pause = np.array([s.viseme == "sil" for s in segments])
    hold_end = np.where(pause, end - 0.05, start + 0.75 * (end - start))
    before = np.maximum(start[:, None] - time, 0)
    after = np.maximum(time - hold_end[:, None], 0)
    jaw_dominance = jaw_weight[:, None] * np.exp(-((before / _ANTICIPATION) ** 1.5) - (after / _CARRYOVER) ** 1.5)
    # Rounded lips are set early: they start before the jaw and their sound.
    reach = np.where(targets[1] < -0.4, _LIP_ANTICIPATION, _ANTICIPATION)[:, None]
    lip_dominance = lip_weight[:, None] * np.exp(-((before / reach) ** 1.5) - (after / _CARRYOVER) ** 1.5)
    jaw_curve = targets[0] @ jaw_dominance / (jaw_dominance.sum(0) + 1e-6)
    lips = targets[1:] @ lip_dominance / (lip_dominance.sum(0) + 1e-6)
    return jaw_curve, lips[0], lips[1], lips[2]


def _contacts(segments: list[Segment], time: np.ndarray, kind: str) -> np.ndarray:
    """Contact envelope [steps], 0..1: rises over 70 ms, holds from before the sound to just before its release."""
    envelope = np.zeros(len(time))
    for segment in segments:
        strength = getattr(VISEMES[segment.viseme], kind)
        if not strength:
            continue
        hold_start = min(segment.start, segment.end - 0.08) + 0.01
        hold_end = segment.end - 0.02
        rise = np.clip((time - (hold_start - 0.07)) / 0.07, 0, 1)
        fall = np.clip((hold_end + 0.06 - time) / 0.06, 0, 1)
        level = np.minimum(rise, fall)
        envelope = np.maximum(envelope, strength * level * level * (3 - 2 * level))
    return envelope


def _channels(jaw: np.ndarray, lip: np.ndarray, funnel: np.ndarray, show: np.ndarray, close: np.ndarray, bite: np.ndarray) -> np.ndarray:
    """ARKit channels [T, NUM_CHANNELS] of the articulators [T]."""
    frames = np.zeros((len(jaw), NUM_CHANNELS), np.float32)
    jaw = np.maximum(jaw, 0)
    rounded, spread = np.clip(-lip, 0, 1.1), np.clip(lip, 0, 1.1)
    funnel, show = np.clip(funnel, 0, 1.2), np.clip(show, 0, 1.2)
    opened, free = 1 - close, 1 - np.maximum(close, 0.8 * bite)
    jaw_fraction = JAW_OPEN * jaw * (1 - 0.75 * close) * (1 - 0.35 * bite)
    frames[:, JAW] = jaw_fraction

    def put(value: np.ndarray, *names: str) -> None:
        for name in names:
            frames[:, INDEX[name]] = np.clip(value, 0, 1)

    # mouthClose is defined on top of jawOpen: equal values bring the lips together while the jaw stays open.
    put(close * jaw_fraction, "mouthClose")
    put(0.12 * close, "mouthPressLeft", "mouthPressRight")
    put(0.08 * close + 0.6 * bite, "mouthRollLower")
    put(0.06 * close, "mouthRollUpper")
    put(0.75 * rounded * (1 - 0.3 * close), "mouthPucker")
    put((0.6 * funnel + 0.1 * rounded) * opened, "mouthFunnel")
    put(0.3 * spread, "mouthStretchLeft", "mouthStretchRight")
    put(0.2 * spread, "mouthSmileLeft", "mouthSmileRight")
    put(0.08 * spread, "mouthDimpleLeft", "mouthDimpleRight")
    put((0.4 * show + 0.12 * jaw) * free, "mouthLowerDownLeft", "mouthLowerDownRight")
    put((0.22 * show + 0.05 * jaw) * opened + 0.22 * bite, "mouthUpperUpLeft", "mouthUpperUpRight")
    put(0.1 * spread, "cheekSquintLeft", "cheekSquintRight")
    return frames


def visemes_at_frames(segments: list[Segment], frames: int) -> np.ndarray:
    """Viseme index [frames] of what sounds at every frame's time, by segments that lie one after the other."""
    starts = np.array([s.start for s in segments])
    which = np.clip(np.searchsorted(starts, np.arange(frames) / FPS, side="right") - 1, 0, len(segments) - 1)
    return np.array([VISEME_INDEX[segments[k].viseme] for k in which], np.int64)


def _resting(segments: list[Segment], frames: int) -> np.ndarray:
    """Which frames [frames] lie well inside a pause."""
    time = np.arange(frames) / FPS
    resting = np.zeros(frames, bool)
    for segment in segments:
        if segment.viseme == "sil":
            resting |= (time > segment.start + 0.2) & (time < segment.end - 0.2)
    return resting
