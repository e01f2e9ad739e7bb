"""The manner in which somebody speaks, for made-up speakers: habits, mood, liveliness, and what they are doing."""

from dataclasses import dataclass, field

import numpy as np

from driver.channels import INDEX, NUM_CHANNELS
from driver.conditions import EMOTIONS, GAZE_UNIT, MODES
from driver.mood import add_muscle, liveliness, mood_face

CONTROLS: tuple[str, ...] = ("emotion", "mouth", "brows", "head", "mode", "blinks", "gaze")
"""Slots that a manner fills, in the order of `Manner.controls`."""
_LIPS = ("mouth", "jaw")


@dataclass(frozen=True)
class Habits:
    """How one person differs from others, whatever they say."""

    jaw: float = 0.0
    """Octaves by which the jaw moves more than usual; the lips take over what it moves less."""
    smile: float = 0.0
    """Resting smile, or frown where negative."""
    lopsided: float = 0.0
    """-1..1, which corner of the mouth leads."""
    brows: float = 0.0
    """Resting height of the brows, negative for lowered."""
    posture: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Degrees by which the head is usually nodded, turned, tilted."""
    nods: float = 1.0
    """How much more the head nods on accents."""


@dataclass(frozen=True, eq=False)
class Manner:
    """One take's manner."""

    habits: Habits = Habits()
    emotion: np.ndarray = field(default_factory=lambda: np.zeros(len(EMOTIONS)))
    """Intensity 0..1 of each."""
    mouth: float = 1.0
    brows: float = 1.0
    head: float = 1.0
    """How much they move, as a factor."""
    mode: str = "speak"
    blinks: float = 1.0
    """Their rate, as a factor."""
    gaze: tuple[float, float] | None = None
    """Degrees down and left of straight ahead at which the listener is; None for straight ahead."""

    def controls(self) -> np.ndarray:
        """What one would have asked for to get this manner, [sum of the widths of CONTROLS]; NaN where nothing was asked."""
        mode = [float(self.mode == name) for name in MODES]
        gaze = (np.nan, np.nan) if self.gaze is None else np.radians(self.gaze) / GAZE_UNIT
        moving = np.log2([self.mouth, self.brows, self.head])
        return np.concatenate([self.emotion, moving, mode, [np.log2(self.blinks)], gaze]).astype(np.float32)

    @property
    def liveliness(self) -> float:
        """Of head and brows, as a factor, by mood."""
        return liveliness(self.emotion)


def draw_habits(rng: np.random.Generator) -> Habits:
    """A person."""
    posture = rng.normal(0, (1.8, 2.5, 1.5))
    return Habits(
        jaw=float(np.clip(rng.normal(0, 0.3), -0.7, 0.6)),
        smile=float(np.clip(rng.normal(0.03, 0.07), -0.12, 0.25)),
        lopsided=float(np.clip(rng.normal(0, 0.35), -1, 1)),
        brows=float(np.clip(rng.normal(0, 0.06), -0.15, 0.2)),
        posture=(float(posture[0]), float(posture[1]), float(posture[2])),
        nods=float(np.exp2(rng.normal(0, 0.5))),
    )


def draw_manner(habits: Habits, mode: str, rng: np.random.Generator) -> Manner:
    """A take of a person: half of them without an emotion, some with two, most with the usual amount of motion."""
    emotion = np.zeros(len(EMOTIONS))
    if rng.random() < 0.5:
        first, second = rng.choice(len(EMOTIONS), 2, replace=False)
        level, share = rng.uniform(0.25, 1.0), rng.uniform(0.3, 0.7) if rng.random() < 0.25 else 1.0
        emotion[first], emotion[second] = level * share, level * (1 - share)

    def amount(spread: float) -> float:
        return float(np.exp2(np.clip(rng.normal(0, spread), -1.2, 0.9))) if rng.random() < 0.6 else 1.0

    gaze = None if rng.random() < 0.6 else (float(rng.normal(0, 5)), float(rng.normal(0, 9)))
    return Manner(habits, emotion, amount(0.35), amount(0.6), amount(0.6), mode, amount(0.6), gaze)


def face_of(manner: Manner, frames: int, closed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What mood and habits add to the channels, [frames, NUM_CHANNELS].

    Args:
        manner: whose.
        frames: T.
        closed: [T] 0..1, where the lips must meet: there the mouth's part gives way.
        rng: for the slow coming and going of an expression.
    """
    added = np.zeros((frames, NUM_CHANNELS), np.float32)
    time = np.linspace(0, frames / 25, frames)
    swell = 1 + 0.2 * np.sin(2 * np.pi * (rng.uniform(0.05, 0.25) * time + rng.random()))
    for name, intensity in zip(EMOTIONS, manner.emotion, strict=True):
        if intensity > 0:
            added += swell[:, None] * mood_face({name: intensity}, learned=True)
    habits = manner.habits
    add_muscle(added, "mouthSmile" if habits.smile > 0 else "mouthFrown", np.full(frames, abs(habits.smile)))
    add_muscle(added, "browInnerUp" if habits.brows > 0 else "browDown", np.full(frames, abs(habits.brows)))
    for side, sign in (("Left", 1), ("Right", -1)):
        for muscle in ("mouthSmile", "mouthFrown"):
            added[:, INDEX[muscle + side]] *= 1 + 0.5 * sign * habits.lopsided
    lips = [index for channel, index in INDEX.items() if channel.startswith(_LIPS)]
    added[:, lips] *= (1 - 0.8 * closed)[:, None]
    return added
