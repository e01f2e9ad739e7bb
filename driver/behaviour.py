"""What a face does beside the words: blinks, gaze, head, brows and a slight sway, as seeded statistics.

Blink rates: Bentivoglio et al. 1997; blink shape: VanderWerf et al. 2003; saccades: Lee et al. 2002 ("Eyes Alive"); nods
and beat: Hadar et al. 1983; brows with rising pitch: Cavé et al. 1996. Angles inside are degrees, channels radians.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from driver.channels import INDEX, NUM_CHANNELS
from driver.features import FPS
from driver.manner import Manner

_BLINK_DOWN, _BLINK_DWELL, _BLINK_UP = 0.09, 0.03, 0.24
EYE_LIMIT = 25.0
"""Degrees that eyes turn in the head; for more the head turns."""


@dataclass(frozen=True, eq=False)
class Prosody:
    """What the voice does, at the motion's frame rate."""

    speaking: np.ndarray
    """[T] 0..1, smooth."""
    pitch: np.ndarray
    """[T] octaves against the speaker's mean, 0 where unvoiced."""
    accents: np.ndarray
    """Frames at which stressed vowels begin."""
    pauses: np.ndarray
    """Frames at which pauses begin."""


def silent(frames: int) -> Prosody:
    """Nobody speaks."""
    nothing = np.zeros(0, np.int64)
    return Prosody(np.zeros(frames), np.zeros(frames), nothing, nothing)


def listening(heard: Prosody, rng: np.random.Generator) -> Prosody:
    """What a listener's head and eyes make of the prosody that is heard: nods 0.3 s after a pause begins (Ward and Tsukahara 2000)."""
    T = len(heard.speaking)
    nods = heard.pauses[rng.random(len(heard.pauses)) < 0.7] + round(0.3 * FPS)
    return Prosody(np.zeros(T), np.zeros(T), nods[nods < T], heard.pauses)


def behave(prosody: Prosody, rng: np.random.Generator, manner: Manner = Manner()) -> np.ndarray:  # noqa: B008
    """Frames [T, NUM_CHANNELS] with every channel but the mouth's set."""
    T = len(prosody.speaking)
    frames = np.zeros((T, NUM_CHANNELS), np.float32)
    head = head_angles(prosody, rng, manner.head * manner.liveliness, manner.habits.nods) + np.array(manner.habits.posture)
    torso, shift = _sway(T, rng)
    gaze, shifts = gaze_angles(prosody, rng, manner.gaze or (0.0, 0.0))
    # The eyes hold their target while the head moves under them (vestibulo-ocular reflex).
    eyes = np.clip(gaze - head[:, :2] - torso[:, :2], -EYE_LIMIT, EYE_LIMIT) + _microsaccades(T, rng)
    blink = blinks(prosody, shifts, rng, manner.blinks)
    raised, lowered = (np.minimum(part * manner.brows * manner.liveliness, 1.2) for part in _brows(prosody, rng))

    for axis in range(3):
        frames[:, INDEX[f"neck_pose_{axis}"]] = np.radians(head[:, axis])
        frames[:, INDEX[f"rotation_{axis}"]] = np.radians(torso[:, axis])
        frames[:, INDEX[f"translation_{axis}"]] = shift[:, axis]
    for first in (0, 3):
        frames[:, INDEX[f"eyes_pose_{first}"]] = np.radians(eyes[:, 0])
        frames[:, INDEX[f"eyes_pose_{first + 1}"]] = np.radians(eyes[:, 1])
    down, left = eyes[:, 0] / 30, eyes[:, 1] / 35
    # A closing lid covers the eye whatever its gaze, so the gaze's share of the lid fades with the blink.
    open_lid = 1 - blink
    parts = {
        "eyeBlinkLeft": blink, "eyeBlinkRight": blink,
        "eyeLookDownLeft": down * open_lid, "eyeLookDownRight": down * open_lid,
        "eyeLookUpLeft": -down * open_lid, "eyeLookUpRight": -down * open_lid,
        "eyeLookOutLeft": left, "eyeLookInRight": left, "eyeLookInLeft": -left, "eyeLookOutRight": -left,
        "eyeWideLeft": 0.25 * raised * open_lid, "eyeWideRight": 0.25 * raised * open_lid,
        "browInnerUp": 0.7 * raised, "browOuterUpLeft": 0.6 * raised, "browOuterUpRight": 0.6 * raised,
        "browDownLeft": lowered, "browDownRight": lowered,
    }  # fmt: skip
    for name, value in parts.items():
        frames[:, INDEX[name]] = np.clip(value, 0, 1)
    return frames


def head_angles(prosody: Prosody, rng: np.random.Generator, amount: float = 1.0, nods: float = 1.0) -> np.ndarray:
    """Neck rotation [T, 3] in degrees (nod, turn, tilt): energy below 3 Hz, lively in speech, calm in silence.

    Args:
        prosody: what it follows.
        rng: of everything that is not in the voice.
        amount: factor of all motion.
        nods: factor of the nods on accents.
    """
    T = len(prosody.speaking)
    lively = 0.25 + 0.75 * gaussian_filter1d(prosody.speaking, FPS * 0.5, mode="nearest")
    posture = _wander(T, 0.12, rng, 3) * np.array([1.4, 2.2, 1.2])
    talk = _wander(T, 0.9, rng, 3) * np.array([1.8, 2.0, 1.2]) * lively[:, None]
    angles = posture + talk
    time = np.arange(T) / FPS
    for accent in prosody.accents:
        if rng.random() < 0.4:
            since = time - (accent / FPS - 0.08)
            size = nods * rng.uniform(1.5, 5.0)
            angles[:, 0] += np.where(since > 0, size * np.exp(-np.maximum(since, 0) / 0.4) * np.sin(2 * np.pi * 1.6 * since), 0)
    angles[:, 0] -= 3.0 * gaussian_filter1d(prosody.pitch, 3, mode="nearest")
    return amount * gaussian_filter1d(angles, 1.5, axis=0, mode="nearest")


def gaze_angles(prosody: Prosody, rng: np.random.Generator, listener: tuple[float, float] = (0.0, 0.0)) -> tuple[np.ndarray, np.ndarray]:
    """Where the eyes look, [T, 2] degrees (down, left) of straight ahead, and the frames of big shifts; the listener is at `listener`.

    Speakers look at the listener for about 3.1 s and away for 0.9 s, listeners for 7.9 s and 0.4 s.
    """
    T = len(prosody.speaking)
    gaze = np.zeros((T, 2))
    shifts: list[int] = []
    now, frame, at_listener = np.array(listener), 0, True
    while frame < T:
        speaking = prosody.speaking[frame] > 0.5
        if at_listener:
            target = np.array(listener) + rng.normal(0, 0.6, 2)
            hold = rng.gamma(2.0, (3.1 if speaking else 6.0) / 2)
        else:
            size = min(-6.9 * np.log(rng.uniform(0.8, 15.0) / 15.7), 16.0)
            direction = rng.choice([0.0, np.pi, -np.pi / 2, np.pi / 2, -np.pi / 4, -3 * np.pi / 4], p=[0.27, 0.27, 0.12, 0.14, 0.1, 0.1])
            direction += rng.normal(0, 0.2)
            target = np.array(listener) + size * np.array([np.sin(direction) * 0.7, np.cos(direction)])
            hold = rng.gamma(2.0, (0.93 if speaking else 0.5) / 2)
        distance = float(np.linalg.norm(target - now))
        duration = (0.025 + 0.0024 * distance) * FPS
        until = min(T, frame + max(2, round(hold * FPS)))
        progress = np.clip((np.arange(frame, until) - frame + 1) / max(duration, 1.0), 0, 1)[:, None]
        gaze[frame:until] = now + (target - now) * progress * progress * (3 - 2 * progress)
        if distance > 6:
            shifts.append(frame)
        now, frame, at_listener = target, until, not at_listener
    return gaze, np.array(shifts, np.int64)


def blinks(prosody: Prosody, shifts: np.ndarray, rng: np.random.Generator, rate: float = 1.0) -> np.ndarray:
    """Lid closure [T], 0..1: log-normal pauses between blinks, `rate` times 17 a minute in silence and 24 in speech.

    A blink that is due is drawn to a gaze shift or a pause nearby.
    """
    T = len(prosody.speaking)
    attractors = np.concatenate([shifts, prosody.pauses]) / FPS
    onsets: list[float] = []
    now = -rng.uniform(0, 2.5)
    while now < T / FPS:
        speaking = T and prosody.speaking[min(max(int(now * FPS), 0), T - 1)] > 0.5
        mean = 60 / (24 if speaking else 17) / rate
        spread = 0.6
        now += max(0.45, rng.lognormal(np.log(mean) - spread**2 / 2, spread))
        near = attractors[np.abs(attractors - now) < 0.5]
        if len(near) and rng.random() < 0.7 and (not onsets or near[0] > onsets[-1] + 0.45):
            now = float(near[0])
        onsets.append(now)
        if rng.random() < 0.08:
            onsets.append(now + rng.uniform(0.4, 0.5))
            now = onsets[-1]
    time = np.arange(T) / FPS
    closure = np.zeros(T)
    for onset in onsets:
        speed, depth = rng.uniform(0.9, 1.15), rng.uniform(0.95, 1.0)
        closure = np.maximum(closure, depth * blink_shape((time - onset) / speed))
    return closure


def blink_shape(since: np.ndarray) -> np.ndarray:
    """Lid closure 0..1 at so many seconds after a blink's onset: down in 90 ms, up in 240 ms."""
    falling = np.clip(since / _BLINK_DOWN, 0, 1)
    rising = np.clip((_BLINK_DOWN + _BLINK_DWELL + _BLINK_UP - since) / _BLINK_UP, 0, 1)
    return np.minimum(falling * falling * (3 - 2 * falling), rising * rising * (3 - 2 * rising))


def _brows(prosody: Prosody, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Raise and frown [T], 0..1: raises mostly where the pitch rises on an accent."""
    T = len(prosody.speaking)
    time = np.arange(T) / FPS
    raised = 0.6 * np.maximum(gaussian_filter1d(prosody.pitch, 4, mode="nearest"), 0)
    lowered = 0.03 * np.abs(_wander(T, 0.3, rng, 1)[:, 0]) * prosody.speaking
    rise = np.gradient(gaussian_filter1d(prosody.pitch, 2, mode="nearest")) if T > 1 else np.zeros(T)
    for accent in prosody.accents:
        chance = rng.random()
        strong = rise[max(0, accent - 4) : accent + 5].max(initial=0.0) > 0.02
        shape = _bump(time - accent / FPS + 0.1, 0.16, rng.uniform(0.05, 0.3), 0.4)
        size = rng.uniform(0.2, 0.6)
        if chance < (0.4 if strong else 0.12):
            raised = np.maximum(raised, size * shape)
        elif chance > 0.92:
            lowered = np.maximum(lowered, 0.6 * size * shape)
    return raised, lowered


def _bump(since: np.ndarray, attack: float, hold: float, decay: float) -> np.ndarray:
    level = np.minimum(np.clip(since / attack, 0, 1), np.clip((attack + hold + decay - since) / decay, 0, 1))
    return level * level * (3 - 2 * level)


def _sway(T: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Torso rotation [T, 3] degrees and shift [T, 3] metres: slow posture and breath."""
    rotation = _wander(T, 0.15, rng, 3) * np.array([0.5, 0.7, 0.5])
    shift = _wander(T, 0.15, rng, 3) * np.array([0.0025, 0.0008, 0.0015])
    shift[:, 1] += 0.0006 * np.sin(2 * np.pi * (0.25 * np.arange(T) / FPS + rng.random()))
    return rotation, shift


def _microsaccades(T: int, rng: np.random.Generator) -> np.ndarray:
    """Small jumps [T, 2] degrees within a fixation, about 1.5 a second."""
    jumps = rng.random(T) < 1.5 / FPS
    steps = rng.normal(0, 0.2, (int(jumps.sum()) + 1, 2))
    return steps[np.cumsum(jumps)]


def _wander(T: int, cutoff: float, rng: np.random.Generator, count: int) -> np.ndarray:
    """Smooth noise [T, count] of unit variance: flat spectrum up to `cutoff` Hz, then falling with its fourth power."""
    length = T + 8 * FPS
    spectrum = np.fft.rfft(rng.normal(size=(length, count)), axis=0)
    frequency = np.fft.rfftfreq(length, 1 / FPS)
    shape = 1 / (1 + (frequency / cutoff) ** 4)
    noise = np.fft.irfft(spectrum * shape[:, None], length, axis=0)
    return noise[:T] / np.sqrt((shape[1:] ** 2).sum() * 2 / length)
