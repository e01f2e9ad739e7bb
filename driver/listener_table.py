"""How a face listens: its nods, blinks and glances, whether they go with the speaker's voice, and whether its mouth keeps still."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from driver.backchannel import pauses
from driver.channels import INDEX
from driver.direction import Direction
from driver.evaluate import blinks_per_minute, lip_motion_mm
from driver.features import FPS
from driver.lips import Lips
from driver.model import DriverNet
from driver.sample import perform

_NOD_DEGREES = 1.2
"""From the height before it to its depth, what is seen as a nod."""
_ANSWER = (0.2, 1.2)
"""Seconds after the beginning of a pause in which a nod answers it."""
_SHIFTS = 8


def nods(frames: np.ndarray) -> np.ndarray:
    """Frames [n] at which the head is lowest in a nod, of frames [T, NUM_CHANNELS]."""
    nod = np.degrees(gaussian_filter1d(frames[:, INDEX["neck_pose_0"]], 1.0))
    return find_peaks(nod, prominence=_NOD_DEGREES)[0]


def answered(nodded: np.ndarray, paused: np.ndarray) -> float:
    """Share of the pauses that are followed by a nod."""
    first, last = (round(seconds * FPS) for seconds in _ANSWER)
    return float(np.mean([((nodded >= pause + first) & (nodded <= pause + last)).any() for pause in paused])) if len(paused) else float("nan")


def listening_figures(sounds: Sequence[np.ndarray], net: DriverNet, lips: Lips, steps: int = 4) -> dict[str, float]:
    """What listening to recordings looks like: nods and blinks a minute, share of pauses answered by a nod and by chance (the voice moved round
    in a circle), and the lips' motion, mm RMS; the same of idling."""
    made = [perform(sound, net, lips, Direction(mode="listen"), seed=number, steps=steps) for number, sound in enumerate(sounds)]
    minutes = sum(map(len, made)) / FPS / 60
    shares, chance = [], []
    for sound, frames in zip(sounds, made, strict=True):
        nodded, paused, T = nods(frames), pauses(sound), len(frames)
        shares += [answered(nodded, paused)] * len(paused)
        for shift in range(1, _SHIFTS):
            moved = (paused + T * shift // _SHIFTS) % T
            chance += [answered(nodded, moved)] * len(moved)
    idle = [perform(sound, net, lips, Direction(mode="idle"), seed=number, steps=steps) for number, sound in enumerate(sounds)]
    return {
        "listening_nods_min": sum(len(nods(frames)) for frames in made) / minutes,
        "listening_blinks_min": blinks_per_minute(made),
        "pauses_answered": float(np.mean(shares)),
        "pauses_answered_by_chance": float(np.mean(chance)),
        "listening_lips_mm": float(np.mean([lip_motion_mm(frames, lips.head) for frames in made])),
        "idle_nods_min": sum(len(nods(frames)) for frames in idle) / minutes,
        "idle_blinks_min": blinks_per_minute(idle),
        "idle_lips_mm": float(np.mean([lip_motion_mm(frames, lips.head) for frames in idle])),
    }
