"""Simple drivers to compare with: from a face at rest to retrieval, fitted to takes of sound and motion, and the rules by themselves."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import KDTree

from driver.alignment import recognise
from driver.channels import JAW, NUM_CHANNELS
from driver.coarticulation import articulate
from driver.features import MEL_SLICE, MELS, NUM_FEATURES, PER_FRAME, RATE, num_frames
from driver.takes import relative_loudness, tile

Baseline = Callable[[np.ndarray], np.ndarray]
"""Features [T, NUM_FEATURES] -> frames [T, NUM_CHANNELS]."""
CONTEXT = 5
"""Frames of sound to either side that a frame is made from."""
_LOUDNESS = MEL_SLICE.stop + MELS
_RIDGE = 30.0
_PRINCIPAL, _NEAREST, _SMOOTH = 40, 5, 1.0
_MOST_FRAMES = 60_000


def hold(features: Sequence[np.ndarray], frames: Sequence[np.ndarray]) -> Baseline:
    """The rest pose, held: every channel zero, what a head does that nothing drives. It is the first frame of no take, which no driver knows."""
    return lambda heard: np.zeros((len(heard), NUM_CHANNELS))


def mean_face(features: Sequence[np.ndarray], frames: Sequence[np.ndarray]) -> Baseline:
    """The mean of all frames, always."""
    mean = np.concatenate(frames).mean(axis=0)
    return lambda heard: np.repeat(mean[None], len(heard), axis=0)


def loudness_to_jaw(features: Sequence[np.ndarray], frames: Sequence[np.ndarray]) -> Baseline:
    """The mean face, whose jaw follows the loudness by the best straight line."""
    face, level = np.concatenate(frames).mean(axis=0), np.concatenate([_loudness(f) for f in features])
    slope, offset = np.polyfit(level, np.concatenate(frames)[:, JAW], 1)

    def drive(heard: np.ndarray) -> np.ndarray:
        made = np.repeat(face[None], len(heard), axis=0)
        made[:, JAW] = np.maximum(slope * _loudness(heard) + offset, 0)
        return made

    return drive


def ridge(features: Sequence[np.ndarray], frames: Sequence[np.ndarray]) -> Baseline:
    """Every channel a linear function of mel and loudness within `CONTEXT` frames, by ridge regression (Hoerl and Kennard 1970)."""
    heard, motion = _thinned(np.concatenate([_windows(f) for f in features]), np.concatenate(frames))
    mean, spread, centre = heard.mean(axis=0), heard.std(axis=0) + 1e-3, motion.mean(axis=0)
    x = (heard - mean) / spread
    weights = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ (motion - centre))
    return lambda sound: ((_windows(sound) - mean) / spread) @ weights + centre


def retrieval(features: Sequence[np.ndarray], frames: Sequence[np.ndarray]) -> Baseline:
    """The mean motion of the takes' frames that sounded most alike, smoothed."""
    heard, motion = _thinned(np.concatenate([_windows(f) for f in features]), np.concatenate(frames))
    mean, spread = heard.mean(axis=0), heard.std(axis=0) + 1e-3
    _, _, axes = np.linalg.svd(((heard - mean) / spread)[:: max(1, len(heard) // 4000)], full_matrices=False)
    axes = axes[:_PRINCIPAL].T
    tree = KDTree(((heard - mean) / spread) @ axes)

    def drive(sound: np.ndarray) -> np.ndarray:
        nearest = tree.query(((_windows(sound) - mean) / spread) @ axes, k=min(_NEAREST, len(motion)))[1].reshape(len(sound), -1)
        return gaussian_filter1d(motion[nearest].mean(axis=1), _SMOOTH, axis=0, mode="nearest")

    return drive


BASELINES: dict[str, Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Baseline]] = {
    "hold": hold, "mean face": mean_face, "loudness to jaw": loudness_to_jaw, "ridge": ridge, "retrieval": retrieval,
}  # fmt: skip
"""Each is fitted to the features [T, NUM_FEATURES] and frames [T, NUM_CHANNELS] of some takes."""


def rule_visemes(sound: np.ndarray) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] of a 16 kHz sound by the rules of `coarticulation` on the phones that a recogniser hears in it.

    No text is used, but the whole utterance at once. Mouth and jaw alone move.

    Raises:
        UserError: pocketsphinx is not installed.
    """
    segments = tile(recognise(sound), len(sound) / RATE)
    return articulate(segments, num_frames(len(sound)), relative_loudness(sound, segments)).frames


def _loudness(features: np.ndarray) -> np.ndarray:
    """[T] against the speaker's running level, the mean over the frame."""
    return features[:, _LOUDNESS : _LOUDNESS + 2 * PER_FRAME : 2].mean(axis=1)


def _windows(features: np.ndarray) -> np.ndarray:
    """[T, (2 CONTEXT + 1) (MELS + 4)] mel, loudness, noise, voicing and pitch of the frames around each, once a frame."""
    mel = features[:, MEL_SLICE].reshape(len(features), PER_FRAME, MELS).mean(axis=1)
    noise = features[:, _LOUDNESS + 1 : _LOUDNESS + 2 * PER_FRAME : 2].mean(axis=1)
    frame = np.column_stack([mel, _loudness(features), noise, features[:, NUM_FEATURES - 2 :]]).astype(np.float32)
    padded = np.pad(frame, ((CONTEXT, CONTEXT), (0, 0)), mode="edge")
    return np.concatenate([padded[k : k + len(frame)] for k in range(2 * CONTEXT + 1)], axis=1)


def _thinned(heard: np.ndarray, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Evenly every so many frames, so that memory stays bounded."""
    step = -(-len(heard) // _MOST_FRAMES)
    return heard[::step].astype(np.float64), motion[::step].astype(np.float64)
