"""What a driven motion is measured by. Lengths are millimetres where nothing else is said, times seconds, motions 25 frames a second.

Every formula says whose it is; figures of other papers are not comparable unless head, vertices and units are the same.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import argrelextrema

from avatar3d.runs import runs
from driver.features import FPS, RATE

_STEP, _NEAR, _AROUND, _STANDS_OUT = 160, 7, 21, 0.07
"""Of the search for onsets: step in samples, widths in steps, share of the range."""
_DOUBLE = 0.6
"""Seconds from one blink to the next that make them a double one."""


def lip_vertex_error(truth: np.ndarray, made: np.ndarray) -> float:
    """LVE as MeshTalk (Richard et al. 2021) has it: the mean over frames of the farthest lip vertex's distance, mm; arguments [T, L, 3]."""
    return float(np.linalg.norm(made - truth, axis=-1).max(axis=1).mean())


def lip_vertex_error_squared(truth: np.ndarray, made: np.ndarray) -> float:
    """LVE as CodeTalker (Xing et al. 2023) has it: the same of the squared distance, in square metres."""
    return float(np.square((made - truth) / 1000).sum(axis=-1).max(axis=1).mean())


def vertex_error(truth: np.ndarray, made: np.ndarray) -> float:
    """Root mean square distance over frames and vertices [T, V, 3] (ARTalk's MHD, Chu et al. 2025)."""
    return float(np.sqrt(np.square(made - truth).sum(axis=-1).mean()))


def dynamics_deviation(truth: np.ndarray, made: np.ndarray, rest: np.ndarray) -> float:
    """FDD (Xing et al. 2023) of one clip, signed, square millimetres: how much less the vertices [T, U, 3] change their distance from `rest` [U, 3].

    Zero is best; positive where the motion is too small. It cancels over clips, so take the size of each before the mean.
    """

    def change(vertices: np.ndarray) -> float:
        return float(np.square(vertices - rest).sum(axis=-1).std(axis=0).mean())

    return change(truth) - change(made)


def opening_difference(truth: np.ndarray, made: np.ndarray) -> float:
    """MOD: mean difference of the mouth's opening [T]."""
    return float(np.abs(made - truth).mean())


def spread_ratio(truth: np.ndarray, made: np.ndarray) -> float:
    """How much the channels [T, C] move against the truth: ratio of the roots of their mean variances; 1 is best."""
    # In double precision: what stands still must not seem to tremble.
    moved, moves = (frames.var(axis=0, dtype=np.float64).mean() for frames in (truth, made))
    return float(np.sqrt(moves / max(moved, 1e-12)))


def velocity_ratio(truth: np.ndarray, made: np.ndarray) -> float:
    """The same of their speeds."""
    return spread_ratio(np.diff(truth, axis=0), np.diff(made, axis=0))


def peak_mismatch(truth: np.ndarray, made: np.ndarray) -> float:
    """MTM (Chae-Yeon et al. 2025): mean seconds between the local extrema of the opening [T] of the truth and those that they are matched with.

    Extrema are matched by the path of derivative dynamic time warping (Keogh and Pazzani 2001). NaN where one of the curves has none.
    """
    if made.std() < 1e-4:
        return float("nan")
    extrema = np.sort(np.concatenate([argrelextrema(truth, np.greater)[0], argrelextrema(truth, np.less)[0]]))
    if not len(extrema):
        return float("nan")
    path = _warping_path(_slope(truth), _slope(made))
    matched = [np.mean([j for i, j in path if i == extreme]) for extreme in extrema]
    return float(np.abs(np.array(matched) - extrema).mean() / FPS)


def _slope(curve: np.ndarray) -> np.ndarray:
    """Keogh and Pazzani's estimate of the derivative, in units of the curve's spread."""
    padded = np.pad(curve / max(curve.std(), 1e-9), 1, mode="edge")
    return ((padded[1:-1] - padded[:-2]) + (padded[2:] - padded[:-2]) / 2) / 2


def _warping_path(a: np.ndarray, b: np.ndarray, reach: int = 12) -> list[tuple[int, int]]:
    """Cheapest monotone path of index pairs between two curves, at most `reach` frames from the diagonal."""
    n, m = len(a), len(b)
    cost = np.full((n + 1, m + 1), np.inf)
    cost[0, 0] = 0
    for i in range(1, n + 1):
        centre = round(i * m / n)
        for j in range(max(1, centre - reach), min(m, centre + reach) + 1):
            cost[i, j] = abs(a[i - 1] - b[j - 1]) + min(cost[i - 1, j], cost[i, j - 1], cost[i - 1, j - 1])
    path, i, j = [], n, m
    while i > 0 and j > 0:
        path.append((i - 1, j - 1))
        i, j = min(((i - 1, j - 1), (i - 1, j), (i, j - 1)), key=lambda at: cost[at])
    return path[::-1]


def loudness_opening_correlation(loudness: Sequence[np.ndarray], opening: Sequence[np.ndarray]) -> float:
    """SLCC (Chae-Yeon et al. 2025): Pearson's r over clips between mean loudness and mean opening. NaN for fewer than three clips."""
    if len(loudness) < 3:
        return float("nan")
    return float(np.corrcoef([level.mean() for level in loudness], [opened.mean() for opened in opening])[0, 1])


def sound_beats(sound: np.ndarray) -> np.ndarray:
    """Seconds at which something begins in a 16 kHz sound [samples]: onsets as librosa has them, peaks of the mel spectrum's flux.

    A peak is the highest within 30 ms, and stands out from the mean of the tenth of a second to either side by `_STANDS_OUT`
    of the clip's range (after Boeck et al. 2012). Picked here, because librosa's own picker is compiled on first use.
    """
    import librosa

    flux = librosa.onset.onset_strength(y=np.asarray(sound, np.float32), sr=RATE, hop_length=_STEP)
    flux = (flux - flux.min()) / max(float(np.ptp(flux)), 1e-9)
    highest = flux == maximum_filter1d(flux, _NEAR)
    return np.flatnonzero(highest & (flux > uniform_filter1d(flux, _AROUND, mode="nearest") + _STANDS_OUT)) * _STEP / RATE


def motion_beats(angles: np.ndarray) -> np.ndarray:
    """Seconds at which a head [T, 3] pauses in its motion: local minima of its angular speed (Li et al. 2021)."""
    speed = np.linalg.norm(np.diff(angles, axis=0), axis=1)
    return (argrelextrema(speed, np.less, order=2)[0] + 0.5) / FPS


def beat_alignment(sound_beats: np.ndarray, beats: np.ndarray, sigma: float = 0.1) -> float:
    """Mean over the sound's beats of exp(-d^2 / 2 sigma^2), d seconds to the nearest beat of the motion; NaN where either has none."""
    if not len(sound_beats) or not len(beats):
        return float("nan")
    nearest = np.abs(sound_beats[:, None] - beats[None]).min(axis=1)
    return float(np.exp(-(nearest**2) / (2 * sigma**2)).mean())


def chance_alignment(sound_beats: np.ndarray, beats: np.ndarray, duration: float, shifts: int = 20) -> float:
    """The same by chance: with the sound moved round in a circle of `duration` seconds."""
    moved = [np.mod(sound_beats + duration * k / (shifts + 1), duration) for k in range(1, shifts + 1)]
    return float(np.mean([beat_alignment(at, beats) for at in moved]))


def diversity(takes: Sequence[np.ndarray]) -> float:
    """Mean distance between takes [T, C] of the same sound, root mean square over frames and channels, over all pairs."""
    pairs = [(a, b) for k, a in enumerate(takes) for b in takes[k + 1 :]]
    return float(np.mean([np.sqrt(np.square(a - b).mean()) for a, b in pairs])) if pairs else float("nan")


def jerk(vertices: np.ndarray) -> float:
    """Mean size of the third derivative of vertices [T, V, 3], metres per cubed second."""
    return float(np.linalg.norm(np.diff(vertices / 1000, 3, axis=0), axis=-1).mean() * FPS**3)


def blinks(closure: np.ndarray) -> np.ndarray:
    """Seconds [n, 2] at which lids [T], 0..1, begin and end to be more than half closed."""
    return np.array(runs(closure > 0.5)).reshape(-1, 2) / FPS


def double_blinks(begins: np.ndarray) -> int:
    """How many of the blinks that begin at these seconds [n] follow another one at once."""
    return int((np.diff(begins) < _DOUBLE).sum())


def interval(
    values: Sequence[float], seed: int = 0, level: float = 0.95, of: Callable[[np.ndarray], float] = np.mean, repeats: int = 1000
) -> tuple[float, float]:
    """Bootstrap interval of a statistic over clips (Efron 1979), drawn with a seed; what is not finite is left out."""
    kept = np.asarray([value for value in values if np.isfinite(value)])
    if len(kept) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    found = np.array([of(kept[rng.integers(0, len(kept), len(kept))]) for _ in range(repeats)])
    found = found[np.isfinite(found)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
