"""Moods as faces: what speakers of the training data wear, and the whole face that whoever asks for a mood expects to see."""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import nnls

from driver.blinks import without_blinks
from driver.channels import EXPR, INDEX, JAW, NUM_CHANNELS, REGIONS
from driver.conditions import EMOTIONS
from driver.features import FPS
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
    "happy": {"mouthSmile": 0.7, "cheekSquint": 0.8, "eyeSquint": 0.4, "browInnerUp": 0.1, "browOuterUp": 0.1},
    "sad": {"browInnerUp": 1.0, "browDown": 0.2, "mouthFrown": 1.0, "mouthShrugLower": 0.6, "cheekSquint": 0.3, "eyeLookDown": 0.15},
    "angry": {"browDown": 1.0, "noseSneer": 0.4, "eyeWide": 0.35, "eyeSquint": 0.4, "mouthPress": 0.6, "mouthRollLower": 0.3, "jawForward": 0.3},
    "surprised": {"browInnerUp": 1.0, "browOuterUp": 1.0, "eyeWide": 1.0, "mouthFunnel": 0.2, "jaw_pose_0": 0.1},
    "afraid": {"browInnerUp": 1.0, "browDown": 0.45, "eyeWide": 0.9, "mouthStretch": 0.9, "mouthFrown": 0.2},
    # The nose draws the brows down with it, as in anger; raised by as much they stay where they are.
    "disgusted": {
        "noseSneer": 1.0, "mouthUpperUp": 1.0, "mouthLowerDown": 0.2, "mouthFrown": 0.5, "cheekSquint": 0.9, "eyeSquint": 0.4, "browInnerUp": 0.3,
        "browOuterUp": 0.5,
    },
    "contemptuous": {
        "mouthSmileLeft": 0.7, "mouthDimpleLeft": 0.5, "mouthLeft": 0.1, "browOuterUpRight": 0.8, "browDownLeft": 0.3, "eyeSquint": 0.3,
    },
    "tired": {"eyeBlink": 0.45, "eyeLookDown": 0.2, "browDown": 0.15, "jaw_pose_0": 0.08},
}  # fmt: skip
"""Muscles of each emotion at full strength, after the Facial Action Coding System (Ekman and Friesen 1978), both sides where none is named.

The second table was chosen by eye, on rendered heads: seen small and without wrinkles, a mood must be worn more strongly to be told from others.
"""


_LIVELY = {"happy": 1.2, "sad": 0.6, "angry": 1.25, "surprised": 1.2, "afraid": 0.9, "disgusted": 0.9, "contemptuous": 0.8, "tired": 0.5}
"""How much more, or less, head and brows move in a mood at full strength."""
_SHOWS = 0.2
"""Intensity from which on a face wears a mood: speech without one comes to 0.15."""


def liveliness(emotion: np.ndarray) -> float:
    """Of head and brows in a mood [EMOTIONS], as a factor."""
    weight = sum(emotion)
    return float(sum(w * _LIVELY[name] for w, name in zip(emotion, EMOTIONS, strict=True)) + 1 - weight) if weight <= 1 else 1.0


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


def worn(frames: np.ndarray, emotion: np.ndarray, lips: Lips, share: np.ndarray | float = 1.0) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] that wear no mood, with moods put on by rule; where the lips meet, they still do.

    By rule, since the network has learned moods that give way wherever the lips meet: a whole smile would come and go with every p, b and m.

    Args:
        frames: as made.
        emotion: [T or 1, EMOTIONS] intensities.
        lips: of the head.
        share: of the moods that is put on, one for all or [T, NUM_CHANNELS].
    """
    if not emotion.any():
        return frames
    added = share * np.broadcast_to(emotion @ _FACES, frames.shape)
    gap = lips.gap.numpy()
    met = np.clip(1.5 - frames @ gap, 0, 1)
    # By as much as the mood parts the lips, or presses them, the jaw closes or opens.
    added[:, JAW] -= met * (added @ gap) / gap[JAW]
    made = frames + added
    made[:, EXPR] = made[:, EXPR].clip(0, 1)
    return made


def moods_of(frames: np.ndarray) -> np.ndarray:
    """Intensities [T, EMOTIONS] of the moods that finished frames [T, NUM_CHANNELS] wear, zero being a calm face.

    What stays for a second is a mood, and what comes and goes within it is speech, a blink or a glance. Two blinks in a row would close the lids
    for half of it, and are taken out before.
    """
    frames = without_blinks(frames)
    middles = np.arange(0, len(frames), FPS // 2)
    lasting = [np.median(frames[max(0, middle - FPS // 2) : middle + FPS // 2 + 1, EXPR], axis=0).clip(0, 1) for middle in middles]
    found = np.stack([nnls(_FACES[:, EXPR].T.astype(np.float64), face.astype(np.float64))[0] for face in lasting])
    found[:, found.max(axis=0) < _SHOWS] = 0.0
    # As in `driver.direction.levels`, moods come to one whole face at most.
    found /= np.maximum(found.sum(axis=1, keepdims=True), 1.0)
    return np.stack([np.interp(np.arange(len(frames)), middles, level) for level in found.T], axis=1).astype(np.float32)


def bare(pins: Pins, emotion: np.ndarray) -> tuple[Pins, np.ndarray]:
    """Pins without the mood that they wear, and the share [NUM_CHANNELS], 0..1, that they wear of it, one for each region.

    A motion that is made around them then fits when the mood is put on: so much of it beside what is given, all of it farther away. By region,
    since what is given of one says nothing about the others: brows of another motion, and a smile in a keyframe.
    """
    added = emotion[np.minimum(np.arange(len(pins)), len(emotion) - 1)] @ _FACES
    # Where something is given, that is, and the mood says something too.
    given = added * pins.known
    share = np.zeros(NUM_CHANNELS, np.float32)
    for rows in REGIONS.values():
        share[rows] = np.clip((pins.values * given)[:, rows].sum() / max((given[:, rows] ** 2).sum(), 1e-6), 0, 1)
    return Pins((pins.values - share * added).astype(np.float32), pins.known), share


_FACES = np.stack([mood_face({name: 1.0}) for name in EMOTIONS])
