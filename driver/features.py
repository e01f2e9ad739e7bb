"""Sound -> what the network hears: log-mel, its slope, loudness and pitch, causal, at the motion's frame rate.

The features look at no whole clip, and no window reaches past the time it is filed under, so that a stream gives the
same features as a file. The look-ahead of the driver is made by the network alone (`LOOKAHEAD` frames). Files are brought
to a usual level beforehand (`as_mono16k`).
"""

from functools import cache
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from avatar3d.errors import UserError
from driver.pitch import WINDOW as PITCH_WINDOW
from driver.pitch import f0_and_periodicity
from driver.speech import resample

RATE = 16000
FPS = 25
SAMPLES = RATE // FPS
"""Samples of sound in a motion frame."""
LOOKAHEAD = 2
"""Motion frames of sound after its own that the network sees: 80 ms."""
HOP = 160
PER_FRAME = SAMPLES // HOP
"""Analysis steps of 10 ms in a motion frame."""
MELS = 80
_WINDOW, _FFT = 400, 512
_FLOOR_DB, _MEL_FLOOR_DB, _REST_LEVEL_DB = -50.0, -60.0, -22.0
NUM_FEATURES = MELS * PER_FRAME + MELS + 2 * PER_FRAME + 2
"""Per motion frame: four log-mels, the slope between the frame's ends, loudness (against the running level and
against the running noise floor) four times, voicing and pitch."""
MEL_SLICE = slice(0, MELS * PER_FRAME)
VOICING = NUM_FEATURES - 2
"""Column of the voicing, 0..1."""
_BLOCK_FRAMES = 1500
_LARGEST = 2.0**31
"""What a sample may reach: whole numbers of 32 bits that were taken for fractions can still be brought to their level, what is beyond is damage."""
_OFFSET = 1e-3
"""A constant below this is far below the quietest sound that counts."""
_QUIETEST_DB, _LOUDEST_DB, _LARGEST_GAIN = -32.0, -14.0, 100.0
"""Levels of training's sounds; and the most that a quiet recording is amplified, 40 dB."""
_LEVEL_BLOCK = 20 * RATE


def fractions(sound: np.ndarray) -> np.ndarray:
    """A sound of any shape as float32 in -1..1: whole numbers are samples of a recorder, and are divided by the largest of their type.

    Raises:
        ValueError: neither whole nor real numbers.
    """
    sound = np.asarray(sound)
    if sound.dtype.kind == "f":
        return sound.astype(np.float32, copy=False)
    if sound.dtype.kind not in "iu":
        raise ValueError(f"sound holds {sound.dtype}, expected real numbers from -1 to 1 or whole numbers")
    # Unsigned samples, as in WAVs of 8 bits, have their zero in the middle.
    half = (int(np.iinfo(sound.dtype).max) + 1) // (2 if sound.dtype.kind == "u" else 1)
    return ((sound.astype(np.float64) - (half if sound.dtype.kind == "u" else 0)) / half).astype(np.float32)


def as_mono(sound: np.ndarray) -> np.ndarray:
    """[samples] or [samples, channels], of any numbers that `fractions` takes -> [samples] float32.

    Raises:
        ValueError: another shape, or channels before samples.
    """
    sound = fractions(sound)
    if sound.ndim > 2 or (sound.ndim == 2 and sound.shape[1] > len(sound) > 0):
        hint = "; give its transpose" if sound.ndim == 2 else ""
        raise ValueError(f"sound has shape {list(sound.shape)}, expected [samples] or [samples, channels]{hint}")
    return sound.mean(axis=1) if sound.ndim == 2 else sound


def as_mono16k(sound: np.ndarray, rate: int, name: Path | str = "sound") -> np.ndarray:
    """[samples] or [samples, channels] at `rate` -> mono float32 at 16 kHz, without a constant offset and at a level that training knows.

    Args:
        sound: nominally -1..1, or whole numbers of any size (`fractions`).
        rate: Hz.
        name: what to call it in errors.

    Raises:
        UserError: the sound holds no samples or numbers that are not finite.
        ValueError: its shape or type is none of a sound (`as_mono`).
    """
    sound = as_mono(sound)
    if sound.ndim != 1 or not len(sound) or rate <= 0:
        raise UserError(f"{name}: holds no samples; give a recording with speech")
    # Not a number fails every comparison.
    if not max(-float(sound.min()), float(sound.max())) <= _LARGEST:
        raise UserError(f"{name}: holds samples that are not finite numbers; record or convert it again")
    return _levelled(resample(sound, int(rate), RATE))


def _levelled(sound: np.ndarray) -> np.ndarray:
    """A 16 kHz sound [samples] whose loudest 20 s are neither quieter nor louder than any that the network learned from."""
    offset = float(sound.mean(dtype=np.float64))
    if abs(offset) > _OFFSET:
        sound = sound - np.float32(offset)
    blocks = (sound[start : start + _LEVEL_BLOCK] for start in range(0, len(sound), _LEVEL_BLOCK))
    level = max(float(np.square(block, dtype=np.float64).mean()) for block in blocks) ** 0.5
    wanted = np.clip(level, 10 ** (_QUIETEST_DB / 20), 10 ** (_LOUDEST_DB / 20))
    gain = min(float(wanted) / max(level, 1e-12), _LARGEST_GAIN)
    return sound if gain == 1 else sound * np.float32(gain)


def num_frames(samples: int) -> int:
    """Motion frames that a 16 kHz sound of so many samples lasts."""
    return max(1, -(-samples * FPS // RATE))


def framed(sound: np.ndarray, frames: int | None = None) -> np.ndarray:
    """A 16 kHz sound [samples] as rows [frames, SAMPLES] float32, with silence after its end; default all `num_frames` of it."""
    frames = num_frames(len(sound)) if frames is None else frames
    rows = np.zeros(frames * SAMPLES, np.float32)
    rows[: len(sound)] = sound[: len(rows)]
    return rows.reshape(frames, SAMPLES)


class FeatureStream:
    """The running state of the features: feed sound in pieces, get the frames that are complete."""

    def __init__(self) -> None:
        self._tail = np.zeros(PITCH_WINDOW - HOP, np.float32)
        self._pending = np.zeros(0, np.float32)
        self._level_db = _REST_LEVEL_DB
        self._noise_db = _FLOOR_DB
        self._pitch = np.log2(150.0)
        self._last_mel = np.full(MELS, (_MEL_FLOOR_DB + 30) / 20, np.float32)

    def push(self, sound: np.ndarray) -> np.ndarray:
        """Features [n, NUM_FEATURES] of the frames that this piece of 16 kHz sound completes."""
        sound = np.concatenate([self._pending, np.asarray(sound, np.float32)])
        frames = len(sound) // (HOP * PER_FRAME)
        used = frames * HOP * PER_FRAME
        self._pending = sound[used:]
        if not frames:
            return np.zeros((0, NUM_FEATURES), np.float32)
        context = np.concatenate([self._tail, sound[:used]])
        self._tail = context[len(context) - len(self._tail) :]
        steps = frames * PER_FRAME
        mel_db, energy_db = _mel(context[PITCH_WINDOW - _WINDOW :])
        level, noise = self._track_levels(energy_db)
        mel = (np.maximum(mel_db - level[:, None], _MEL_FLOOR_DB) + 30) / 20
        pitch, voicing = self._track_pitch(context, frames, energy_db.reshape(frames, PER_FRAME).max(1) > _FLOOR_DB)
        slope = mel[PER_FRAME - 1 :: PER_FRAME] - np.concatenate([self._last_mel[None], mel[PER_FRAME - 1 : steps - 1 : PER_FRAME]])
        self._last_mel = mel[-1]
        loudness = np.stack([(np.maximum(energy_db - level, _FLOOR_DB) + 15) / 15, np.clip(energy_db - noise, 0, 40) / 20 - 1], axis=1)
        stacked = [mel.reshape(frames, -1), slope, loudness.reshape(frames, -1), voicing[:, None], pitch[:, None]]
        return np.ascontiguousarray(np.concatenate(stacked, axis=1), np.float32)

    def _track_levels(self, energy_db: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The speaker's running level (fast up, slow down) and the running noise floor (fast down, slow up), dB."""
        level, noise = np.empty(len(energy_db), np.float32), np.empty(len(energy_db), np.float32)
        loud, quiet = self._level_db, self._noise_db
        for step, value in enumerate(energy_db.tolist()):
            loud += (value - loud) * (0.05 if value > loud else 0.0008)
            loud = max(loud, -42.0)
            quiet += (value - quiet) * (0.08 if value < quiet else 0.0008)
            quiet = min(max(quiet, -75.0), -25.0)
            level[step], noise[step] = loud, quiet
        self._level_db, self._noise_db = loud, quiet
        return level, noise

    def _track_pitch(self, context: np.ndarray, frames: int, loud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pitch in octaves against the speaker's running mean and voicing 0..1, once a motion frame."""
        hop = HOP * PER_FRAME
        f0, periodicity = f0_and_periodicity(context[hop - HOP :], RATE, hop)
        voicing = np.clip((periodicity - 0.5) / 0.3, 0, 1) * loud
        pitch = np.zeros(frames, np.float32)
        mean = self._pitch
        for frame, (octave, voiced) in enumerate(zip(np.log2(f0).tolist(), voicing.tolist(), strict=True)):
            mean += 0.03 * voiced * (octave - mean)
            pitch[frame] = voiced * min(max(octave - mean, -1.0), 1.0)
        self._pitch = mean
        return pitch, voicing.astype(np.float32)


def _mel(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-mel [steps, MELS] and energy [steps], dB, of the 25 ms windows that end at every step of 10 ms."""
    window, filters = mel_tables()
    windows = sliding_window_view(sound, _WINDOW)[::HOP]
    mel, energy = [], []
    for start in range(0, len(windows), _BLOCK_FRAMES):
        block = windows[start : start + _BLOCK_FRAMES] * window
        spectrum = np.asarray(scipy.fft.rfft(block, _FFT))
        power = (spectrum.real**2 + spectrum.imag**2) / np.float32(window.sum() ** 2 / 4)
        mel.append(10 * np.log10(power @ filters + 1e-9))
        energy.append(10 * np.log10((block * block).mean(1) / np.float32((window**2).mean()) + 1e-9))
    return np.concatenate(mel), np.concatenate(energy)


@cache
def mel_tables() -> tuple[np.ndarray, np.ndarray]:
    """The analysis window [400] (Hann) and the mel filters [257, MELS] by which power spectra [.., 257] are multiplied; both float32."""
    import librosa

    filters = librosa.filters.mel(sr=RATE, n_fft=_FFT, n_mels=MELS, fmin=50, fmax=7600, norm=None)
    return np.hanning(_WINDOW + 1)[:-1].astype(np.float32), np.ascontiguousarray(filters.T, np.float32)


def features(sound: np.ndarray) -> np.ndarray:
    """Features [num_frames, NUM_FEATURES] of a 16 kHz mono sound; the last frame is completed with silence."""
    frames = num_frames(len(sound))
    stream = FeatureStream()
    block = RATE * 20
    padded = frames * SAMPLES
    parts = [stream.push(sound[start : start + block]) for start in range(0, len(sound), block)]
    parts.append(stream.push(np.zeros(padded - len(sound), np.float32)))
    return np.concatenate(parts)


def silence(frames: int) -> np.ndarray:
    """Features [frames, NUM_FEATURES] of digital silence, for the frames before and after a sound."""
    return np.repeat(_silent_frame()[None], frames, axis=0)


@cache
def _silent_frame() -> np.ndarray:
    return FeatureStream().push(np.zeros(HOP * PER_FRAME * 2, np.float32))[-1]
