"""What is done to live frames after the network made them: amounts, moods, an own driver's gaze, a listener's nods.

A file's frames are finished when all of them are there (`driver.sample.perform`). Live, what they are scaled about is what they
mostly were until now.
"""

from collections import deque

import numpy as np

from driver.backchannel import ANSWER_SECONDS, VOICED, Answer, Listener, shown
from driver.blinks import BLINK_FRAMES
from driver.channels import EXPR, LIDS
from driver.direction import Direction, exaggerated, levels
from driver.features import FPS, VOICING
from driver.lips import Lips
from driver.mood import worn
from driver.turned import GAZE, looking

_SETTLES = 10 * FPS
"""Frames in which the usual place of head, brows and eyes follows another one."""


class Finish:
    """The running state of a live performance's finishing."""

    def __init__(self, direction: Direction, lips: Lips, usual: np.ndarray, *, seed: int = 0, own: bool = False) -> None:
        """Begin before the first frame.

        Args:
            direction: what is asked for.
            lips: of the head.
            usual: [NUM_CHANNELS] where the channels mostly are, to begin with.
            seed: of who nods when.
            own: whether the driver is one person's own: its mood and gaze are then the rules' alone.
        """
        self._direction, self._lips, self._own = direction, lips, own
        self._usual = usual.astype(np.float32).copy()
        self._lids: deque[np.ndarray] = deque(maxlen=BLINK_FRAMES)
        self._emotion = np.array([levels(direction)], np.float32)
        self._listens = direction.mode == "listen"
        self._listener, self._heard = Listener(seed), 0
        self._answers: list[Answer] = []

    def __call__(self, frames: np.ndarray, first: int, heard: np.ndarray) -> np.ndarray:
        """Finished frames [n, NUM_CHANNELS].

        Args:
            frames: as made.
            first: number of the first of them.
            heard: [m, NUM_FEATURES] all that is heard from the first frame on.
        """
        return np.concatenate([self._one(frames[row : row + 1], first + row, heard[row:]) for row in range(len(frames))])

    def _one(self, frame: np.ndarray, number: int, heard: np.ndarray) -> np.ndarray:
        self._usual += (frame[0] - self._usual) / _SETTLES
        made = frame.copy()
        if self._listens:
            new = heard[max(0, self._heard - number) :, VOICING] > VOICED
            self._heard = max(self._heard, number + len(heard))
            now = number / FPS
            self._answers = [answer for answer in self._answers if now < answer.onset + 2 * ANSWER_SECONDS]
            self._answers += self._listener.hear(new, np.ones(len(new)))
            made += shown(self._answers, np.array([now]))
            made[:, EXPR] = made[:, EXPR].clip(0, 1)
        if self._own and self._direction.gaze is not None:
            made = looking(made, self._direction.gaze, self._usual[GAZE])
        made = exaggerated(made, self._direction, self._usual)
        made = worn(made, self._emotion, self._lips)
        if self._direction.blinks == 0:
            # A lid that closes is taken for a blink until it has stayed closed for longer.
            self._lids.append(made[0, LIDS].copy())
            made[0, LIDS] = np.min(self._lids, axis=0)
        return made
