"""What a listener answers: nods after the speaker's pauses, now and then with raised brows or the hint of a smile, as seeded statistics.

Nods of 3 to 6 degrees that last about 0.9 s, a damped sine of 1.6 Hz (Hadar et al. 1983), 0.2 to 0.4 s after a pause has
begun (Ward and Tsukahara 2000). The network learned of them too, but in four steps they come at any time.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from driver.channels import INDEX, NUM_CHANNELS
from driver.features import FPS, VOICING, features

_PAUSE = round(0.3 * FPS)
_ANSWERED, _BROWS, _SMILES = 0.5, 0.25, 0.12
"""Share of the pauses that are answered by a nod, and of the nods that brows and smile go with."""
_APART = 3.0
"""Seconds between two answers at least."""
ANSWER_SECONDS = 1.5
"""After which nothing is seen of an answer."""
VOICED = 0.5
"""Of the feature `VOICING`, above which there is a voice."""


def pauses(sound: np.ndarray) -> np.ndarray:
    """Frames [n] at which a voice in a 16 kHz sound [samples] falls silent for a while."""
    voiced = features(sound)[:, VOICING] > VOICED
    ends = np.flatnonzero(voiced[:-1] & ~voiced[1:]) + 1
    return np.array([end for end in ends if not voiced[end : end + _PAUSE].any()], np.int64)


@dataclass(frozen=True)
class Answer:
    """A nod, and what goes with it."""

    onset: float
    """Seconds."""
    nod: float
    """Degrees."""
    brows: bool
    smile: bool


class Listener:
    """Who decides, while the other's voice comes in, which of its pauses are answered, and how."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 1])
        self._frame, self._spoke, self._quiet = 0, False, 0
        self._last = -_APART

    def hear(self, voiced: np.ndarray, listening: np.ndarray) -> list[Answer]:
        """Answers to the pauses that are noticed in the next frames, 0.3 s after they began.

        Args:
            voiced: [n] bool, whether there is a voice.
            listening: [n] 0..1, how much one listens.
        """
        found = []
        for voice, attention in zip(voiced, listening, strict=True):
            self._quiet = 0 if voice else self._quiet + 1
            self._spoke = self._spoke or bool(voice)
            if self._spoke and self._quiet == 1:
                self._attentive = attention >= 0.5
            if self._spoke and self._quiet == _PAUSE:
                answer = self._answer((self._frame - _PAUSE + 1) / FPS)
                found += [answer] if answer is not None else []
                self._spoke = False
            self._frame += 1
        return found

    def _answer(self, pause: float) -> Answer | None:
        chance, brows, smile = self._rng.random(3)
        onset, nod = pause + self._rng.uniform(0.2, 0.4), self._rng.uniform(3, 6)
        if not self._attentive or chance > _ANSWERED or onset - self._last < _APART:
            return None
        self._last = onset
        return Answer(onset, nod, bool(brows < _BROWS), bool(smile < _SMILES))


def shown(answers: Iterable[Answer], time: np.ndarray) -> np.ndarray:
    """What answers add to a face at times [T] in seconds, [T, NUM_CHANNELS]."""
    added = np.zeros((len(time), NUM_CHANNELS), np.float32)
    for answer in answers:
        since = np.maximum(time - answer.onset, 0)
        added[:, INDEX["neck_pose_0"]] += np.radians(answer.nod) * _nod(since) / _CREST
        swell = np.clip(since / 0.3, 0, 1) * np.clip((answer.onset + ANSWER_SECONDS - time) / 0.6, 0, 1)
        # Muscles set in and let go gradually.
        swell = swell * swell * (3 - 2 * swell)
        if answer.brows:
            added[:, [INDEX["browInnerUp"], INDEX["browOuterUpLeft"], INDEX["browOuterUpRight"]]] += 0.3 * swell[:, None]
        if answer.smile:
            added[:, [INDEX["mouthSmileLeft"], INDEX["mouthSmileRight"]]] += 0.25 * swell[:, None]
    return added


def _nod(since: np.ndarray) -> np.ndarray:
    """A damped sine that begins from rest as muscles do, so many seconds after its onset."""
    rise = np.clip(since / 0.3, 0, 1)
    return np.exp(-since / 0.4) * np.sin(2 * np.pi * 1.6 * since) * rise * rise * (3 - 2 * rise)


_CREST = float(_nod(np.linspace(0, 1, 1001)).max())


def answers(sound: np.ndarray, listening: np.ndarray, seed: int) -> np.ndarray:
    """What is added to a face while it listens, [T, NUM_CHANNELS].

    Args:
        sound: [samples] 16 kHz, what it hears.
        listening: [T] 0..1 how much it listens.
        seed: of who nods when.
    """
    T = len(listening)
    voiced = np.zeros(T + _PAUSE, bool)
    heard = features(sound)[:T, VOICING] > VOICED
    voiced[: len(heard)] = heard
    found = Listener(seed).hear(voiced, np.pad(np.asarray(listening), (0, _PAUSE), mode="edge"))
    return shown(found, np.arange(T) / FPS) * np.clip(listening, 0, 1)[:, None].astype(np.float32)
