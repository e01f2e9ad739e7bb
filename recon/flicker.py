"""Temporal flicker: what a render changes from frame to frame beside what the video itself changes.

Over the pixels that are inside the matte in all frames concerned, with x the render and y the truth (float, black background):

* the second difference x[i-1] - 2 x[i] + x[i+1] is blind to what moves evenly and loud where a picture trembles. The
  flicker ratio is the root of its mean square over that of the truth: 1 trembles like the video, 0 is frozen.
* the first difference of the error, (x[i] - x[i-1]) - (y[i] - y[i-1]): its root mean square over that of y[i] - y[i-1] is
  the flicker error: 0 changes as the video does, 1 is as wrong as a still picture.
"""

import numpy as np

SOLID = 0.9
"""Matte above which a pixel is inside."""
FLICKER_FIGURES = ("flicker_render", "flicker_truth", "change_error", "change_truth")
"""Mean squares per frame: second difference of render and truth (at the middle frame), first difference of the error and of the truth."""


class FlickerMeter:
    """Follows a truth and several renders of it; keeps the last two frames."""

    def __init__(self, candidates: int, frames: int) -> None:
        self._energy = np.full((candidates, len(FLICKER_FIGURES), frames), np.nan)
        self._recent: list[tuple[np.ndarray, list[np.ndarray], np.ndarray]] = []
        self._last = None
        self._row = 0

    def see(self, index: int, truth: np.ndarray, renders: list[np.ndarray], matte: np.ndarray, *, continues: bool = True) -> None:
        """The next frame.

        Args:
            index: its number; a gap in the numbers starts anew.
            truth: [H, W, 3] float32.
            renders: one [H, W, 3] float32 per candidate; kept, so they must not be overwritten.
            matte: [H, W] float32, 0..1.
            continues: false where a cut separates it from the frame before.
        """
        if not continues or self._last is None or index != self._last + 1:
            self._recent = []
        self._recent.append((truth, renders, matte > SOLID))
        if len(self._recent) >= 2:
            self._compare()
        self._recent = self._recent[-2:]
        self._last = index
        self._row += 1

    def _compare(self) -> None:
        inside = np.logical_and.reduce([mask for _, _, mask in self._recent])
        if not inside.any():
            return
        truths = [truth[inside] for truth, _, _ in self._recent]
        for k, energy in enumerate(self._energy):
            renders = [pictures[k][inside] for _, pictures, _ in self._recent]
            change = truths[-1] - truths[-2]
            energy[2:, self._row] = _power(renders[-1] - renders[-2] - change), _power(change)
            if len(renders) == 3:
                energy[:2, self._row - 1] = [_power(a - 2 * b + c) for a, b, c in (renders, truths)]

    def series(self, candidate: int) -> dict[str, np.ndarray]:
        """[T] of every flicker figure for one candidate; NaN where a frame's neighbours are missing."""
        return dict(zip(FLICKER_FIGURES, self._energy[candidate], strict=True))


def flicker_ratios(series: dict[str, np.ndarray], rows: np.ndarray | slice = slice(None)) -> dict[str, float]:
    """`flicker_ratio` and `flicker_error` over some rows; left out where there is nothing to go by."""
    ratios = {}
    for name, (part, whole) in {"flicker_ratio": ("flicker_render", "flicker_truth"), "flicker_error": ("change_error", "change_truth")}.items():
        total = np.nansum(series[whole][rows]) if whole in series else 0.0
        if total > 0:
            ratios[name] = float(np.sqrt(np.nansum(series[part][rows]) / total))
    return ratios


def _power(values: np.ndarray) -> float:
    return float(np.square(values).mean(dtype=np.float64))
