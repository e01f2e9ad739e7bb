"""Direction: all that a person or a program says to a performance beside its words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log2

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from driver.blinks import lid_closure, without_blinks
from driver.channels import EXPR, INDEX, NECK, REGIONS
from driver.conditions import EMOTIONS, GAZE_UNIT, MODES, STYLE, Asked
from driver.features import FPS
from driver.mood import liveliness
from driver.pins import Pins

_BLINKS = np.array(
    ((0.0, -1.2), (4.4, -1.1), (6.1, -0.8), (8.4, -0.6), (10.0, -0.4), (13.4, -0.2), (16.3, 0.0), (20.0, 0.27), (24.5, 0.6), (29.9, 0.9))
)
"""Blinks a minute, in four steps, and the octaves that were asked for to get them (measured as in `driver.controls`)."""
MOST_BLINKS = 35.0
"""A minute, on real speech (a fifth more than on generated one)."""
LARGEST_GAZE = 25.0
"""Degrees, to either side or up and down."""
MOST = 2.0
"""Times that a region may move as much as usual."""
_LEARNED = (-1.2, 0.9)
"""Octaves of the usual amount that training has shown; what is asked beyond is reached by scaling."""
_QUIET_BLINKS = {"speak": 0.0, "listen": 0.36, "idle": 0.42}
"""Octaves to ask for so that a face blinks as often as people do while they listen and do nothing, 14 to 17 times a minute (measured by
`driver.listener_table`)."""
_GAZE = (0.8, 0.99)
"""Of an angle up and to the side, what is asked for: the head goes along, and the eyes end where they shall (measured as the blinks)."""
_MOTION = {
    "mouth": [INDEX[name] for name in ("jaw_pose_0", "mouthPucker", "mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight")],
    "brows": [INDEX[name] for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight", "browDownLeft", "browDownRight")],
    "head": NECK,
}
_USUAL_MOTION = {"mouth": 0.152, "brows": 0.058, "head": 0.044}
"""Spread of these channels together when nothing is asked for (measured on twenty recordings)."""
_AMOUNTS = {"mouth": 0.7, "brows": 0.7, "head": 0.15}
"""Regions whose amount can be asked for, and the share of the asked octaves that the network follows (`driver.controls`); the rest is scaled."""


@dataclass(frozen=True, eq=False)
class Direction:
    """What is asked for; the defaults ask for nothing."""

    style: np.ndarray | None = None
    """[STYLE] code of somebody's way (`driver.style.style_code`)."""
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
        if not isinstance(self.emotion, Mapping):
            raise ValueError(f'emotion is {self.emotion!r}, expected intensities by name, such as {{"happy": 0.7}}')
        numbers = {**{f"emotion {name}": value for name, value in self.emotion.items()}, **{name: getattr(self, name) for name in _AMOUNTS}}
        if self.blinks is not None:
            numbers["blinks"] = self.blinks
        if self.gaze is not None:
            if isinstance(self.gaze, str) or np.shape(self.gaze) != (2,):
                raise ValueError(f"gaze is {self.gaze!r}, expected two angles, degrees right and up, or None")
            numbers |= {"gaze to the right": self.gaze[0], "gaze up": self.gaze[1]}
        if self.style is not None and np.shape(self.style) != (STYLE,):
            raise ValueError(f"style is no code of {STYLE} numbers; read one off a clip (driver.style.style_code), or leave it out")
        if self.pins is not None and not isinstance(self.pins, Pins):
            raise ValueError(f"pins are {type(self.pins).__name__}, expected what driver.pins makes of keyframes, regions and stretches")
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int | float | np.number):
                raise ValueError(f"{name} is {value!r}, expected a number")
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
        if self.gaze is not None and not all(abs(angle) <= LARGEST_GAZE for angle in self.gaze):
            raise ValueError(f"gaze {self.gaze[0]:g},{self.gaze[1]:g}; choose angles up to {LARGEST_GAZE:g} degrees")
        if self.mode not in MODES:
            raise ValueError(f"no mode is called {self.mode!r}; there are {', '.join(MODES)}")


def slots(direction: Direction, ruled: bool = False) -> Asked:
    """What the network is asked for, by slot (`driver.conditions`). Of a mood that is how lively head and brows are; the face is put on
    afterwards (`driver.mood.worn`), and so is a gaze that is `ruled` (`driver.turned`): that of a person's own driver, and one beside frames that
    are given.
    """
    asked: dict = {
        "emotion": [0.0] * len(EMOTIONS),
        "mode": [float(direction.mode == name) for name in MODES],
        "blinks": _QUIET_BLINKS[direction.mode] if direction.blinks is None else float(np.interp(direction.blinks, _BLINKS[:, 0], _BLINKS[:, 1])),
    }
    lively = liveliness(np.array(levels(direction)))
    asked |= {name: _octaves(getattr(direction, name) * (1.0 if name == "mouth" else lively)) for name in _AMOUNTS}
    if direction.style is not None:
        asked["style"] = direction.style
    if direction.gaze is not None and not ruled:
        right, up = direction.gaze
        asked["gaze"] = np.radians([-up * _GAZE[0], right * _GAZE[1]]) / GAZE_UNIT
    return asked


def usual_blinks(modes: np.ndarray) -> np.ndarray:
    """Octaves of the blinks [T, 1] that go with what a face does in each frame, rows [T, MODES]."""
    return np.asarray(modes, np.float32) @ np.array([[_QUIET_BLINKS[name]] for name in MODES], np.float32)


def manner_of(frames: np.ndarray) -> dict[str, float]:
    """How much somebody moves, as `Direction` asks for it: mouth, brows and head against the usual, 0.3 to 1.7, and blinks a minute.

    The style code knows habits of the face; what the eye takes for a manner is mostly this.

    Args:
        frames: [T, NUM_CHANNELS] of somebody who speaks, zero being their calm face.
    """
    found = {}
    for name, usual in _USUAL_MOTION.items():
        # Slow drift is posture, and quick trembling the tracker's.
        moving = gaussian_filter1d(frames[:, _MOTION[name]], 1.0, axis=0) - gaussian_filter1d(frames[:, _MOTION[name]], 2.0 * FPS, axis=0)
        found[name] = float(np.clip(np.linalg.norm(moving.std(axis=0)) / usual, 0.3, 1.7))
    lids = lid_closure(frames)
    peaks, _ = find_peaks(np.concatenate([[0.0], lids, [0.0]]), height=0.5, prominence=0.3)
    found["blinks"] = float(np.clip(60 * FPS * len(peaks) / len(frames), 4, 34))
    return found


def levels(direction: Direction) -> list[float]:
    """Intensities [EMOTIONS], together at most 1: training never went beyond one emotion at its full strength, in whatever mixture."""
    total = max(sum(direction.emotion.values()), 1.0)
    return [direction.emotion.get(name, 0.0) / total for name in EMOTIONS]


def _octaves(factor: float) -> float:
    return float(np.clip(log2(max(factor, 1e-6)), *_LEARNED))


def amounts(direction: Direction) -> dict[str, float]:
    """How much is asked for, by region."""
    return {name: getattr(direction, name) for name in _AMOUNTS}


def exaggerated(frames: np.ndarray, direction: Direction, usual: np.ndarray | None = None, share: np.ndarray | float = 1.0) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] scaled by what the network does not do when it is asked for it, and without blinks where there shall be none.

    Args:
        frames: as made.
        direction: what is asked for.
        usual: [NUM_CHANNELS] where head and brows mostly are; default what the frames show.
        share: of the scaling, one for all or [T, NUM_CHANNELS]: less beside what is given, off which it would tear a motion.
    """
    made = frames.copy()
    shares = np.broadcast_to(np.asarray(share, np.float32), made.shape)
    for name, followed in _AMOUNTS.items():
        rows, wanted = REGIONS[name], getattr(direction, name)
        left = wanted / 2 ** (followed * _octaves(wanted))
        if abs(left - 1) < 1e-6:
            continue
        # A mouth moves about its rest, which is zero; head and brows about where they mostly are.
        rest = np.zeros(len(rows), np.float32) if name == "mouth" else np.median(made[:, rows], axis=0) if usual is None else usual[rows]
        made[:, rows] += shares[:, rows] * np.float32(left - 1) * (made[:, rows] - rest)
        made[:, EXPR] = made[:, EXPR].clip(0, 1)
    if direction.blinks == 0:
        made = without_blinks(made)
    return made
