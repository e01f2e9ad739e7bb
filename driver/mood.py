"""Moods as faces: what speakers of the training data wear, and the whole face that whoever asks for a mood expects to see."""

from collections.abc import Mapping

import numpy as np

from driver.channels import EXPR, INDEX, JAW, NUM_CHANNELS
from driver.conditions import EMOTIONS
from driver.lips import Lips
from driver.pins import Pins

_LEARNED: dict[str, dict[str, float]] = {
    "happy": {"mouthSmile": 0.55, "cheekSquint": 0.4, "eyeSquint": 0.25, "mouthDimple": 0.15, "browInnerUp": 0.1},
    "sad": {"browInnerUp": 0.6, "mouthFrown": 0.45, "eyeSquint": 0.15, "mouthShrugLower": 0.2, "eyeBlink": 0.12},
    "angry": {"browDown": 0.75, "noseSneer": 0.3, "eyeSquint": 0.35, "mouthPress": 0.25, "mouthFrown": 0.15},
    "surprised": {"browInnerUp": 0.7, "browOuterUp": 0.7, "eyeWide": 0.6, "mouthFunnel": 0.1},
    "afraid": {"browInnerUp": 0.75, "browOuterUp": 0.25, "eyeWide": 0.5, "mouthStretch": 0.35},
    "disgusted": {"noseSneer": 0.7, "browDown": 0.35, "mouthUpperUp": 0.3, "eyeSquint": 0.3, "mouthFrown": 0.2},
    "contemptuous": {"mouthSmileLeft": 0.45, "mouthDimpleLeft": 0.35, "browOuterUpRight": 0.3, "eyeSquint": 0.15},
    "tired": {"eyeBlink": 0.28, "browOuterUp": 0.1, "mouthFrown": 0.12, "eyeLookDown": 0.1},
}
_WHOLE: dict[str, dict[str, float]] = {
    "happy": {"mouthSmile": 0.85, "cheekSquint": 0.8, "eyeSquint": 0.4, "mouthDimple": 0.3, "browInnerUp": 0.1, "browOuterUp": 0.1},
    "sad": {"browInnerUp": 1.0, "browDown": 0.25, "mouthFrown": 0.9, "eyeSquint": 0.2, "mouthShrugLower": 0.45, "eyeBlink": 0.22, "eyeLookDown": 0.2},
    "angry": {"browDown": 1.0, "noseSneer": 0.6, "eyeSquint": 0.5, "mouthPress": 0.4, "mouthFrown": 0.4, "eyeWide": 0.2},
    "surprised": {"browInnerUp": 1.0, "browOuterUp": 1.0, "eyeWide": 1.0, "mouthFunnel": 0.2, "jaw_pose_0": 0.1},
    "afraid": {"browInnerUp": 1.0, "browDown": 0.45, "eyeWide": 0.9, "mouthStretch": 0.9, "mouthFrown": 0.2},
    "disgusted": {"noseSneer": 1.0, "browDown": 0.4, "mouthUpperUp": 0.6, "eyeSquint": 0.6, "cheekSquint": 0.5, "mouthFrown": 0.35},
    "contemptuous": {
        "mouthSmileLeft": 0.7, "mouthDimpleLeft": 0.5, "mouthLeft": 0.1, "browOuterUpRight": 0.8, "browDownLeft": 0.3, "eyeSquint": 0.3,
    },
    "tired": {"eyeBlink": 0.45, "browInnerUp": 0.15, "mouthFrown": 0.25, "eyeLookDown": 0.2},
}  # fmt: skip
"""Muscles of each emotion at full strength, after the Facial Action Coding System (Ekman and Friesen 1978), both sides where none is named.

The second table was chosen by eye, on rendered heads: seen small and without wrinkles, a mood must be worn more strongly to be told from others.
"""
_MOUTH = [index for name, index in INDEX.items() if name.startswith(("mouth", "jaw"))]
_LEFT_AT_CONTACT = 0.6
"""Share of a mood's mouth that stays where the lips meet."""


def mood_face(emotion: Mapping[str, float] | np.ndarray, learned: bool = False) -> np.ndarray:
    """What emotions of some intensity, by name or in the order of `EMOTIONS`, add to a calm face: channels [NUM_CHANNELS].

    Args:
        emotion: intensities, 0..1.
        learned: as the speakers of the training data wear them, which is fainter.
    """
    level = emotion if isinstance(emotion, Mapping) else dict(zip(EMOTIONS, emotion, strict=True))
    face = np.zeros((1, NUM_CHANNELS), np.float32)
    for name, intensity in level.items():
        for muscle, strength in (_LEARNED if learned else _WHOLE)[name].items():
            add_muscle(face, muscle, np.array([intensity * strength]))
    return face[0]


def add_muscle(frames: np.ndarray, muscle: str, value: np.ndarray) -> None:
    """Add a value [T] to a muscle's channels of frames [T, NUM_CHANNELS], of both sides where it has two."""
    for name in (muscle, f"{muscle}Left", f"{muscle}Right"):
        if name in INDEX:
            frames[:, INDEX[name]] += value


def worn(frames: np.ndarray, emotion: np.ndarray, lips: Lips, *, learned: bool, share: np.ndarray | float = 1.0) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] with moods added by rule; where the lips meet, they still do.

    Args:
        frames: as made.
        emotion: [T or 1, EMOTIONS] intensities.
        lips: of the head.
        learned: whether the frames wear the moods already as the training data do, so that only what is missing is added.
        share: of it that is added, one for all or [T, NUM_CHANNELS].
    """
    if not emotion.any():
        return frames
    added = share * np.broadcast_to(emotion @ _faces(learned), frames.shape)
    gap = lips.gap.numpy()
    met = np.clip(1.5 - frames @ gap, 0, 1)[:, None]
    added[:, _MOUTH] *= 1 - (1 - _LEFT_AT_CONTACT) * met
    # By as much as the mood parts the lips, or presses them, the jaw closes or opens.
    added[:, JAW] -= met[:, 0] * (added @ gap) / gap[JAW]
    made = frames + added
    made[:, EXPR] = made[:, EXPR].clip(0, 1)
    return made


def bare(pins: Pins, emotion: np.ndarray, *, learned: bool) -> tuple[Pins, float]:
    """Pins without the mood that they wear, and the share, 0..1, that they wear of what `worn` adds.

    A motion that is made around them then fits when the mood is put on: so much of it beside what is given, all of it farther away.
    """
    added = emotion[np.minimum(np.arange(len(pins)), len(emotion) - 1)] @ _faces(learned)
    # Where something is given, that is, and the mood says something too.
    given = added * pins.known
    share = float(np.clip((pins.values * given).sum() / max((given**2).sum(), 1e-6), 0, 1))
    return Pins((pins.values - share * added).astype(np.float32), pins.known), share


def _faces(learned: bool) -> np.ndarray:
    """[EMOTIONS, NUM_CHANNELS] that are to be added."""
    one = np.eye(len(EMOTIONS), dtype=np.float32)
    return np.stack([mood_face(level) - learned * mood_face(level, learned=True) for level in one]).astype(np.float32)
