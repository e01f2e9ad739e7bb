"""What a listener answers: nods after the speaker's pauses, now and then with raised brows or the hint of a smile, as seeded statistics.

Nods of 3 to 6 degrees that last about 0.9 s, a damped sine of 1.6 Hz (Hadar et al. 1983), 0.2 to 0.4 s after a pause has
begun (Ward and Tsukahara 2000). The network learned of them too, but in four steps they come at any time.
"""

import numpy as np

from driver.channels import INDEX, NUM_CHANNELS
from driver.features import FPS, VOICING, features

_PAUSE = round(0.3 * FPS)
_ANSWERED, _BROWS, _SMILES = 0.5, 0.25, 0.12
"""Share of the pauses that are answered by a nod, and of the nods that brows and smile go with."""
_APART = 3.0
"""Seconds between two answers at least."""


def pauses(sound: np.ndarray) -> np.ndarray:
    """Frames [n] at which a voice in a 16 kHz sound [samples] falls silent for a while."""
    voiced = features(sound)[:, VOICING] > 0.5
    ends = np.flatnonzero(voiced[:-1] & ~voiced[1:]) + 1
    return np.array([end for end in ends if not voiced[end : end + _PAUSE].any()], np.int64)


def answers(sound: np.ndarray, listening: np.ndarray, seed: int) -> np.ndarray:
    """What is added to a face while it listens, [T, NUM_CHANNELS].

    Args:
        sound: [samples] 16 kHz, what it hears.
        listening: [T] 0..1 how much it listens.
        seed: of who nods when.
    """
    T = len(listening)
    added = np.zeros((T, NUM_CHANNELS), np.float32)
    time = np.arange(T) / FPS
    rng, last = np.random.default_rng([seed, 1]), -_APART
    for pause in pauses(sound):
        chance, brows, smile, delay, size = rng.random(), rng.random(), rng.random(), rng.uniform(0.2, 0.4), rng.uniform(3, 6)
        onset = pause / FPS + delay
        if pause >= T or listening[pause] < 0.5 or chance > _ANSWERED or onset - last < _APART:
            continue
        last = onset
        since = np.maximum(time - onset, 0)
        # The sine's first crest is at 0.16 s, damped to 0.59 there.
        added[:, INDEX["neck_pose_0"]] += np.radians(size / 0.59) * np.exp(-since / 0.3) * np.sin(2 * np.pi * 1.6 * since)
        swell = np.clip(since / 0.3, 0, 1) * np.clip((onset + 1.5 - time) / 0.6, 0, 1)
        if brows < _BROWS:
            added[:, [INDEX["browInnerUp"], INDEX["browOuterUpLeft"], INDEX["browOuterUpRight"]]] += 0.3 * swell[:, None]
        if smile < _SMILES:
            added[:, [INDEX["mouthSmileLeft"], INDEX["mouthSmileRight"]]] += 0.25 * swell[:, None]
    return added * np.clip(listening, 0, 1)[:, None].astype(np.float32)
