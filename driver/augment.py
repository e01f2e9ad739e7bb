"""Making generated speech less clean: rooms, noise, microphones, level, and sound that is no speech at all."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, fftconvolve, sosfilt

RATE = 16000


def loudness_contour(samples: int, rng: np.random.Generator, deviation_db: float = 4.0) -> np.ndarray:
    """A slow random gain [samples]: some words louder than others, as people speak and synthesizers do not."""
    points = rng.normal(0, 1, samples // 1600 + 3)
    smooth = gaussian_filter1d(points, 2.5) * np.sqrt(2 * 2.5 * np.sqrt(np.pi)) * deviation_db
    curve = np.interp(np.arange(samples) / 1600, np.arange(len(points)), smooth)
    return (10 ** (np.clip(curve, -14, 10) / 20)).astype(np.float32)


def degrade(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same speech [samples] as another microphone in another room hears it; the timing does not change."""
    if rng.random() < 0.7:
        sound = _equalize(sound, rng)
    if rng.random() < 0.4:
        sound = _reverberate(sound, rng)
    if rng.random() < 0.2:
        edge = sorted((rng.uniform(60, 350), rng.uniform(2800, 7000)))
        sound = np.asarray(sosfilt(butter(2, edge, "bandpass", fs=RATE, output="sos"), sound))
    level = np.sqrt(np.mean(sound**2) + 1e-12)
    if rng.random() < 0.75:
        signal_to_noise = rng.uniform(5, 40)
        sound = sound + noise(len(sound), rng) * level * 10 ** (-signal_to_noise / 20)
    sound = sound * (10 ** (rng.uniform(-32, -14) / 20) / level)
    if rng.random() < 0.1:
        sound = np.tanh(sound * 3) / 3
    return np.clip(sound, -1, 1).astype(np.float32)


def noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Coloured noise [samples] of unit power: hiss, rumble, hum."""
    length = int(next_fast_len(samples, real=True) or samples)
    spectrum = np.asarray(rfft(rng.normal(size=length)))
    frequency = np.maximum(np.fft.rfftfreq(length, 1 / RATE), 20)
    value = np.asarray(irfft(spectrum * frequency ** (-rng.uniform(0, 1)), length))[:samples]
    value /= value.std() + 1e-9
    if rng.random() < 0.3:
        time = np.arange(samples) / RATE
        hum = sum(np.sin(2 * np.pi * k * rng.choice([50.0, 60.0]) * time) / k for k in range(1, 5))
        value = value + hum * rng.uniform(0.3, 1.5)
    return value / (value.std() + 1e-9)


def no_speech(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Sound [samples] that must not move the mouth: silence, noise, knocks, tones."""
    kind = rng.random()
    if kind < 0.25:
        return np.zeros(samples, np.float32)
    sound = noise(samples, rng) * 10 ** (rng.uniform(-75, -30) / 20)
    if kind > 0.6:
        for _ in range(int(rng.integers(1, 6))):
            start = int(rng.integers(0, samples))
            length = min(samples - start, int(rng.uniform(0.02, 0.3) * RATE))
            decay = np.exp(-np.arange(length) / (rng.uniform(0.005, 0.08) * RATE))
            knock = noise(length, rng) if length > 64 else np.zeros(length)
            sound[start : start + length] += knock * decay * 10 ** (rng.uniform(-40, -14) / 20)
    if kind > 0.85:
        time = np.arange(samples) / RATE
        sound += np.sin(2 * np.pi * rng.uniform(80, 2000) * time) * 10 ** (rng.uniform(-50, -22) / 20)
    return np.clip(sound, -1, 1).astype(np.float32)


def _equalize(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random smooth colouring of up to about 10 dB."""
    points = gaussian_filter1d(rng.normal(0, 1, 12), 1.0) * 8
    filter_frequency = np.linspace(0, 1, 129)
    gain = 10 ** (np.interp(filter_frequency, np.linspace(0, 1, 12) ** 1.5, points) / 20)
    taps = np.fft.fftshift(np.fft.irfft(gain, 256)) * np.hanning(256)
    return fftconvolve(sound, taps, mode="full")[128 : 128 + len(sound)]


def _reverberate(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A room with a decay of 0.1 to 0.5 s (to -60 dB); the direct sound stays in place."""
    decay = rng.uniform(0.1, 0.5)
    time = np.arange(int(decay * RATE)) / RATE
    tail = rng.normal(size=len(time)) * 10 ** (-3 * time / decay)
    tail *= rng.uniform(0.15, 0.7) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return fftconvolve(sound, tail)[: len(sound)]
