"""Direction: all that a person or a program says to a performance beside its words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log2

import numpy as np
from scipy.ndimage import grey_opening

from driver.channels import INDEX, REGIONS
from driver.conditions import EMOTIONS, GAZE_UNIT, MODES, Asked
from driver.features import FPS
from driver.pins import Pins, sized

_BLINKS = np.array(((0.0, -1.2), (3.4, -0.8), (7.6, -0.6), (10.1, -0.4), (14.4, -0.2), (16.9, 0.0), (19.4, 0.3), (25.3, 0.6), (34.6, 0.9)))
"""Blinks a minute, in four steps, and the octaves that were asked for to get them (measured as in `driver.controls`)."""
LARGEST_GAZE = 25.0
"""Degrees, to either side or up and down."""
MOST = 2.0
"""Times that a region may move as much as usual."""
_LEARNED = (-1.2, 0.9)
"""Octaves of the usual amount that training has shown; what is asked beyond is reached by scaling."""
_QUIET_BLINKS = {"speak": 0.0, "listen": 0.6, "idle": 0.3}
"""Octaves to ask for so that a face blinks as often as people do while they listen and do nothing, 14 to 17 times a minute."""
_GAZE = (0.78, 0.85)
"""Of an angle up and to the side, what is asked for: the head goes along, and the eyes end where they shall (measured as the blinks)."""
_BLINK_FRAMES = round(0.7 * FPS)
"""Longer than a blink lasts, shorter than eyes stay closed on purpose."""
_AMOUNTS = {"mouth": 0.7, "brows": 0.7, "head": 0.15}
"""Regions whose amount can be asked for, and the share of the asked octaves that the network follows (`driver.controls`); the rest is scaled."""


@dataclass(frozen=True, eq=False)
class Direction:
    """What is asked for; the defaults ask for nothing."""

    style: np.ndarray | None = None
    """[STYLE] code of somebody's way (`DriverNet.style_of`)."""
    emotion: Mapping[str, float] = field(default_factory=dict)
    """Intensity 0..1 by name; several mix."""
    mouth: float = 1.0
    """How much mouth, brows and head move, as a factor of the usual, 0..MOST."""
    brows: float = 1.0
    head: float = 1.0
    blinks: float | None = None
    """A minute; 0 for never."""
    gaze: tuple[float, float] | None = None
    """Degrees right and up, as the viewer sees it, of straight ahead, where the listener is; None leaves it open."""
    mode: str = "speak"
    """speak, listen (to the sound) or idle."""
    pins: Pins | None = None
    """What is given already."""
    loop: bool = False
    """Whether the end shall lead back to the beginning."""

    def __post_init__(self) -> None:
        for name, value in self.emotion.items():
            if name not in EMOTIONS:
                raise ValueError(f"no emotion is called {name!r}; there are {', '.join(EMOTIONS)}")
            if not 0 <= value <= 1:
                raise ValueError(f"emotion {name} is {value:g}; choose 0 to 1")
        for name in _AMOUNTS:
            if not 0 <= getattr(self, name) <= MOST:
                raise ValueError(f"the amount of the {name} is {getattr(self, name):g}; choose 0 to {MOST:g}")
        if self.blinks is not None and not 0 <= self.blinks <= 60:
            raise ValueError(f"{self.blinks:g} blinks a minute; choose 0 to 60")
        if self.gaze is not None and not max(map(abs, self.gaze)) <= LARGEST_GAZE:
            raise ValueError(f"gaze {self.gaze[0]:g},{self.gaze[1]:g}; choose angles up to {LARGEST_GAZE:g} degrees")
        if self.mode not in MODES:
            raise ValueError(f"no mode is called {self.mode!r}; there are {', '.join(MODES)}")


def slots(direction: Direction) -> Asked:
    """What the network is asked for, by slot (`driver.conditions`)."""
    total = sum(direction.emotion.values())
    # Training never went beyond one emotion at its full strength, in whatever mixture.
    level = {name: value / max(total, 1.0) for name, value in direction.emotion.items()}
    asked: dict = {
        "emotion": [level.get(name, 0.0) for name in EMOTIONS],
        "mode": [float(direction.mode == name) for name in MODES],
        "blinks": _QUIET_BLINKS[direction.mode] if direction.blinks is None else float(np.interp(direction.blinks, _BLINKS[:, 0], _BLINKS[:, 1])),
    }
    asked |= {name: _octaves(getattr(direction, name)) for name in _AMOUNTS}
    if direction.style is not None:
        asked["style"] = direction.style
    if direction.gaze is not None:
        right, up = direction.gaze
        asked["gaze"] = np.radians([-up * _GAZE[0], right * _GAZE[1]]) / GAZE_UNIT
    return asked


def _octaves(factor: float) -> float:
    return float(np.clip(log2(max(factor, 1e-6)), *_LEARNED))


def exaggerated(frames: np.ndarray, direction: Direction) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] scaled by what the network does not do when it is asked for it, and without blinks where there shall be none.

    What is pinned stays.
    """
    made = frames.copy()
    pinned = None if direction.pins is None else sized(direction.pins, len(made))
    for name, followed in _AMOUNTS.items():
        rows, wanted = REGIONS[name], getattr(direction, name)
        left = wanted / 2 ** (followed * _octaves(wanted))
        # Scaling would tear a motion off what is pinned in it.
        if abs(left - 1) < 1e-6 or (pinned is not None and pinned.known[:, rows].any()):
            continue
        # A mouth moves about its rest, which is zero; head and brows about where they mostly are.
        rest = np.zeros(len(rows), np.float32) if name == "mouth" else np.median(made[:, rows], axis=0)
        made[:, rows] = rest + np.float32(left) * (made[:, rows] - rest)
    if direction.blinks == 0:
        for lid in ("eyeBlinkLeft", "eyeBlinkRight"):
            made[:, INDEX[lid]] = grey_opening(made[:, INDEX[lid]], size=_BLINK_FRAMES)
    return made if pinned is None else np.where(pinned.known, pinned.values, made)
