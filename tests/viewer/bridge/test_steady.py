import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from viewer.bridge.steady import SteadyOutlet


class _Kept:
    def __init__(self, most: int) -> None:
        self.frames: list[tuple[float, float]] = []
        self.most, self.enough = most, threading.Event()

    def frame(self, time: float, values) -> None:
        self.frames.append((time, float(values["x"][0])))
        if len(self.frames) >= self.most:
            self.enough.set()

    def begin(self) -> None: ...
    def sound(self, samples) -> None: ...
    def end(self, time) -> None: ...


def test_twenty_five_frames_a_second_become_sixty_that_lie_between():
    kept = _Kept(30)
    with SteadyOutlet(kept, Fraction(60)) as steady:
        began = time.monotonic()
        # A second and a half; a machine that has other things to do may take a minute.
        for number in range(1500):
            time.sleep(max(0.0, began + number / 25 - time.monotonic()))
            steady.frame(number / 25, {"x": np.array([number], np.float32)})
            if kept.enough.is_set():
                break
    times, values = np.array(kept.frames).T
    assert len(times) >= 30 and np.allclose(times * 60, np.round(times * 60)) and (np.diff(times) > 0).all()
    assert (np.diff(values) >= -1e-6).all() and (values % 1 > 1e-3).any() and values[-1] > 3


def test_trouble_beyond_it_is_told_to_who_sends():
    class Broken(_Kept):
        def frame(self, time: float, values) -> None:
            raise RuntimeError("full")

    with SteadyOutlet(Broken(1), Fraction(60)) as steady, pytest.raises(RuntimeError, match="full"):
        for number in range(500):
            steady.frame(number / 25, {"x": np.zeros(1, np.float32)})
            time.sleep(0.01)
